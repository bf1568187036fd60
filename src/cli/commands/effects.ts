import { checkId, rootRunIdOf } from "../../core/id.ts";
import type { ReadEvent } from "../../engine/run-events.ts";
import type { Pawl } from "../../engine/runtime.ts";
import { effectsOf } from "../../engine/effect-ledger.ts";
import { decisionCommand } from "../follow-run.ts";
import { callText } from "../observation.ts";
import { openToRead, type Opened, type Place } from "../place.ts";
import { paint, say, table } from "../terminal.ts";

/** `pawl effects [RUN_ID]`: the ledger of a run and its children; without a run, every outcome that nobody knows. */
export async function effects(runId: string | undefined, place: Place): Promise<number> {
  if (runId !== undefined) checkId("run id", rootRunIdOf(runId));
  const opened = await openToRead(place);
  try {
    if (runId === undefined) await unknowns(opened, place);
    else await ledger(opened, runId, place);
    return 0;
  } finally {
    await opened.app.close();
  }
}

async function unknowns({ app, tenant }: Opened, place: Place): Promise<void> {
  let count = 0;
  let cursor: string | null = null;
  do {
    const page = await app.people(tenant).list(cursor);
    for (const { runId, key, kind, seq } of page.items) {
      if (kind !== "unknown") continue;
      count++;
      if (place.json === true) say(JSON.stringify({ runId, callId: key, status: "unknown", seq }));
      else
        say(
          `call ${key} of run ${runId}: nobody knows whether it happened\n  ${decisionCommand(place, { kind, key, runId, seq })}`,
        );
    }
    cursor = page.cursor;
  } while (cursor !== null);
  if (count === 0 && place.json !== true) say("every effect is known: done, not started, or failed.");
}

async function ledger({ app, tenant }: Opened, runId: string, place: Place): Promise<void> {
  const rows: string[][] = [];
  const open: string[] = [];
  for (const id of await treeOf(app, tenant, runId)) {
    const events: ReadEvent[] = [];
    for await (const event of app.run(id, tenant).events()) events.push(event);
    for (const entry of effectsOf(events)) {
      if (entry.effect === "pure") continue;
      if (place.json === true) say(JSON.stringify({ runId: id, ...entry }));
      const by = entry.decidedBy === null ? "" : `asked: ${entry.decidedBy}`;
      rows.push([
        entry.callId,
        entry.status,
        entry.effect,
        `×${entry.attempts}`,
        entry.via ?? "",
        by,
        `${entry.tool} ${callText(entry.input, 120)}`,
      ]);
      if (entry.status === "unknown")
        open.push(decisionCommand(place, { kind: "unknown", key: entry.callId, runId: id }));
    }
  }
  if (place.json === true) return;
  if (rows.length === 0) return say(`run ${runId} did nothing to the world: it called no tool with an effect.`);
  const [header = "", ...lines] = table([["CALL", "STATUS", "EFFECT", "TRIES", "VIA", "BY", "ACTION"], ...rows]);
  say(paint("bold", header));
  for (const line of [...lines, ...open.map((command) => `  ${command}`)]) say(line);
}

/** A run and its children, each after its parent. @throws RUN_UNKNOWN */
async function treeOf(app: Pawl, tenant: string, runId: string): Promise<readonly string[]> {
  await app.run(runId, tenant).head();
  const ids = [runId];
  for (const id of ids) {
    let cursor: string | undefined;
    do {
      const page = await app.runs({ parentRunId: id }, { tenant, ...(cursor !== undefined && { cursor }) });
      ids.push(...page.items.map((head) => head.runId));
      cursor = page.cursor ?? undefined;
    } while (cursor !== undefined);
  }
  return ids;
}
