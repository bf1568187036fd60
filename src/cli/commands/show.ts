import { checkId, rootRunIdOf } from "../../core/id.ts";
import { isEnd } from "../../core/run-outcome.ts";
import type { RunSummary } from "../../core/run-summary.ts";
import type { ReadEvent } from "../../engine/run-events.ts";
import { atDesk, toRead } from "../at-desk.ts";
import type { Desk } from "../desk.ts";
import { durationText, totalsText } from "../figures.ts";
import { nextSteps } from "../follow-run.ts";
import type { Place } from "../place.ts";
import { runTree, type TreeNode } from "../run-tree.ts";
import { columns, oneLine, paint, plain, say } from "../terminal.ts";

const EVENTS_AT_ONCE = 500;

/** `pawl show RUN_ID`: what a run did, as a tree, its children inside. */
export function show(runId: string, place: Place): Promise<number> {
  checkId("run id", rootRunIdOf(runId));
  return atDesk(
    place,
    async (desk) => {
      const run = await desk.getRun(runId);
      if (place.json === true) {
        say(JSON.stringify(run));
        for await (const event of eventsOf(desk, runId)) say(JSON.stringify(event));
        return;
      }
      await showRun(desk, run, "");
      showEnd(place, run);
    },
    toRead,
  );
}

async function* eventsOf(desk: Desk, runId: string): AsyncGenerator<ReadEvent> {
  for (let after = 0, hasMore = true; hasMore;) {
    const page = await desk.listEvents(runId, { after, limit: EVENTS_AT_ONCE });
    yield* page.items;
    ({ lastSeq: after, hasMore } = page);
  }
}

async function showRun(desk: Desk, run: RunSummary, indent: string): Promise<void> {
  const { runId, agent, totals, startedAt, updatedAt, title } = run;
  const time = durationText(updatedAt - startedAt);
  say(`${indent}${paint("bold", runId)} ${agent} ${statusText(run)} · ${totalsText(totals)} · ${time}`);
  if (title !== "") say(`${indent}${paint("dim", oneLine(title, columns() - indent.length))}`);
  const events: ReadEvent[] = [];
  for await (const event of eventsOf(desk, runId)) events.push(event);
  await showNodes(desk, runTree(events), indent);
  const ended = events.at(-1);
  if (ended?.type !== "run.ended") return;
  const text = ended.error === undefined ? outputText(ended.output) : `${ended.error.code}: ${ended.error.message}`;
  if (text !== "" && indent === "") say(`\n${plain(text)}`);
}

function outputText(output: unknown): string {
  return output === null ? "" : typeof output === "string" ? output : JSON.stringify(output, null, 2);
}

function statusText({ status, stopReason }: RunSummary): string {
  const text = stopReason === null ? status : `${status} (${stopReason})`;
  return paint(status === "completed" ? "green" : isEnd(status) || status === "blocked" ? "red" : "yellow", text);
}

async function showNodes(desk: Desk, nodes: readonly TreeNode[], indent: string): Promise<void> {
  for (const [i, node] of nodes.entries()) {
    const isLast = i === nodes.length - 1;
    showNode(node, `${indent}${isLast ? "└ " : "├ "}`);
    const below = `${indent}${isLast ? "  " : "│ "}`;
    await showNodes(desk, node.calls, below);
    if (node.childRunId === null) continue;
    const child = await childOf(desk, node.childRunId);
    if (child !== null) await showRun(desk, child, below);
  }
}

/** null for one that is gone, or was never started. */
async function childOf(desk: Desk, runId: string): Promise<RunSummary | null> {
  try {
    return await desk.getRun(runId);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "RUN_UNKNOWN") return null;
    throw error;
  }
}

const kindColour = { model: "magenta", tool: "cyan", step: "cyan", child: "blue", wait: "dim", ask: "yellow" } as const;

function showNode({ kind, what, outcome, figures, removed, isFailed, callId }: TreeNode, lead: string): void {
  const redacted = Object.entries(removed).map(([rule, n]) => `redacted ${rule} ${n}`);
  const tail = [...figures, ...redacted].join(" · ");
  const room = Math.max(20, columns() - lead.length - kind.length - callId.length - tail.length - 8);
  const asked = oneLine(what, outcome === "" ? room : Math.ceil(room / 2));
  const came = outcome === "" ? "" : oneLine(outcome, Math.max(10, room - asked.length));
  const arrow = came === "" ? "" : isFailed ? paint("red", ` ✗ ${came}`) : ` → ${came}`;
  say(
    `${lead}${paint("dim", callId)} ${paint(kindColour[kind], kind)} ${asked}${arrow}${tail === "" ? "" : paint("dim", `  ${tail}`)}`,
  );
}

function showEnd(place: Place, run: RunSummary): void {
  const { status, blocked } = run;
  if (isEnd(status)) return;
  say();
  if (blocked !== null) say(paint("red", `${blocked.code}: ${plain(blocked.detail)}`));
  for (const line of nextSteps(place, run)) say(`  ${line}`);
}
