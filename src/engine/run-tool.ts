import { fullJitterMs } from "../core/backoff.ts";
import { sleep } from "../core/clock.ts";
import { failsAsUnknown, needsStartEvent } from "../core/effect.ts";
import { isNotApplied, PawlError, type ErrorRecord } from "../core/errors.ts";
import { hashJson } from "../core/hash.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import type { ToolCalled, ToolReturned, ToolStarted } from "../core/tool-event.ts";
import type { JsonValue } from "../core/json.ts";
import type { ToolCallSpec } from "../core/runnable.ts";
import type { CallState } from "../core/run-state.ts";
import { traceparentOf } from "../core/trace-ids.ts";
import type { Reconciled, ToolContext, ToolDefinition } from "../core/tool-contract.ts";
import { CodeScope, timeOf } from "./code-scope.ts";
import { withSpans } from "./desk-with-spans.ts";
import { artifactsOf } from "./artifacts.ts";
import type { Desk } from "./desk.ts";
import { answering } from "./intents.ts";
import { recordLate } from "./late-answer.ts";
import { asHit, partOf } from "./result-cache.ts";
import { withTimeLimit } from "./time-limit.ts";
import { billOf } from "./tool-bill.ts";
import { badResult, checkedResult } from "./tool-result.ts";
import { mayCall, refusalAtStart, secretFor } from "./tool-gate.ts";
import { mayTry, tried as wasTried } from "./tool-health.ts";
import { unknownEffect } from "./unknown-effect.ts";

interface ToolRun {
  readonly callId: string;
  readonly spec: ToolCallSpec;
  readonly intent: ToolCalled;
  readonly tool: ToolDefinition;
  /** As recorded. */
  readonly args: JsonValue;
  /** What the tool's schema makes of them. */
  readonly input: unknown;
  readonly desk: Desk;
}

type Tried =
  | { readonly type: "returned"; readonly value: unknown; readonly ms: number }
  | { readonly type: "threw"; readonly error: unknown; readonly ms: number }
  | { readonly type: "timed-out"; readonly error: Error; readonly ms: number };

/**
 * Runs a decided tool call to its outcome, starting with `attempt`.
 * @param triesBefore attempts that this process made already: only these count against the tool's limit, not crashes
 */
export async function runTool(
  callId: string,
  spec: ToolCallSpec,
  attempt: number,
  desk: Desk,
  triesBefore = 0,
): Promise<void> {
  const run = await prepare(callId, spec, desk);
  if (run === null || !(await isAsApproved(run))) return;
  const { cache } = run.tool;
  if (cache === undefined) return attempts(run, attempt, triesBefore);
  const part = await partOf({ desk, tool: { ...run.tool, cache }, args: run.args });
  if (part.type === "lead") {
    try {
      await attempts({ ...run, desk: part.desk }, attempt, triesBefore);
    } finally {
      await part.end();
    }
    return;
  }
  if (!(await desk.right.whenFresh()) || (await isRefusedNow(run))) return;
  const events = await returnedEvents(run, attempt, part.kept.value, 0);
  desk.fact(
    callId,
    events.map((event) => asHit(event, part.kept)),
  );
}

async function attempts(run: ToolRun, attempt: number, triesBefore: number): Promise<void> {
  const { callId, desk } = run;
  for (let n = attempt; ; n++) {
    if (!(await desk.right.whenFresh()) || (await isRefusedNow(run)) || (await rests(run))) return;
    if (needsStartEvent(run.tool.effect) && !(await desk.record([startedEvent(run, n)]))) return;
    if (desk.right.dead.aborted || !desk.right.isFresh()) return;
    const tries = triesBefore + n - attempt + 1;
    const code = new CodeScope({ ref: desk.ref, callId, attempt: n, values: desk.values, ...timeOf(desk.deps.clock) });
    const tried = await code.run(() => tryOnce(run, n));
    noteTry(run, tried);
    const told = withSpans(desk, await code.groups());
    const isOver = await concluded({ ...run, desk: told.desk }, n, tries, tried);
    await told.recorded();
    if (isOver) return;
  }
}

/** The rules of this moment, asked at each start. */
async function isRefusedNow({ callId, spec, tool, desk }: ToolRun): Promise<boolean> {
  const reason = await refusalAtStart(desk, tool);
  if (reason !== null) await refuseTool(callId, spec, "TOOL_REFUSED", `Refused: ${reason}`, desk);
  return reason !== null;
}

