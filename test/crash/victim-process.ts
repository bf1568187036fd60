import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Report } from "./reports.ts";
import { attachTracer, tracedCommand, type Tracing } from "./tracer.ts";
import { exitCodes, type VictimOptions } from "./victim-options.ts";

export interface VictimRun {
  /** Folder of the checkout's copy. */
  readonly root: string;
  readonly options: VictimOptions;
  readonly tracing: Tracing | null;
  /** Real time; a victim that takes longer is killed and counts as stuck. */
  readonly timeLimitMs: number;
  readonly onReport?: (report: Report, victim: Victim) => void;
}

/** A victim that runs. */
export interface Victim {
  signal(name: "SIGKILL" | "SIGTERM"): void;
}

export interface VictimOutcome {
  /** `drained`: ended in order because it was told to. `died`: of an error. */
  readonly how: "ended" | "killed" | "drained" | "stuck" | "died";
  readonly reports: readonly Report[];
  /** Its last words, for reading a failure. */
  readonly output: string;
}

const OUTPUT_CHARS_MAX = 4_000;

const running = new Set<RunningVictim>();

/** Ends every victim that runs now; for a sweep that is interrupted. */
export function killVictims(): void {
  for (const victim of running) victim.signal("SIGKILL");
}

/** Runs one victim to its end, however it comes. */
export async function runVictim(run: VictimRun): Promise<VictimOutcome> {
  const victim = new RunningVictim(run);
  running.add(victim);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    victim.signal("SIGKILL");
  }, run.timeLimitMs);
  try {
    const { exitCode, signal } = await victim.ended();
    const { reports, output } = victim;
    return { how: timedOut ? "stuck" : howOf(exitCode, signal), reports, output };
  } finally {
    clearTimeout(timer);
    victim.signal("SIGKILL");
    running.delete(victim);
  }
}

/** strace that ends with its program's signal gives the shell's number for it. */
function howOf(exitCode: number | null, signal: NodeJS.Signals | null): VictimOutcome["how"] {
  if (signal === "SIGKILL" || exitCode === 128 + 9) return "killed";
  switch (exitCode) {
    case exitCodes.ended:
      return "ended";
    case exitCodes.stuck:
      return "stuck";
    case exitCodes.drained:
      return "drained";
    default:
      return "died";
  }
}

class RunningVictim implements Victim {
  readonly reports: Report[] = [];
  output = "";
  readonly #run: VictimRun;
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown[]>;
  #isReady = (): void => undefined;
  readonly #ready: Promise<void>;

  constructor(run: VictimRun) {
    this.#run = run;
    this.#ready = new Promise((resolve) => {
      this.#isReady = resolve;
    });
    const script = join(run.root, "test/crash/victim.ts");
    const node = [process.execPath, "-C", "pawl-source", "--disable-warning=ExperimentalWarning", script];
    const [command = "", ...args] = tracedCommand([...node, JSON.stringify(run.options)], run.tracing);
    const env = { ...process.env, NODE_COMPILE_CACHE: join(run.root, "compile-cache") };
    this.#child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe", "pipe"], cwd: run.root, env });
    this.#closed = once(this.#child, "close");
    // a victim that is gone before it read its input is no error of ours
    this.#child.stdin?.on("error", () => undefined);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.output = (this.output + chunk.toString()).slice(-OUTPUT_CHARS_MAX);
      });
    }
    createInterface({ input: this.#child.stdio[3] as Readable }).on("line", (line) => this.#heard(line));
  }

  /** Lets it begin when it is loaded, the tracer beside it where one is wanted, and waits for the end of both. */
  async ended(): Promise<{ readonly exitCode: number | null; readonly signal: NodeJS.Signals | null }> {
    const { tracing } = this.#run;
    await Promise.race([this.#ready, this.#closed]);
    const pid = this.#pid();
    const tracer = tracing?.how === "attach" && pid !== undefined ? await attachTracer(pid, tracing) : null;
    this.#child.stdin?.end("go\n");
    await this.#closed;
    await tracer?.ended;
    return { exitCode: this.#child.exitCode, signal: this.#child.signalCode };
  }

  /** To the victim itself, and on a kill also to a strace around it. */
  signal(name: "SIGKILL" | "SIGTERM"): void {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const pid = this.#pid();
    if (pid !== undefined && pid !== this.#child.pid) signalProcess(pid, name);
    else if (name !== "SIGKILL") this.#child.kill(name);
    if (name === "SIGKILL") this.#child.kill(name);
  }

  #pid(): number | undefined {
    const ready = this.reports.find((report) => report.type === "ready");
    return ready?.type === "ready" ? ready.pid : undefined;
  }

  #heard(line: string): void {
    const report = parsed(line);
    if (report === null) return;
    this.reports.push(report);
    if (report.type === "ready") this.#isReady();
    this.#run.onReport?.(report, this);
  }
}

function signalProcess(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // it has ended
  }
}

/** A line that the kill cut off is none. */
function parsed(line: string): Report | null {
  try {
    return JSON.parse(line) as Report;
  } catch {
    return null;
  }
}
