import { refusalOf, leftOf, type Amount, type BudgetRefusal, type Caps } from "../core/budget.ts";
import { hashJson } from "../core/hash.ts";
import { callKey, childRunId } from "../core/id.ts";
import type { ApprovalAsked } from "../core/approval-event.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import type { ModelCalled } from "../core/model-event.ts";
import type { ToolCalled } from "../core/tool-event.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { promptHashOf } from "../core/prompt-hash.ts";
import type { FailedAttempt, ModelEndpoint, ModelSource, ModelParams, ModelRequest } from "../core/model-contract.ts";
import type { AskSpec, ModelCallSpec, StepOptions, ToolCallSpec } from "../core/runnable.ts";
import { paramsHashOf, partIdOf } from "../core/run-context.ts";
import { ownLabel } from "../core/run-trust.ts";
import type { RunState } from "../core/run-state.ts";
import type { StepCalled } from "../core/step-event.ts";
import { traceparentOf } from "../core/trace-ids.ts";
import { unreachable } from "./approval-rules.ts";
import type { EngineDeps } from "./deps.ts";
import { fixedParts, promptOf, type FixedParts } from "./prompt.ts";
import { answeredBy, PERSON } from "./person-turn.ts";
import { allowanceOf, callsOf } from "./child-allowance.ts";
import { fitModel, hintOf } from "./fit-model.ts";
import type { ForkMemory } from "./fork.ts";
import type { TaskGuard } from "./task-guard.ts";
import { mostOfCall } from "./tool-bill.ts";
import type { LiveCall } from "./turn-scope.ts";
import type { Values } from "./values.ts";

/** What recording a request came to. `io`: something must now be started. `held`: it does not fit a budget. */
export type Opening =
  | {
      readonly type: "recorded";
      readonly events: readonly JournalEvent[];
      readonly io: boolean;
      readonly model?: ModelStart;
    }
  | { readonly type: "held"; readonly refusal: BudgetRefusal };

/** A model attempt that is reserved and may go out once its model.called is durable. */
export interface ModelStart {
  readonly endpoint: ModelEndpoint;
  readonly request: ModelRequest;
  readonly inputTokens: number;
  /** The reservation holds the endpoint's `beside` too. */
  readonly mayHedge: boolean;
}

export interface OpeningContext {
  readonly deps: EngineDeps;
  readonly runId: string;
  readonly state: RunState;
  readonly values: Values;
  readonly at: number;
  readonly guard: TaskGuard;
  /** Set in a fork: what the original did. */
  readonly fork: ForkMemory | null;
  /** What shared budgets leave for this call, where they have refused it as it was. */
  readonly room?: Caps | null;
  /** True while another run of the tree has made this call with unknown outcome. */
  isUnknownInTree(tool: string, argsHash: string): Promise<boolean>;
}

const noAmount: Amount = { tokens: 0, costNanoUsd: 0, calls: 0 };

/** The events that record a request, and whether it fits. Pure but for blobs. */
export async function openCall(call: LiveCall, on: OpeningContext): Promise<Opening> {
  const { request, callId } = call;
  switch (request.kind) {
    case "model":
      return openModel(callId, routed(request.spec, on.deps.models), on);
    case "tool":
      return openTool(callId, request.spec, on);
    case "step": {
      const { name, options } = request;
      if (on.fork !== null && options.effect !== "pure")
        return waiting(forkedStep({ type: "step.called", callId, name, effect: options.effect }, on.fork, on));
      const deadlineMs = stepDeadlineMs(options);
      return io([{ type: "step.started", callId, name, effect: options.effect, attempt: 1, deadlineMs }]);
    }
    case "child": {
      const { runnable, limits: childLimits } = request.spec;
      const input = on.values.clean(request.spec.input);
      const left = leftOf(on.state.caps, on.state.totals, Object.values(on.state.reserved));
      const stated = { ...on.deps.registry.runnables.find(({ name }) => name === runnable)?.limits, ...childLimits };
      const calls = callsOf(left, stated);
      const given = request.spec.allowance ?? allowanceOf(left, stated);
      const allowance = given === null || calls === null ? given : { ...given, calls };
      const bounds = calls === null ? childLimits : { ...childLimits, calls };
      const refusal = allowance === null ? null : refusalOf(left, allowance);
      if (refusal !== null) return { type: "held", refusal };
      const inputRef = await on.values.put(input, ownLabel(on.state.trust));
      const task = await on.guard.taskOfChild(on.state);
      const base = {
        type: "child.called",
        callId,
        childRunId: childRunId(on.runId, callId),
        runnable,
        inputRef,
        inputHash: hashJson(input),
      } as const;
      const { traceparent } = on.state.started;
      const trace =
        traceparent === undefined
          ? {}
          : { traceparent: traceparentOf({ tenant: on.state.started.tenant, runId: on.runId }, traceparent, callId) };
      return waiting([
        {
          ...base,
          ...(allowance && { allowance }),
          ...(bounds && { limits: bounds }),
          ...(task && { task }),
          ...trace,
        },
      ]);
    }
    case "ask": {
      const spec = { ...request.spec, question: on.values.clean(request.spec.question) };
      return waiting([askedEvent(callId, askHashOf(spec), spec, on)]);
    }
    case "wait":
      return waiting([{ type: "wait.started", callId, wait: request.wait }]);
    case "note":
      return waiting(["callId" in request.note ? request.note : { ...request.note, callId }]);
  }
}

