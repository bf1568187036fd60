import type { Clock } from "../../core/clock.ts";
import type { FaultDice } from "./faults.ts";

/** One simulated process. While it is paused nothing reaches it; once it is gone nothing of it ever settles. */
export interface SimProcess {
  readonly name: string;
  state: "running" | "paused" | "gone";
  /** How far its date is off. */
  skewMs: number;
  /** It has to do with a run just now: a fault that strikes it strikes a live run. */
  isBusy(): boolean;
}

/** Something a process asks of the world outside it: applied at one moment, answered at another. */
export interface RequestSpec<T> {
  readonly label: string;
  readonly kind: "read" | "write" | "effect";
  readonly apply: () => Promise<T>;
  /** What the process is told when request or answer is lost. */
  readonly lost: () => Error;
  /** May be lost or left unanswered. A process that ends loses it in any case. */
  readonly mayLose: boolean;
  /** May also never be answered; default false. */
  readonly mayBeSilent?: boolean;
  /** May also be lost for its sender only, and be applied later; default false for effects, and true for writes. */
  readonly mayBeLate?: boolean;
  /** Applied before this time or never; default whenever. */
  readonly untilMs?: number;
  readonly signal?: AbortSignal;
}

type Outcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown };

interface Pending {
  readonly spec: RequestSpec<unknown>;
  readonly process: SimProcess;
  outcome: Outcome | null;
  /** null = nobody waits for the answer any more */
  settle: ((outcome: Outcome) => void) | null;
}
interface Timer {
  readonly process: SimProcess | null;
  readonly label: string;
  readonly atMs: number;
  readonly fire: () => void;
}
interface Hint {
  readonly process: SimProcess;
  readonly label: string;
  readonly deliver: () => void;
}

const EPOCH_MS = 1_760_000_000_000;
/** How often an applied request is answered in the same step: fewer steps, and most answers are prompt. */
const PROMPT_SHARE = 0.6;
/** How often a request that nobody waits for any more is passed over: it may arrive long after its sender is gone. */
const LINGER_SHARE = 0.95;

/**
 * Virtual time and everything that is on its way: requests, answers, timers, hints. It waits until all that can run has
 * run, then picks by its seed what happens next. Nothing else moves a simulation, so a seed always tells the same story.
 */
export class Schedule {
  readonly random: () => number;
  readonly dice: FaultDice;
  /** The story: one line for each thing that happened, the newest last. */
  readonly log: string[] = [];
  readonly #logLinesMax: number;
  readonly #requests: Pending[] = [];
  readonly #hints: Hint[] = [];
  readonly #timers: Timer[] = [];
  /** Processes of whose requests one is never answered. */
  readonly #unanswered = new Set<SimProcess>();
  readonly #timerShare: number;
  readonly #effectSlowness: number;
  #timeMs = 0;
  #drains = 0;
  #hash = 0x811c9dc5;
  #steps = 0;

  /** @param logLinesMax lines of the story that are kept */
  constructor(random: () => number, dice: FaultDice, logLinesMax: number) {
    this.random = random;
    this.dice = dice;
    this.#logLinesMax = logLinesMax;
    this.#timerShare = 0.02 + 0.2 * random() ** 2;
    this.#effectSlowness = 0.95 * random();
  }

  get timeMs(): number {
    return this.#timeMs;
  }

  get steps(): number {
    return this.#steps;
  }

