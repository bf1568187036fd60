import type { Clock } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { GenerateOptions, ModelEndpoint, ModelPart, ModelRequest } from "../core/model-contract.ts";
import { timeRequests } from "./request-times.ts";

/**
 * Deadlines of one attempt, in ms. Connecting and headers are watched by the HTTP client: an endpoint or a `fetch` of
 * one's own has only the others. First token and pauses hold for streams.
 */
export interface Deadlines {
  /** Until there is a connection, where a new one is needed. */
  readonly connectMs: number;
  /** From the request to the first line of the response. */
  readonly headersMs: number;
  /** Until the first part. */
  readonly firstTokenMs: number;
  /** Between two parts. */
  readonly idleMs: number;
  readonly totalMs: number;
}

export const defaultDeadlines: Deadlines = {
  connectMs: limits.modelConnectMs,
  headersMs: limits.modelHeadersMs,
  firstTokenMs: limits.modelFirstTokenMs,
  idleMs: limits.modelIdleMs,
  totalMs: limits.modelTimeMs,
};

/** Characters of an answer per token of its limit, beyond which it is no answer: real ones have about four. */
const CHARS_PER_TOKEN_MAX = 16;
const CHARS_SPARE = 65_536;

/**
 * The same endpoint, never slower than its deadlines and never longer than its limit of output allows: works for any
 * endpoint, whether or not it heeds an abort.
 */
export function withDeadlines(endpoint: ModelEndpoint, given: Partial<Deadlines>, clock: Clock): ModelEndpoint {
  const deadlines = { ...defaultDeadlines, ...given };
  return {
    name: endpoint.name,
    provider: endpoint.provider,
    model: endpoint.model,
    price: endpoint.price,
    contextTokens: endpoint.contextTokens,
    ...(endpoint.notice === undefined ? {} : { notice: endpoint.notice }),
    countTokens: (request) => endpoint.countTokens(request),
    generate: (request, options) => watched({ endpoint, deadlines, clock }, request, options),
  };
}

interface Watch {
  readonly endpoint: ModelEndpoint;
  readonly deadlines: Deadlines;
  readonly clock: Clock;
}

async function* watched(watch: Watch, request: ModelRequest, options: GenerateOptions): AsyncGenerator<ModelPart> {
  const { endpoint, deadlines, clock } = watch;
  const stop = new AbortController();
  timeRequests(stop.signal, deadlines);
  const passOn = (): void => stop.abort(abortReason(options.signal, endpoint.name));
  options.signal.addEventListener("abort", passOn, { once: true });
  const steps = new StepWatch(clock, options.signal, () => abortReason(options.signal, endpoint.name));
  const parts = endpoint.generate(request, { ...options, signal: stop.signal })[Symbol.asyncIterator]();
  const endsAtMs = clock.monotonicMs() + deadlines.totalMs;
  const charsMax = CHARS_SPARE + CHARS_PER_TOKEN_MAX * request.params.maxOutputTokens;
  let chars = 0;
  let isFirst = true;
  let isOver = false;
  try {
    for (;;) {
      const nowMs = clock.monotonicMs();
      const leftMs = endsAtMs - nowMs;
      // Parts that are always ready are faster than any timer.
      if (leftMs <= 0) throw timedOut(endpoint.name, "whole answer", deadlines.totalMs);
      const stepMs = options.stream ? (isFirst ? deadlines.firstTokenMs : deadlines.idleMs) : leftMs;
      const which = stepMs < leftMs ? (isFirst ? "first token" : "next token") : "whole answer";
      // Each step waits for the one before: that is the deadline.
      const limitMs = Math.min(stepMs, leftMs);
      const step = await steps.within(parts.next(), nowMs, limitMs, () =>
        timedOut(endpoint.name, which, which === "whole answer" ? deadlines.totalMs : limitMs),
      );
      isOver = step.done === true || step.value.type === "finish";
      if (step.done === true) return;
      chars += step.value.type === "finish" ? 0 : step.value.text.length;
      if (chars > charsMax) throw tooLong(endpoint.name, request.params.maxOutputTokens);
      isFirst = false;
      yield step.value;
    }
  } finally {
    steps.close();
    options.signal.removeEventListener("abort", passOn);
    // an endpoint that said its last word has nothing to stop; the error's stack alone takes as long as the rest of this
    if (!isOver) stop.abort(new PawlError("CANCELLED", `the call of "${endpoint.name}" is over.`));
    // Not awaited: an endpoint that ignores its signal would hold the caller here, past every deadline.
    void Promise.resolve(parts.return?.()).catch(() => undefined);
  }
}

/**
 * Waits for the steps of a stream, one at a time. One timer and one listener serve all of them: a timer that fires before
 * the step in hand is late waits on, which costs less than one that is set and cleared for each of a thousand parts.
 */
class StepWatch {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #reason: () => Error;
  #cancel: (() => void) | null = null;
  #firesAtMs = 0;
  #lateAtMs = 0;
  #late: () => Error;
  #fail: ((error: Error) => void) | null = null;

  constructor(clock: Clock, signal: AbortSignal, reason: () => Error) {
    this.#clock = clock;
    this.#signal = signal;
    this.#reason = reason;
    this.#late = reason;
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** The step, or an error when the clock or the caller is faster. */
  within<T>(step: Promise<T>, nowMs: number, limitMs: number, late: () => Error): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const settle = (act: () => void): void => {
        this.#fail = null;
        act();
      };
      this.#fail = (error) => settle(() => reject(error));
      step.then(
        (value) => settle(() => resolve(value)),
        (error: unknown) => settle(() => reject(error instanceof Error ? error : new Error(String(error)))),
      );
      if (this.#signal.aborted) {
        this.#onAbort();
        return;
      }
      this.#late = late;
      this.#lateAtMs = nowMs + limitMs;
      if (this.#cancel !== null && this.#firesAtMs <= this.#lateAtMs) return;
      this.#cancel?.();
      this.#arm(limitMs);
    });
  }

  close(): void {
    this.#cancel?.();
    this.#signal.removeEventListener("abort", this.#onAbort);
  }

  #arm(delayMs: number): void {
    this.#firesAtMs = this.#lateAtMs;
    this.#cancel = this.#clock.setTimer(Math.max(0, delayMs), () => {
      this.#cancel = null;
      // nobody waits: the next step sets it again
      if (this.#fail === null) return;
      const leftMs = this.#lateAtMs - this.#clock.monotonicMs();
      if (leftMs > 0) this.#arm(leftMs);
      else this.#fail(this.#late());
    });
  }

  readonly #onAbort = (): void => this.#fail?.(this.#reason());
}

/** Why the caller stopped, as an error. */
export function abortReason(signal: AbortSignal, endpoint: string): Error {
  const reason: unknown = signal.reason;
  if (PawlError.is(reason)) return reason;
  return new PawlError("CANCELLED", `the call of "${endpoint}" was stopped by its caller.`);
}

function timedOut(endpoint: string, which: string, limitMs: number): PawlError {
  return new PawlError(
    "MODEL_TIMED_OUT",
    `"${endpoint}" passed the deadline for its ${which} (${Math.round(limitMs)} ms).`,
  );
}

function tooLong(endpoint: string, tokensMax: number): PawlError {
  return new PawlError(
    "MODEL_BAD_RESPONSE",
    `"${endpoint}" went on far past its limit of ${tokensMax} output tokens and was stopped.`,
  );
}