export function stepDeadlineMs(options: StepOptions): number {
  return options.timeLimitMs ?? limits.stepTimeMs;
}

/** A step has no arguments to compare: in a fork a person is asked about each that acts, and bound to its name and place. */
function forkedStep(called: StepCalled, fork: ForkMemory, on: OpeningContext): readonly JournalEvent[] {
  const { callId, name } = called;
  if (openAsks(on.state) >= limits.headWaits)
    return [called, { type: "step.failed", callId, error: { code: tooManyAsks.code, message: tooManyAsks.shown } }];
  const before = fork.stepAt(callId, name);
  const did = before === null ? `did not run step "${name}" here` : `ran step "${name}" here and got ${before}`;
  const question = `This run is a fork of "${fork.sourceRunId}", which ${did}. Approve to run it; answer to give its value instead.`;
  return [called, askedEvent(callId, hashJson({ step: name, callId }), { question }, on)];
}

function io(events: readonly JournalEvent[]): Opening {
  return { type: "recorded", events, io: true };
}

function waiting(events: readonly JournalEvent[]): Opening {
  return { type: "recorded", events, io: false };
}

// ---- models

/** A route that does not exist here spares none: the call is its caller's own then. */
function routed({ orRoute, ...spec }: ModelCallSpec, models: ModelSource): ModelCallSpec {
  if (orRoute === undefined) return spec;
  try {
    models.check(spec.route);
    return spec;
  } catch {
    const { insteadOf: _, ...own } = spec;
    return { ...own, route: orRoute };
  }
}

async function openModel(callId: string, spec: ModelCallSpec, on: OpeningContext): Promise<Opening> {
  const fixed = await fixedParts(spec, on.values);
  const prompt = await promptOf(on.state, spec, on.values);
  const base = {
    type: "model.called",
    callId,
    attempt: 1,
    context: spec.context,
    route: spec.route,
    baseSeq: prompt.baseSeq,
    drop: spec.drop ?? 0,
    add: prompt.add,
    ...linksOf(spec, on.deps.models),
  } as const;
  const person = spec.context === "main" ? on.state.answer : null;
  if (person !== null) {
    const said = saidOf(spec, spec.params, prompt.chain, on.state, fixed);
    const inputTokens = on.state.context.tokens ?? 0;
    const called = { ...base, ...said, endpoint: PERSON, inputTokens, reservation: noAmount };
    return waiting([called, await answeredBy(person, called, on.values)]);
  }
  const next = on.deps.models.next(spec.route, [], on.deps.entropy.random(), hintOf(on.state, on.runId, spec));
  if (next.type === "give-up") {
    const said = saidOf(spec, spec.params, prompt.chain, on.state, fixed);
    const called = { ...base, ...said, endpoint: "none", inputTokens: 0, reservation: noAmount };
    return waiting([called, { type: "model.failed", callId, error: next.error }]);
  }
  const fitted = fitModel(next.endpoint, prompt.request, on.state, on.room);
  if (fitted.type === "held") return fitted;
  const { request, inputTokens, reservation, mayHedge } = fitted;
  const said = saidOf(spec, request.params, prompt.chain, on.state, fixed);
  const called = { ...base, ...said, endpoint: next.endpoint.name, inputTokens, reservation };
  return {
    type: "recorded",
    events: [called],
    io: true,
    model: { endpoint: next.endpoint, request, inputTokens, mayHedge },
  };
}