async function rests({ callId, spec, tool, desk }: ToolRun): Promise<boolean> {
  if (mayTry({ ...desk.deps, tenant: desk.ref.tenant, tool })) return false;
  const shown = `${tool.name} failed again and again and rests. Use another way, or try it later.`;
  await refuseTool(callId, spec, "TOOL_BREAKER_OPEN", shown, desk);
  return true;
}

/** Asks the remote system about an attempt whose outcome is not known, and records what it says. */
export async function reconcileTool(callId: string, spec: ToolCallSpec, desk: Desk, triesBefore = 0): Promise<void> {
  const run = await prepare(callId, spec, desk);
  if (run === null) return;
  const attempt = desk.state().calls[callId]?.attempt ?? 1;
  const found = await askRemote(run, attempt);
  if (desk.signal.aborted) return;
  if (found === "unknown") {
    await recordUnknown(run, "reconcile could not tell");
    return;
  }
  const base = { type: "effect.resolved", callId, by: "reconcile" } as const;
  if (found.happened) {
    desk.fact(callId, [
      { ...base, resolution: "applied" },
      ...(await returnedEvents(run, attempt, found.result, 0, "reconciled")),
    ]);
    return;
  }
  const resolved = { ...base, resolution: "not_applied" } as const;
  if (triesBefore >= run.tool.attemptsMax) {
    const error = {
      code: "TOOL_FAILED",
      message: `${run.tool.name} failed ${triesBefore} times; the remote system says that it did not happen.`,
    };
    desk.fact(callId, [resolved, await failedEvent(run, attempt, error, "no", 0)]);
    return;
  }
  if (await desk.record([resolved])) await runTool(callId, spec, attempt + 1, desk, triesBefore);
}

const RECONCILE_TRIES = 3;

async function askRemote(run: ToolRun, attempt: number): Promise<Reconciled> {
  const { tool, desk } = run;
  for (let n = 1; n <= RECONCILE_TRIES && tool.reconcile !== undefined; n++) {
    const reconcile = tool.reconcile.bind(tool);
    const done = await withTimeLimit(desk.deps.clock, tool.timeLimitMs, desk.signal, (signal) =>
      reconcile(run.input, contextOf(run, attempt, signal)),
    );
    if (done.type === "value") return done.value;
    if (done.type === "aborted") break;
    await sleep(
      desk.deps.clock,
      fullJitterMs(n, desk.deps.entropy.random(), { baseMs: 500, capMs: 5_000 }),
      desk.signal,
    ).catch(() => undefined);
  }
  return "unknown";
}

/** Brings the body what a person resolved. */
export async function resolvedTool(callId: string, spec: ToolCallSpec, call: CallState, desk: Desk): Promise<void> {
  const run = await prepare(callId, spec, desk);
  const news = call.news?.event;
  if (run === null || news?.type !== "effect.resolved") return;
  const value =
    news.resultRef === undefined ? { resolved: "applied", by: news.by } : await desk.values.read(news.resultRef);
  desk.fact(callId, await returnedEvents(run, call.attempt, value, 0, "resolved"));
}

export async function refuseTool(
  callId: string,
  spec: ToolCallSpec,
  code: string,
  shown: string,
  desk: Desk,
): Promise<void> {
  const shownRef = await desk.values.put(shown, { source: "trusted" });
  desk.fact(callId, [{ type: "tool.refused", callId, ...answering(spec), code, shownRef }]);
}

/** Finds the code and the input: the recorded arguments, or those that the approver edited. */
async function prepare(callId: string, spec: ToolCallSpec, desk: Desk): Promise<ToolRun | null> {
  const call = desk.state().calls[callId];
  const intent = call?.intent;
  if (intent?.type !== "tool.called") throw new PawlError("INTERNAL", `call "${callId}" is no tool call.`);
  const tool = desk.deps.registry.tool(intent.tool, intent.version);
  if (tool === null) {
    throw new PawlError(
      "RUNNABLE_MISSING",
      `tool ${intent.tool}@${intent.version} of run "${desk.ref.runId}" is not registered here. Register it, or unblock the run where it is.`,
    );
  }
  const args = await desk.values.read(call?.vote?.editedArgsRef ?? intent.argsRef);
  const parsed = tool.parseInput(args);
  if (!parsed.ok) {
    const issues = parsed.issues.map((issue) => `${issue.path || "(whole)"}: ${issue.message}`).join("; ");
    await refuseTool(callId, spec, "TOOL_INPUT_INVALID", `Refused: the arguments do not fit. ${issues}`, desk);
    return null;
  }
  return { callId, spec, intent, tool, args, input: parsed.value, desk };
}

