import { PawlError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { Approval } from "../engine/approval.ts";
import type { People } from "../engine/people.ts";
import { complain } from "./complain.ts";
import { editedInput } from "./editor.ts";
import { dateText } from "./figures.ts";
import { callText } from "./observation.ts";
import { originLines } from "./origin-lines.ts";
import { question } from "./question.ts";
import { columns, isInteractive, paint, plain, say } from "./terminal.ts";

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
export async function askApproval(people: People, approval: Approval, options: AskOptions): Promise<Asked> {
  const { approvalId, actionHash, tool, schema } = approval;
  const decision = { by: personHere(), shownHash: actionHash, from: "cli" };
  // data cannot be guessed
  if (options.yes && schema === null) {
    await people.approve(approvalId, { ...decision, reason: "--yes" });
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
        if (schema !== null && !(await answered(people, approval, decision))) break;
        if (schema === null) await people.approve(approvalId, decision);
        return "decided";
      case "r":
      case "n": {
        const reason = (await question("why (for the agent; may be empty): ")) ?? "";
        await people.reject(approvalId, reason.trim() === "" ? decision : { ...decision, reason: reason.trim() });
        return "decided";
      }
      case "g":
        if (tool === null && schema === null && (await answered(people, approval, decision))) return "decided";
        break;
      case "e":
        if (tool !== null && (await approveEdited(people, approval, decision))) return "decided";
        break;
      default:
    }
  }
}

function showQuestion({ tool, input, question: text, reasons, origins, schema, expiresAt }: Approval): void {
  say();
  say(paint("bold", `? ${plain(text)}`));
  if (tool !== null) say(`  ${paint("cyan", tool)} ${callText(input, columns() - tool.length - 4)}`);
  for (const reason of reasons) if (!text.includes(reason)) say(`  ${plain(reason)}`);
  for (const line of originLines(origins)) say(line);
  if (schema !== null) say(paint("dim", `  the answer is ${plain(JSON.stringify(schema)).slice(0, SCHEMA_CHARS)}`));
  if (expiresAt !== null) say(paint("dim", `  open until ${dateText(expiresAt)}`));
}

interface By {
  readonly by: string;
  readonly shownHash: string;
  readonly from: string;
}

async function approveEdited(people: People, { approvalId, input }: Approval, by: By): Promise<boolean> {
  return corrected(async () => {
    const edit = await editedInput(input);
    if (edit === null) say("  nothing was changed");
    else await people.approve(approvalId, { ...by, edit });
    return edit !== null;
  });
}

async function answered(people: People, { approvalId }: Approval, by: By): Promise<boolean> {
  const text = await question("answer (JSON, or plain text): ");
  if (text === null) return false;
  const json = parseJson(text);
  return corrected(async () => {
    await people.answer(approvalId, { ...by, answer: json.ok ? json.value : text });
    return true;
  });
}

/** A mistake of the person at the terminal is said, and may be made good. */
async function corrected(decide: () => Promise<boolean>): Promise<boolean> {
  try {
    return await decide();
  } catch (error) {
    if (!PawlError.is(error, "ANSWER_INVALID") && !PawlError.is(error, "OPTION_INVALID")) throw error;
    complain(error);
    return false;
  }
}

/** Asks what became of a call whose outcome nobody knows; --yes does not answer this. */
export async function askEffect(
  people: People,
  effect: { readonly runId: string; readonly callId: string; readonly tool: string; readonly seq: number },
  options: AskOptions,
): Promise<Asked> {
  if (options.json || !isInteractive()) return "later";
  say();
  say(paint("bold", `? Did ${effect.tool} (call ${effect.callId}) happen? Nobody but the other side knows.`));
  for (;;) {
    const answer = await question(paint("bold", "[y]es, it happened  [n]o, try it again  [l]ater > "));
    const said = answer === null ? "l" : answer.trim().toLowerCase()[0];
    if (said === "l") return "later";
    if (said !== "y" && said !== "n") continue;
    const resolution = said === "y" ? "applied" : "not_applied";
    await people.resolveEffect(effect.runId, effect.callId, { resolution, seq: effect.seq, by: personHere() });
    return "decided";
  }
}
