import type { ListRunsQuery, ReviewItem } from "../../client.ts";
import type { RunStatus } from "../../core/run-outcome.ts";
import { tokensOf } from "../../core/usage.ts";
import { decisionCommand } from "../follow-run.ts";
import { agoText, costText, totalsText } from "../figures.ts";
import { callText } from "../observation.ts";
import { pasteable } from "../pasteable.ts";
import { TextView } from "../run-view.ts";
import { note, oneLine, plain, say, table } from "../terminal.ts";
import type { ServerCall } from "./connection.ts";

/** Options of the command line that are the query's by the same name. */
function queryOf(options: ServerCall["options"]): ListRunsQuery {
  const { status, limit } = options;
  const same = ["agent", "cursor"] as const;
  return {
    ...(Object.fromEntries(
      same.flatMap((name) => (typeof options[name] === "string" ? [[name, options[name]]] : [])),
    ) as ListRunsQuery),
    // the gateway refuses what is no status
    ...(Array.isArray(status) && { status: status as readonly RunStatus[] }),
    limit: typeof limit === "string" ? Number(limit) : 20,
  };
}

export async function runs({ client, options }: ServerCall): Promise<number> {
  const { items, cursor } = await client.listRuns(queryOf(options));
  if (options.json === true) for (const item of items) say(JSON.stringify(item));
  else if (items.length === 0) say("no runs.");
  else {
    const rows = items.map(({ runId, agent, status, totals, startedAt, title }) => [
      runId,
      agent,
      status,
      `${tokensOf(totals.usage) + totals.childTokens} tokens`,
      costText(totals.costNanoUsd + totals.childCostNanoUsd),
      agoText(startedAt, Date.now()),
      plain(title),
    ]);
    for (const line of table(rows)) say(line);
  }
  if (cursor !== null) note(`more: ${pasteable(options, "runs", "--cursor", cursor)}`);
  return 0;
}

/** `pawl show --server`: the run and its events as they were shown when they happened. */
export async function show({ client, args: [runId = ""], options }: ServerCall): Promise<number> {
  const head = await client.getRun(runId);
  const isJson = options.json === true;
  if (isJson) say(JSON.stringify(head));
  else say(`${runId} ${head.agent} ${head.status} · ${totalsText(head.totals)}\n${oneLine(head.title, 120)}`);
  const command = (...words: readonly string[]): string => pasteable(options, ...words);
  const view = new TextView({ runId, nowMs: () => Date.now(), command });
  for (let after = 0, hasMore = true; hasMore;) {
    const page = await client.listEvents(runId, { after, limit: 500 });
    for (const event of page.items) {
      if (isJson) say(JSON.stringify(event));
      else view.show(event);
    }
    ({ lastSeq: after, hasMore } = page);
  }
  view.close();
  return 0;
}

export async function effects({ client, args: [runId], options }: ServerCall): Promise<number> {
  if (runId === undefined) return queue({ client, args: [], options }, "unknown", "every effect is known.");
  const { items } = await client.listRunEffects(runId);
  const outside = items.filter(({ effect }) => effect !== "pure");
  if (options.json === true) for (const item of outside) say(JSON.stringify(item));
  else {
    const rows = outside.map(({ callId, status, effect, attempts, approver, tool, input }) => [
      callId,
      status,
      effect,
      `×${attempts}`,
      approver === null ? "" : `asked: ${plain(approver)}`,
      `${tool} ${callText(input, 120)}`,
    ]);
    for (const line of table(rows)) say(line);
    if (rows.length === 0) say("no effects.");
  }
  return 0;
}

export function approvals(call: ServerCall): Promise<number> {
  return queue(call, "approval", "nothing waits for a person.");
}

async function queue({ client, options }: ServerCall, kind: ReviewItem["kind"], none: string): Promise<number> {
  let count = 0;
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page: Awaited<ReturnType<typeof client.listApprovals>> = await client.listApprovals(
      cursor === undefined ? {} : { cursor },
    );
    for (const item of page.items) {
      if (item.kind !== kind) continue;
      count++;
      if (options.json === true) say(JSON.stringify(item));
      else showItem(item, options);
    }
    cursor = page.cursor;
  }
  if (count === 0 && options.json !== true) say(none);
  return 0;
}

function showItem(item: ReviewItem, options: ServerCall["options"]): void {
  const { kind, approvalId, callId, runId, seq, question, tool, input, principal } = item;
  say(`${plain(question)} (run ${runId} of ${plain(principal)})`);
  if (tool !== null) say(`  ${tool} ${callText(input, 200)}`);
  say(`  ${decisionCommand(options, { kind, key: approvalId ?? callId, runId, seq })}`);
}
