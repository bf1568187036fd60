import type { Clock } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import { abortReason } from "./deadlines.ts";
import type { Breaker } from "./breaker.ts";
import { FairLine } from "./fair-line.ts";
import type { RateLimiter } from "./rate-limit.ts";

export interface GateOptions {
  readonly endpoint: string;
  readonly clock: Clock;
  readonly breaker: Breaker;
  readonly rates: RateLimiter;
  /** Calls at once. */
  readonly inFlightMax: number;
  /** Calls that may wait, over all tenants. */
  readonly queueMax: number;
  /** Longest that one waits. */
  readonly queueMs: number;
}

export interface Ticket {
  readonly tenant: string;
  /** Tokens that the call will use, by estimate. */
  readonly tokens: number;
  readonly signal: AbortSignal;
}

interface Waiter {
  readonly ticket: Ticket;
  readonly enter: () => void;
  readonly refuse: (error: Error) => void;
}

/** A shared allowance that cannot be asked is asked again after this; those who wait do so for a bounded time. */
const ASK_AGAIN_MS = 1_000;

async function takenFrom(rates: RateLimiter, endpoint: string, tokens: number, nowMs: number): Promise<number> {
  try {
    return await rates.take(endpoint, { tokens }, nowMs);
  } catch {
    return ASK_AGAIN_MS;
  }
}

/** Retry-After of a refusal: never so short that all come back at once, never so long that nobody does. */
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 30_000;

/**
 * The way into one endpoint: as many calls at once as it has room for, no faster than its allowance, the others in a
 * bounded line that serves tenants in turn. What waits costs a promise and a timer.
 */
export class Gate {
  readonly #of: GateOptions;
  readonly #line: FairLine<Waiter>;
  #inFlight = 0;
  #isServing = false;
  #isAskedAgain = false;
  #wake: (() => void) | null = null;
  #heldUntilMs = 0;

  constructor(of: GateOptions) {
    this.#of = of;
    this.#line = new FairLine(of.queueMax);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get queued(): number {
    return this.#line.length;
  }

  /** How long the first in line has to wait for its allowance, or for the end of a rest. */
  heldMs(nowMs: number): number {
    return this.#line.length === 0 ? 0 : Math.max(0, this.#heldUntilMs - nowMs);
  }

  /**
   * Waits for a place. @returns what gives it back, once; more calls of it do nothing
   * @throws MODEL_QUEUE_FULL with `retryAfterMs`; the signal's reason
   */
  async enter(ticket: Ticket): Promise<() => void> {
    if (ticket.signal.aborted) throw abortReason(ticket.signal, this.#of.endpoint);
    await this.#wait(ticket);
    let isInside = true;
    return () => {
      if (!isInside) return;
      isInside = false;
      this.#inFlight--;
      this.serve();
    };
  }

  /** Lets in who may come in now. Called when something changed: a place, the breaker, an allowance. */
  serve(): void {
    this.#isAskedAgain = true;
    if (this.#isServing) return;
    this.#isServing = true;
    void this.#serveAll();
  }

  #wait(ticket: Ticket): Promise<void> {
    const { clock, endpoint, queueMs } = this.#of;
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        cancel();
        ticket.signal.removeEventListener("abort", onAbort);
        if (this.#line.length === 0) this.#sleep();
        act();
      };
      const waiter: Waiter = {
        ticket,
        enter: () => settle(resolve),
        refuse: (error) => settle(() => reject(error)),
      };
      const leave = (error: () => Error): void => {
        if (this.#line.leave(ticket.tenant, waiter)) waiter.refuse(error());
      };
      const onAbort = (): void => leave(() => abortReason(ticket.signal, endpoint));
      const cancel = clock.setTimer(queueMs, () => leave(() => this.#full(`waited ${queueMs} ms for a place`)));
      ticket.signal.addEventListener("abort", onAbort, { once: true });
      const displaced = this.#line.join(ticket.tenant, waiter);
      displaced?.refuse(this.#full(`has ${this.#line.length} calls waiting, the most that may`));
      if (displaced !== waiter) this.serve();
    });
  }

  async #serveAll(): Promise<void> {
    try {
      while (this.#isAskedAgain) {
        this.#isAskedAgain = false;
        // One after the other: each changes what is left for the next.
        while (await this.#serveOne());
      }
    } finally {
      this.#isServing = false;
    }
  }

  /** @returns true where the next one in line should be looked at, too */
  async #serveOne(): Promise<boolean> {
    const { clock, endpoint, breaker, rates, inFlightMax } = this.#of;
    const waiter = this.#line.first();
    if (waiter === null) return false;
    const nowMs = clock.monotonicMs();
    if (this.#inFlight >= Math.min(inFlightMax, breaker.room(nowMs))) {
      const restMs = breaker.restMs(nowMs);
      if (restMs > 0) this.#serveLater(restMs);
      return false;
    }
    const { tenant, tokens } = waiter.ticket;
    const waitMs = await takenFrom(rates, endpoint, tokens, nowMs);
    if (waitMs > 0) {
      if (this.#line.length > 0) this.#serveLater(waitMs);
      return false;
    }
    // Who left while a shared allowance was asked gives back what was taken for him.
    if (!this.#line.leave(tenant, waiter, true)) rates.correct(endpoint, -tokens, nowMs);
    else {
      this.#inFlight++;
      waiter.enter();
    }
    return true;
  }

  /** Nobody waits: no timer does, either. */
  #sleep(): void {
    this.#wake?.();
    this.#wake = null;
  }

  #serveLater(waitMs: number): void {
    this.#sleep();
    this.#heldUntilMs = this.#of.clock.monotonicMs() + waitMs;
    const cancel = this.#of.clock.setTimer(waitMs, () => {
      this.#wake = null;
      this.serve();
    });
    this.#wake = cancel;
  }

  #full(what: string): PawlError {
    const { endpoint, breaker, clock } = this.#of;
    const restMs = breaker.restMs(clock.monotonicMs());
    const retryAfterMs = Math.min(RETRY_MAX_MS, Math.max(RETRY_MIN_MS, restMs));
    const rests = restMs > 0 ? " It failed too often and rests." : "";
    return new PawlError(
      "MODEL_QUEUE_FULL",
      `"${endpoint}" ${what}.${rests} Nothing was sent. Try again later, or give the route more endpoints.`,
      { details: { endpoint, retryAfterMs } },
    );
  }
}
