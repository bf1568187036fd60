import { parseJson } from "../core/json.ts";
import { complain } from "./complain.ts";
import { localError } from "./connection.ts";
import type { Desk } from "./desk.ts";
import { editedInput } from "./editor.ts";
import { dateText } from "./figures.ts";
import { callText } from "./observation.ts";
import { originLines } from "./origin-lines.ts";
import { question } from "./question.ts";
import { columns, isInteractive, paint, plain, say } from "./terminal.ts";

type Decider = Pick<Desk, "decideApproval" | "resolveEffect">;
type Approval = Awaited<ReturnType<Desk["getApproval"]>>;

/** What a person said to one question; `later` leaves it open. */
export type Asked = "decided" | "later";

export interface AskOptions {
  /** Approves everything without asking. */
  readonly yes: boolean;
  /** Nobody is asked: output is data. */
  readonly json: boolean;
}

const SCHEMA_CHARS = 400;

/** Who is at this terminal. */
export function personHere(): string {
  return process.env["USER"] ?? process.env["USERNAME"] ?? "local";
}

/** Puts one open approval to the person at the terminal. On a pipe nobody is asked: `later`. */
export async function askApproval(desk: Decider, approval: Approval, options: AskOptions): Promise<Asked> {
  const { approvalId, actionHash, tool, answerSchema: schema } = approval;
  const approve = { decision: "approve", shownHash: actionHash } as const;
  // data cannot be guessed
  if (options.yes && schema === null) {
    await desk.decideApproval(approvalId, { ...approve, reason: "--yes" });
    return "decided";
  }
  if (options.json || !isInteractive()) return "later";
  showQuestion(approval);
  const choices =
    schema !== null
      ? "[a]nswer [r]eject > "
      : tool === null
        ? "[a]pprove [g]ive an answer [r]eject > "
        : "[a]pprove [e]dit [r]eject > ";
  for (;;) {
    const answer = await question(paint("bold", choices));
    if (answer === null) return "later";
    switch (answer.trim().toLowerCase().slice(0, 1)) {
      case "a":
      case "y":
        if (schema !== null && !(await answered(desk, approval))) break;
        if (schema === null) await desk.decideApproval(approvalId, approve);
        return "decided";
      case "r":
      case "n": {
        const reason = ((await question("why (for the agent; may be empty): ")) ?? "").trim();
        await desk.decideApproval(approvalId, { ...approve, decision: "reject", ...(reason !== "" && { reason }) });
        return "decided";
      }
      case "g":
        if (tool === null && schema === null && (await answered(desk, approval))) return "decided";
        break;
      case "e":
        if (tool !== null && (await approveEdited(desk, approval))) return "decided";
        break;
      default:
    }
  }
}

function showQuestion({ tool, input, question: text, reasons, origins, answerSchema, expiresAt }: Approval): void {
  say();
  say(paint("bold", `? ${plain(text)}`));
  if (tool !== null) say(`  ${paint("cyan", tool)} ${callText(input, columns() - tool.length - 4)}`);
  for (const reason of reasons) if (!text.includes(reason)) say(`  ${plain(reason)}`);
  for (const line of originLines(origins)) say(line);
  if (answerSchema !== null)
    say(paint("dim", `  the answer is ${plain(JSON.stringify(answerSchema)).slice(0, SCHEMA_CHARS)}`));
  if (expiresAt !== null) say(paint("dim", `  open until ${dateText(expiresAt)}`));
}

async function approveEdited(desk: Decider, { approvalId, actionHash, input }: Approval): Promise<boolean> {
  return corrected(async () => {
    const edit = await editedInput(input);
    if (edit === null) say("  nothing was changed");
    else await desk.decideApproval(approvalId, { decision: "approve", shownHash: actionHash, edit });
    return edit !== null;
  });
}

async function answered(desk: Decider, { approvalId, actionHash }: Approval): Promise<boolean> {
  const text = await question("answer (JSON, or plain text): ");
  if (text === null) return false;
  const json = parseJson(text);
  return corrected(async () => {
    const answer = json.ok ? json.value : text;
    await desk.decideApproval(approvalId, { decision: "answer", shownHash: actionHash, answer });
    return true;
  });
}

/** A mistake of the person at the terminal is said, and may be made good. */
async function corrected(decide: () => Promise<boolean>): Promise<boolean> {
  try {
    return await decide();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : null;
    if (code !== "ANSWER_INVALID" && code !== "OPTION_INVALID") throw error;
    complain(localError(error, ""));
    return false;
  }
}

/** Asks what became of a call whose outcome nobody knows; --yes does not answer this. */
export async function askEffect(
  desk: Decider,
  {
    tool,
    seq,
    ...call
  }: { readonly runId: string; readonly callId: string; readonly tool: string; readonly seq?: number },
  options: AskOptions,
): Promise<Asked> {
  if (options.json || !isInteractive()) return "later";
  say();
  say(paint("bold", `? Did ${tool} (call ${call.callId}) happen? Nobody but the other side knows.`));
  for (;;) {
    const answer = await question(paint("bold", "[y]es, it happened  [n]o, try it again  [l]ater > "));
    const said = answer === null ? "l" : answer.trim().toLowerCase()[0];
    if (said === "l") return "later";
    if (said !== "y" && said !== "n") continue;
    const resolution = said === "y" ? "applied" : "not_applied";
    await desk.resolveEffect(call, { resolution, ...(seq !== undefined && { seq }) });
    return "decided";
  }
}
