export { PawlClient, type CreateKeyRequest, type Session } from "./client/client.ts";
export { ClientError } from "./client/client-error.ts";
export type { FollowOptions, StreamItem } from "./client/follow-events.ts";
export type { CallOptions, ClientOptions, WriteOptions } from "./client/http.ts";
export type { AgentDetail, AgentSummary } from "./gateway/api/agents.ts";
export type {
  ApprovalDetail,
  DecideRequest,
  DecideResponse,
  ReviewClaim,
  ReviewItem,
} from "./gateway/api/approvals.ts";
export type { ConfidenceQuery, ConfidenceReport, OutcomeRequest } from "./gateway/api/confidence.ts";
export type { EffectLine, ResolveEffectRequest, RunEffects } from "./gateway/api/effects.ts";
export type { EventPage, RunEvent, StreamDelta } from "./gateway/api/events.ts";
export type {
  ListEffectsQuery,
  ListRunsQuery,
  ListTracesQuery,
  PageQuery,
  UsageQuery,
} from "./gateway/api/list-queries.ts";
export type { RunSummary } from "./core/run-summary.ts";
export type { Problem } from "./gateway/api/problem.ts";
export type { ForkRequest, StartRunRequest } from "./gateway/api/run-requests.ts";
export type { RunDetail, RunListItem, RunResultOrStatus } from "./gateway/api/runs.ts";
export type { ThreadMessages, ThreadSummary } from "./gateway/api/threads.ts";
export type { AcceptToolRequest, ModelInfo, QuarantineToolRequest } from "./gateway/api/tools.ts";
