import { approversFor } from "../core/approver-rules.ts";
import { PawlError } from "../core/errors.ts";
import { toJson, type JsonValue } from "../core/json.ts";
import { strictest } from "../core/policy.ts";
import type { ToolDefinition } from "../core/tool-contract.ts";
import type { Approval, DecideOptions, Decision } from "./approval.ts";
import { checkAnswer } from "./answer-schema.ts";
import { checkVoter } from "./approval-rules.ts";
import type { EngineDeps } from "./deps.ts";
import { policyVerdict } from "./task-guard.ts";

interface Given extends DecideOptions {
  readonly vote: Decision["decision"];
}

/**
 * What a person says must fit what was asked; edited arguments the tool's schema, the operator's policies, and who may
 * decide about so much.
 * @throws ANSWER_INVALID, APPROVAL_FORBIDDEN
 */
export async function checkContent(deps: EngineDeps, tenant: string, approval: Approval, given: Given): Promise<void> {
  const { tool, schema, question } = approval;
  const { vote, edit } = given;
  if (tool !== null && vote === "answer")
    throw new PawlError("ANSWER_INVALID", `"${question}" is about a call of ${tool}: approve or reject it.`);
  if (tool === null && edit !== undefined)
    throw new PawlError("ANSWER_INVALID", `"${question}" has no arguments to edit: answer, approve or reject it.`);
  if (edit !== undefined) await checkEdit(deps, tenant, approval, { ...given, edit });
  if (schema === null || vote === "reject") return;
  const what = `the question "${question.slice(0, 200)}"`;
  if (vote === "approve") throw new PawlError("ANSWER_INVALID", `${what} asks for data: answer it, or reject it.`);
  await checkAnswer(what, schema, given.answer ?? null);
}

async function checkEdit(
  deps: EngineDeps,
  tenant: string,
  approval: Approval,
  given: Given & { readonly edit: JsonValue },
): Promise<void> {
  const { edit } = given;
  const tool = deps.registry.tool(approval.tool ?? "", approval.version ?? "");
  if (tool === null) return;
  const parsed = tool.parseInput(edit);
  if (!parsed.ok) {
    const issues = parsed.issues.map((issue) => `${issue.path || "(whole)"}: ${issue.message}`).join("; ");
    throw new PawlError(
      "ANSWER_INVALID",
      `the edited arguments do not fit ${tool.name}: ${issues}. Correct them and approve again.`,
    );
  }
  checkAmount(approval, tool, given, { tenant, at: deps.clock.nowMs() });
  const call = {
    tenant,
    principal: approval.principal,
    runId: approval.runId,
    runnable: approval.agent,
    tool: tool.name,
    version: tool.version,
    args: edit,
    // the edit is a person's word; the run may have read anything
    isTainted: true,
    origins: [],
  };
  const policies = deps.guard?.policies ?? [];
  const said = strictest(await Promise.all(policies.map((policy) => policyVerdict(deps.clock, policy, call))));
  if (said.decision !== "refuse") return;
  throw new PawlError(
    "APPROVAL_FORBIDDEN",
    `the edited arguments of ${tool.name} are refused by ${said.rules.join(", ")}${said.reason === undefined ? "" : `: ${said.reason}`}.`,
  );
}

/** Nobody approves by an edit what they could not have approved as it is. */
function checkAmount(
  { approvalId, quorum, escalation, principal, runId }: Approval,
  tool: ToolDefinition,
  { by, roles = [], edit, vote }: Given & { readonly edit: JsonValue },
  { tenant, at }: { readonly tenant: string; readonly at: number },
): void {
  if ((tool.approvers?.above ?? []).length === 0) return;
  const { whoMay, quorum: needed = 1 } = approversFor(tool, edit, tenant);
  const rules = { approvalId, quorum: needed, ...(whoMay && { whoMay }), ...(escalation && { escalation }) };
  checkVoter(rules, principal, { by, roles, at }, vote);
  if (needed <= quorum) return;
  throw new PawlError(
    "APPROVAL_FORBIDDEN",
    `the edited amount needs ${needed} people, and ${quorum} are asked here. Reject it, and let run "${runId}" ask for that amount.`,
  );
}

/** @throws ANSWER_INVALID */
export function plain(what: string, value: unknown): JsonValue {
  const json = toJson(value);
  if (json.ok) return json.value;
  throw new PawlError("ANSWER_INVALID", `${what} cannot be recorded: ${json.found} at ${json.path}. Give plain data.`);
}