/** The arguments are those of the approval, where the call had one: the last look before anything is touched. */
async function isAsApproved({ callId, spec, args, desk }: ToolRun): Promise<boolean> {
  const call = desk.state().calls[callId];
  const approved = call?.decision?.event.argsHash;
  if (approved === undefined || call?.attempt !== 0 || approved === hashJson(args)) return true;
  const shown = "Refused: the arguments are not those that a person approved.";
  await refuseTool(callId, spec, "APPROVAL_CHANGED", shown, desk);
  return false;
}

function startedEvent(run: ToolRun, attempt: number): ToolStarted {
  const approvalId = run.desk.state().calls[run.callId]?.approval?.event.approvalId;
  const base = { type: "tool.started", callId: run.callId, attempt, deadlineMs: run.tool.timeLimitMs } as const;
  return { ...base, ...(approvalId && { approvalId }) };
}

function contextOf(run: ToolRun, attempt: number, signal: AbortSignal): ToolContext {
  const { desk, intent } = run;
  return {
    tenant: desk.ref.tenant,
    principal: desk.state().started.principal,
    runId: desk.ref.runId,
    callId: run.callId,
    attempt,
    idempotencyKey: intent.key,
    fence: desk.fence,
    signal,
    deadlineMs: run.tool.timeLimitMs,
    traceparent: traceparentOf(desk.ref, desk.state().started.traceparent, run.callId),
    secret: (name) => secretFor(desk, run.tool, name),
    isTainted: desk.state().trust.tainted !== null,
    ...artifactsOf(desk.values),
    may: (capability) => mayCall(desk, run.tool, capability),
  };
}

async function tryOnce(run: ToolRun, attempt: number): Promise<Tried> {
  const { clock } = run.desk.deps;
  const began = clock.monotonicMs();
  const sinceMs = (): number => Math.max(0, Math.round(clock.monotonicMs() - began));
  const done = await withTimeLimit(
    clock,
    run.tool.timeLimitMs,
    run.desk.signal,
    (signal) =>
      run.spec.done === undefined ? run.tool.execute(run.input, contextOf(run, attempt, signal)) : run.spec.done.value,
    (came) => {
      const call = { callId: run.callId, tool: run.tool.name, attempt, ms: sinceMs() };
      const labelOf = (value: JsonValue) => run.spec.show({ ok: true, value }).label;
      // the run has its outcome; a store that is closed by now hears of nothing any more
      recordLate(run.desk, { call, came, labelOf }).catch(() => undefined);
    },
  );
  const ms = sinceMs();
  switch (done.type) {
    case "value":
      return { type: "returned", value: done.value, ms };
    case "threw":
      return { type: "threw", error: done.error, ms };
    case "late":
      return {
        type: "timed-out",
        error: new PawlError("TOOL_TIMED_OUT", `${run.tool.name} passed its time limit of ${run.tool.timeLimitMs} ms.`),
        ms,
      };
    case "aborted":
      return { type: "timed-out", error: new PawlError("CANCELLED", `${run.tool.name} was aborted.`), ms };
  }
}

function noteTry({ desk, tool }: ToolRun, made: Tried): void {
  // what was cut off says nothing about the tool
  if (desk.signal.aborted) return;
  const errorCode = "error" in made ? desk.values.error(made.error, "TOOL_FAILED").code : null;
  const { tenant, runId } = desk.ref;
  wasTried({ ...desk.deps, tenant, tool }, { runId, ms: made.ms, errorCode });
}

