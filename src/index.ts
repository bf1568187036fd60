import { Pawl } from "./engine/runtime.ts";
import type { PawlOptions } from "./engine/pawl-options.ts";
import { PawlError } from "./core/errors.ts";
import { webhookPoster, type WebhookOptions } from "./dispatch/post-webhook.ts";
import type { ReviewLinkOptions } from "./engine/deps.ts";
import { modelSource } from "./models/model-source.ts";

/** What `pawl()` is given: `models` may be left out, then routes are `provider/model` with keys from the environment. */
export type AppOptions = Omit<PawlOptions, "models"> &
  Partial<Pick<PawlOptions, "models">> & {
    /** How messages are posted to webhooks: what budgets have to tell, and `reviews`, whom to tell of approvals. */
    readonly webhooks?: WebhookOptions & { readonly reviews?: Omit<ReviewLinkOptions, "secret"> };
  };

/** The runtime over a store and the agents it runs. Nothing happens before the first call. */
export function pawl(options: AppOptions): Pawl {
  const { webhooks, ...rest } = options;
  const told = (options.budgets ?? []).find(({ webhook }) => webhook !== undefined);
  if (told !== undefined && webhooks === undefined) {
    throw new PawlError(
      "OPTION_INVALID",
      `budget "${told.name}" has a webhook, and nothing signs it. Add pawl({ webhooks: { secret } }) from your environment.`,
    );
  }
  const hooks = { ...options.hooks, ...(webhooks && { postWebhook: webhookPoster(webhooks) }) };
  const { reviews, secret = "" } = webhooks ?? {};
  const links = reviews && { reviewLinks: { ...reviews, secret } };
  return new Pawl({ ...rest, ...links, hooks, models: options.models ?? modelSource() });
}

export { agent, type Agent, type AgentOptions } from "./agent/agent.ts";
export { decide, type Judgement, type JudgementOptions, type Wanted } from "./agent/decide.ts";
export type { Grounding } from "./agent/definition.ts";
export { handoff, type HandoffOptions } from "./agent/handoff.ts";
export { asTool } from "./agent/turn-tool.ts";
export type { RunLimits } from "./core/budget.ts";
export type { Budget, BudgetCaps, BudgetLine } from "./core/budget-rules.ts";
export { errorTable, type ErrorCode } from "./core/error-table.ts";
export { notApplied, PawlError, type ErrorRecord } from "./core/errors.ts";
export { verifyWebhook, type WebhookOptions } from "./dispatch/post-webhook.ts";
export type { Budgets } from "./engine/budgets.ts";
export type { Reviewer, ReviewLinkOptions } from "./engine/deps.ts";
export type { Dispatch } from "./core/dispatch-contract.ts";
export type { Effect } from "./core/effect.ts";
export type {
  AgentGuard,
  Detection,
  Detector,
  GuardOptions,
  GuardProfile,
  Policy,
  PolicyCall,
} from "./core/guard-rules.ts";
export { policy, type RuleAnswer } from "./core/policy-rule.ts";
export type { JournalEvent, RunEvent } from "./core/journal-event.ts";
export type { JsonValue } from "./core/json.ts";
export { toolCallsOf, userText, type Message } from "./core/message.ts";
export type { RedactOptions, RedactionRule } from "./core/redact.ts";
export type { RunStatus, StopReason } from "./core/run-outcome.ts";
export type { RunHead } from "./core/run-head.ts";
export type { Runnable, StepContext, TurnContext } from "./core/runnable.ts";
export type { Sandbox, SandboxLimits, SandboxReport, SandboxResult } from "./core/sandbox-contract.ts";
export type { Store } from "./core/store-contract.ts";
export type { GrantRequest, ToolGrant } from "./core/tool-grants.ts";
export type { GrantLine, ToolDiff, ToolLine } from "./core/tool-line.ts";
export type { CallScene, Sink, ToolContext, ToolDefinition, ToolFlow } from "./core/tool-contract.ts";
export { offered } from "./engine/offered-tool.ts";
export { durable, type DurableFunctionOptions, type FunctionContext } from "./engine/durable-function.ts";
export type { Approval, DecideOptions, Decision } from "./engine/approval.ts";
export type { People } from "./engine/people.ts";
export type { LiveDelta, ReadEvent, StreamEvent } from "./engine/run-events.ts";
export { Run, type RunResult } from "./engine/run-handle.ts";
export { Pawl } from "./engine/runtime.ts";
export type { PawlOptions } from "./engine/pawl-options.ts";
export type { StartOptions } from "./engine/start-options.ts";
export { traceable, type TraceableOptions } from "./engine/traceable.ts";
export type { Tools } from "./engine/tools.ts";
export type { WorkerEvent } from "./engine/worker.ts";
export { pipeline, type PipelineOptions } from "./team/pipeline.ts";
export type { Report } from "./team/report.ts";
export {
  reviewerLoop,
  reviewSchema,
  type Review,
  type Reviewed,
  type ReviewerLoopOptions,
} from "./team/reviewer-loop.ts";
export { specialist, type Specialist, type SpecialistOptions } from "./team/specialist.ts";
export { team, type Team, type TeamOptions } from "./team/team.ts";
export { channel, type Channel } from "./graph/channel.ts";
export { END, START } from "./graph/definition.ts";
export { graph, GraphBuilder, type GraphOptions } from "./graph/graph.ts";
export type { ChatSpec, NodeContext } from "./graph/node-context.ts";
export { envKeys, type MasterKeys } from "./stores/data-keys.ts";
export { encrypted, type EncryptedOptions, type EncryptedStore } from "./stores/encrypted.ts";
export {
  tool,
  type ApprovalRule,
  type ConfidenceRule,
  type Tool,
  type ToolInput,
  type ToolOutput,
} from "./tools/tool.ts";
export { cedar, opa, type PolicyServerOptions } from "./tools/policy-servers.ts";
