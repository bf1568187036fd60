import { PawlError } from "../../core/errors.ts";
import { falseAllowMax, type Calibration, type GatedCall } from "../../engine/calibration.ts";
import { atDesk, toRead, toSay } from "../at-desk.ts";
import type { Desk } from "../desk.ts";
import { countText, dateText } from "../figures.ts";
import { originLines } from "../origin-lines.ts";
import { pasteable } from "../pasteable.ts";
import type { Place } from "../place.ts";
import { paint, plain, say, sayTable } from "../terminal.ts";
import { limitOf } from "./traces.ts";

type Approval = Awaited<ReturnType<Desk["getApproval"]>>;

/** `pawl reviews show`: one approval as it stands, decided or not. */
export function reviewShow(approvalId: string, place: Place): Promise<number> {
  return atDesk(
    place,
    async (desk) => {
      const approval = await desk.getApproval(approvalId);
      if (place.json === true) say(JSON.stringify(approval));
      else showApproval(approval, place);
    },
    toRead,
  );
}

function showApproval(approval: Approval, place: Place): void {
  const { question, tool, toolVersion, input, reasons, whoMay, quorum, expiresAt, escalation, claim } = approval;
  say(paint("bold", plain(question)));
  const line = (name: string, text: string): void => say(`  ${paint("dim", name.padEnd(10))} ${plain(text)}`);
  line("run", `${approval.runId} of ${approval.agent}, started by ${approval.principal}`);
  if (tool !== null) line("call", `${tool}@${toolVersion ?? ""} ${JSON.stringify(input)}`);
  for (const reason of reasons) line("because", reason);
  const { gate } = approval;
  if (gate !== null)
    line(
      "measured",
      `${gate.score?.toFixed(2) ?? "nothing"} by ${gate.by}, threshold ${gate.threshold}: ${gate.decision}`,
    );
  for (const text of originLines(approval.origins)) say(text);
  const named = [...(whoMay?.roles ?? []).map((role) => `role ${role}`), ...(whoMay?.principals ?? [])].join(", ");
  line("who may", `${named === "" ? "everybody of the tenant" : named}${quorum > 1 ? `; ${quorum} must approve` : ""}`);
  for (const { by, vote, at, reason } of approval.votes)
    line("said", `${vote} by ${by}, ${dateText(at)}${reason === null ? "" : `: ${reason}`}`);
  for (const { by, text, at } of approval.comments) line("comment", `${by}, ${dateText(at)}: ${text}`);
  const { decision } = approval;
  if (decision !== null) {
    line("decided", `${decision.decision} by ${decision.by}${decision.reason === null ? "" : `: ${decision.reason}`}`);
    return;
  }
  if (claim !== null) line("claimed", `by ${claim.by} until ${dateText(claim.until)}`);
  if (escalation !== null)
    line(
      escalation.at <= Date.now() ? "escalated" : "escalates",
      `to the role ${escalation.role} at ${dateText(escalation.at)}`,
    );
  if (expiresAt !== null) line("open until", `${dateText(expiresAt)}, then: ${approval.default}`);
  const answers = approval.answerSchema === null ? ["approve", "reject"] : ["answer", "reject"];
  for (const verb of answers) say(`  ${pasteable(place, "reviews", verb, approval.approvalId)}`);
}

export function reviewClaim(approvalId: string, options: Place & { readonly takeOver?: boolean }): Promise<number> {
  return atDesk(
    options,
    async (desk) => {
      const claim = await desk.claimApproval(approvalId, { takeOver: options.takeOver === true });
      say(options.json === true ? JSON.stringify({ approvalId, ...claim }) : `yours until ${dateText(claim.until)}.`);
    },
    toSay,
  );
}

export function reviewComment(approvalId: string, text: string, options: Place): Promise<number> {
  return atDesk(
    options,
    async (desk) => {
      await desk.commentApproval(approvalId, { text });
      say(options.json === true ? JSON.stringify({ approvalId, text }) : "noted; it decides nothing.");
    },
    toSay,
  );
}

export function reviewOutcome(
  call: { readonly runId: string; readonly callId: string },
  outcome: string | undefined,
  options: Place,
): Promise<number> {
  if (outcome !== "right" && outcome !== "wrong")
    throw new PawlError("OPTION_INVALID", `the outcome is "${outcome ?? ""}". It is right or wrong.`);
  const done = `${call.callId} of ${call.runId} was ${outcome}.`;
  return atDesk(
    options,
    async (desk) => {
      await desk.judgeCall(call, { outcome });
      say(options.json === true ? JSON.stringify({ ...call, outcome }) : done);
    },
    toSay,
  );
}

/** `pawl reviews calibrate`: what measured confidence was worth, for each tool; with `calls` each call, newest first. */
export function reviewCalibrate(
  tool: string | undefined,
  options: Place & { readonly limit?: string; readonly calls?: boolean },
): Promise<number> {
  const runs = limitOf(options.limit ?? "500");
  return atDesk(
    options,
    async (desk) => {
      const report = await desk.getConfidence({ runs, ...(tool !== undefined && { tool }) });
      const items = options.calls === true ? report.calls : report.tools;
      for (const one of items) if (options.json === true) say(JSON.stringify(one));
      if (options.json === true) return;
      if (items.length === 0) say("no call's confidence was measured in these runs: give a tool `confidence`.");
      else if (options.calls === true) showCalls(report.calls);
      else for (const one of report.tools) showCalibration(one);
    },
    toRead,
  );
}

function showCalls(calls: readonly GatedCall[]): void {
  const rows = calls.map(({ tool, runId, callId, score, threshold, decision, outcome }) => [
    `${runId} ${callId}`,
    plain(tool),
    score === null ? "none" : score.toFixed(2),
    threshold.toFixed(2),
    decision,
    outcome,
  ]);
  sayTable(["CALL", "TOOL", "SCORE", "THRESHOLD", "GATE", "OUTCOME"], rows);
}

function showCalibration({ tool, right, wrong, open, threshold, rates, suggested }: Calibration): void {
  say(`${paint("bold", tool)}  ${countText(right + wrong, "outcome")}: ${right} right, ${wrong} wrong; ${open} open`);
  const rows = rates
    .filter(({ threshold: at }) => at >= 0.5 || at === suggested)
    .map(({ threshold: at, falseAllow, falseAsk }) => [
      `  ${at.toFixed(2)}`,
      percent(falseAllow),
      percent(falseAsk),
      [...(at === threshold ? ["in force"] : []), ...(at === suggested ? ["suggested"] : [])].join(", "),
    ]);
  sayTable(["  THRESHOLD", "WRONG LET PASS", "RIGHT ASKED ABOUT", ""], rows);
  const why = `the lowest that lets at most ${percent(falseAllowMax)} of the wrong calls pass`;
  say(
    paint(
      "dim",
      suggested === null
        ? "  nothing is suggested: it takes 20 known outcomes, right and wrong ones"
        : `  suggested: ${suggested.toFixed(2)}, ${why}`,
    ),
  );
}

function percent(share: number | null): string {
  return share === null ? "–" : `${Math.round(share * 100)} %`;
}
