import { checkId, rootRunIdOf } from "../../core/id.ts";
import type { RunHead } from "../../core/run-head.ts";
import type { Pawl } from "../../engine/runtime.ts";
import { integrityOf } from "../../sqlite.ts";
import { exitCodes } from "../exit-codes.ts";
import { bytesText, countText } from "../figures.ts";
import { LiveLine } from "../live-line.ts";
import { openToRead, type Place } from "../place.ts";
import { paint, say } from "../terminal.ts";
import { verifyRun } from "../verify-run.ts";

/** `pawl verify [RUN_ID]`: everything that is read from journals is computed again and compared. */
export async function verify(runId: string | undefined, place: Place): Promise<number> {
  if (runId !== undefined) checkId("run id", rootRunIdOf(runId));
  const { app, tenant } = await openToRead(place);
  const line = new LiveLine();
  try {
    if (place.json !== true) line.wait("reading the database");
    const problems = runId === undefined ? await databaseProblems(app, place) : [];
    let runs = 0;
    let events = 0;
    for await (const head of headsOf(app, tenant, runId)) {
      if (place.json !== true) line.wait(`${head.runId}: ${countText(head.seq, "event")}`);
      const verdict = await verifyRun(app.store, head);
      runs++;
      events += verdict.events;
      if (place.json === true) say(JSON.stringify(verdict));
      problems.push(...verdict.problems.map((problem) => `run ${head.runId}: ${problem}`));
    }
    line.clear();
    for (const problem of problems) if (place.json !== true) say(`${paint("red", "✗")} ${problem}`);
    if (place.json !== true) summary({ runs, events, problems: problems.length });
    return problems.length > 0 ? exitCodes.failed : exitCodes.ok;
  } finally {
    line.clear();
    await app.close();
  }
}

function summary({
  runs,
  events,
  problems,
}: {
  readonly runs: number;
  readonly events: number;
  readonly problems: number;
}): void {
  const read = `${countText(runs, "run")}, ${countText(events, "event")}`;
  if (problems === 0)
    say(`${paint("green", "✓")} ${read}: chain, checksums, heads, snapshots and blobs are as their journals say`);
  else
    say(
      `${read}: ${countText(problems, "problem")}. Nothing was changed; keep the file, and restore from a backup what matters.`,
    );
}

async function databaseProblems(app: Pawl, place: Place): Promise<string[]> {
  const report = await integrityOf(app.store);
  if (report === null) return [];
  if (place.json === true) say(JSON.stringify(report));
  else
    say(
      `${report.path}: ${bytesText(report.fileBytes)}, SQLite ${report.sqliteVersion}, schema ${report.schemaVersion}`,
    );
  return report.problems.map((problem) => `database: ${problem}`);
}

/** One run, or all of a tenant with their children. @throws RUN_UNKNOWN */
async function* headsOf(app: Pawl, tenant: string, runId: string | undefined): AsyncGenerator<RunHead> {
  if (runId !== undefined) {
    yield await app.run(runId, tenant).head();
    return;
  }
  let cursor: string | null = null;
  do {
    const page = await app.runs({ children: true }, { tenant, limit: 200, ...(cursor !== null && { cursor }) });
    yield* page.items;
    cursor = page.cursor;
  } while (cursor !== null);
}
