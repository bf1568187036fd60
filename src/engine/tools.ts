import { PawlError } from "../core/errors.ts";
import { nameAtVersion } from "../core/id.ts";
import { isJsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { nearest } from "../core/nearest.ts";
import type { ToolDefinition } from "../core/tool-contract.ts";
import { checkGrant, missingOf, type GrantRequest, type ToolGrant } from "../core/tool-grants.ts";
import type { GrantLine, GrantState, ToolDiff, ToolLine } from "../core/tool-line.ts";
import { cardOf, changesOf, type ToolReview } from "../core/tool-review.ts";
import type { EngineDeps } from "./deps.ts";
import { loadSources } from "./registry.ts";
import { standingOf } from "./tool-access.ts";
import { healthOfTool } from "./tool-health.ts";
import { putCard, putToolRecord, readCard, toolView, type ToolView } from "./tool-view.ts";

/** The tools of a tenant: how they stand, who was granted what, and what was reviewed. */
export class Tools {
  readonly #deps: EngineDeps;
  readonly #tenant: string;

  constructor(deps: EngineDeps, tenant: string) {
    this.#deps = deps;
    this.#tenant = tenant;
  }

  /** Tools of the registered agents, of one name where it is given. */
  async list(name?: string): Promise<readonly ToolLine[]> {
    const view = await this.#view();
    const users = this.#users();
    return [...users]
      .filter(([tool]) => name === undefined || tool.name === name)
      .map(([tool, usedBy]) => this.#lineOf(tool, usedBy, view))
      .toSorted((a, b) => (nameAtVersion(a.name, a.version) < nameAtVersion(b.name, b.version) ? -1 : 1));
  }

  /** Grants, the newest first; revoked and expired ones for limits.toolGrantKeptMs. */
  async grants(tool?: string): Promise<readonly GrantLine[]> {
    const view = await this.#view();
    const now = this.#deps.clock.nowMs();
    const declared = (this.#deps.toolRules?.grants ?? []).map((grant, i) => ({
      ...grant,
      id: `declared-${i + 1}`,
      by: "pawl.config.ts",
      at: 0,
      declared: true,
    }));
    const given = view.grants.map((grant) => ({ ...grant, declared: false })).toSorted((a, b) => b.at - a.at);
    return [...given, ...declared]
      .filter((grant) => tool === undefined || grant.tool === tool)
      .map((grant) => ({ ...grant, state: grantState(grant, now) }));
  }

  /**
   * Lets runs that fit call a tool with these of its capabilities: those that start from now on.
   * @throws TOOL_UNKNOWN    no registered tool has this name or version
   * @throws OPTION_INVALID  something else is asked for than the tool asks for, it has passed, or there are limits.toolGrants
   */
  async grant(request: GrantRequest, by: string): Promise<ToolGrant> {
    const { clock, entropy } = this.#deps;
    checkGrant(request, clock.nowMs());
    const view = await this.#view();
    const [first, ...others] = this.#versions(request.tool, request.version);
    const asked = [first, ...others].flatMap(({ capabilities }) => capabilities);
    const foreign = missingOf(request.capabilities, asked);
    if (foreign.length > 0) {
      const asks = asked.length === 0 ? "It asks for none" : `It asks for: ${[...new Set(asked)].join(", ")}`;
      throw new PawlError("OPTION_INVALID", `${request.tool} does not ask for ${foreign.join(", ")}. ${asks}.`);
    }
    if (view.grants.length >= limits.toolGrants)
      throw new PawlError(
        "OPTION_INVALID",
        `there are ${limits.toolGrants} grants already. Revoke some, or grant wider.`,
      );
    const grant: ToolGrant = { ...request, id: entropy.id(), by, at: clock.nowMs() };
    const ttlMs = grant.until === undefined ? {} : { ttlMs: grant.until - grant.at + limits.toolGrantKeptMs };
    await putToolRecord(this.#deps, this.#tenant, { grant, ...ttlMs });
    return grant;
  }

  /** Takes a grant back, at once: also from runs that began with it. @throws GRANT_UNKNOWN */
  async revoke(id: string, by: string): Promise<ToolGrant> {
    const lines = await this.grants();
    const line = lines.find((one) => one.id === id);
    if (line === undefined) throw new PawlError("GRANT_UNKNOWN", `there is no grant "${id.slice(0, 60)}".`);
    const { state, declared, ...grant } = line;
    if (declared)
      throw new PawlError(
        "OPTION_INVALID",
        `grant "${id}" stands in pawl.config.ts. Take it out there, or quarantine ${grant.tool}.`,
      );
    if (state === "revoked") return grant;
    const revoked = { ...grant, revoked: { by, at: this.#deps.clock.nowMs() } };
    await putToolRecord(this.#deps, this.#tenant, { grant: revoked, ttlMs: limits.toolGrantKeptMs });
    return revoked;
  }

  /** What changed since a tool was accepted; all of it where it never was. @throws TOOL_UNKNOWN */
  async diff(name: string, version?: string): Promise<ToolDiff> {
    const view = await this.#view();
    const tool = this.#one(name, version);
    const { hash, said, version: its } = cardOf(tool);
    const own = view.reviews.get(nameAtVersion(name, its));
    const known = own ?? [...view.reviews.values()].findLast((review) => review.name === name);
    const before =
      known === undefined || known.hash === null ? null : await readCard(this.#deps.store, this.#tenant, known.hash);
    const changes = known?.hash === hash ? [] : changesOf(isJsonObject(before) ? before : null, said);
    return { name, version: its, hash, acceptedHash: known?.hash ?? null, changes };
  }

  /**
   * Accepts a definition: runs that start from now on may use it.
   * @param shown  the hash that the person was shown
   * @throws TOOL_UNKNOWN · APPROVAL_CHANGED  it is another definition now: look again
   */
  async accept(
    of: { readonly name: string; readonly version?: string; readonly hash: string },
    by: string,
  ): Promise<void> {
    await this.#view();
    const tool = this.#one(of.name, of.version);
    const { name, version, hash, said } = cardOf(tool);
    if (hash !== of.hash)
      throw new PawlError(
        "APPROVAL_CHANGED",
        `${nameAtVersion(name, version)} is ${hash.slice(0, 12)} now, not ${of.hash.slice(0, 12)}. Look again: pawl tools diff ${name}`,
      );
    await putCard(this.#deps.store, this.#tenant, hash, said);
    await this.#review({ name, version, state: "accepted", hash, by, at: this.#deps.clock.nowMs() });
  }

  /** Stops every call of a tool that has not started, also in runs that go on. @throws TOOL_UNKNOWN */
  async quarantine(
    of: { readonly name: string; readonly version?: string; readonly reason?: string },
    by: string,
  ): Promise<void> {
    const { reviews } = await this.#view();
    for (const { name, version } of this.#versions(of.name, of.version)) {
      const hash = reviews.get(nameAtVersion(name, version))?.hash ?? null;
      const reason = of.reason === undefined ? {} : { reason: of.reason };
      await this.#review({ name, version, state: "quarantined", hash, by, at: this.#deps.clock.nowMs(), ...reason });
    }
  }

  /** What servers offer is asked for, once; those that do not answer have no tools to show. */
  async #view(): Promise<ToolView> {
    const { registry } = this.#deps;
    if (registry.sources.length > 0)
      await Promise.allSettled(registry.runnables.map((runnable) => loadSources(this.#deps, runnable)));
    return toolView(this.#deps, this.#tenant);
  }

  #review(review: ToolReview): Promise<void> {
    return putToolRecord(this.#deps, this.#tenant, { review });
  }

  #lineOf(tool: ToolDefinition, usedBy: readonly string[], view: ToolView): ToolLine {
    const { name, version, hash } = cardOf(tool);
    const { store, clock, toolRules } = this.#deps;
    const review = view.reviews.get(nameAtVersion(name, version)) ?? null;
    const now = clock.nowMs();
    const held = [...view.grants, ...(toolRules?.grants ?? [])]
      .filter((grant) => grant.tool === name && (grant.version ?? version) === version)
      .filter((grant) => grantState(grant, now) === "active")
      .flatMap(({ capabilities }) => capabilities);
    return {
      ...saidOf(tool),
      hash,
      ...standingOf(tool, view, toolRules),
      review: review && { hash: review.hash, by: review.by, at: review.at },
      missing: missingOf(tool.capabilities, held),
      usedBy,
      health: healthOfTool({ store, clock, tenant: this.#tenant, tool }),
    };
  }

  #users(): ReadonlyMap<ToolDefinition, readonly string[]> {
    const { runnables } = this.#deps.registry;
    const users = new Map<ToolDefinition, string[]>();
    for (const { name, tools } of runnables)
      for (const tool of tools) users.set(tool, [...(users.get(tool) ?? []), name]);
    return users;
  }

  #versions(name: string, version?: string): readonly [ToolDefinition, ...ToolDefinition[]] {
    const tools = [...this.#users().keys()];
    const [first, ...others] = tools.filter((tool) => tool.name === name && (version ?? tool.version) === tool.version);
    if (first !== undefined) return [first, ...others];
    const ids = tools.map((tool) => nameAtVersion(tool.name, tool.version));
    const near = nearest(
      name,
      tools.map((tool) => tool.name),
    );
    throw new PawlError(
      "TOOL_UNKNOWN",
      `there is no tool "${(version === undefined ? name : nameAtVersion(name, version)).slice(0, 100)}". There is: ${ids.slice(0, 50).join(", ") || "none"}.${near === null ? "" : ` Did you mean "${near}"?`}`,
    );
  }

  /** @throws TOOL_UNKNOWN; OPTION_INVALID where there are several versions and none is named */
  #one(name: string, version?: string): ToolDefinition {
    const [first, ...others] = this.#versions(name, version);
    if (others.length === 0) return first;
    const versions = [first, ...others].map((tool) => nameAtVersion(name, tool.version));
    throw new PawlError("OPTION_INVALID", `there are several versions of ${name}: name one of ${versions.join(", ")}.`);
  }
}

function saidOf(tool: ToolDefinition) {
  const { name, version, description, effect, inputSchema, trust, capabilities, timeLimitMs } = tool;
  return {
    name,
    version,
    description,
    effect,
    inputSchema,
    trust,
    capabilities,
    timeLimitMs,
    origin: tool.origin ?? null,
    owner: tool.owner ?? null,
    deprecated: tool.deprecated ?? null,
    rate: tool.rate ?? null,
    cost:
      tool.cost === undefined ? null : { nanoUsdMax: tool.cost.nanoUsdMax, isFixed: tool.cost.nanoUsdOf === undefined },
    approval: tool.asksApproval ?? "by-rule",
    canReconcile: tool.reconcile !== undefined,
  } as const;
}

function grantState({ until, revoked }: Pick<ToolGrant, "until" | "revoked">, nowMs: number): GrantState {
  if (revoked !== undefined) return "revoked";
  return until !== undefined && until <= nowMs ? "expired" : "active";
}
