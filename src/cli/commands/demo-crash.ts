import { spawn, type ChildProcess } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PawlError } from "../../core/errors.ts";
import type { ReadEvent } from "../../engine/run-events.ts";
import type { Run } from "../../engine/run-handle.ts";
import { crashGraceMs, crashName, crashTools, victimVariable, type CrashPlace } from "../crash/crash-run.ts";
import { crashRows, type Arrived, type CrashRow } from "../crash/crash-verdict.ts";
import { effectsOf } from "../../engine/effect-ledger.ts";
import { exitCodes } from "../exit-codes.ts";
import { durationText } from "../figures.ts";
import { followRun, nextSteps, watchRun } from "../follow-run.ts";
import { builtinFor, builtinOf, workerFor } from "../foreground.ts";
import { pasteable } from "../pasteable.ts";
import { openApp, type Opened, type Place } from "../place.ts";
import { newRunId } from "../run-id.ts";
import { rememberPlace } from "../run-places.ts";
import { JsonView, TextView, type RunView } from "../run-view.ts";
import { isInteractive, paint, table, tell } from "../terminal.ts";

/** Far more than a worker needs to start and to make four calls. */
const VICTIM_MS = 40_000;

/** `pawl demo crash`: four effects happen, nobody records them, and the next worker has to find out. */
export async function demoCrash(place: Place): Promise<number> {
  const runId = newRunId(crashName);
  const counter = await startCounter(join(tmpdir(), `${runId}.log`));
  try {
    await startRun(place, runId, counter.place);
    tell(place, paint("bold", "1. A worker takes the run and makes four calls at once, one of each effect."));
    tell(place, `   run ${runId}`);
    tell(place, `   the world outside: process ${counter.pid}, which counts in ${counter.file}`);
    const pid = await untilKilled(place, runId);
    tell(place, paint("bold", `2. All four have happened, none is recorded: process ${pid} is gone (SIGKILL).`));
    tell(place, paint("bold", "3. This process takes the run over."));
    tell(place, `   What may still be acting somewhere is given up to ${durationText(crashGraceMs)} to end.`);
    return await recover(place, runId, counter);
  } finally {
    counter.stop();
  }
}

/** Hidden: the process that dies. */
export async function victim(runId: string, place: Place): Promise<number> {
  const { app, tenant } = await openApp(place, {
    mustExist: true,
    worker: workerFor(runId),
    builtin: (at) => builtinOf({ tenant: at.tenant, runId }, at),
  });
  await app.run(runId, tenant).result();
  await app.close();
  return exitCodes.failed;
}

async function startRun(place: Place, runId: string, crash: CrashPlace): Promise<void> {
  const runPlace = { kind: "crash", ...crash } as const;
  const { app, tenant } = await openApp(place, {
    worker: false,
    builtin: (at) => builtinFor(runPlace, at),
  });
  try {
    await rememberPlace(app.store, { tenant, runId }, runPlace);
    await app.start(crashName, { runId, tenant, input: null });
  } finally {
    await app.close();
  }
}

/** Runs the victim to its death. @returns its process id */
async function untilKilled(place: Place, runId: string): Promise<number> {
  const options = [
    ...(place.db === undefined ? [] : ["--db", place.db]),
    ...(place.config === undefined ? [] : ["--config", place.config]),
    ...(place.tenant === undefined ? [] : ["--tenant", place.tenant]),
  ];
  const args = [...process.execArgv, process.argv[1] ?? "", "crash-victim", runId, ...options];
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, [victimVariable]: "1" },
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2_000);
  });
  const signal = await endOf(child);
  if (signal === "SIGKILL") return child.pid ?? 0;
  throw new PawlError("INTERNAL", `the worker that was to die ended otherwise (${signal}). ${said.trim()}`);
}

async function endOf(child: ChildProcess): Promise<string> {
  const timer = setTimeout(() => child.kill("SIGTERM"), VICTIM_MS);
  try {
    return await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
  } finally {
    clearTimeout(timer);
  }
}

async function recover(place: Place, runId: string, counter: Counter): Promise<number> {
  const opened = await openApp(place, {
    mustExist: true,
    worker: workerFor(runId),
    builtin: (at) => builtinFor({ kind: "crash", ...counter.place }, at),
  });
  try {
    const run = opened.app.run(runId, opened.tenant);
    const after = (await run.head()).seq;
    const seen = await watched(opened, run, { place, after });
    const rows = crashRows(effectsOf(await eventsOf(run)), await counter.arrived());
    const code = verdict(place, rows);
    if (!isInteractive() || place.json === true || code !== exitCodes.ok) {
      tell(place, `\nOne answer is missing: did send_letter happen? ${counter.file} knows.`);
      for (const line of nextSteps(place, await run.head())) tell(place, `  ${line}`);
      return code;
    }
    const followed = await followRun({
      app: opened.app,
      storeFailed: opened.storeFailed,
      run,
      place,
      after: seen,
      ask: { yes: false, json: false },
    });
    return followed === exitCodes.failed ? followed : code;
  } finally {
    await opened.app.close();
  }
}

async function watched(
  { app, storeFailed }: Opened,
  run: Run,
  { place, after }: { readonly place: Place; readonly after: number },
): Promise<number> {
  const command = (...words: readonly string[]): string => pasteable(place, ...words);
  const view: RunView =
    place.json === true ? new JsonView() : new TextView({ runId: run.id, nowMs: () => Date.now(), command });
  try {
    return await watchRun({ app, run }, view, { after, leave: storeFailed, tellsRecovery: true });
  } finally {
    view.close();
  }
}

async function eventsOf(run: Run): Promise<readonly ReadEvent[]> {
  const events: ReadEvent[] = [];
  for await (const event of run.events()) events.push(event);
  return events;
}

/** The ledger beside the counter. @returns 1 where they contradict each other */
function verdict(place: Place, rows: readonly CrashRow[]): number {
  tell(place, "");
  const lines = table([
    ["TOOL", "EFFECT", "THE COUNTER SAW", "PAWL'S LEDGER SAYS"],
    ...rows.map(({ tool, effect, ledger, counter }) => [tool, effect, counter, ledger]),
  ]);
  for (const [i, line] of lines.entries()) tell(place, i === 0 ? paint("bold", line) : line);
  const contradictions = rows.flatMap(({ contradiction }) => contradiction ?? []);
  if (rows.length !== crashTools.length)
    contradictions.push(`the ledger has ${rows.length} of ${crashTools.length} calls`);
  for (const line of contradictions) tell(place, paint("red", `✗ ${line}`));
  if (contradictions.length > 0) return exitCodes.failed;
  tell(place, paint("green", "✓ the counter agrees: nothing happened twice in silence."));
  return exitCodes.ok;
}

interface Counter {
  readonly place: CrashPlace;
  readonly pid: number;
  readonly file: string;
  arrived(): Promise<Arrived>;
  stop(): void;
}

/** The world outside: a process of its own. */
async function startCounter(file: string): Promise<Counter> {
  const ending = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  const script = fileURLToPath(new URL(`../crash/counter${ending}`, import.meta.url));
  const child = spawn(process.execPath, [script, file, ...crashTools], { stdio: ["pipe", "pipe", "inherit"] });
  const counterUrl = await new Promise<string>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => reject(new PawlError("INTERNAL", "the counter of the demo did not start.")));
    child.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString().trim()));
  });
  return {
    place: { counterUrl },
    pid: child.pid ?? 0,
    file,
    arrived: async () => (await (await fetch(counterUrl)).json()) as Arrived,
    stop: () => child.kill(),
  };
}
