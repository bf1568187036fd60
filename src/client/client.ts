import type { BudgetLine } from "../core/budget-rules.ts";
import type { GrantRequest } from "../core/tool-grants.ts";
import type { GrantLine, ToolDiff, ToolLine } from "../core/tool-line.ts";
import type { JsonValue } from "../core/json.ts";
import type { SourceStatus } from "../core/model-contract.ts";
import type { RunSummary } from "../core/run-summary.ts";
import type { UsageSavings } from "../core/savings.ts";
import type { Page } from "../core/store-contract.ts";
import type {
  CostRow,
  EffectRow,
  ErrorGroup,
  ErrorGroups,
  RunCosts,
  SpanDetail,
  SpanWindow,
  TraceIndexSize,
  TracePage,
} from "../core/trace-contract.ts";
import type { ApiKey, IssuedKey } from "../gateway/api-keys.ts";
import type { AgentGraph, RunGraphState, RunGraphView } from "../gateway/api/graphs.ts";
import type { AgentDetail, AgentSummary } from "../gateway/api/agents.ts";
import type {
  ApprovalDetail,
  ClaimRequest,
  CommentRequest,
  DecideRequest,
  DecideResponse,
  ReviewClaim,
  ReviewItem,
} from "../gateway/api/approvals.ts";
import type { ConfidenceQuery, ConfidenceReport, OutcomeRequest } from "../gateway/api/confidence.ts";
import type { SetBudgetRequest } from "../gateway/api/budgets.ts";
import type { Deleted } from "../gateway/api/deletion.ts";
import type { ResolveEffectRequest, RunEffects } from "../gateway/api/effects.ts";
import type { EventPage } from "../gateway/api/events.ts";
import type {
  EventsQuery,
  ListEffectsQuery,
  ListRunsQuery,
  ListTracesQuery,
  PageQuery,
  ResultQuery,
  RunUsageQuery,
  SavingsQuery,
  SpansQuery,
  UsageQuery,
} from "../gateway/api/list-queries.ts";
import type { CheckModelRequest, ModelCheckAnswer } from "../gateway/api/models.ts";
import type {
  ForkRequest,
  MessageRequest,
  AllowToolsRequest,
  RaiseBudgetRequest,
  ReasonRequest,
  SignalRequest,
  StartRunRequest,
  UnblockRequest,
} from "../gateway/api/run-requests.ts";
import type { RunDetail, RunListPage, RunResultOrStatus } from "../gateway/api/runs.ts";
import type { ThreadMessages, ThreadSummary } from "../gateway/api/threads.ts";
import type { AcceptToolRequest, ModelInfo, QuarantineToolRequest } from "../gateway/api/tools.ts";
import type { Caller } from "../gateway/caller.ts";
import type { Role } from "../gateway/roles.ts";
import { followEvents, type FollowOptions, type StreamItem } from "./follow-events.ts";
import { Http, type CallOptions, type ClientOptions, type WriteOptions } from "./http.ts";

export type Session = Omit<Caller, "credential">;
export interface CreateKeyRequest {
  readonly name: string;
  readonly roles: readonly Role[];
  readonly principal?: string;
  readonly expiresInDays?: number;
}

/**
 * A gateway, by its routes. Each method is one request, and @throws ClientError for a refusal, TypeError where the
 * gateway cannot be reached: whether a repeat is safe, `retry` of the error says, and an idempotency key makes it so.
 */
export class PawlClient {
  readonly #http: Http;

  constructor(options: ClientOptions) {
    this.#http = new Http(options);
  }

  // ---- what there is