/**
 * What a call says beside its messages: system, tools and params where they differ from those of the main context's last
 * request, and the hash of the whole.
 */
function saidOf(
  spec: ModelCallSpec,
  sent: ModelParams,
  chain: string,
  state: RunState,
  { system, toolset }: FixedParts,
): Pick<ModelCalled, "systemRef" | "toolsetRef" | "params" | "promptHash"> {
  const params = sent as unknown as JsonObject;
  const known = spec.context === "main" ? state.context : null;
  return {
    ...(system.digest !== known?.systemHash && { systemRef: system.ref }),
    ...(toolset.digest !== known?.toolsetHash && { toolsetRef: toolset.ref }),
    ...(paramsHashOf(params) !== known?.paramsHash && { params }),
    promptHash: promptHashOf({
      route: spec.route,
      systemDigest: system.digest,
      toolsetDigest: toolset.digest,
      params,
      chain,
    }),
  };
}

/** What a call is made instead of, and after which one that was not good enough. */
function linksOf(
  { insteadOf, escalates }: ModelCallSpec,
  models: ModelSource,
): Pick<ModelCalled, "insteadOf" | "escalates"> {
  return {
    ...(insteadOf !== undefined && { insteadOf: { route: insteadOf, price: models.priceOf?.(insteadOf) ?? null } }),
    ...(escalates !== undefined && { escalates }),
  };
}

export function failedAttempts(state: RunState, callId: string, nowMs: number): readonly FailedAttempt[] {
  const failed = state.calls[callId]?.failed ?? [];
  const firstAt = state.log.find((entry) => entry.callId === callId)?.at ?? nowMs;
  return failed.map(({ attempt, endpoint, error, at }) => ({ attempt, endpoint, error, elapsedMs: at - firstAt }));
}

// ---- tools

async function openTool(callId: string, asked: ToolCallSpec, on: OpeningContext): Promise<Opening> {
  const spec = await on.guard.judged({ ...asked, args: on.values.clean(asked.args) }, on.state);
  const argsHash = hashJson(spec.args);
  const refusal = spec.refusal ?? (await refusalByState(spec, argsHash, on));
  const left = leftOf(on.state.caps, on.state.totals, Object.values(on.state.reserved));
  const most = on.deps.registry.tool(spec.tool.name, spec.tool.version)?.cost?.nanoUsdMax;
  const overBudget = refusal === null ? refusalOf(left, mostOfCall(most)) : null;
  if (overBudget !== null) return { type: "held", refusal: overBudget };
  const called = { ...(await calledEvent(callId, spec, argsHash, on)), ...(most && { reservedNanoUsd: most }) };
  if (refusal !== null || spec.verdict.decision === "refuse")
    return waiting([called, await refusedEvent(callId, spec, refusal, on)]);
  const forked = await forkedCall(called, spec, on);
  if (forked !== null) return forked;
  if (spec.verdict.decision === "allow") return io([called]);
  const actionHash = actionHashOf(spec.tool.name, spec.tool.version, argsHash);
  return waiting([called, askedEvent(callId, actionHash, spec.ask ?? { question: `Run ${spec.tool.name}?` }, on)]);
}

/** In a fork nothing that acted outside acts again: an identical call gets its recorded result, any other asks. */
async function forkedCall(called: ToolCalled, spec: ToolCallSpec, on: OpeningContext): Promise<Opening | null> {
  if (on.fork === null || called.effect === "pure") return null;
  const known = on.fork.recall(called.tool, called.version, called.argsHash);
  const { callId } = called;
  if (known === null && openAsks(on.state) >= limits.headWaits)
    return waiting([called, await refusedEvent(callId, spec, tooManyAsks, on)]);
  if (known === null) {
    const question = `This run is a fork of "${on.fork.sourceRunId}", which did not make this call. Run ${called.tool} anyway?`;
    const actionHash = actionHashOf(called.tool, called.version, called.argsHash);
    return waiting([called, askedEvent(callId, actionHash, { ...spec.ask, question }, on)]);
  }
  const rawRef = known.shown === known.value ? {} : { rawRef: await on.values.put(known.value) };
  const shownRef = await on.values.put(known.shown);
  return waiting([
    called,
    { type: "tool.returned", callId, attempt: 0, ...answering(spec), ...rawRef, shownRef, ms: 0, via: "fork" },
  ]);
}

