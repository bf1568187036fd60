import type { PawlClient } from "../client.ts";
import type { RunSummary } from "../core/run-summary.ts";
import type { ToolGrant } from "../core/tool-grants.ts";

type As<Names extends keyof PawlClient, Answer> = {
  readonly [Name in Names]: (...given: Parameters<PawlClient[Name]>) => Promise<Answer>;
};
type Reads =
  | "listRuns"
  | "listEvents"
  | "listRunEffects"
  | "listApprovals"
  | "getConfidence"
  | "getGraphState"
  | "getSavings";
type Desks = "claimApproval" | "listBudgets" | "setBudget" | "listTools" | "diffTool" | "listGrants";
type Words =
  | "messageRun"
  | "answerRun"
  | "signalRun"
  | "pauseRun"
  | "resumeRun"
  | "cancelRun"
  | "unblockRun"
  | "raiseBudget";
type Deletions = "deleteRun" | "deleteThread";
type Decisions = "decideApproval" | "resolveEffect" | "acceptTool" | "commentApproval" | "judgeCall" | "quarantineTool";
type ApprovalDetail = Awaited<ReturnType<PawlClient["getApproval"]>>;

/** What commands ask of runs, in the words of the client: a gateway's runs, or those of a database. */
export type Desk = Pick<PawlClient, Reads | Desks | Deletions> &
  As<Words | Decisions, unknown> &
  As<"getRun", RunSummary> &
  As<"forkRun", Pick<RunSummary, "runId">> &
  As<"grantTool" | "revokeGrant", ToolGrant> &
  As<"getApproval", Omit<ApprovalDetail, "inputSchema" | "provenance">>;