  listAgents(options?: CallOptions): Promise<Page<AgentSummary>> {
    return this.#http.json("listAgents", options);
  }
  getAgent(agent: string, options?: CallOptions): Promise<AgentDetail> {
    return this.#http.json("getAgent", { ...options, path: { agent } });
  }
  /** @throws OPTION_INVALID of a name that is no graph's */
  getGraph(agent: string, options?: CallOptions): Promise<AgentGraph> {
    return this.#http.json("getGraph", { ...options, path: { agent } });
  }
  getRunGraph(runId: string, options?: CallOptions): Promise<RunGraphView> {
    return this.#http.json("getRunGraph", { ...options, path: { runId } });
  }
  /** After `turn` supersteps; default the newest. */
  getGraphState(runId: string, query: { readonly turn?: number } = {}, options?: CallOptions): Promise<RunGraphState> {
    return this.#http.json("getGraphState", { ...options, path: { runId }, query });
  }
  listTools(options?: CallOptions): Promise<Page<ToolLine>> {
    return this.#http.json("listTools", options);
  }
  listModels(options?: CallOptions): Promise<Page<ModelInfo>> {
    return this.#http.json("listModels", options);
  }
  /** Endpoints and routes of the process that answers: health, load, latency, limits, failures, price. */
  getModelStatus(options?: CallOptions): Promise<SourceStatus> {
    return this.#http.json("getModelStatus", options);
  }
  /** Asks a route or an endpoint for one streamed tool call, which costs what that costs. */
  checkModel(body: CheckModelRequest, options?: CallOptions): Promise<ModelCheckAnswer> {
    return this.#http.json("checkModel", { ...options, body });
  }

  // ---- runs

  startRun(body: StartRunRequest, options?: WriteOptions): Promise<RunSummary> {
    return this.#http.json("startRun", { ...options, body });
  }
  listRuns(query: ListRunsQuery = {}, options?: CallOptions): Promise<RunListPage> {
    return this.#http.json("listRuns", { ...options, query });
  }
  getRun(runId: string, options?: CallOptions): Promise<RunDetail> {
    return this.#http.json("getRun", { ...options, path: { runId } });
  }
  /** With `waitMs`, as soon as the run has settled; after that time, how it stands. */
  getResult(runId: string, query: ResultQuery = {}, options?: CallOptions): Promise<RunResultOrStatus> {
    return this.#http.json("getResult", { ...options, path: { runId }, query });
  }
  forkRun(runId: string, body: ForkRequest, options?: WriteOptions): Promise<RunSummary> {
    return this.#http.json("forkRun", { ...options, path: { runId }, body });
  }
  cancelRun(runId: string, body: ReasonRequest, options?: WriteOptions): Promise<RunSummary> {
    return this.#http.json("cancelRun", { ...options, path: { runId }, body });
  }
  pauseRun(runId: string, body: ReasonRequest, options?: WriteOptions): Promise<RunSummary> {
    return this.#http.json("pauseRun", { ...options, path: { runId }, body });
  }
  resumeRun(runId: string, options?: WriteOptions): Promise<RunSummary> {
    return this.#http.json("resumeRun", { ...options, path: { runId } });
  }
  unblockRun(runId: string, body: UnblockRequest, options?: WriteOptions): Promise<RunSummary> {
    return this.#http.json("unblockRun", { ...options, path: { runId }, body });
  }
  /** Takes the agent's next turn over. @throws ANSWER_PENDING, ANSWER_INVALID */
  answerRun(runId: string, body: MessageRequest, options?: WriteOptions): Promise<RunSummary> {
    return this.#http.json("answerRun", { ...options, path: { runId }, body });
  }

  messageRun(runId: string, body: MessageRequest, options?: WriteOptions): Promise<RunSummary> {
    return this.#http.json("messageRun", { ...options, path: { runId }, body });
  }
  signalRun(runId: string, body: SignalRequest, options?: WriteOptions): Promise<RunSummary> {
    return this.#http.json("signalRun", { ...options, path: { runId }, body });
  }
  /** A task that was started with a set of tools may use these too. */
  allowTools(runId: string, body: AllowToolsRequest, options?: WriteOptions): Promise<RunSummary> {
    return this.#http.json("allowTools", { ...options, path: { runId }, body });
  }
  raiseBudget(runId: string, body: RaiseBudgetRequest, options?: WriteOptions): Promise<RunSummary> {
    return this.#http.json("raiseBudget", { ...options, path: { runId }, body });
  }

