import { pawl } from "pawl";
import { integrityOf, sqlite } from "pawl/sqlite";
import { checkRuns } from "pawl/testing";
import type { Effect } from "../../src/core/effect.ts";
import { decodeBatch } from "../../src/core/journal-codec.ts";
import type { JournalEvent } from "../../src/core/journal-event.ts";
import { errorText, isJsonObject, type JsonValue } from "../../src/core/json.ts";
import { hasOutbox, type RunHead } from "../../src/core/run-head.ts";
import { isEnd } from "../../src/core/run-outcome.ts";
import type { Store } from "../../src/core/store-contract.ts";
import { actsSeen, effectOf, type Act } from "./acts.ts";
import type { Counter } from "./counter-client.ts";
import type { Report } from "./reports.ts";
import { sweepModel } from "./script.ts";
import { workloadOf, type Form } from "./workload.ts";

/**
 * What can be wrong with a trial. `doubled`: an effect happened again. `missing`: it never happened. `unannounced`: it
 * happened before the journal said that it was about to. `abandoned`: a person had to look
 * though nobody was killed.
 */
export type FaultKind = "lost" | "doubled" | "missing" | "unannounced" | "abandoned" | "stuck" | "answer" | "journal";

export interface Fault {
  readonly kind: FaultKind;
  readonly detail: string;
  /** Of what doubled. */
  readonly effect?: Effect;
}

/** What an unharmed run came to: what every other must come to. */
export interface Expected {
  readonly answer: string;
  /** `tool subject` of every act. */
  readonly acts: readonly string[];
}

export interface Evidence {
  readonly form: Form;
  readonly database: string;
  /** Of all processes of the trial, in order. */
  readonly reports: readonly Report[];
  readonly acts: readonly Act[];
}

/** What the store holds of one run. */
interface Stored {
  readonly head: RunHead;
  readonly events: readonly JournalEvent[];
  /** Hash of each batch by its first seq. */
  readonly hashes: ReadonlyMap<number, string>;
}

const TENANT = "default";
/** More than any workload has. */
const RUNS_MAX = 1_000;

export function answerOf(reports: readonly Report[]): string | null {
  const ended = reports.findLast((report) => report.type === "ended");
  return ended?.type === "ended" ? JSON.stringify(ended.answer) : null;
}

/** Everything that is wrong with what a trial left behind. Reads the files; trusts nothing that a victim counted. */
export async function judge(evidence: Evidence, expected: Expected): Promise<readonly Fault[]> {
  const { database, acts, reports } = evidence;
  const store = sqlite(database, { readOnly: true });
  try {
    await store.open();
    const runs = await storedRuns(store);
    return [
      ...(await journalFaults(store, evidence.form)),
      ...runs.flatMap(endFaults),
      ...(await lostFaults(store, runs, reports)),
      ...actFaults(acts, expected),
      ...announcementFaults(acts, runs),
      ...answerFaults(reports, expected),
    ];
  } catch (error) {
    return [{ kind: "journal", detail: `the database cannot be read: ${errorText(error)}` }];
  } finally {
    await store.close();
  }
}

const nobody: Counter = {
  act: () => Promise.reject(new Error("a check acts on nothing")),
  lookup: () => Promise.reject(new Error("a check asks nobody")),
  halt: () => Promise.resolve(),
};

/** The file is whole; each journal is a chain; head, state and snapshot are its folds; its code asks for what it has. */
async function journalFaults(store: Store, form: Form): Promise<readonly Fault[]> {
  const integrity = await integrityOf(store);
  const app = pawl({ store, agents: workloadOf(form, nobody), models: sweepModel(), worker: false });
  const broken = await checkRuns(app).then(
    () => [],
    (error: unknown) => [errorText(error, 1_000)],
  );
  return [...(integrity?.problems ?? []), ...broken].map((detail) => ({ kind: "journal", detail }));
}

async function storedRuns(store: Store): Promise<readonly Stored[]> {
  const heads = (await store.list(TENANT, { children: true }, null, RUNS_MAX)).items;
  return Promise.all(
    heads.map(async (head) => {
      const batches = (await store.readEvents(head, 0, Infinity)).map(decodeBatch);
      const hashes = new Map(batches.map(({ batch, hash }) => [batch.firstSeq, hash]));
      return { head, events: batches.flatMap(({ batch }) => batch.events), hashes };
    }),
  );
}

