import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Act, Halt } from "./acts.ts";
import type { CounterProcess } from "./counter-process.ts";
import { judge, type Expected, type Fault } from "./judge.ts";
import { filesOf } from "./kill-points.ts";
import type { Report } from "./reports.ts";
import type { Tracing } from "./tracer.ts";
import type { VictimOptions } from "./victim-options.ts";
import { runVictim, type Victim, type VictimOutcome } from "./victim-process.ts";
import { holdWriteLock } from "./write-lock.ts";

/** One thing done to one process of a trial. */
export type Blow =
  /** `what` as strace says it: `signal=SIGKILL:when=7`. */
  | { readonly type: "inject"; readonly syscall: string; readonly what: string }
  /** A signal when a call reaches the outside world. */
  | { readonly type: "halt"; readonly halt: Halt; readonly signal: "SIGKILL" | "SIGTERM" }
  /** Another program holds the database's write lock for so long, from the first acknowledged write on; real time. */
  | { readonly type: "lock"; readonly heldMs: number };

export interface TrialPlan {
  /** Unique in a sweep; the name by which it is repeated alone. */
  readonly name: string;
  readonly form: VictimOptions["form"];
  /** One for each process that is hit; the next one is left alone and must bring everything to its end. */
  readonly blows: readonly Blow[];
  readonly clock?: VictimOptions["clock"];
  readonly thread?: VictimOptions["thread"];
  /** The person decides in a process of their own, which is never hit. */
  readonly personBeside?: boolean;
}

export interface TrialResult {
  readonly plan: TrialPlan;
  /** Blows that met a process, of those that were meant to. */
  readonly hits: number;
  readonly faults: readonly Fault[];
  readonly reports: readonly Report[];
  readonly outcomes: readonly VictimOutcome[];
  readonly ms: number;
}

/** What all trials of a sweep share. */
export interface Bench {
  /** Folder of the copy of Pawl under test. */
  readonly root: string;
  readonly folder: string;
  readonly counter: CounterProcess;
  readonly how: Tracing["how"];
}

const TIME_LIMIT_MS = 60_000;

/** Starts, hits, restarts and judges. */
export async function runTrial(bench: Bench, plan: TrialPlan, expected: Expected): Promise<TrialResult> {
  const began = performance.now();
  const folder = join(bench.folder, plan.name);
  mkdirSync(folder);
  const trial = new Trial(bench, plan, folder);
  await trial.play();
  const { outcomes, reports, hits } = trial;
  const acts: readonly Act[] = bench.counter.acts(plan.name);
  const faults = [
    ...endFaults(plan, outcomes),
    ...abandonedFaults(plan, reports),
    ...(await judge({ form: plan.form, database: trial.database, reports, acts }, expected)),
  ];
  rmSync(folder, { recursive: true, force: true });
  return { plan, hits, faults, reports, outcomes, ms: performance.now() - began };
}

interface Watch {
  readonly onReady?: (victim: Victim) => void;
  readonly onAcknowledged?: () => void;
}

class Trial {
  readonly database: string;
  readonly outcomes: VictimOutcome[] = [];
  hits = 0;
  readonly #bench: Bench;
  readonly #plan: TrialPlan;
  readonly #log: string;
  #person: Promise<VictimOutcome> | null = null;
  #personReports: readonly Report[] = [];

  constructor(bench: Bench, plan: TrialPlan, folder: string) {
    this.#bench = bench;
    this.#plan = plan;
    this.#log = join(folder, "strace.log");
    this.database = join(folder, "pawl.db");
  }