/** What the answer to a plain question is bound to. */
export function askHashOf({ question, schema }: AskSpec): string {
  return hashJson({ question, schema: schema ?? null });
}

/** What an approval is bound to: tool, version and canonical arguments. */
export function actionHashOf(tool: string, version: string, argsHash: string): string {
  return hashJson({ tool, version, argsHash });
}

async function calledEvent(
  callId: string,
  spec: ToolCallSpec,
  argsHash: string,
  on: OpeningContext,
): Promise<ToolCalled> {
  return {
    type: "tool.called",
    callId,
    ...(spec.modelCallId !== undefined && { modelCallId: spec.modelCallId, index: spec.index ?? 0 }),
    tool: spec.tool.name,
    version: spec.tool.version,
    argsRef: await on.values.put(spec.args),
    argsHash,
    effect: spec.tool.effect,
    key: callKey({ tenant: on.state.started.tenant, runId: on.runId }, callId),
    verdict: spec.verdict,
    ...(spec.provenance && { provenance: spec.provenance }),
  };
}

async function refusalByState(spec: ToolCallSpec, argsHash: string, on: OpeningContext): Promise<Refusal | null> {
  const { name, effect } = spec.tool;
  const own = on.state.unknowns.some((unknown) => unknown.tool === name && unknown.argsHash === argsHash);
  if (own || (effect !== "pure" && (await on.isUnknownInTree(name, argsHash)))) {
    const shown = `Refused: an earlier ${name} with the same arguments has an unknown outcome. Do not repeat it; a person will find out.`;
    return { code: "EFFECT_UNKNOWN", shown };
  }
  if (spec.verdict.decision !== "ask") return null;
  const never = unreachable(spec.ask ?? {}, on.state.started.principal);
  if (never !== null) return { code: never.code, shown: `Refused: ${never.message}` };
  return openAsks(on.state) < limits.headWaits ? null : tooManyAsks;
}

const tooManyAsks = {
  code: "ASKS_TOO_MANY",
  shown: `Refused: ${limits.headWaits} questions to people are open already. Wait for their answers.`,
};

interface Refusal {
  readonly code: string;
  readonly shown: JsonValue;
}

export function openAsks(state: RunState): number {
  return Object.values(state.calls).filter(
    (call) => call.approval !== null && call.decision === null && call.fact === null,
  ).length;
}

async function refusedEvent(
  callId: string,
  spec: ToolCallSpec,
  refusal: { readonly code: string; readonly shown: JsonValue } | null,
  on: OpeningContext,
): Promise<JournalEvent> {
  const { code, shown } = refusal ?? {
    code: "TOOL_REFUSED",
    shown: `Refused: ${spec.verdict.reason ?? spec.verdict.rules.join(", ")}`,
  };
  const shownRef = await on.values.put(shown, { source: "trusted" });
  return { type: "tool.refused", callId, ...answering(spec), code, shownRef };
}

/** Which place of the conversation a tool's outcome answers. */
export function answering(spec: ToolCallSpec): { readonly tool: string; readonly part?: string } {
  const tool = spec.tool.name;
  return spec.modelCallId === undefined ? { tool } : { tool, part: partIdOf(spec.modelCallId, spec.index ?? 0) };
}

// ---- asks

export function approvalIdOf(runId: string, callId: string): string {
  return `${runId}:${callId}`;
}

function askedEvent(callId: string, actionHash: string, spec: AskSpec, on: OpeningContext): ApprovalAsked {
  const expiresMs = spec.expiresMs === undefined ? limits.approvalMs : spec.expiresMs;
  return {
    type: "approval.asked",
    approvalId: approvalIdOf(on.runId, callId),
    callId,
    actionHash,
    question: spec.question,
    ...(spec.schema && { schema: spec.schema }),
    ...(spec.whoMay && { whoMay: spec.whoMay }),
    quorum: spec.quorum ?? 1,
    expiresAt: expiresMs === null ? null : on.at + expiresMs,
    default: spec.default ?? "reject",
    ...(spec.escalation && { escalation: { at: on.at + spec.escalation.afterMs, role: spec.escalation.role } }),
  };
}
