import { PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import { limits } from "../core/limits.ts";
import { laneChannel } from "../core/store-contract.ts";
import { claimRun, type Claimed } from "./claim.ts";
import type { EngineDeps } from "./deps.ts";
import { Execution, type ExecutionEnd } from "./execution.ts";
import { loadSources } from "./registry.ts";
import { RetentionSweep } from "./retention.ts";
import { pruneLedger, sweep } from "./sweep.ts";
import { postWebhooks } from "./webhooks.ts";
import { TenantTurns } from "./tenant-turns.ts";
import { WorkerSession } from "./worker-session.ts";

export interface WorkerOptions {
  readonly name: string;
  /** Runs executed at once; default limits.runsPerWorker. */
  readonly concurrency?: number;
  /** Runs of one tenant executed at once; default as many as `concurrency`. Tenants take turns either way. */
  readonly tenantConcurrency?: number;
  /** Which runs it takes; default all that are due. A foreground command executes its own run and leaves the others. */
  readonly only?: (ref: RunRef) => boolean;
  /**
   * Executes a run that killed its workers before in a process that nobody needs; what it does there, and whether that
   * process lives, is its own matter. One at a time. Default: it executes here, alone.
   * @param ending  aborted when this worker shuts down
   * @returns false when the run was not even claimed there: it is then executed here, alone
   */
  readonly isolate?: (ref: RunRef, ending: AbortSignal) => Promise<boolean>;
  /** Told of every claim and how it went: for logs and the terminal. */
  readonly onEvent?: (event: WorkerEvent) => void;
}

export type WorkerEvent =
  | {
      readonly type: "claimed";
      readonly ref: RunRef;
      readonly fence: number;
      readonly seq: number;
      readonly attempts: number;
    }
  | { readonly type: "finished"; readonly ref: RunRef; readonly how: ExecutionEnd }
  | { readonly type: "failed"; readonly ref: RunRef | null; readonly error: unknown }
  | { readonly type: "session-died" };

const SOLO_POLL_MS = 10;

/** A stateless process part: finds runs that are due, claims and executes them. Any number may run on one store. */
export class Worker {
  readonly #deps: EngineDeps;
  readonly #options: WorkerOptions;
  readonly #executions = new Map<string, Execution>();
  readonly #pending = new Set<Promise<void>>();
  readonly #claiming = new Set<string>();
  /** The run that executes alone; nothing else is claimed meanwhile. */
  #solo: string | null = null;
  readonly #hinted = new Map<string, RunRef>();
  readonly #stopHints: (() => void)[] = [];
  #session: WorkerSession | null = null;
  #starting: Promise<void> | null = null;
  #loop: Promise<void> | null = null;
  readonly #ending = new AbortController();
  /** The run that executes in a process of its own. */
  #isolated: string | null = null;
  #sweptMs = -Infinity;
  #prunedMs: number;
  readonly #turns: TenantTurns;
  readonly #waitForRoom: (() => void)[] = [];
  #stopQueue: () => Promise<void> = () => Promise.resolve();
  #posting: Promise<void> | null = null;
  readonly #retention: RetentionSweep;
  #retiredMs: number;
  #retiring: Promise<void> | null = null;
  #wakeUp: () => void = () => undefined;
  #isAwake = false;

  constructor(deps: EngineDeps, options: WorkerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#prunedMs = deps.clock.monotonicMs();
    this.#retiredMs = this.#prunedMs;
    this.#retention = new RetentionSweep(deps);
    this.#turns = new TenantTurns(options.tenantConcurrency ?? Number.POSITIVE_INFINITY);
  }

  get #isDraining(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Runs being executed now. */
  get active(): readonly RunRef[] {
    return [...this.#executions.values()].map((execution) => execution.ref);
  }

  /** False while its session is dead and not yet replaced. */
  get isAlive(): boolean {
    return this.#session !== null && !this.#session.dead.aborted;
  }

  /** @throws STORE_UNREACHABLE it may be started again */
  start(): Promise<void> {
    this.#starting ??= this.#begin().catch((error: unknown) => {
      this.#starting = null;
      throw error;
    });
    return this.#starting;
  }

  async #begin(): Promise<void> {
    this.#session = await this.#openSession();
    const { registry, store, queue } = this.#deps;
    for (const lane of queue === undefined ? registry.lanes : [])
      this.#stopHints.push(store.subscribe(laneChannel(lane), (message) => this.#hint(message)));
    const delivered = (ref: RunRef): Promise<void> => this.#delivered(ref);
    if (queue !== undefined) this.#stopQueue = await queue.consume(registry.lanes, this.#most, delivered);
    this.#loop = this.#run();
  }

  /**
   * Takes no new runs, lets what runs reach a safe point and gives it back; after `withinMs` it abandons the rest, which
   * the next worker recovers.
   */
  async stop(withinMs: number = limits.drainMs): Promise<void> {
    this.#ending.abort();
    await this.#starting?.catch(() => undefined);
    for (const stop of this.#stopHints.splice(0)) stop();
    for (const execution of this.#executions.values()) execution.release("the worker shuts down");
    this.#wake();
    await this.#loop;
    for (const go of this.#waitForRoom.splice(0)) go();
    const stopped = this.#stopQueue();
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      cancel = this.#deps.clock.setTimer(withinMs, resolve);
    });
    await Promise.race([Promise.allSettled([...this.#pending, stopped]), late]);
    cancel();
    await this.#session?.close();
    await Promise.allSettled([...this.#pending, this.#posting, this.#retiring]);
  }

  #openSession(): Promise<WorkerSession> {
    const { store, clock, entropy } = this.#deps;
    return WorkerSession.open(store, clock, entropy.id(), this.#options.name);
  }

  async #run(): Promise<void> {
    while (!this.#isDraining) {
      try {
        await this.#poll();
      } catch (error) {
        this.#tell({ type: "failed", ref: null, error });
      }
      await this.#sleep();
    }
  }

  async #poll(): Promise<void> {
    if (this.#session?.dead.aborted === true) await this.#reopen();
    const { clock, store, registry, queue } = this.#deps;
    if (queue === undefined) await this.#lookForDue(clock.nowMs());
    if (clock.monotonicMs() - this.#sweptMs < limits.sweepMs) return;
    this.#sweptMs = clock.monotonicMs();
    for (const ref of await sweep(this.#deps, this.#session?.id ?? "")) void this.#consider(ref);
    await queue?.offerOverdue(store, registry.lanes);
    // a queue that is silent holds up nothing for long
    if (queue !== undefined) await this.#lookForDue(clock.nowMs() - limits.queueSilentMs);
    if (clock.monotonicMs() - this.#prunedMs >= limits.ledgerPruneMs) {
      this.#prunedMs = clock.monotonicMs();
      await pruneLedger(this.#deps);
    }
    // a slow receiver holds up nothing but messages
    this.#posting ??= postWebhooks(this.#deps)
      .catch((error: unknown) => this.#tell({ type: "failed", ref: null, error }))
      .finally(() => {
        this.#posting = null;
      });
    if (clock.monotonicMs() - this.#retiredMs < limits.retentionSweepMs) return;
    this.#retiredMs = clock.monotonicMs();
    this.#retiring ??= this.#retention
      .step(this.#ending.signal)
      .catch((error: unknown) => this.#tell({ type: "failed", ref: null, error }))
      .finally(() => {
        this.#retiring = null;
      });
  }

  async #lookForDue(nowMs: number): Promise<void> {
    const { store, registry } = this.#deps;
    const hinted = [...this.#hinted.values()];
    this.#hinted.clear();
    // one that passes runs over must look behind them
    const looksBehind = this.#options.only !== undefined || this.#turns.isCapped;
    const limit = looksBehind ? limits.passedPerPoll : limits.claimsPerPoll;
    const due = await store.due({ lanes: registry.lanes, nowMs, limit });
    for (const ref of this.#turns.inTurns([...hinted, ...due])) void this.#consider(ref);
  }

  /** A delivery is done when its run parked or ended, or is nothing for this worker: then the queue has room for another. */
  async #delivered(ref: RunRef): Promise<void> {
    while (!this.#hasRoom && !this.#isDraining)
      await new Promise<void>((resolve) => {
        this.#waitForRoom.push(resolve);
      });
    await this.#consider(ref);
  }

  get #most(): number {
    return this.#options.concurrency ?? limits.runsPerWorker;
  }

  get #hasRoom(): boolean {
    return this.#solo === null && this.#claiming.size + this.#executions.size < this.#most;
  }

  async #reopen(): Promise<void> {
    this.#tell({ type: "session-died" });
    await Promise.allSettled(this.#pending);
    this.#session = await this.#openSession();
  }

  /** @returns what is done about it; null = nothing, now */
  #consider(ref: RunRef): Promise<void> | null {
    if (this.#options.only?.(ref) === false) return null;
    const key = `${ref.tenant}/${ref.runId}`;
    if (this.#isDraining || !this.#hasRoom || this.#executions.has(key) || this.#claiming.has(key)) return null;
    if (!this.#turns.enter(ref)) return null;
    this.#claiming.add(key);
    const work = this.#claim(ref, key)
      .catch((error: unknown) => this.#tell({ type: "failed", ref, error }))
      .finally(() => {
        this.#claiming.delete(key);
        this.#executions.delete(key);
        if (this.#solo === key) this.#solo = null;
        this.#pending.delete(work);
        const next = this.#turns.leave(ref);
        if (next !== null) void this.#consider(next);
        for (const go of this.#waitForRoom.splice(0)) go();
        this.#wake();
      });
    this.#pending.add(work);
    return work;
  }

  async #claim(ref: RunRef, key: string): Promise<void> {
    const session = this.#session;
    if (session === null) return;
    const claimed = await this.#claimed(session, ref, key);
    if (claimed.type !== "claimed") return;
    const { head } = claimed.journal;
    if (claimed.attempts >= limits.poisonAlone) await this.#alone(key);
    const runnable = this.#deps.registry.runnable(head.runnable);
    // a server that is down fails its calls, not its runs
    if (runnable.sources) await loadSources(this.#deps, runnable).catch(() => undefined);
    const execution = new Execution(this.#deps, session, claimed.journal, runnable);
    this.#executions.set(key, execution);
    this.#claiming.delete(key);
    if (this.#isDraining) execution.release("the worker shuts down");
    this.#tell({ type: "claimed", ref, fence: head.fence, seq: head.seq, attempts: claimed.attempts });
    this.#tell({ type: "finished", ref, how: await execution.run() });
  }

  /** A suspect is left to a process of its own, where there is one. */
  async #claimed(session: WorkerSession, ref: RunRef, key: string): Promise<Claimed> {
    const { name, isolate } = this.#options;
    const by = { worker: name, leavesSuspects: isolate !== undefined };
    const claimed = await claimRun(this.#deps, session, ref, by);
    if (claimed.type !== "suspect" || isolate === undefined || this.#isolated !== null) return claimed;
    this.#isolated = key;
    try {
      if (await isolate(ref, this.#ending.signal)) return claimed;
    } finally {
      this.#isolated = null;
    }
    return this.#isDraining ? claimed : claimRun(this.#deps, session, ref, { worker: name });
  }

  /** A run that killed workers before executes while nothing else does, so that it takes nobody with it. */
  async #alone(key: string): Promise<void> {
    while (this.#solo !== null) await this.#moment();
    this.#solo = key;
    for (const execution of this.#executions.values()) execution.release("a run that killed its worker goes alone");
    while (this.#executions.size > 0) await this.#moment();
  }

  #moment(): Promise<void> {
    return new Promise((resolve) => {
      this.#deps.clock.setTimer(SOLO_POLL_MS, resolve);
    });
  }

  #hint(message: string): void {
    try {
      const ref: unknown = JSON.parse(message);
      if (typeof ref !== "object" || ref === null || !("tenant" in ref) || !("runId" in ref)) return;
      if (typeof ref.tenant !== "string" || typeof ref.runId !== "string") return;
      const hinted = { tenant: ref.tenant, runId: ref.runId };
      if (this.#options.only?.(hinted) === false) return;
      if (this.#hinted.size < limits.claimsPerPoll) this.#hinted.set(`${ref.tenant}/${ref.runId}`, hinted);
    } catch {
      // a damaged hint is no hint: polling finds the run
    }
    this.#wake();
  }

  async #sleep(): Promise<void> {
    if (!this.#isAwake && !this.#isDraining) {
      await new Promise<void>((resolve) => {
        const cancel = this.#deps.clock.setTimer(limits.pollMs, resolve);
        this.#wakeUp = () => {
          cancel();
          resolve();
        };
      });
      this.#wakeUp = () => undefined;
    }
    this.#isAwake = false;
  }

  #wake(): void {
    this.#isAwake = true;
    this.#wakeUp();
  }

  #tell(event: WorkerEvent): void {
    const { redaction } = this.#deps;
    if (event.type !== "failed" || redaction === null) return this.#options.onEvent?.(event);
    // it is written to logs and terminals
    const { message, details } = redaction.of(event.ref?.tenant ?? "").thrown(event.error, "INTERNAL");
    const code = PawlError.is(event.error) ? event.error.code : "INTERNAL";
    this.#options.onEvent?.({ ...event, error: new PawlError(code, message, { details }) });
  }
}
