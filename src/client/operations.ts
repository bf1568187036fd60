/** A method of the client that is one request. */
export type Operation =
  | "listAgents"
  | "getAgent"
  | "getGraph"
  | "getRunGraph"
  | "getGraphState"
  | "listTools"
  | "listModels"
  | "getModelStatus"
  | "checkModel"
  | "startRun"
  | "listRuns"
  | "getRun"
  | "getResult"
  | "forkRun"
  | "cancelRun"
  | "pauseRun"
  | "resumeRun"
  | "unblockRun"
  | "messageRun"
  | "answerRun"
  | "signalRun"
  | "allowTools"
  | "raiseBudget"
  | "diffTool"
  | "acceptTool"
  | "quarantineTool"
  | "listGrants"
  | "grantTool"
  | "revokeGrant"
  | "listBudgets"
  | "setBudget"
  | "listEvents"
  | "getValue"
  | "listApprovals"
  | "getApproval"
  | "decideApproval"
  | "claimApproval"
  | "releaseApproval"
  | "commentApproval"
  | "getConfidence"
  | "judgeCall"
  | "listEffects"
  | "listRunEffects"
  | "resolveEffect"
  | "listThreads"
  | "getThread"
  | "listThreadMessages"
  | "listTraces"
  | "listSpans"
  | "getSpan"
  | "listErrorGroups"
  | "listUsage"
  | "getSavings"
  | "getRunUsage"
  | "getTraceIndex"
  | "getSession"
  | "openSession"
  | "closeSession"
  | "deleteRun"
  | "deleteThread"
  | "listKeys"
  | "createKey"
  | "revokeKey"
  | "rotateKey"
  | "isAlive"
  | "isReady"
  | "getMetrics";

/** Every route of the gateway that its OpenAPI document names, by the client's method: a test compares them both ways. */
export const operations: { readonly [name in Operation]: readonly [method: string, path: string] } = {
  listAgents: ["GET", "/api/v1/agents"],
  getAgent: ["GET", "/api/v1/agents/{agent}"],
  getGraph: ["GET", "/api/v1/agents/{agent}/graph"],
  getRunGraph: ["GET", "/api/v1/runs/{runId}/graph"],
  getGraphState: ["GET", "/api/v1/runs/{runId}/graph/state"],
  listTools: ["GET", "/api/v1/tools"],
  listModels: ["GET", "/api/v1/models"],
  getModelStatus: ["GET", "/api/v1/models/status"],
  checkModel: ["POST", "/api/v1/models/check"],
  startRun: ["POST", "/api/v1/runs"],
  listRuns: ["GET", "/api/v1/runs"],
  getRun: ["GET", "/api/v1/runs/{runId}"],
  getResult: ["GET", "/api/v1/runs/{runId}/result"],
  forkRun: ["POST", "/api/v1/runs/{runId}/fork"],
  deleteRun: ["DELETE", "/api/v1/runs/{runId}"],
  deleteThread: ["DELETE", "/api/v1/threads/{threadId}"],
  cancelRun: ["POST", "/api/v1/runs/{runId}/cancel"],
  pauseRun: ["POST", "/api/v1/runs/{runId}/pause"],
  resumeRun: ["POST", "/api/v1/runs/{runId}/resume"],
  unblockRun: ["POST", "/api/v1/runs/{runId}/unblock"],
  messageRun: ["POST", "/api/v1/runs/{runId}/messages"],
  answerRun: ["POST", "/api/v1/runs/{runId}/answer"],
  signalRun: ["POST", "/api/v1/runs/{runId}/signals"],
  allowTools: ["POST", "/api/v1/runs/{runId}/tools"],
  raiseBudget: ["POST", "/api/v1/runs/{runId}/budget"],
  diffTool: ["GET", "/api/v1/tools/{tool}/diff"],
  acceptTool: ["POST", "/api/v1/tools/{tool}/accept"],
  quarantineTool: ["POST", "/api/v1/tools/{tool}/quarantine"],
  listGrants: ["GET", "/api/v1/grants"],
  grantTool: ["POST", "/api/v1/grants"],
  revokeGrant: ["DELETE", "/api/v1/grants/{grant}"],
  listBudgets: ["GET", "/api/v1/budgets"],
  setBudget: ["POST", "/api/v1/budgets/{budget}/caps"],
  listEvents: ["GET", "/api/v1/runs/{runId}/events"],
  getValue: ["GET", "/api/v1/runs/{runId}/values/{hash}"],
  listApprovals: ["GET", "/api/v1/approvals"],
  getApproval: ["GET", "/api/v1/approvals/{approvalId}"],
  decideApproval: ["POST", "/api/v1/approvals/{approvalId}/decision"],
  claimApproval: ["POST", "/api/v1/approvals/{approvalId}/claim"],
  releaseApproval: ["POST", "/api/v1/approvals/{approvalId}/release"],
  commentApproval: ["POST", "/api/v1/approvals/{approvalId}/comments"],
  getConfidence: ["GET", "/api/v1/confidence"],
  judgeCall: ["POST", "/api/v1/runs/{runId}/calls/{callId}/outcome"],
  listEffects: ["GET", "/api/v1/effects"],
  listRunEffects: ["GET", "/api/v1/runs/{runId}/effects"],
  resolveEffect: ["POST", "/api/v1/runs/{runId}/effects/{callId}/resolution"],
  listThreads: ["GET", "/api/v1/threads"],
  getThread: ["GET", "/api/v1/threads/{threadId}"],
  listThreadMessages: ["GET", "/api/v1/threads/{threadId}/messages"],
  listTraces: ["GET", "/api/v1/traces"],
  listSpans: ["GET", "/api/v1/runs/{runId}/spans"],
  getSpan: ["GET", "/api/v1/runs/{runId}/spans/{spanId}"],
  listErrorGroups: ["GET", "/api/v1/error-groups"],
  listUsage: ["GET", "/api/v1/usage"],
  getSavings: ["GET", "/api/v1/usage/savings"],
  getRunUsage: ["GET", "/api/v1/runs/{runId}/usage"],
  getTraceIndex: ["GET", "/api/v1/trace-index"],
  getSession: ["GET", "/api/v1/session"],
  openSession: ["POST", "/api/v1/session"],
  closeSession: ["DELETE", "/api/v1/session"],
  listKeys: ["GET", "/api/v1/keys"],
  createKey: ["POST", "/api/v1/keys"],
  revokeKey: ["POST", "/api/v1/keys/{keyId}/revoke"],
  rotateKey: ["POST", "/api/v1/keys/{keyId}/rotate"],
  isAlive: ["GET", "/livez"],
  isReady: ["GET", "/readyz"],
  getMetrics: ["GET", "/metrics"],
};