  /** Identity of the story so far: two seeds with the same one had the same interleaving. */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, "0");
  }

  /** Whole number below `count`. */
  below(count: number): number {
    return Math.floor(this.random() * count);
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[this.below(items.length)];
  }

  clockOf(process: SimProcess): Clock {
    return {
      nowMs: () => EPOCH_MS + Math.floor(this.#timeMs) + process.skewMs,
      monotonicMs: () => this.#timeMs,
      setTimer: (delayMs, fire) => this.#setTimer(process, `timer of ${process.name}`, delayMs, fire),
      drain: () => this.#drain(),
    };
  }

  /** A process stands still for a while. @returns once it goes on; never, where it ends meanwhile */
  pause(process: SimProcess, forMs: number): Promise<void> {
    this.note(`${process.name} stands still for ${forMs.toFixed(0)} ms`);
    process.state = "paused";
    return new Promise((resolve) => {
      this.after(forMs, `${process.name} goes on`, () => {
        if (process.state === "gone") return;
        process.state = "running";
        resolve();
      });
    });
  }

  /** A timer of the world itself. */
  after(delayMs: number, label: string, fire: () => void): void {
    this.#setTimer(null, label, delayMs, fire);
  }

  send<T>(process: SimProcess, spec: RequestSpec<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const pending: Pending = {
        spec,
        process,
        outcome: null,
        settle: (outcome) => {
          if (outcome.ok) resolve(outcome.value as T);
          else reject(outcome.error as Error);
        },
      };
      this.#requests.push(pending);
      this.#heedAbort(pending);
    });
  }

  hint(process: SimProcess, label: string, deliver: () => void): void {
    if (this.dice.roll("hint-lost", process.isBusy())) return;
    this.#hints.push({ process, label, deliver });
    if (this.dice.roll("hint-doubled", process.isBusy())) this.#hints.push({ process, label, deliver });
  }

  /** Ends a process: its timers vanish, what it asked for may still be on its way or not. */
  end(process: SimProcess): void {
    process.state = "gone";
    remove(this.#timers, (timer) => timer.process === process);
    remove(this.#hints, (hint) => hint.process === process);
    remove(
      this.#requests,
      (pending) => pending.process === process && (pending.outcome !== null || this.random() < 0.5),
    );
    for (const pending of this.#requests) if (pending.process === process) pending.settle = null;
  }

  timersOf(process: SimProcess): number {
    return this.#timers.filter((timer) => timer.process === process).length;
  }

  /** True when a process waits for an answer, or will wait for ever. */
  isWaiting(process: SimProcess): boolean {
    const isOwn = (pending: Pending): boolean => pending.process === process && pending.settle !== null;
    return this.#unanswered.has(process) || this.#requests.some(isOwn);
  }

  /** Effects asked for under a label that have not acted yet and still may. */
  inFlight(label: string): number {
    return this.#requests.filter(({ spec, outcome }) => spec.label === label && outcome === null).length;
  }

  /** True while something that a process asked of the world has not happened. */
  isActing(process: SimProcess): boolean {
    return this.#requests.some((one) => one.process === process && one.spec.kind === "effect" && one.outcome === null);
  }

  note(text: string): void {
    this.#steps++;
    const line = `${this.#timeMs.toFixed(0).padStart(7)} ms  ${text}`;
    for (let i = 0; i < line.length; i++) this.#hash = Math.imul(this.#hash ^ line.charCodeAt(i), 0x01000193);
    this.log.push(line);
    if (this.log.length > this.#logLinesMax * 2) this.log.splice(0, this.#logLinesMax);
  }

  /** One thing happens, and everything that follows from it without waiting. */
  async step(): Promise<void> {
    const ready = this.#ready();
    const next = this.#nextTimer();
    if (next !== null && (ready.length === 0 || (!this.dice.isCalm && this.random() < this.#timerShare))) {
      await this.#passTime(next);
    } else {
      const act = this.pick(ready);
      if (act !== undefined) await act();
    }
    await this.settle();
  }

  /** Resolves when nothing can run any more without a request, timer or hint. */
  async settle(): Promise<void> {
    do {
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
    } while (this.#drains > 0);
  }

  #ready(): readonly (() => Promise<void> | void)[] {
    const ready: (() => Promise<void> | void)[] = [];
    for (const pending of this.#requests) {
      const lingers = this.random() < (pending.settle === null ? LINGER_SHARE : this.#slownessOf(pending));
      if (pending.outcome === null && !lingers) ready.push(() => this.#apply(pending, PROMPT_SHARE));
      else if (pending.outcome !== null && pending.process.state === "running") ready.push(() => this.#answer(pending));
    }
    for (const hint of this.#hints) if (hint.process.state === "running") ready.push(() => this.#deliver(hint));
    for (const timer of this.#timers)
      if (timer.atMs <= this.#timeMs && isAwake(timer.process)) ready.push(() => this.#fire(timer));
    return ready;
  }

  /** The world outside is slower than the store. */
  #slownessOf({ spec }: Pending): number {
    return spec.kind === "effect" && !this.dice.isCalm ? this.#effectSlowness : 0;
  }

  #nextTimer(): Timer | null {
    let next: Timer | null = null;
    for (const timer of this.#timers) {
      if (timer.atMs <= this.#timeMs || !isAwake(timer.process)) continue;
      if (next === null || timer.atMs < next.atMs) next = timer;
    }
    return next;
  }

  async #passTime(timer: Timer): Promise<void> {
    for (const pending of this.#requests.filter((one) => one.outcome === null)) {
      if ((pending.spec.untilMs ?? Infinity) > timer.atMs) continue;
      if (this.random() < 0.5) await this.#apply(pending, 0);
      else if (this.#requests.includes(pending)) this.#drop(pending, "runs out of time");
    }
    this.#timeMs = Math.max(this.#timeMs, timer.atMs);
    if (isAwake(timer.process) && this.#timers.includes(timer)) this.#fire(timer);
  }

  #fire(timer: Timer): void {
    remove(this.#timers, (one) => one === timer);
    this.note(timer.label);
    timer.fire();
  }

  #deliver(hint: Hint): void {
    remove(this.#hints, (one) => one === hint);
    this.note(hint.label);
    hint.deliver();
  }

  async #apply(pending: Pending, promptShare: number): Promise<void> {
    const { spec, process } = pending;
    if (pending.settle !== null && this.#isLostOnTheWay(pending)) return;
    const isSilent = this.#strikes(pending, "effect-silent");
    if (isSilent) this.#unanswered.add(process);
    if (isSilent && this.random() < 0.5) {
      this.#drop(pending, "is never heard of");
      return;
    }
    pending.outcome = await outcomeOf(spec.apply);
    this.note(`${process.name}: ${spec.label} ${pending.outcome.ok ? "is applied" : "is refused"}`);
    if (isSilent || pending.settle === null) remove(this.#requests, (one) => one === pending);
    else if (process.state === "running" && this.random() < promptShare) this.#answer(pending);
  }

  #isLostOnTheWay(pending: Pending): boolean {
    if (pending.process.state !== "running") return false;
    const lost = pending.spec.kind === "effect" ? "effect-lost" : "request-lost";
    const isLate =
      pending.spec.kind === "effect"
        ? pending.spec.mayBeLate === true && this.#strikes(pending, "effect-late")
        : pending.spec.kind === "write" && this.#strikes(pending, "late-write");
    if (!isLate && !this.#strikes(pending, lost)) return false;
    this.note(`${pending.process.name}: ${pending.spec.label} is given up${isLate ? ", and on its way" : ""}`);
    const { settle } = pending;
    pending.settle = null;
    if (!isLate) remove(this.#requests, (one) => one === pending);
    settle?.({ ok: false, error: pending.spec.lost() });
    return true;
  }

  #answer(pending: Pending): void {
    const { spec, process, outcome } = pending;
    remove(this.#requests, (one) => one === pending);
    const isLost = this.#strikes(pending, spec.kind === "effect" ? "effect-answer-lost" : "answer-lost");
    this.note(`${process.name}: ${spec.label} ${isLost ? "loses its answer" : "is answered"}`);
    if (outcome !== null) pending.settle?.(isLost ? { ok: false, error: spec.lost() } : outcome);
  }

  #strikes(pending: Pending, kind: Parameters<FaultDice["roll"]>[0]): boolean {
    if (!pending.spec.mayLose || pending.settle === null) return false;
    if (kind === "effect-silent" && pending.spec.mayBeSilent !== true) return false;
    return this.dice.roll(kind, pending.process.isBusy());
  }

  #drop(pending: Pending, why: string): void {
    remove(this.#requests, (one) => one === pending);
    this.note(`${pending.process.name}: ${pending.spec.label} ${why}`);
    this.#unanswered.add(pending.process);
  }

  /** Code that is told to stop mostly does: nobody waits for what it asked, which may act all the same. */
  #heedAbort(pending: Pending): void {
    const { signal } = pending.spec;
    if (signal === undefined) return;
    const isObedient = this.random() < 0.7;
    const onAbort = (): void => {
      const { settle } = pending;
      if (!isObedient || settle === null || !this.#requests.includes(pending)) return;
      pending.settle = null;
      if (pending.outcome !== null || this.random() < 0.5) remove(this.#requests, (one) => one === pending);
      settle({ ok: false, error: signal.reason });
    };
    signal.addEventListener("abort", onAbort, { once: true });
  }

  #setTimer(process: SimProcess | null, label: string, delayMs: number, fire: () => void): () => void {
    if (process?.state === "gone") return () => undefined;
    const timer: Timer = { process, label, atMs: this.#timeMs + Math.max(0.01, delayMs), fire };
    this.#timers.push(timer);
    return () => remove(this.#timers, (one) => one === timer);
  }

  async #drain(): Promise<void> {
    this.#drains++;
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    this.#drains--;
  }
}

function isAwake(process: SimProcess | null): boolean {
  return process === null || process.state === "running";
}

async function outcomeOf(apply: () => Promise<unknown>): Promise<Outcome> {
  try {
    return { ok: true, value: await apply() };
  } catch (error) {
    return { ok: false, error };
  }
}

function remove<T>(list: T[], isGone: (item: T) => boolean): void {
  for (let i = list.length - 1; i >= 0; i--) {
    const item = list[i];
    if (item !== undefined && isGone(item)) list.splice(i, 1);
  }
}
