import { Pawl, type PawlOptions } from "./engine/runtime.ts";
import { modelSource } from "./models/model-source.ts";

/** What `pawl()` is given: `models` may be left out, then routes are `provider/model` with keys from the environment. */
export type AppOptions = Omit<PawlOptions, "models"> & Partial<Pick<PawlOptions, "models">>;

/** The runtime over a store and the agents it runs. Nothing happens before the first call. */
export function pawl(options: AppOptions): Pawl {
  return new Pawl({ ...options, models: options.models ?? modelSource() });
}

export { agent, type Agent, type AgentOptions } from "./agent/agent.ts";
export { decide, type Judgement, type JudgementOptions, type Wanted } from "./agent/decide.ts";
export type { Grounding } from "./agent/definition.ts";
export type { RunLimits } from "./core/budget.ts";
export { errorTable, notApplied, PawlError, type ErrorCode, type ErrorRecord } from "./core/errors.ts";
export type { Dispatch } from "./core/dispatch-contract.ts";
export type { Effect } from "./core/effect.ts";
export type { JournalEvent, RunEvent } from "./core/journal-event.ts";
export type { JsonValue } from "./core/json.ts";
export type { RedactOptions, RedactionRule } from "./core/redact.ts";
export type { RunStatus, StopReason } from "./core/run-outcome.ts";
export type { RunHead } from "./core/run-head.ts";
export type { Runnable, StepContext, TurnContext } from "./core/runnable.ts";
export type { Sandbox, SandboxLimits, SandboxReport, SandboxResult } from "./core/sandbox-contract.ts";
export type { Store } from "./core/store-contract.ts";
export type { ToolContext, ToolDefinition } from "./core/tool-contract.ts";
export { durable, type DurableFunctionOptions, type FunctionContext } from "./engine/durable-function.ts";
export type { Approval, DecideOptions, Decision, People } from "./engine/people.ts";
export type { LiveDelta, ReadEvent, StreamEvent } from "./engine/run-events.ts";
export { Run, type RunResult } from "./engine/run-handle.ts";
export { Pawl, type PawlOptions, type StartOptions } from "./engine/runtime.ts";
export { traceable, type TraceableOptions } from "./engine/traceable.ts";
export type { WorkerEvent } from "./engine/worker.ts";
export { tool, type Tool, type ToolInput, type ToolOutput } from "./tools/tool.ts";