  /** What changed in a tool's definition since it was accepted. */
  diffTool(tool: string, query: { readonly version?: string } = {}, options?: CallOptions): Promise<ToolDiff> {
    return this.#http.json("diffTool", { ...options, path: { tool }, query });
  }
  acceptTool(tool: string, body: AcceptToolRequest, options?: WriteOptions): Promise<Page<ToolLine>> {
    return this.#http.json("acceptTool", { ...options, path: { tool }, body });
  }
  quarantineTool(tool: string, body: QuarantineToolRequest, options?: WriteOptions): Promise<Page<ToolLine>> {
    return this.#http.json("quarantineTool", { ...options, path: { tool }, body });
  }
  listGrants(query: { readonly tool?: string } = {}, options?: CallOptions): Promise<Page<GrantLine>> {
    return this.#http.json("listGrants", { ...options, query });
  }
  grantTool(body: GrantRequest, options?: WriteOptions): Promise<GrantLine> {
    return this.#http.json("grantTool", { ...options, body });
  }
  revokeGrant(grant: string, options?: WriteOptions): Promise<GrantLine> {
    return this.#http.json("revokeGrant", { ...options, path: { grant } });
  }

  /** Declared budgets: used, reserved and left in their window. */
  listBudgets(options?: CallOptions): Promise<Page<BudgetLine>> {
    return this.#http.json("listBudgets", options);
  }
  /** Sets caps in place of the declared ones; null takes them back. */
  setBudget(budget: string, body: SetBudgetRequest, options?: WriteOptions): Promise<Page<BudgetLine>> {
    return this.#http.json("setBudget", { ...options, path: { budget }, body });
  }

  /** An ended run with its children, for good. @throws RUN_NOT_ENDED */
  deleteRun(runId: string, options?: CallOptions): Promise<Deleted> {
    return this.#http.json("deleteRun", { ...options, path: { runId } });
  }
  /** A conversation with all its runs, for good. @throws RUN_NOT_ENDED, THREAD_BUSY */
  deleteThread(threadId: string, options?: CallOptions): Promise<Deleted> {
    return this.#http.json("deleteThread", { ...options, path: { threadId } });
  }

  // ---- events

