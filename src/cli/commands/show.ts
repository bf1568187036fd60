import { checkId, rootRunIdOf } from "../../core/id.ts";
import type { RunHead } from "../../core/run-head.ts";
import { isEnd } from "../../core/run-outcome.ts";
import type { ReadEvent } from "../../engine/run-events.ts";
import type { Pawl } from "../../engine/runtime.ts";
import { durationText, totalsText } from "../figures.ts";
import { nextSteps } from "../follow-run.ts";
import { pasteable } from "../pasteable.ts";
import { openToRead, type Place } from "../place.ts";
import { runTree, type TreeNode } from "../run-tree.ts";
import { columns, oneLine, paint, plain, say } from "../terminal.ts";

/** `pawl show RUN_ID`: what a run did, as a tree, its children inside. */
export async function show(runId: string, place: Place): Promise<number> {
  checkId("run id", rootRunIdOf(runId));
  const { app, tenant } = await openToRead(place);
  try {
    const run = app.run(runId, tenant);
    const head = await run.head();
    if (place.json === true) {
      say(JSON.stringify(head));
      for await (const event of run.events()) say(JSON.stringify(event));
      return 0;
    }
    await showRun(app, head, "");
    showEnd(place, head);
    return 0;
  } finally {
    await app.close();
  }
}

async function showRun(app: Pawl, head: RunHead, indent: string): Promise<void> {
  const { runId, runnable, totals, startedAt, updatedAt, title } = head;
  const time = durationText(updatedAt - startedAt);
  say(`${indent}${paint("bold", runId)} ${runnable} ${statusText(head)} · ${totalsText(totals)} · ${time}`);
  if (title !== "") say(`${indent}${paint("dim", oneLine(title, columns() - indent.length))}`);
  const events: ReadEvent[] = [];
  for await (const event of app.run(runId, head.tenant).events()) events.push(event);
  await showNodes(app, head, runTree(events), indent);
  const ended = events.find((event) => event.type === "run.ended");
  if (ended?.type !== "run.ended") return;
  const text = ended.error === undefined ? outputText(ended.output) : `${ended.error.code}: ${ended.error.message}`;
  if (text !== "" && indent === "") say(`\n${plain(text)}`);
}

function outputText(output: unknown): string {
  return output === null ? "" : typeof output === "string" ? output : JSON.stringify(output, null, 2);
}

function statusText({ status, stopReason }: RunHead): string {
  const text = stopReason === null ? status : `${status} (${stopReason})`;
  return paint(status === "completed" ? "green" : isEnd(status) || status === "blocked" ? "red" : "yellow", text);
}

async function showNodes(app: Pawl, head: RunHead, nodes: readonly TreeNode[], indent: string): Promise<void> {
  for (const [i, node] of nodes.entries()) {
    const isLast = i === nodes.length - 1;
    showNode(node, `${indent}${isLast ? "└ " : "├ "}`);
    const below = `${indent}${isLast ? "  " : "│ "}`;
    await showNodes(app, head, node.calls, below);
    if (node.childRunId === null) continue;
    const child = await app.store.readHead({ tenant: head.tenant, runId: node.childRunId });
    if (child !== null) await showRun(app, child, below);
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

function showEnd(place: Place, head: RunHead): void {
  const { status, blocked } = head;
  if (isEnd(status)) return;
  say();
  if (blocked !== null) say(paint("red", `${blocked.code}: ${plain(blocked.detail)}`));
  for (const line of status === "running" ? [pasteable(place, "resume", head.runId)] : nextSteps(place, head))
    say(`  ${line}`);
}
