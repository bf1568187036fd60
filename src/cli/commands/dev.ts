import { fork, type ChildProcess } from "node:child_process";
import { watch } from "node:fs";
import { basename, dirname, extname, sep } from "node:path";
import { PawlError } from "../../core/errors.ts";
import { isEnd } from "../../core/run-outcome.ts";
import type { Pawl } from "../../engine/runtime.ts";
import type { WorkerEvent } from "../../engine/worker.ts";
import { complain } from "../complain.ts";
import { exitCodes } from "../exit-codes.ts";
import { totalsText } from "../figures.ts";
import { configName, configPath } from "../load-config.ts";
import { inOwnProcess, placeWords } from "../own-process.ts";
import { pasteable } from "../pasteable.ts";
import { openApp, type Place } from "../place.ts";
import { paint, say } from "../terminal.ts";

const SETTLE_MS = 150;
const AGAIN_MS = 1_000;
const watched: readonly string[] = [".ts", ".mts", ".js", ".mjs", ".json"];

/** `pawl dev`: a worker in a process of its own, started again whenever the code changes. Runs in flight go on. */
export async function dev(place: Place): Promise<number> {
  const config = configPath(place.config);
  if (config === null) {
    throw new PawlError(
      "CONFIG_INVALID",
      `there is no ${configName} here, so there is nothing to run. Make a project with "pawl init DIR", or name one with --config.`,
    );
  }
  return new Promise((resolve) => {
    const supervisor = new Supervisor(place, resolve);
    const stopWatching = watchCode(dirname(config), (file) => supervisor.restart(file));
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.on(signal, () => {
        stopWatching();
        supervisor.stop(signal);
      });
    }
    supervisor.start();
  });
}

/** Calls back once after a burst of changes of source files; dependencies, databases and hidden folders do not count. */
function watchCode(folder: string, onChange: (file: string) => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const isForeign = (path: string): boolean =>
    path.split(sep).some((part) => part === "node_modules" || (part.startsWith(".") && part !== "." && part !== ".."));
  const watcher = watch(folder, { recursive: true, ignore: isForeign }, (_event, file) => {
    if (file === null || isForeign(file) || !watched.includes(extname(file))) return;
    clearTimeout(timer);
    timer = setTimeout(() => onChange(file), SETTLE_MS);
  });
  return () => {
    clearTimeout(timer);
    watcher.close();
  };
}

/** Keeps one worker process: starts it, replaces it on a change, and ends with it. */
class Supervisor {
  readonly #place: Place;
  readonly #onEnd: (exitCode: number) => void;
  #child: ChildProcess | null = null;
  #isReady = false;
  #changed: string | null = null;
  #isStopping = false;

  constructor(place: Place, onEnd: (exitCode: number) => void) {
    this.#place = place;
    this.#onEnd = onEnd;
  }

  start(): void {
    this.#changed = null;
    this.#isReady = false;
    const child = fork(process.argv[1] ?? "", ["dev-worker", ...placeWords(this.#place)], { stdio: "inherit" });
    this.#child = child;
    child.once("message", () => {
      this.#isReady = true;
    });
    child.once("exit", (code) => this.#ended(code));
  }

  restart(file: string): void {
    if (this.#isStopping) return;
    this.#changed = file;
    if (this.#child === null) return this.start();
    log(`${basename(file)} changed: the worker starts again when what runs now is done`);
    this.#child.kill("SIGTERM");
  }

  stop(signal: NodeJS.Signals): void {
    this.#isStopping = true;
    if (this.#child === null) this.#onEnd(exitCodes.ok);
    // a terminal sends Ctrl-C to the worker as well
    else if (signal !== "SIGINT" || !process.stdin.isTTY) this.#child.kill(signal);
  }

  #ended(code: number | null): void {
    this.#child = null;
    if (this.#isStopping) return this.#onEnd(code ?? exitCodes.ok);
    if (this.#changed !== null) return this.start();
    if (!this.#isReady) return log("waiting for a change of the code ...");
    log(`the worker ended (${code ?? "killed"}): it starts again`);
    setTimeout(() => {
      if (this.#child === null && !this.#isStopping) this.start();
    }, AGAIN_MS);
  }
}

function log(line: string): void {
  say(`${paint("dim", new Date().toLocaleTimeString("en-GB"))} ${line}`);
}

/** Hidden: the worker of `pawl dev`, until it is told to end. */
export async function devWorker(place: Place): Promise<number> {
  const { app } = await openApp(place, {
    worker: { name: `pawl dev (process ${process.pid})`, isolate: inOwnProcess(place) },
    onWorkerEvent: (event) => void tellEvent(() => app, event),
  });
  const names = app.registry.runnables.map(({ name }) => name);
  log(`worker ready: ${names.join(", ") || "no agents yet"}`);
  const [first] = names;
  if (first !== undefined) say(paint("dim", `         in another terminal: ${pasteable(place, "run", first, "...")}`));
  process.send?.("ready");
  await untilSignal();
  await app.close();
  if (process.connected) process.disconnect();
  return exitCodes.ok;
}

/** The second signal does not wait. */
function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    const onSignal = (): void => {
      process.once("SIGINT", () => process.exit(exitCodes.interrupted));
      resolve();
    };
    process.once("SIGINT", onSignal);
    process.once("SIGTERM", onSignal);
    // the supervisor is gone
    process.once("disconnect", onSignal);
  });
}

async function tellEvent(app: () => Pawl, event: WorkerEvent): Promise<void> {
  switch (event.type) {
    case "claimed":
      return log(`${event.ref.runId} ${event.fence === 1 ? "begins" : `goes on from seq ${event.seq - 1}`}`);
    case "finished": {
      const head = await app()
        .store.readHead(event.ref)
        .catch(() => null);
      const totals = head !== null && isEnd(head.status) ? ` · ${totalsText(head.totals)}` : "";
      return log(`${event.ref.runId} ${head === null ? event.how : head.status.replaceAll("_", " ")}${totals}`);
    }
    case "failed":
      return complain(event.error);
    case "session-died":
      return log("this worker was taken for dead, and begins anew");
  }
}
