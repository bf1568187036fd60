import type { RunLimits } from "../core/budget.ts";
import { PawlError } from "../core/errors.ts";
import { hashJson } from "../core/hash.ts";
import { rootRunIdOf, type RunRef } from "../core/id.ts";
import { encodeBatch } from "../core/journal-codec.ts";
import {
  journalFormat,
  type Batch,
  type JournalEvent,
  type ParentLink,
  type RunStarted,
} from "../core/journal-event.ts";
import { strictestProfile, type AgentGuard, type GuardProfile } from "../core/guard-rules.ts";
import { isJsonObject, type JsonValue } from "../core/json.ts";
import { trustedPrompt, type Label, type Ref } from "../core/label.ts";
import type { Pins } from "../core/pins.ts";
import { blobScopeOf, nextHead, type RunHead } from "../core/run-head.ts";
import type { Runnable } from "../core/runnable.ts";
import type { TaskScope } from "../core/told-event.ts";
import type { EngineDeps } from "./deps.ts";
import { announce } from "./outside.ts";
import { loadSources } from "./registry.ts";
import { toolPins } from "./tool-access.ts";
import { Values } from "./values.ts";

type StartDeps = Pick<EngineDeps, "store" | "clock" | "entropy" | "redaction" | "toolRules" | "guard">;

export interface RunStart {
  readonly ref: RunRef;
  readonly runnable: Runnable;
  readonly input: JsonValue;
  readonly principal: string;
  readonly roles?: readonly string[];
  readonly messageId: string;
  readonly label?: Label;
  readonly limits?: RunLimits;
  readonly task?: TaskScope;
  readonly parent?: ParentLink;
  /** A child's: that of its parent. */
  readonly blobScope?: string;
  readonly threadId?: string;
  readonly contextRefs?: readonly Ref[];
  readonly heldByThread?: boolean;
  readonly tags?: readonly string[];
  readonly traceparent?: string;
  /** As listings show it; default the input's beginning. */
  readonly title?: string;
  /** Further events of the first batch: a child that was cancelled before it existed, a light run's own claim. */
  readonly further?: (started: RunStarted) => readonly JournalEvent[];
}

/**
 * Creates a run, once: a repeat with the same input finds it.
 * @throws TOOLS_UNREACHABLE  a server of tools that the runnable uses was never reached
 * @throws RUN_EXISTS_DIFFERENT  the id is taken by a run with other input or another runnable
 */
export async function startRun(
  deps: StartDeps,
  start: RunStart,
): Promise<{ readonly created: boolean; readonly head: RunHead }> {
  const { ref } = start;
  if (start.runnable.sources) await loadSources(deps, start.runnable);
  const started = await startedEvent(deps, start);
  const first = [started, ...(start.further?.(started) ?? [])];
  const batch: Batch = {
    id: deps.entropy.id(),
    firstSeq: 1,
    at: deps.clock.nowMs(),
    format: journalFormat,
    by: { principal: start.principal, messageId: start.messageId },
    prevHash: "",
    events: deps.redaction?.of(ref.tenant).events(first) ?? first,
  };
  const encoded = encodeBatch(batch);
  const head = nextHead(null, ref, encoded, batch);
  const result = await deps.store.createRun(ref, { batch: encoded, head });
  if (result.type === "created") {
    announce(deps, ref, head);
    return { created: true, head };
  }
  const found = result.head;
  if (found.inputHash !== started.inputHash || found.runnable !== started.runnable) {
    throw new PawlError(
      "RUN_EXISTS_DIFFERENT",
      `run "${ref.runId}" exists: it runs "${found.runnable}" with other input (hash ${found.inputHash.slice(0, 8)}, yours ${started.inputHash.slice(0, 8)}). Use another run id, or the same input to get that run.`,
    );
  }
  return { created: false, head: found };
}

async function startedEvent(deps: StartDeps, start: RunStart): Promise<RunStarted> {
  const { ref, runnable, parent, threadId } = start;
  const values = new Values(deps, ref, start.blobScope ?? blobScopeOf(ref, threadId));
  const input = values.clean(start.input);
  return {
    type: "run.started",
    runnable: runnable.name,
    version: runnable.version,
    lane: runnable.lane,
    tenant: ref.tenant,
    principal: start.principal,
    inputRef: await values.put(input, start.label ?? trustedPrompt),
    inputHash: hashJson(input),
    limits: { ...runnable.limits, ...start.limits },
    pins: await pinsOf(deps, start, values),
    ...(start.roles && { roles: start.roles }),
    ...(start.task && { task: start.task }),
    guard: profileOf(deps, start),
    seed: Math.floor(deps.entropy.random() * 2 ** 31),
    rootRunId: rootRunIdOf(ref.runId),
    ...(parent && { parent }),
    ...(start.blobScope !== undefined && { blobScope: start.blobScope }),
    ...(threadId !== undefined && { threadId }),
    ...(start.contextRefs && { contextRefs: start.contextRefs }),
    ...(start.heldByThread === true && { heldByThread: true }),
    ...(start.tags && { tags: start.tags }),
    ...(start.traceparent !== undefined && { traceparent: start.traceparent }),
    title: start.title ?? titleOf(input),
  };
}

/** An agent's own and the runtime's, whichever is stricter; a child's is no less than its parent's. */
function profileOf({ guard }: StartDeps, { runnable, parent, task }: RunStart): GuardProfile {
  const { definition } = runnable;
  const own = isJsonObject(definition) ? (definition["guard"] as AgentGuard | undefined)?.profile : undefined;
  const floor = parent === undefined ? undefined : (task?.profile ?? guard?.profile ?? "standard");
  return strictestProfile([guard?.profile, own, floor]);
}

async function pinsOf(deps: StartDeps, start: RunStart, values: Values): Promise<Pins> {
  const { ref, runnable, principal, roles = [] } = start;
  const pins = await toolPins(deps, ref.tenant, runnable, { agent: runnable.name, principal, roles });
  if (runnable.definition === null) return pins;
  return { ...pins, agent: await values.putStructure(runnable.definition, { source: "trusted", origin: "developer" }) };
}

function titleOf(input: JsonValue): string {
  if (input === null || (isJsonObject(input) && Object.keys(input).length === 0)) return "";
  const text = typeof input === "string" ? input : JSON.stringify(input);
  return text.replaceAll(/\s+/g, " ").slice(0, 120);
}