  /** A page of the journal. To follow a run: `events`. */
  listEvents(runId: string, query: EventsQuery = {}, options?: CallOptions): Promise<EventPage> {
    return this.#http.json("listEvents", { ...options, path: { runId }, query });
  }
  /** The journal as it grows, with live text between; over broken connections too. See followEvents. */
  events(runId: string, options?: FollowOptions): AsyncGenerator<StreamItem> {
    return followEvents(this.#http, runId, options);
  }
  /** A value that an event of the run names by its hash. */
  getValue(runId: string, hash: string, options?: CallOptions): Promise<JsonValue> {
    return this.#http.json("getValue", { ...options, path: { runId, hash } });
  }

  // ---- people

  listApprovals(query: PageQuery = {}, options?: CallOptions): Promise<Page<ReviewItem>> {
    return this.#http.json("listApprovals", { ...options, query });
  }
  getApproval(approvalId: string, options?: CallOptions): Promise<ApprovalDetail> {
    return this.#http.json("getApproval", { ...options, path: { approvalId } });
  }
  decideApproval(approvalId: string, body: DecideRequest, options?: WriteOptions): Promise<DecideResponse> {
    return this.#http.json("decideApproval", { ...options, path: { approvalId }, body });
  }
  claimApproval(approvalId: string, body: ClaimRequest = {}, options?: WriteOptions): Promise<ReviewClaim> {
    return this.#http.json("claimApproval", { ...options, path: { approvalId }, body });
  }
  releaseApproval(approvalId: string, options?: WriteOptions): Promise<void> {
    return this.#http.none("releaseApproval", { ...options, path: { approvalId } });
  }
  /** What it says binds nothing. @throws COMMENTS_TOO_MANY */
  commentApproval(approvalId: string, body: CommentRequest, options?: WriteOptions): Promise<void> {
    return this.#http.none("commentApproval", { ...options, path: { approvalId }, body });
  }
  getConfidence(query: ConfidenceQuery = {}, options?: CallOptions): Promise<ConfidenceReport> {
    return this.#http.json("getConfidence", { ...options, query });
  }
  judgeCall(
    call: { readonly runId: string; readonly callId: string },
    body: OutcomeRequest,
    options?: WriteOptions,
  ): Promise<void> {
    return this.#http.none("judgeCall", { ...options, path: call, body });
  }
  listEffects(query: ListEffectsQuery = {}, options?: CallOptions): Promise<Page<EffectRow>> {
    return this.#http.json("listEffects", { ...options, query });
  }
  listRunEffects(runId: string, options?: CallOptions): Promise<RunEffects> {
    return this.#http.json("listRunEffects", { ...options, path: { runId } });
  }
  resolveEffect(
    call: { readonly runId: string; readonly callId: string },
    body: ResolveEffectRequest,
    options?: WriteOptions,
  ): Promise<RunSummary> {
    return this.#http.json("resolveEffect", { ...options, path: { ...call }, body });
  }

  // ---- threads

  listThreads(query: PageQuery = {}, options?: CallOptions): Promise<Page<ThreadSummary>> {
    return this.#http.json("listThreads", { ...options, query });
  }
  getThread(threadId: string, options?: CallOptions): Promise<ThreadSummary> {
    return this.#http.json("getThread", { ...options, path: { threadId } });
  }
  listThreadMessages(threadId: string, options?: CallOptions): Promise<ThreadMessages> {
    return this.#http.json("listThreadMessages", { ...options, path: { threadId } });
  }

  // ---- traces and cost

  listTraces(query: ListTracesQuery = {}, options?: CallOptions): Promise<TracePage> {
    return this.#http.json("listTraces", { ...options, query });
  }
  listSpans(runId: string, query: SpansQuery = {}, options?: CallOptions): Promise<SpanWindow> {
    return this.#http.json("listSpans", { ...options, path: { runId }, query });
  }
  getSpan(runId: string, spanId: string, options?: CallOptions): Promise<SpanDetail> {
    return this.#http.json("getSpan", { ...options, path: { runId, spanId } });
  }
  listErrorGroups(query: ListTracesQuery = {}, options?: CallOptions): Promise<ErrorGroups & Page<ErrorGroup>> {
    return this.#http.json("listErrorGroups", { ...options, query });
  }
  listUsage(query: UsageQuery, options?: CallOptions): Promise<Page<CostRow>> {
    return this.#http.json("listUsage", { ...options, query });
  }
  /** What the newest runs did not spend: by small models, kept results and compactions. */
  getSavings(query: SavingsQuery = {}, options?: CallOptions): Promise<UsageSavings> {
    return this.#http.json("getSavings", { ...options, query });
  }
  /** What a run cost with the runs below it. */
  getRunUsage(runId: string, query: RunUsageQuery, options?: CallOptions): Promise<RunCosts> {
    return this.#http.json("getRunUsage", { ...options, path: { runId }, query });
  }
  getTraceIndex(options?: CallOptions): Promise<TraceIndexSize> {
    return this.#http.json("getTraceIndex", options);
  }

  // ---- who may

  getSession(options?: CallOptions): Promise<Session> {
    return this.#http.json("getSession", options);
  }
  /** For browsers: from then on a cookie says who asks. */
  openSession(body: { readonly key: string }, options?: CallOptions): Promise<Session> {
    return this.#http.json("openSession", { ...options, body });
  }
  closeSession(options?: CallOptions): Promise<void> {
    return this.#http.none("closeSession", options);
  }
  listKeys(query: PageQuery = {}, options?: CallOptions): Promise<Page<ApiKey>> {
    return this.#http.json("listKeys", { ...options, query });
  }
  /** The answer alone has the key's text. */
  createKey(body: CreateKeyRequest, options?: CallOptions): Promise<IssuedKey> {
    return this.#http.json("createKey", { ...options, body });
  }
  revokeKey(keyId: string, options?: CallOptions): Promise<ApiKey> {
    return this.#http.json("revokeKey", { ...options, path: { keyId } });
  }
  rotateKey(keyId: string, body: { readonly graceSeconds?: number } = {}, options?: CallOptions): Promise<IssuedKey> {
    return this.#http.json("rotateKey", { ...options, path: { keyId }, body });
  }

  // ---- the process

  isAlive(options?: CallOptions): Promise<boolean> {
    return this.#isWell("isAlive", options);
  }
  /** False while it starts, drains, or cannot reach its store. */
  isReady(options?: CallOptions): Promise<boolean> {
    return this.#isWell("isReady", options);
  }
  /** In the text format of Prometheus. */
  async getMetrics(options?: CallOptions): Promise<string> {
    return (await this.#http.send("getMetrics", { ...options, accept: "text/plain" })).text();
  }

  async #isWell(operation: "isAlive" | "isReady", options?: CallOptions): Promise<boolean> {
    const answer = await this.#http.status(operation, options);
    return answer >= 200 && answer < 300;
  }
}
