import { seededRandom } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import { defaultTenant, type RunRef } from "../core/id.ts";
import { errorText, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { ModelSource } from "../core/model-contract.ts";
import type { RunLimits } from "../core/budget.ts";
import type { Runnable } from "../core/runnable.ts";
import type { Store } from "../core/store-contract.ts";
import type { EngineHooks } from "../engine/deps.ts";
import { People as Reviewers } from "../engine/people.ts";
import type { Pawl } from "../engine/runtime.ts";
import type { OnBusy } from "../engine/thread.ts";
import { Audit, type AuditedRun } from "./simulation/audit.ts";
import { Cluster } from "./simulation/cluster.ts";
import { addFaults, FaultDice, noFaults, type FaultCounts, type FaultRates } from "./simulation/faults.ts";
import { HintBus } from "./simulation/faulty-store.ts";
import { OutsideWorld, type WorldEffect } from "./simulation/outside-world.ts";
import { Clients } from "./simulation/client.ts";
import { People } from "./simulation/people.ts";
import { personOf } from "./simulation/place.ts";
import { Schedule } from "./simulation/schedule.ts";
import { memoryStore } from "./memory-store.ts";
import { checkRuns } from "./run-checks.ts";

/** A run that a simulation starts. */
export interface SimulatedStart {
  /** Default "default". The runs of each tenant are run-1, run-2 …: they have the same ids. */
  readonly tenant?: string;
  readonly runnable: Runnable;
  readonly input: JsonValue;
  readonly limits?: RunLimits;
  readonly threadId?: string;
  readonly onBusy?: OnBusy;
}

/** What a check of one's own may look at once every run of a seed has ended. */
export interface SimulatedEnd {
  readonly seed: number;
  readonly runs: readonly AuditedRun[];
  readonly effects: readonly WorldEffect[];
  readonly store: Store;
  /** By run id; by `tenant/runId` where a tenant is stated. */
  readonly billedTokens: ReadonlyMap<string, number>;
}

export interface SimulationOptions {
  readonly runnables: readonly Runnable[];
  /** The runs of one seed, made with the seed's own random numbers. */
  readonly starts: (random: () => number) => readonly SimulatedStart[];
  readonly models?: ModelSource;
  readonly hooks?: EngineHooks;
  /** Value of a signal that a run waits for; default null. */
  readonly signalValue?: (name: string, tenant: string) => JsonValue;
  /** Before the first run of a seed: caps of shared budgets, for example. */
  readonly prepare?: (store: Store) => Promise<void>;
  /** Throws where a claim of one's own is broken. */
  readonly check?: (end: SimulatedEnd) => Promise<void> | void;
  /** Probability of a fault at each of its opportunities, in the seeds that have it at all; default `defaultRates`. */
  readonly rates?: FaultRates;
  /** So many people decide each approval at once, and some runs are cancelled meanwhile. Default: as many as are needed. */
  readonly deciders?: number;
  /** Steps with faults, before everything is let go on; default 500. */
  readonly steps?: number;
}

export interface SeedReport {
  readonly seed: number;
  /** Identity of the interleaving. */
  readonly hash: string;
  readonly steps: number;
  readonly faults: FaultCounts;
  /** The first broken claim; null when all held. */
  readonly failure: string | null;
  /** What happened, the newest last. */
  readonly log: readonly string[];
  readonly runs: readonly AuditedRun[];
}

const LOG_LINES = 40;
const STEPS = 500;
const POISONED_SHARE = 0.15;
const CALM_STEPS_MAX = 20_000;
const CALM_MS_MAX = 1_800_000;
const ATTEND_EVERY = 8;
const REVIEW_EVERY = 16;
/** Of so many seeds one runs every body again at every place of its journal. */
const REPLAY_EVERY = 4;

export interface SimulationReport {
  /** Identity of each seed's interleaving. */
  readonly hashes: readonly string[];
  readonly steps: number;
  readonly faults: FaultCounts;
  /** Seeds that broke a claim. */
  readonly failures: readonly { readonly seed: number; readonly claim: string; readonly log: readonly string[] }[];
}

/**
 * Runs `seeds` seeds, from `from` on (default 1), until one breaks a claim.
 * @param options the same for all, or made for each: what a seed has must depend on nothing but the seed
 * @param extent  `failuresMax`: how many failing seeds to gather, default 1
 */
export async function simulate(
  options: SimulationOptions | ((seed: number) => SimulationOptions),
  extent: { readonly seeds: number; readonly from?: number; readonly failuresMax?: number },
): Promise<SimulationReport> {
  const { seeds, from = 1, failuresMax = 1 } = extent;
  const hashes: string[] = [];
  const failures: { readonly seed: number; readonly claim: string; readonly log: readonly string[] }[] = [];
  let faults = noFaults;
  let steps = 0;
  for (let seed = from; seed < from + seeds && failures.length < failuresMax; seed++) {
    const report = await simulateSeed(typeof options === "function" ? options(seed) : options, seed);
    hashes.push(report.hash);
    faults = addFaults(faults, report.faults);
    steps += report.steps;
    if (report.failure !== null) failures.push({ seed, claim: report.failure, log: report.log });
  }
  return { hashes, steps, faults, failures };
}

/**
 * Runs one seed: real workers and clients on one store, under a schedule in which everything that a network, a crash or
 * a person can do happens in an order that the seed decides. Code of tools and steps must not wait for real time.
 * @param logLinesMax lines of the story that are kept
 */
export async function simulateSeed(
  options: SimulationOptions,
  seed: number,
  logLinesMax: number = LOG_LINES,
): Promise<SeedReport> {
  const simulation = new Simulation(options, seed, logLinesMax);
  await simulation.run();
  return simulation.report();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #seed: number;
  readonly #dice: FaultDice;
  readonly #schedule: Schedule;
  readonly #store: Store;
  readonly #audit: Audit;
  readonly #world: OutsideWorld;
  readonly #bus: HintBus;
  readonly #cluster: Cluster;
  readonly #clients: Clients;
  readonly #people: People;
  readonly #steps: number;
  readonly #wanted: readonly { readonly ref: RunRef; readonly start: SimulatedStart }[];
  readonly #tenants: readonly string[];
  readonly #starts: { readonly atStep: number; readonly begin: () => void }[] = [];

  constructor(options: SimulationOptions, seed: number, logLinesMax: number) {
    const random = seededRandom(seed);
    this.#options = options;
    this.#seed = seed;
    this.#steps = options.steps ?? STEPS;
    this.#dice = new FaultDice(random, options.rates);
    const schedule = new Schedule(random, this.#dice, logLinesMax);
    this.#schedule = schedule;
    this.#store = memoryStore({
      clock: schedule.clockOf({ name: "store", state: "running", skewMs: 0, isBusy: () => false }),
    });
    this.#wanted = addressed(options.starts(seededRandom(seed ^ 0x5eed)));
    this.#tenants = [...new Set(this.#wanted.map(({ ref }) => ref.tenant))];
    this.#audit = new Audit(this.#store, this.#tenants);
    this.#world = new OutsideWorld(schedule, this.#audit);
    this.#bus = new HintBus(schedule);
    this.#cluster = new Cluster({
      seed,
      schedule,
      store: this.#store,
      bus: this.#bus,
      audit: this.#audit,
      world: this.#world,
      runnables: options.runnables,
      models: options.models ?? noModels,
      hooks: options.hooks ?? {},
      poisoned: random() < POISONED_SHARE ? "run-1" : "none",
    });
    this.#clients = new Clients({ schedule, cluster: this.#cluster, audit: this.#audit });
    this.#people = new People({
      schedule,
      clients: this.#clients,
      audit: this.#audit,
      world: this.#world,
      signalValue: options.signalValue ?? (() => null),
      mayCancel: random() < 0.3,
      deciders: options.deciders ?? 0,
    });
  }

  async run(): Promise<void> {
    try {
      await this.#options.prepare?.(this.#store);
      this.#begin();
      await this.#trouble();
      await this.#calm();
      if (this.#audit.failure === null) await this.#leave();
      if (this.#audit.failure === null) await this.#check();
    } catch (error) {
      this.#audit.fail(
        `the simulation itself goes through (${error instanceof Error ? (error.stack ?? "") : errorText(error)})`,
      );
    } finally {
      this.#cluster.forget();
    }
  }

  report(): SeedReport {
    const { hash, steps, log } = this.#schedule;
    const { failure, runs } = this.#audit;
    return { seed: this.#seed, hash, steps, faults: this.#dice.counts(), failure, log, runs: [...runs.values()] };
  }

  #begin(): void {
    const workers = 1 + this.#schedule.below(3);
    for (let i = 0; i < workers; i++) this.#cluster.startWorker();
    for (const [i, { ref, start }] of this.#wanted.entries()) {
      const { runnable, ...options } = start;
      const atStep = i === 0 || this.#schedule.random() < 0.5 ? 0 : this.#schedule.below(this.#steps / 2);
      const begin = (pawl: Pawl) => pawl.start(runnable.name, { ...options, ...ref, principal: personOf(ref, "ada") });
      this.#starts.push({ atStep, begin: () => this.#people.start(ref, begin) });
    }
  }

  /** Everything may fail. */
  async #trouble(): Promise<void> {
    for (let i = 0; i < this.#steps && this.#audit.failure === null; i++) {
      for (const { atStep, begin } of this.#starts) if (atStep === i) begin();
      this.#cluster.disturb();
      this.#people.meddle();
      if (i % REVIEW_EVERY === 0) await this.#review();
      await this.#schedule.step();
      if (i > this.#steps / 2 && this.#isOver() && this.#schedule.random() < 0.1) return;
    }
  }

  /** Somebody of each of several tenants looks at what is open. */
  async #review(): Promise<void> {
    if (this.#tenants.length < 2) return;
    for (const tenant of this.#tenants) {
      const reviewers = new Reviewers(this.#cluster.inspector, tenant);
      this.#audit.checkReview(tenant, await reviewers.list(null, limits.reviewPage));
    }
  }

  /** Nothing fails any more and people answer: every run must end. */
  async #calm(): Promise<void> {
    this.#dice.calm();
    this.#schedule.note("calm");
    const until = this.#schedule.timeMs + CALM_MS_MAX;
    for (let i = 0; this.#audit.failure === null; i++) {
      this.#cluster.heal();
      if (i % ATTEND_EVERY === 0) this.#people.attend();
      await this.#schedule.step();
      if (this.#isOver()) {
        await this.#audit.checkSettled();
        const isQuiet = this.#clients.following === 0 && this.#clients.speaking === 0;
        if (isQuiet && (await this.#isSettled())) return;
      }
      if (i > CALM_STEPS_MAX || this.#schedule.timeMs > until) this.#stuck();
    }
  }

  #isOver(): boolean {
    return this.#audit.runs.size > 0 && this.#audit.unfinished().length === 0;
  }

  /** Reservations that a crash left behind are settled by the sweep, minutes later. */
  async #isSettled(): Promise<boolean> {
    return (await this.#store.openReservationsBefore(Number.MAX_SAFE_INTEGER, 1)).length === 0;
  }

  #stuck(): void {
    const open = this.#audit.unfinished().map(({ head }) => {
      const { tenant, runId, status, dueAt, session, waits, seq, blocked, outboxSeq, marks } = head;
      return JSON.stringify({
        tenant,
        runId,
        status,
        dueAt,
        session,
        waits,
        seq,
        blocked,
        outboxSeq,
        acked: marks.outboxAckedSeq,
      });
    });
    this.#audit.fail(`every run that can go on ends; these did not: ${open.join("; ") || "none was created"}`);
  }

  async #leave(): Promise<void> {
    for (let i = 0; !this.#cluster.leave() && this.#audit.failure === null; i++) {
      await this.#schedule.step();
      if (i > CALM_STEPS_MAX) this.#audit.fail("a worker that is told to shut down does");
    }
  }

  async #check(): Promise<void> {
    await this.#audit.checkJournals();
    this.#world.checkAnswered();
    const deps = this.#cluster.inspector;
    for (const tenant of this.#tenants) {
      await this.#audit.checkIndex(tenant);
      if (this.#seed % REPLAY_EVERY === 0) await checkRuns({ deps }, { tenant });
    }
    const end = {
      seed: this.#seed,
      runs: [...this.#audit.runs.values()],
      effects: [...this.#world.effects.values()],
      store: this.#store,
      billedTokens: this.#world.billedTokens,
    };
    try {
      await this.#options.check?.(end);
    } catch (error) {
      this.#audit.fail(errorText(error, 1_000));
    }
  }
}

/** Where each run is started: the runs of every tenant have the same ids. */
function addressed(
  starts: readonly SimulatedStart[],
): readonly { readonly ref: RunRef; readonly start: SimulatedStart }[] {
  const counts = new Map<string, number>();
  return starts.map((start) => {
    const { tenant = defaultTenant } = start;
    const count = (counts.get(tenant) ?? 0) + 1;
    counts.set(tenant, count);
    return { ref: { tenant, runId: `run-${count}` }, start };
  });
}

const noModels: ModelSource = {
  next: (route) => ({ type: "give-up", error: { code: "MODEL_UNKNOWN", message: `no model "${route}" is simulated` } }),
  check: (route) => {
    throw new PawlError("MODEL_UNKNOWN", `no model "${route}" is simulated. Give simulate() a source of models.`);
  },
};