/** @returns false when another attempt follows */
async function concluded(run: ToolRun, attempt: number, triesHere: number, tried: Tried): Promise<boolean> {
  const { desk, tool, callId } = run;
  if (tried.type === "returned") {
    desk.fact(callId, await returnedEvents(run, attempt, tried.value, tried.ms));
    return true;
  }
  const error = desk.values.error(tried.error, "TOOL_FAILED");
  const didNothing = tried.type === "threw" && isNotApplied(tried.error);
  if (failsAsUnknown(tool.effect) && !didNothing) {
    await unknownOutcome(run, attempt, triesHere, tried, error.message);
    return true;
  }
  const applied = tool.effect === "idempotent" && !didNothing ? "maybe" : "no";
  const isLast = didNothing || triesHere >= tool.attemptsMax || desk.signal.aborted;
  if (isLast) {
    desk.fact(callId, [await failedEvent(run, attempt, error, applied, tried.ms)]);
    return true;
  }
  const failed = {
    type: "tool.failed",
    callId,
    attempt,
    ...answering(run.spec),
    error,
    applied,
    retry: true,
    ms: tried.ms,
  } as const;
  if (!(await desk.record([failed]))) return true;
  const waitMs = fullJitterMs(triesHere, desk.deps.entropy.random(), { baseMs: 200, capMs: 5_000 });
  await sleep(desk.deps.clock, waitMs, desk.signal).catch(() => undefined);
  return desk.signal.aborted;
}

/**
 * For how long what an attempt sent may still act, though nobody here listens any more: a request acts within the time
 * limit of its attempt or not at all. Code that passed the limit and was left behind may send one later: it gets as long
 * again.
 */
function mayActMs({ timeLimitMs }: ToolDefinition, tried: Tried): number {
  return tried.type === "timed-out" ? timeLimitMs : Math.max(0, timeLimitMs - tried.ms + 1);
}

/** Nobody here knows whether it happened: the remote system is asked where it can be, a person otherwise. */
async function unknownOutcome(
  run: ToolRun,
  attempt: number,
  triesHere: number,
  tried: Tried,
  reason: string,
): Promise<void> {
  const { desk, tool, callId } = run;
  if (tool.effect === "reconcilable" && !desk.signal.aborted) {
    await sleep(desk.deps.clock, mayActMs(tool, tried), desk.signal).catch(() => undefined);
    if (!desk.signal.aborted) await reconcileTool(callId, run.spec, desk, triesHere);
    return;
  }
  await recordUnknown(run, reason);
}

async function recordUnknown({ callId, desk }: ToolRun, reason: string): Promise<void> {
  const call = desk.state().calls[callId];
  if (call !== undefined) await desk.record([unknownEffect(call, reason)]);
}

async function failedEvent(
  run: ToolRun,
  attempt: number,
  error: ErrorRecord,
  applied: "no" | "maybe",
  ms: number,
): Promise<JournalEvent> {
  const shown = run.spec.show({ ok: false, value: error.message, error });
  const shownRef = await run.desk.values.put(shown.value, shown.label);
  return { type: "tool.failed", callId: run.callId, attempt, ...answering(run.spec), error, applied, shownRef, ms };
}

async function returnedEvents(
  { tool, spec, desk, callId }: ToolRun,
  attempt: number,
  result: unknown,
  ms: number,
  via?: "reconciled" | "resolved",
): Promise<readonly JournalEvent[]> {
  const checked = checkedResult(tool, result);
  const { overrun, cost } = billOf(tool, { callId, attempt }, checked.ok ? checked.value : null);
  const base = {
    type: "tool.returned",
    callId,
    attempt,
    ...answering(spec),
    ms,
    ...cost,
    ...(via && { via }),
  } as const;
  const stored = checked.ok ? await storedResult({ tool, spec, desk }, desk.values.clean(checked.value)) : checked;
  if (!("error" in stored)) return [...overrun, { ...base, ...stored }];
  const { value, label } = spec.show({ ok: false, value: stored.error.message, error: stored.error });
  return [...overrun, { ...base, shownRef: await desk.values.put(value, label), invalid: stored.error }];
}

/** What the model sees, and the whole result where that is something else. */
async function storedResult(
  { tool, spec, desk }: Pick<ToolRun, "tool" | "spec" | "desk">,
  value: JsonValue,
): Promise<Pick<ToolReturned, "shownRef" | "rawRef"> | { readonly error: ErrorRecord }> {
  try {
    const shown = spec.show({ ok: true, value });
    const shownRef = await desk.values.put(shown.value, shown.label);
    return shown.value === value ? { shownRef } : { rawRef: await desk.values.put(value, shown.label), shownRef };
  } catch (error) {
    if (PawlError.is(error, "EVENT_TOO_LARGE")) return badResult(`${tool.name} returned too much: ${error.message}`);
    throw error;
  }
}
