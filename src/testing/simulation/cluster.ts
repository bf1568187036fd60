import { seededRandom, type Entropy } from "../../core/clock.ts";
import { PawlError } from "../../core/errors.ts";
import { errorText } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { ModelSource } from "../../core/model-contract.ts";
import type { RunRef } from "../../core/id.ts";
import type { Runnable } from "../../core/runnable.ts";
import type { Store } from "../../core/store-contract.ts";
import type { EngineDeps, EngineHooks } from "../../engine/deps.ts";
import { registryOf } from "../../engine/registry.ts";
import { Pawl } from "../../engine/runtime.ts";
import { appClosed } from "../../engine/traceable.ts";
import { Worker, type WorkerEvent } from "../../engine/worker.ts";
import type { Audit } from "./audit.ts";
import { faultyStore, type HintBus } from "./faulty-store.ts";
import { instrumented } from "./instrument.ts";
import type { OutsideWorld } from "./outside-world.ts";
import { placeOf } from "./place.ts";
import type { Schedule, SimProcess } from "./schedule.ts";

const WORKERS_MAX = 4;
const SKEW_MS = 2_000;
/** Some dates are minutes off. */
const FAR_SKEW_MS = 300_000;
const FAR_SHARE = 0.2;
/** How often a fault prefers a worker that executes something. */
const BUSY_SHARE = 0.8;
const ACTING_ROLLS = 3;

export interface ClusterOptions {
  readonly seed: number;
  readonly schedule: Schedule;
  readonly store: Store;
  readonly bus: HintBus;
  readonly audit: Audit;
  readonly world: OutsideWorld;
  readonly runnables: readonly Runnable[];
  readonly models: ModelSource;
  readonly hooks: EngineHooks;
  /** `placeOf` a run that kills its workers in some seeds. */
  readonly poisoned: string;
}

interface SimWorker {
  readonly process: SimProcess;
  readonly worker: Worker;
  /** It was told to shut down. */
  isLeaving: boolean;
}

/** The processes of one simulation: real workers on a shared store, and clients that come and go. */
export class Cluster {
  readonly #options: ClusterOptions;
  readonly #workers: SimWorker[] = [];
  /** Workers that took a poisoned run. */
  readonly #doomed = new Set<SimProcess>();
  #count = 0;
  #inspector: EngineDeps | null = null;
  readonly #apps: Pawl[] = [];

  constructor(options: ClusterOptions) {
    this.#options = options;
  }

