import { checkId, rootRunIdOf } from "../../core/id.ts";
import { atDesk, toRead } from "../at-desk.ts";
import type { Desk } from "../desk.ts";
import { decisionCommand } from "../follow-run.ts";
import { callText } from "../observation.ts";
import type { Place } from "../place.ts";
import { plain, say, sayTable } from "../terminal.ts";
import { openItems, showItem } from "./approvals.ts";

/** `pawl effects [RUN_ID]`: the ledger of a run and its children; without a run, every outcome that nobody knows. */
export function effects(runId: string | undefined, place: Place): Promise<number> {
  if (runId !== undefined) checkId("run id", rootRunIdOf(runId));
  return atDesk(place, (desk) => (runId === undefined ? unknowns(desk, place) : ledger(desk, runId, place)), toRead);
}

async function unknowns(desk: Desk, place: Place): Promise<void> {
  let count = 0;
  for await (const item of openItems(desk)) {
    if (item.kind !== "unknown") continue;
    count++;
    showItem(item, place);
  }
  if (count === 0 && place.json !== true) say("every effect is known: done, not started, or failed.");
}

async function ledger(desk: Desk, runId: string, place: Place): Promise<void> {
  const rows: string[][] = [];
  const open: string[] = [];
  for (const id of await treeOf(desk, runId)) {
    const { items } = await desk.listRunEffects(id);
    for (const entry of items) {
      const { callId, status, effect, attempts, via, approver, tool, input, seq } = entry;
      if (effect === "pure") continue;
      if (place.json === true) say(JSON.stringify(entry));
      const by = approver === null ? "" : `asked: ${plain(approver)}`;
      rows.push([callId, status, effect, `×${attempts}`, via ?? "", by, `${plain(tool)} ${callText(input, 120)}`]);
      if (status === "unknown") open.push(decisionCommand(place, { kind: "unknown", key: callId, runId: id, seq }));
    }
  }
  if (place.json === true) return;
  if (rows.length === 0) return say(`run ${runId} did nothing to the world: it called no tool with an effect.`);
  sayTable(["CALL", "STATUS", "EFFECT", "TRIES", "VIA", "BY", "ACTION"], rows);
  for (const command of open) say(`  ${command}`);
}

/** A run and its children, each after its parent. @throws RUN_UNKNOWN */
async function treeOf(desk: Desk, runId: string): Promise<readonly string[]> {
  const { hasChildren } = await desk.getRun(runId);
  const found = [{ runId, hasChildren }];
  for (const run of found) {
    let cursor: string | null = null;
    while (run.hasChildren) {
      const from = cursor === null ? {} : { cursor };
      const page: Awaited<ReturnType<Desk["listRuns"]>> = await desk.listRuns({ parent: run.runId, ...from });
      found.push(...page.items);
      cursor = page.cursor;
      if (cursor === null) break;
    }
  }
  return found.map((run) => run.runId);
}
