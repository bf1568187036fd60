import type { EndpointStatus } from "../core/model-contract.ts";

export type Health = EndpointStatus["health"];

/**
 * What an attempt told about its endpoint. `failed`: no answer, a broken or silent stream, nonsense. `limited`: refused
 * for its rate. `refused`: key, account or model name are wrong, which time does not heal.
 */
export type AttemptSign = "ok" | "failed" | "limited" | "refused";

const WINDOW_MS = 15_000;
/** Of so many attempts in the window, or more … */
const ATTEMPTS_MIN = 10;
/** … this share failed. Bad days have 7 %, storms 50. */
const FAILURE_SHARE = 0.3;
const FAILED_IN_A_ROW = 5;
/** An endpoint that has just come back gets less credit. */
const FAILED_IN_A_ROW_STARTING = 2;
const OPEN_MS = 5_000;
const OPEN_MAX_MS = 60_000;
const REFUSED_MS = 60_000;
/** Probes in a row that must succeed, one at a time. */
const PROBES = 3;
/** Calls at once with which an endpoint that came back starts; each success adds one. */
const START_AT_ONCE = 2;
const START_UNTIL = 64;
const START_MS = 10_000;
/** So long without a failure that opens, and the next pause is a short one again. */
const FORGET_MS = 60_000;
const LIMITED_COUNTS = 0.5;

interface Counts {
  attempts: number;
  bad: number;
}

/**
 * The circuit breaker of one endpoint, as numbers: how many calls it may have at once, and what share of its weight it
 * counts with. It opens on failures, lets single probes through after a pause that doubles, and starts slowly.
 */
export class Breaker {
  readonly #random: () => number;
  #state: Health = "closed";
  #now: Counts = { attempts: 0, bad: 0 };
  #before: Counts = { attempts: 0, bad: 0 };
  #windowFromMs = 0;
  #inARow = 0;
  #openUntilMs = 0;
  #openedTimes = 0;
  #closedAtMs = 0;
  #successes = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  health(nowMs: number): Health {
    if (this.#state === "open" && nowMs >= this.#openUntilMs) this.#become("half-open");
    if (this.#state === "starting" && this.#successes >= START_UNTIL && nowMs - this.#closedAtMs >= START_MS)
      this.#become("closed");
    return this.#state;
  }

  /** Calls that may run at once. */
  room(nowMs: number): number {
    switch (this.health(nowMs)) {
      case "closed":
        return Number.POSITIVE_INFINITY;
      case "starting":
        return START_AT_ONCE + this.#successes;
      case "half-open":
        return 1;
      case "open":
        return 0;
    }
  }

  /** Share of its weight that it counts with in a choice. */
  share(nowMs: number): number {
    if (this.health(nowMs) !== "starting") return 1;
    return Math.min(1, Math.max(0.1, (nowMs - this.#closedAtMs) / START_MS));
  }

  /** Until a probe may go; 0 where something may go now. */
  restMs(nowMs: number): number {
    return this.health(nowMs) === "open" ? this.#openUntilMs - nowMs : 0;
  }

  /** Ends a pause early. */
  probeNow(nowMs: number): void {
    if (this.health(nowMs) === "open") this.#openUntilMs = nowMs;
  }

  failureShare(nowMs: number): number {
    this.#roll(nowMs);
    const attempts = this.#now.attempts + this.#before.attempts;
    return attempts === 0 ? 0 : (this.#now.bad + this.#before.bad) / attempts;
  }

  record(sign: AttemptSign, nowMs: number): void {
    const health = this.health(nowMs);
    if (sign === "refused") {
      this.#open(nowMs, REFUSED_MS);
      return;
    }
    this.#roll(nowMs);
    this.#now.attempts++;
    if (sign === "ok") this.#succeeded(health, nowMs);
    else this.#failed(health, sign === "limited" ? LIMITED_COUNTS : 1, nowMs);
  }

  #succeeded(health: Health, nowMs: number): void {
    this.#inARow = 0;
    this.#successes++;
    if (health === "half-open" && this.#successes >= PROBES) {
      this.#become("starting");
      this.#closedAtMs = nowMs;
    }
    if (health === "closed" && nowMs - this.#closedAtMs > FORGET_MS) this.#openedTimes = 0;
  }

  #failed(health: Health, weight: number, nowMs: number): void {
    this.#now.bad += weight;
    this.#inARow += weight;
    // Answers of calls that were under way when it opened say nothing new.
    if (health === "open") return;
    const inARowMax = health === "starting" ? FAILED_IN_A_ROW_STARTING : FAILED_IN_A_ROW;
    const attempts = this.#now.attempts + this.#before.attempts;
    const isStorm = attempts >= ATTEMPTS_MIN && this.failureShare(nowMs) >= FAILURE_SHARE;
    if (health === "half-open" || this.#inARow >= inARowMax || isStorm) this.#open(nowMs, OPEN_MS);
  }

  /** A pause doubles with each time it comes too early; a quarter of it is chance, so that workers do not probe at once. */
  #open(nowMs: number, baseMs: number): void {
    const pauseMs = Math.min(Math.max(OPEN_MAX_MS, baseMs), baseMs * 2 ** Math.min(10, this.#openedTimes));
    this.#openUntilMs = nowMs + Math.round(pauseMs * (0.75 + 0.25 * this.#random()));
    this.#openedTimes++;
    this.#become("open");
    this.#closedAtMs = nowMs;
    this.#now = { attempts: 0, bad: 0 };
    this.#before = { attempts: 0, bad: 0 };
  }

  #become(state: Health): void {
    this.#state = state;
    if (state !== "closed") this.#successes = 0;
    this.#inARow = 0;
  }

  #roll(nowMs: number): void {
    if (nowMs - this.#windowFromMs < WINDOW_MS) return;
    this.#before = nowMs - this.#windowFromMs < 2 * WINDOW_MS ? this.#now : { attempts: 0, bad: 0 };
    this.#now = { attempts: 0, bad: 0 };
    this.#windowFromMs = nowMs;
  }
}

/** What an error says of the endpoint; null where it says nothing: the caller's fault, or the caller's wish. */
export function signOf(code: string): AttemptSign | null {
  switch (code) {
    case "MODEL_UNAVAILABLE":
    case "MODEL_TIMED_OUT":
    case "MODEL_BROKEN_STREAM":
    case "MODEL_BAD_RESPONSE":
      return "failed";
    case "MODEL_RATE_LIMITED":
      return "limited";
    case "MODEL_UNAUTHORIZED":
    case "MODEL_NOT_FOUND":
    case "MODEL_QUOTA_EXHAUSTED":
    case "MODEL_KEY_MISSING":
      return "refused";
    case "MODEL_REQUEST_INVALID":
    case "MODEL_CONTEXT_OVERFLOW":
    case "MODEL_REFUSED":
      return "ok";
    default:
      return null;
  }
}