  get reports(): readonly Report[] {
    return [...this.outcomes.flatMap(({ reports }) => reports), ...this.#personReports];
  }

  async play(): Promise<void> {
    for (const blow of [...this.#plan.blows, null]) {
      const outcome = await this.#hit(blow);
      this.outcomes.push(outcome);
      if (outcome.how === "ended" || outcome.how === "stuck") break;
    }
    const person = await this.#person;
    if (person === null) return;
    this.#personReports = person.reports;
    if (person.how !== "ended") this.outcomes.push(person);
  }

  async #hit(blow: Blow | null): Promise<VictimOutcome> {
    if (blow?.type === "lock") return this.#locked(blow.heldMs);
    if (blow?.type !== "inject") return this.#halted(blow);
    const { syscall, what } = blow;
    const files = filesOf(this.database);
    const tracing = { how: this.#bench.how, files, syscalls: [syscall], inject: what, log: this.#log };
    const outcome = await this.#victim(tracing, {});
    if (outcome.how === "killed" || /\(INJECTED\)/.test(readFileSync(this.#log, "utf8"))) this.hits++;
    return outcome;
  }

  async #halted(blow: (Blow & { readonly type: "halt" }) | null): Promise<VictimOutcome> {
    let victim: Victim | null = null;
    if (blow !== null)
      await this.#bench.counter.halt(this.#plan.name, blow.halt, () => {
        this.hits++;
        victim?.signal(blow.signal);
      });
    return this.#victim(null, {
      onReady: (started) => {
        victim = started;
      },
    });
  }

  async #locked(heldMs: number): Promise<VictimOutcome> {
    const locks: Promise<void>[] = [];
    const outcome = await this.#victim(null, {
      onAcknowledged: () => {
        if (locks.length > 0) return;
        const released = holdWriteLock(this.database, heldMs);
        locks.push(released.then(() => void this.hits++));
      },
    });
    await Promise.all(locks);
    return outcome;
  }

  #victim(tracing: Tracing | null, watch: Watch): Promise<VictimOutcome> {
    const { personBeside = false, clock = "skipping" } = this.#plan;
    return runVictim({
      root: this.#bench.root,
      options: this.#options(personBeside ? "worker" : "worker and person", clock),
      timeLimitMs: TIME_LIMIT_MS,
      tracing,
      onReport: (report, victim) => {
        if (report.type === "ready") watch.onReady?.(victim);
        if (report.type !== "acknowledged") return;
        watch.onAcknowledged?.();
        // the person comes second, so that the worker holds the database
        if (personBeside) this.#person ??= this.#startPerson();
      },
    });
  }

  #startPerson(): Promise<VictimOutcome> {
    const options = this.#options("person", "system");
    return runVictim({ root: this.#bench.root, options, timeLimitMs: TIME_LIMIT_MS, tracing: null });
  }

  #options(role: VictimOptions["role"], clock: "skipping" | "system"): VictimOptions {
    const { name, form, thread = "never" } = this.#plan;
    const told = this.reports.findLast((report) => report.type === "clock");
    const skippedMs = told?.type === "clock" ? told.skippedMs : 0;
    const { database } = this;
    return { database, counterPort: this.#bench.counter.port, trial: name, form, role, clock, skippedMs, thread };
  }
}

/**
 * The last process, which nobody hit, must have brought everything to its end; and only a failing disk excuses one that
 * dies by itself.
 */
function endFaults({ blows }: TrialPlan, outcomes: readonly VictimOutcome[]): readonly Fault[] {
  return outcomes.flatMap((outcome, n): readonly Fault[] => {
    const blow = blows[n];
    const isExcused = blow?.type === "inject" && blow.what.startsWith("error=");
    const isLast = n === outcomes.length - 1;
    if (outcome.how === "ended" || (!isLast && (outcome.how !== "died" || isExcused))) return [];
    const said = outcome.reports.flatMap((report) =>
      report.type === "stuck" ? [report.detail] : report.type === "note" ? [report.text] : [],
    );
    const detail = `process ${n + 1} ${outcome.how}: ${said.slice(-3).join(" | ") || outcome.output}`;
    return [{ kind: "stuck", detail: detail.slice(0, 1_500) }];
  });
}

/** A process that is not killed leaves nothing that a person has to look at. */
function abandonedFaults(plan: TrialPlan, reports: readonly Report[]): readonly Fault[] {
  if (plan.blows.some((blow) => JSON.stringify(blow).includes("SIGKILL"))) return [];
  return reports.flatMap((report) =>
    report.type === "person" && report.did !== "approved"
      ? [{ kind: "abandoned", detail: `${report.what} had to be ${report.did} by a person` } as const]
      : [],
  );
}