  /** Starts a worker, unless there are enough. */
  startWorker(): void {
    const { schedule, audit, store, bus, world, runnables, models, hooks } = this.#options;
    if (this.#standing().length >= WORKERS_MAX) return;
    let worker: Worker | null = null;
    const process = this.#process("w", () => (worker?.active.length ?? 0) > 0);
    worker = new Worker(
      {
        store: faultyStore({ inner: store, process, schedule, bus, witness: audit }),
        clock: schedule.clockOf(process),
        entropy: this.#entropy(process),
        models: world.models(process, models),
        registry: registryOf(instrumented(runnables, process, world)),
        build: "simulated",
        hooks,
        redaction: null,
      },
      { name: process.name, ...this.#room(), onEvent: (event) => this.#heard(process, event) },
    );
    this.#workers.push({ process, worker, isLeaving: false });
    schedule.note(`${process.name} starts`);
    worker.start().catch((error: unknown) => {
      if (!PawlError.is(error, "STORE_UNREACHABLE")) audit.fail(`a worker starts (${errorText(error, 300)})`);
      this.#end(process);
    });
  }

  /** A runtime without a worker, in a process of its own: how people and programs talk to runs. */
  client(): { readonly pawl: Pawl; readonly process: SimProcess } {
    const { schedule, store, bus, audit, runnables, models } = this.#options;
    const process = this.#process("c", () => true);
    const pawl = new Pawl({
      store: faultyStore({ inner: store, process, schedule, bus, witness: audit }),
      agents: runnables,
      models,
      worker: false,
      clock: schedule.clockOf(process),
      entropy: this.#entropy(process),
    });
    this.#apps.push(pawl);
    return { pawl, process };
  }

  /** A real process takes what it opened with it. */
  forget(): void {
    for (const app of this.#apps) appClosed(app);
  }

  /** What a check of the store itself needs: no faults, and the code as it is. */
  get inspector(): EngineDeps {
    return (this.#inspector ??= this.#newInspector());
  }

  #newInspector(): EngineDeps {
    const { schedule, store, runnables, models } = this.#options;
    const process = this.#process("inspector", () => false);
    const clock = schedule.clockOf(process);
    const entropy = this.#entropy(process);
    return {
      store,
      clock,
      entropy,
      models,
      registry: registryOf(runnables),
      build: "simulated",
      hooks: {},
      redaction: null,
    };
  }

  /** Strikes one worker, or lets one start, where the dice say so. */
  disturb(): void {
    const { schedule } = this.#options;
    const { dice } = schedule;
    for (const process of this.#doomed) if (schedule.random() < 0.2) this.#end(process);
    const busy = this.#standing().filter(({ process }) => process.isBusy());
    const target = schedule.pick(busy.length > 0 && schedule.random() < BUSY_SHARE ? busy : this.#standing());
    if (target === undefined || schedule.random() < 0.01) this.startWorker();
    if (target === undefined || target.process.state !== "running") return;
    const { process } = target;
    // the moment that counts: between an effect's start and its record
    const rolls = schedule.isActing(process) ? ACTING_ROLLS : 1;
    if (Array.from({ length: rolls }).some(() => dice.roll("crash", process.isBusy()))) this.#end(process);
    else if (dice.roll("pause", process.isBusy()))
      this.#pause(process, 500 + schedule.random() * 2.5 * limits.sessionDeadMs);
    else if (!target.isLeaving && dice.roll("shutdown", process.isBusy())) this.#shutDown(target);
    else if (dice.roll("clock-jump", process.isBusy()))
      process.skewMs = Math.round((schedule.random() - 0.5) * 2 * this.#skewMaxMs(2 * SKEW_MS));
  }

  /** Lets everything go on that stands still, with at least one worker. */
  heal(): void {
    this.#doomed.clear();
    for (const { process } of this.#standing()) if (process.state === "paused") process.state = "running";
    if (this.#standing().every(({ isLeaving }) => isLeaving)) this.startWorker();
  }

  /** Shuts all workers down. @returns true once they are, having left nothing behind */
  leave(): boolean {
    for (const one of this.#standing()) if (!one.isLeaving) this.#shutDown(one);
    return this.#standing().length === 0;
  }

  /** Some workers take few runs at once. */
  #room(): { readonly concurrency?: number } {
    const { schedule } = this.#options;
    return schedule.random() < 0.3 ? { concurrency: 1 + schedule.below(2) } : {};
  }

  #standing(): readonly SimWorker[] {
    return this.#workers.filter(({ process }) => process.state !== "gone");
  }

  #end(process: SimProcess): void {
    const { schedule, bus } = this.#options;
    this.#doomed.delete(process);
    schedule.note(`${process.name} ends`);
    schedule.end(process);
    bus.end(process);
  }

  #pause(process: SimProcess, forMs: number): void {
    void this.#options.schedule.pause(process, forMs);
  }

  #shutDown(target: SimWorker): void {
    const { schedule, audit } = this.#options;
    target.isLeaving = true;
    schedule.note(`${target.process.name} is told to shut down`);
    target.worker.stop().then(
      () => this.#left(target),
      (error: unknown) => audit.fail(`a worker shuts down (${errorText(error, 300)})`),
    );
  }

  #left({ process, worker }: SimWorker): void {
    const { schedule, audit, bus } = this.#options;
    const channels = bus.channelsOf(process);
    if (channels.length > 0) audit.fail(`${process.name}: a worker that left listens no more (${channels.join(", ")})`);
    // code that ignores its abort is left behind, with the timers that watch it
    if (schedule.timersOf(process) > 0 && !schedule.isWaiting(process))
      audit.fail(`${process.name}: a worker that left has no timers`);
    if (worker.active.length > 0) audit.fail(`${process.name}: a worker that left executes nothing`);
    this.#end(process);
  }

  #heard(process: SimProcess, event: WorkerEvent): void {
    const { schedule, audit } = this.#options;
    const run = "ref" in event && event.ref !== null ? ` ${placeOf(event.ref)}` : "";
    const how = event.type === "finished" ? ` ${event.how}` : event.type === "claimed" ? ` fence ${event.fence}` : "";
    schedule.note(`${process.name} tells: ${event.type}${run}${how}`);
    const isPoisoned = event.type === "claimed" && placeOf(event.ref) === this.#options.poisoned;
    if (isPoisoned && schedule.dice.roll("poison", true)) this.#doomed.add(process);
    if (event.type === "finished" && event.how === "lost") void this.#checkLost(process, event.ref);
    if (event.type !== "failed") return;
    if (PawlError.is(event.error, "STORE_UNREACHABLE") || PawlError.is(event.error, "JOURNAL_CONFLICT")) return;
    audit.fail(`${process.name}: a worker fails only for want of a store (${stackOf(event.error)})`);
  }

  /** An owner gives up a run only when it was taken from it, has ended, or its session is dead. */
  async #checkLost(process: SimProcess, ref: RunRef): Promise<void> {
    const { audit, store } = this.#options;
    const run = audit.run(ref);
    const isLeaving = this.#workers.some((one) => one.process === process && one.isLeaving);
    if (run === undefined || run.owner !== process || run.head.session === null || isLeaving) return;
    const session = await store.session(run.head.session);
    if (session !== null && !session.dead)
      audit.fail(`${process.name}: an owner gives up no run that is its own (${placeOf(ref)})`);
  }

  #process(kind: string, isBusy: () => boolean): SimProcess {
    const { schedule } = this.#options;
    const skewMs = schedule.random() < 0.5 ? 0 : Math.round((schedule.random() - 0.5) * 2 * this.#skewMaxMs(SKEW_MS));
    return { name: `${kind}${++this.#count}`, state: "running", skewMs, isBusy };
  }

  #skewMaxMs(mostlyMs: number): number {
    return this.#options.schedule.random() < FAR_SHARE ? FAR_SKEW_MS : mostlyMs;
  }

  #entropy(process: SimProcess): Entropy {
    const random = seededRandom(this.#options.seed * 1_000_003 + this.#count);
    let ids = 0;
    return { random, id: () => `${process.name}-${++ids}` };
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message).slice(0, 1_500) : errorText(error, 300);
}
