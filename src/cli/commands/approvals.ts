import { rootRunIdOf } from "../../core/id.ts";
import { splitApprovalId } from "../../engine/approval-rules.ts";
import type { ReviewItem } from "../../client.ts";
import { atDesk, toRead, toSay } from "../at-desk.ts";
import type { Desk } from "../desk.ts";
import { builtinOf } from "../foreground.ts";
import { decisionCommand } from "../follow-run.ts";
import { dateText } from "../figures.ts";
import { callText } from "../observation.ts";
import type { Place } from "../place.ts";
import { columns, paint, plain, say } from "../terminal.ts";
import { goesOn, jsonOf } from "./tell.ts";

/** `pawl approvals`: what runs wait for, oldest run first. */
export function approvals(place: Place): Promise<number> {
  return atDesk(
    place,
    async (desk) => {
      let count = 0;
      for await (const item of openItems(desk)) {
        count++;
        showItem(item, place);
      }
      if (count === 0 && place.json !== true) say("nothing is asked: no run waits for a person.");
    },
    toRead,
  );
}

/** The review queue, page by page. */
export async function* openItems(desk: Desk): AsyncGenerator<ReviewItem> {
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<Desk["listApprovals"]>> = await desk.listApprovals(
      cursor === null ? {} : { cursor },
    );
    yield* page.items;
    cursor = page.cursor;
  } while (cursor !== null);
}

export function showItem(item: ReviewItem, place: Place): void {
  if (place.json === true) return say(JSON.stringify(item));
  const { kind, approvalId, callId, runId, seq, question, tool, input, summary, principal, expiresAt } = item;
  say(`${paint("bold", plain(question))}${paint("dim", ` (run ${runId} of ${plain(principal)})`)}`);
  const what = input === null ? plain(summary) : callText(input, columns() - (tool?.length ?? 0) - 4);
  if (tool !== null) say(`  ${paint("cyan", plain(tool))} ${what}`);
  if (expiresAt !== null) say(paint("dim", `  open until ${dateText(expiresAt)}`));
  say(`  ${decisionCommand(place, { kind, key: approvalId ?? callId, runId, seq })}`);
}

export interface DecideOptions extends Place {
  readonly edit?: string;
  readonly answer?: string;
  readonly reason?: string;
}

/** Also with other arguments, or with an answer. */
export function approve(approvalId: string, options: DecideOptions): Promise<number> {
  const given = (name: "edit" | "answer") => {
    const text = options[name];
    return text === undefined ? {} : { [name]: jsonOf(`--${name}`, text) };
  };
  const decision = options.answer === undefined ? "approve" : "answer";
  return decide(approvalId, { decision, ...given("edit"), ...given("answer") }, options);
}

export function reject(approvalId: string, options: DecideOptions): Promise<number> {
  return decide(approvalId, { decision: "reject" }, options);
}

const done = { approve: "approved", reject: "rejected", answer: "answered" } as const;

function decide(
  approvalId: string,
  decision: Parameters<Desk["decideApproval"]>[1],
  options: DecideOptions,
): Promise<number> {
  const runId = rootRunIdOf(splitApprovalId(approvalId).runId);
  const reason = options.reason === undefined ? {} : { reason: options.reason };
  return atDesk(
    options,
    async (desk) => {
      await desk.decideApproval(approvalId, { ...decision, ...reason });
      const said = done[decision.decision];
      if (options.json === true) say(JSON.stringify({ approvalId, runId, done: said }));
      else say(`${said}.\n  ${goesOn(options, runId)}`);
    },
    {
      ...toSay,
      // edited arguments are checked by the tool's own schema
      builtin: (at) =>
        options.edit === undefined ? Promise.resolve(null) : builtinOf({ tenant: at.tenant, runId }, at),
    },
  );
}
