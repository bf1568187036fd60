import { rootRunIdOf } from "../../core/id.ts";
import { splitApprovalId } from "../../engine/approval-rules.ts";
import type { People } from "../../engine/people.ts";
import type { ReviewEntry } from "../../engine/review-queue.ts";
import { personHere } from "../ask-person.ts";
import { builtinOf } from "../foreground.ts";
import { decisionCommand } from "../follow-run.ts";
import { dateText } from "../figures.ts";
import { callText } from "../observation.ts";
import { pasteable } from "../pasteable.ts";
import { openApp, openToRead, type Place } from "../place.ts";
import { columns, paint, plain, say } from "../terminal.ts";
import { jsonOf } from "./tell.ts";

/** `pawl approvals`: what runs wait for, oldest run first. */
export async function approvals(place: Place): Promise<number> {
  const { app, tenant } = await openToRead(place);
  try {
    const people = app.people(tenant);
    let count = 0;
    let cursor: string | null = null;
    do {
      const page = await people.list(cursor);
      for (const ask of page.items) {
        count++;
        if (ask.kind === "approval") await showApproval(people, ask.key, place);
        else showUnknown(ask, place);
      }
      cursor = page.cursor;
    } while (cursor !== null);
    if (count === 0 && place.json !== true) say("nothing is asked: no run waits for a person.");
    return 0;
  } finally {
    await app.close();
  }
}

async function showApproval(people: People, approvalId: string, place: Place): Promise<void> {
  const approval = await people.get(approvalId);
  if (place.json === true) return say(JSON.stringify(approval));
  const { tool, input, question, expiresAt } = approval;
  say(paint("bold", plain(question)));
  if (tool !== null) say(`  ${paint("cyan", tool)} ${callText(input, columns() - tool.length - 4)}`);
  if (expiresAt !== null) say(paint("dim", `  open until ${dateText(expiresAt)}`));
  say(`  ${pasteable(place, "approve", approvalId)}`);
  say(`  ${pasteable(place, "reject", approvalId)}`);
}

function showUnknown({ runId, key, seq, question, summary }: ReviewEntry, place: Place): void {
  if (place.json === true) return say(JSON.stringify({ runId, callId: key, kind: "unknown", seq, question }));
  say(paint("bold", plain(question)));
  say(paint("dim", `  call ${key} of run ${runId}${summary === "" ? "" : `: ${plain(summary)}`}`));
  say(`  ${decisionCommand(place, { kind: "unknown", key, runId, seq })}`);
}

export interface DecideOptions extends Place {
  readonly edit?: string;
  readonly answer?: string;
  readonly reason?: string;
}

export function approve(approvalId: string, options: DecideOptions): Promise<number> {
  const { answer, edit } = options;
  return deciding(approvalId, options, async (people, decision) => {
    if (answer !== undefined) {
      await people.answer(approvalId, { ...decision, answer: jsonOf("--answer", answer) });
      return "answered";
    }
    await people.approve(approvalId, { ...decision, ...(edit !== undefined && { edit: jsonOf("--edit", edit) }) });
    return "approved";
  });
}

export function reject(approvalId: string, options: DecideOptions): Promise<number> {
  return deciding(approvalId, options, async (people, decision) => {
    await people.reject(approvalId, decision);
    return "rejected";
  });
}

interface By {
  readonly by: string;
  readonly from: string;
  readonly reason?: string;
}

async function deciding(
  approvalId: string,
  options: DecideOptions,
  decide: (people: People, decision: By) => Promise<string>,
): Promise<number> {
  const { app, tenant } = await openApp(options, {
    worker: false,
    mustExist: true,
    // edited arguments are checked by the tool's own schema
    builtin: (at) =>
      options.edit === undefined
        ? Promise.resolve(null)
        : builtinOf({ tenant: at.tenant, runId: rootRunIdOf(splitApprovalId(approvalId).runId) }, at),
  });
  try {
    const people = app.people(tenant);
    const { runId } = await people.get(approvalId);
    const reason = options.reason === undefined ? {} : { reason: options.reason };
    const done = await decide(people, { by: personHere(), from: "cli", ...reason });
    if (options.json === true) say(JSON.stringify({ approvalId, runId, done }));
    else say(`${done}.\n  ${pasteable(options, "resume", runId)}  # unless a worker (pawl dev) goes on with it`);
    return 0;
  } finally {
    await app.close();
  }
}
