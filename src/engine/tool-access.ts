import { PawlError } from "../core/errors.ts";
import type { RunStarted } from "../core/journal-event.ts";
import type { Pins } from "../core/pins.ts";
import { nameAtVersion } from "../core/id.ts";
import type { Runnable } from "../core/runnable.ts";
import type { ToolDefinition } from "../core/tool-contract.ts";
import {
  checkGrant,
  covers,
  grantedOf,
  holds,
  missingOf,
  type GrantedRun,
  type ToolRules,
} from "../core/tool-grants.ts";
import type { ReviewState } from "../core/tool-line.ts";
import { cardOf, type ToolReview } from "../core/tool-review.ts";
import type { EngineDeps } from "./deps.ts";
import { putCard, putToolRecord, toolView, toolViewNow, type ToolView } from "./tool-view.ts";

export interface ToolStanding {
  readonly state: ReviewState;
  /** Why it is quarantined. */
  readonly reason: string | null;
}

type Deps = Pick<EngineDeps, "store" | "clock" | "toolRules">;

export function standingOf(tool: ToolDefinition, { reviews }: ToolView, rules: ToolRules = {}): ToolStanding {
  const { name, version, hash } = cardOf(tool);
  const review = reviews.get(nameAtVersion(name, version));
  const strict = rules.review === "always";
  if (review === undefined) return unseen(tool, reviews, strict);
  if (review.state === "quarantined")
    return quarantined(`it was quarantined${review.reason === undefined ? "" : `: ${review.reason}`}`);
  if (review.hash === hash) return { state: "accepted", reason: null };
  if (strict || review.by !== null || tool.origin !== undefined)
    return quarantined("its definition changed since it was accepted");
  return { state: "changed", reason: null };
}

function unseen(tool: ToolDefinition, reviews: ToolView["reviews"], strict: boolean): ToolStanding {
  if (strict) return quarantined("nobody has reviewed it yet");
  const others = tool.origin === undefined ? [] : [...reviews.values()].filter(({ name }) => name === tool.name);
  if (others.length === 0 || others.some(({ hash }) => hash === cardOf(tool).hash))
    return { state: "new", reason: null };
  return quarantined("another version of it was accepted, and this one says something else");
}

function quarantined(why: string): ToolStanding {
  return { state: "quarantined", reason: why };
}

/** What a run holds of the capabilities of a tool, by the grants of now. */
export function heldOf(
  tool: ToolDefinition,
  run: GrantedRun,
  { grants }: ToolView,
  { clock, toolRules }: Pick<Deps, "clock" | "toolRules">,
): readonly string[] {
  if (tool.capabilities.length === 0) return [];
  const nowMs = clock.nowMs();
  const declared = (toolRules?.grants ?? []).map((grant) => ({ ...grant, id: "", by: "", at: 0 }));
  return [...grants, ...declared]
    .filter((grant) => holds(grant, tool, run, nowMs))
    .flatMap((grant) => grantedOf(tool.capabilities, grant.capabilities));
}

/** Why a run may not call a tool by the rules of now; null where it may. */
export function refusalOf(tool: ToolDefinition, run: GrantedRun, view: ToolView, deps: Deps): string | null {
  const { reason } = standingOf(tool, view, deps.toolRules);
  const { name } = tool;
  if (reason !== null) return `${name} is quarantined: ${reason}. Look with: pawl tools diff ${name}`;
  const missing = missingOf(tool.capabilities, heldOf(tool, run, view, deps));
  return missing.length === 0 ? null : notGranted(name, missing);
}

function notGranted(name: string, missing: readonly string[]): string {
  return `${name} needs ${missing.join(", ")}, which is not granted. Grant it with: pawl tools grant ${name} ${missing.join(" ")}`;
}

/**
 * What a run that starts now may use: versions and definitions of its tools, and what it was granted of their capabilities.
 * The upper bound for as long as it runs. A tool that is seen for the first time is accepted here.
 * @throws STORE_UNREACHABLE
 */
export async function toolPins(
  deps: Deps,
  tenant: string,
  { tools }: Runnable,
  run: GrantedRun,
): Promise<Pick<Pins, "tools" | "hashes" | "granted">> {
  if (tools.length === 0) return {};
  let view = await toolViewNow(deps, tenant);
  const unknown = tools.filter((tool) => standingOf(tool, view, deps.toolRules).state === "new");
  for (const tool of unknown) {
    const { name, version, hash, said } = cardOf(tool);
    await putCard(deps.store, tenant, hash, said);
    const review: ToolReview = { name, version, state: "accepted", hash, by: null, at: deps.clock.nowMs() };
    await putToolRecord(deps, tenant, { review, ifNew: true });
  }
  if (unknown.length > 0) view = await toolView(deps, tenant);
  const usable = tools.filter((tool) => refusalOf(tool, run, view, deps) === null);
  const asking = usable.filter(({ capabilities }) => capabilities.length > 0);
  return {
    tools: Object.fromEntries(tools.map(({ name, version }) => [name, version])),
    hashes: Object.fromEntries(usable.map((tool) => [tool.name, cardOf(tool).hash])),
    ...(asking.length > 0 && {
      granted: Object.fromEntries(asking.map((tool) => [tool.name, heldOf(tool, run, view, deps)])),
    }),
  };
}

/** Why a run that was started with these pins may not call a tool now; null where it may. */
export function refusalNow(tool: ToolDefinition, started: RunStarted, view: ToolView, deps: Deps): string | null {
  const refusal = refusalOf(tool, runOf(started), view, deps);
  if (refusal !== null) return refusal;
  const { hashes } = started.pins;
  const pinned = hashes?.[tool.name];
  if (hashes !== undefined && pinned === undefined)
    return `${tool.name} was not granted, or was quarantined, when this run began. Start another run to use it`;
  if (pinned !== undefined && tool.origin !== undefined && pinned !== cardOf(tool).hash)
    return `${tool.name} is not as it was when this run began. Start another run to use it`;
  const missing = missingOf(tool.capabilities, heldNow(tool, started, view, deps));
  return missing.length === 0 ? null : notGranted(tool.name, missing);
}

/** May a call of it do that, by what it was granted when its run began and by what holds now? */
export function mayNow(
  tool: ToolDefinition,
  capability: string,
  started: RunStarted,
  view: ToolView,
  deps: Deps,
): boolean {
  return heldNow(tool, started, view, deps).some((held) => covers(held, capability));
}

function heldNow(tool: ToolDefinition, started: RunStarted, view: ToolView, deps: Deps): readonly string[] {
  const held = heldOf(tool, runOf(started), view, deps);
  const pinned = started.pins.granted?.[tool.name];
  return pinned === undefined ? held : grantedOf(pinned, held);
}

function runOf({ runnable, principal, roles = [] }: RunStarted): GrantedRun {
  return { agent: runnable, principal, roles };
}

/** @throws OPTION_INVALID, NAME_INVALID: grants that could never hold */
export function checkToolRules(rules: ToolRules): ToolRules {
  const { grants = [], review = "first-use" } = rules;
  for (const grant of grants) checkGrant(grant, Number.NEGATIVE_INFINITY);
  if (review !== "first-use" && review !== "always")
    throw new PawlError(
      "OPTION_INVALID",
      `tools.review is ${JSON.stringify(review)}. Give "first-use" or "always": whatever is new waits for a person.`,
    );
  return rules;
}
