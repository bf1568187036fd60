// The one place where the console takes types from: the gateway's schemas and, through them, the contracts of core.
export type { AgentDetail } from "../../../src/gateway/api/agents.ts";
export type { ApprovalDetail, DecideRequest, ReviewItem } from "../../../src/gateway/api/approvals.ts";
export type { ConfidenceReport } from "../../../src/gateway/api/confidence.ts";
export type { SetBudgetRequest } from "../../../src/gateway/api/budgets.ts";
export type { ResolveEffectRequest } from "../../../src/gateway/api/effects.ts";
export type { RunEvent, StreamDelta } from "../../../src/gateway/api/events.ts";
export type { RunGraphView } from "../../../src/gateway/api/graphs.ts";
export type { ListEffectsQuery, ListRunsQuery, UsageQuery } from "../../../src/gateway/api/list-queries.ts";
export type { ModelCheckAnswer } from "../../../src/gateway/api/models.ts";
export type { StartRunRequest } from "../../../src/gateway/api/run-requests.ts";
export type { RunSummary } from "../../../src/core/run-summary.ts";
export type { BudgetLine, RunDetail, RunListItem } from "../../../src/gateway/api/runs.ts";
export type { BudgetScope } from "../../../src/core/budget.ts";
export type { BudgetCaps, BudgetLine as DeclaredBudget } from "../../../src/core/budget-rules.ts";
export type { Effect, EffectCounts, EffectStatus } from "../../../src/core/effect.ts";
export type { ErrorRecord } from "../../../src/core/errors.ts";
export type { WaitFor } from "../../../src/core/journal-event.ts";
export type { PlanItem } from "../../../src/core/plan-event.ts";
export type { JsonObject, JsonValue } from "../../../src/core/json.ts";
export type { Ref } from "../../../src/core/label.ts";
export type { EndpointStatus, RouteStatus } from "../../../src/core/model-contract.ts";
export type { AssistantPart, Message } from "../../../src/core/message.ts";
export type { EndStatus, RunStatus, StopReason } from "../../../src/core/run-outcome.ts";
export type {
  Cause,
  CostRow,
  EffectRow,
  PromptPiece,
  RebuiltRequest,
  Span,
  SpanDetail,
  SpanKind,
  SpanMark,
  SpanRow,
  SpanStatus,
  SpanWindow,
  Stretch,
} from "../../../src/core/trace-contract.ts";
export type { GrantRequest } from "../../../src/core/tool-grants.ts";
export type { GrantLine, ToolLine } from "../../../src/core/tool-line.ts";
export type { Price, Usage } from "../../../src/core/usage.ts";