/** The run is over, its end is its last event and the only one, and it owes nobody anything. */
function endFaults({ head, events }: Stored): readonly Fault[] {
  const ends = events.filter((event) => event.type === "run.ended").length;
  const last = events.at(-1)?.type;
  return [
    ...(isEnd(head.status) ? [] : [{ kind: "stuck", detail: `${head.runId} is ${head.status}` } as const]),
    ...(hasOutbox(head) ? [{ kind: "stuck", detail: `${head.runId} has duties left in its outbox` } as const] : []),
    ...(ends === 1 && last === "run.ended"
      ? []
      : [{ kind: "journal", detail: `${head.runId} has ${ends} ends, and ends with ${last ?? "nothing"}` } as const]),
  ];
}

/** What the store acknowledged is where it was put, and every value that a journal names is there. */
async function lostFaults(
  store: Store,
  runs: readonly Stored[],
  reports: readonly Report[],
): Promise<readonly Fault[]> {
  const lost = (detail: string): Fault => ({ kind: "lost", detail });
  const found: Fault[] = [];
  const blobs = new Map<string, { readonly scope: string; readonly hash: string }>();
  for (const report of reports) {
    if (report.type === "blob") blobs.set(`${report.scope}/${report.hash}`, report);
    if (report.type !== "acknowledged") continue;
    const run = runs.find(({ head }) => head.runId === report.runId);
    if (run?.hashes.get(report.firstSeq) !== report.hash)
      found.push(lost(`${report.runId}: acknowledged batch ${report.firstSeq} is not there`));
  }
  for (const { head, events } of runs) {
    const scope = head.blobScope;
    for (const hash of blobsIn(events as unknown as JsonValue)) blobs.set(`${scope}/${hash}`, { scope, hash });
  }
  for (const { scope, hash } of blobs.values()) {
    if ((await store.getBlob(TENANT, scope, hash)) === null) found.push(lost(`blob ${hash} of ${scope} is not there`));
  }
  return found;
}

function blobsIn(value: JsonValue): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(blobsIn);
  if (!isJsonObject(value)) return [];
  if (typeof value["blob"] === "string" && "bytes" in value) return [value["blob"]];
  return Object.values(value).flatMap((part) => (part === undefined ? [] : blobsIn(part)));
}

/** By what an act was about, not by its key: a key made anew does not hide a second act. */
function actFaults(acts: readonly Act[], expected: Expected): readonly Fault[] {
  const found: Fault[] = [];
  for (const name of new Set([...expected.acts, ...actsSeen(acts)])) {
    const done = acts.filter(({ tool, subject, repeated }) => `${tool} ${subject}` === name && !repeated);
    const effect = effectOf[name.split(" ")[0] ?? ""] ?? "once";
    const times = expected.acts.includes(name) ? 1 : 0;
    if (done.length < times) found.push({ kind: "missing", detail: `${name} never happened` });
    if (done.length <= times || (effect === "pure" && times === 1)) continue;
    const how = done.map(({ key, attempt }) => `${key} attempt ${attempt}`).join(", ");
    found.push({ kind: "doubled", effect, detail: `${name} happened ${done.length} times, not ${times} (${how})` });
  }
  return found;
}

/** Nothing touches the world before the journal says that it is about to. */
function announcementFaults(acts: readonly Act[], runs: readonly Stored[]): readonly Fault[] {
  return acts.flatMap(({ tool, key, attempt }): readonly Fault[] => {
    const cut = key.lastIndexOf(":");
    const events = runs.find(({ head }) => head.runId === key.slice(0, cut))?.events ?? [];
    if (effectOf[tool] === "pure" || events.some((event) => announces(event, key.slice(cut + 1), attempt))) return [];
    return [{ kind: "unannounced", detail: `${tool} ${key} attempt ${attempt} has no started event` }];
  });
}

function announces(event: JournalEvent, callId: string, attempt: number): boolean {
  const isStart = event.type === "tool.started" || event.type === "step.started";
  return isStart && event.callId === callId && event.attempt === attempt;
}

function answerFaults(reports: readonly Report[], expected: Expected): readonly Fault[] {
  const answer = answerOf(reports);
  if (answer === null) return [{ kind: "stuck", detail: "no process saw the end" }];
  return answer === expected.answer ? [] : [{ kind: "answer", detail: difference(answer, expected.answer) }];
}

function difference(got: string, wanted: string): string {
  let at = 0;
  while (at < got.length && got[at] === wanted[at]) at++;
  const from = Math.max(0, at - 60);
  return `at ${at}: got …${got.slice(from, at + 120)}… in place of …${wanted.slice(from, at + 120)}…`;
}
