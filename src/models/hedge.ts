import type { Clock } from "../core/clock.ts";
import { errorRecord, PawlError } from "../core/errors.ts";
import {
  withBills,
  type BesideBill,
  type GenerateOptions,
  type ModelEndpoint,
  type ModelPart,
  type ModelRequest,
} from "../core/model-contract.ts";
import { abortReason } from "./deadlines.ts";

export interface Hedge {
  readonly first: ModelEndpoint;
  readonly second: ModelEndpoint;
  readonly clock: Clock;
  /** Until the second is asked; null = not this time. */
  readonly afterMs: () => number | null;
  /** Whether an extra attempt may be made now; takes it from the retry budget. */
  readonly mayAsk: () => boolean;
}

/**
 * An endpoint that asks a second one when the first is slow. Who speaks first goes on, the other is stopped, and both are
 * billed: the answer carries the other's bill. Without leave to hedge (`mayHedge`) it is the first alone.
 */
export function hedged(hedge: Hedge): ModelEndpoint {
  const { first } = hedge;
  return {
    ...first,
    beside: hedge.second,
    generate(request, options) {
      const afterMs = options.mayHedge === true ? hedge.afterMs() : null;
      return afterMs === null ? first.generate(request, options) : new Race(hedge, request, options).parts(afterMs);
    },
  };
}

interface Runner {
  readonly endpoint: ModelEndpoint;
  readonly stop: AbortController;
  readonly parts: AsyncIterator<ModelPart>;
  readonly opening: Promise<Spoken>;
  error: unknown;
}
type Spoken =
  | { readonly type: "part"; readonly runner: Runner; readonly step: IteratorResult<ModelPart> }
  | { readonly type: "error"; readonly runner: Runner };

class Race {
  readonly #hedge: Hedge;
  readonly #request: ModelRequest;
  readonly #options: GenerateOptions;
  readonly #runners: Runner[] = [];

  constructor(hedge: Hedge, request: ModelRequest, options: GenerateOptions) {
    this.#hedge = hedge;
    this.#request = request;
    this.#options = options;
  }

  async *parts(afterMs: number): AsyncGenerator<ModelPart> {
    const onAbort = (): void => this.#stop(null);
    this.#options.signal.addEventListener("abort", onAbort, { once: true });
    let winner: Runner | null = null;
    try {
      const spoken = await this.#opening(afterMs);
      winner = spoken.runner;
      if (spoken.type === "error") throw winner.error;
      this.#stop(winner);
      for (let { step } = spoken; step.done !== true; step = await winner.parts.next())
        yield step.value.type === "finish" ? this.#finish(winner, step.value) : step.value;
    } catch (error) {
      throw withBills(asError(error), this.#bills(winner));
    } finally {
      this.#options.signal.removeEventListener("abort", onAbort);
      this.#stop(null);
      // Not awaited: one that ignores its signal would hold the caller.
      for (const { parts } of this.#runners) void Promise.resolve(parts.return?.()).catch(() => undefined);
    }
  }

  /** The first part of whoever speaks first; an error only when nobody is left who could. */
  async #opening(afterMs: number): Promise<Spoken> {
    const { first, second, clock, mayAsk } = this.#hedge;
    const one = this.#start(first);
    const spoken = await this.#within(one.opening, afterMs, clock);
    if (spoken !== null) return spoken;
    if (!mayAsk()) return one.opening;
    const other = this.#start(second);
    const quicker = await Promise.race([one.opening, other.opening]);
    if (quicker.type === "part") return quicker;
    return quicker.runner === one ? other.opening : one.opening;
  }

  #start(endpoint: ModelEndpoint): Runner {
    const stop = new AbortController();
    if (this.#options.signal.aborted) stop.abort(abortReason(this.#options.signal, endpoint.name));
    const parts = endpoint.generate(this.#request, { ...this.#options, signal: stop.signal })[Symbol.asyncIterator]();
    const opening = parts.next().then(
      (step): Spoken => ({ type: "part", runner, step }),
      (error: unknown): Spoken => {
        runner.error = error;
        return { type: "error", runner };
      },
    );
    const runner: Runner = { endpoint, stop, parts, opening, error: null };
    this.#runners.push(runner);
    return runner;
  }

  /** null when the time was over first. */
  #within(opening: Promise<Spoken>, afterMs: number, clock: Clock): Promise<Spoken | null> {
    return new Promise((resolve) => {
      const cancel = clock.setTimer(afterMs, () => resolve(null));
      void opening.then((spoken) => {
        cancel();
        resolve(spoken);
      });
    });
  }

  #finish(winner: Runner, finish: Extract<ModelPart, { readonly type: "finish" }>): ModelPart {
    const by = winner.endpoint === this.#hedge.first ? {} : { by: winner.endpoint };
    return { ...finish, ...by, beside: this.#bills(winner) };
  }

  #bills(winner: Runner | null): readonly BesideBill[] {
    return this.#runners
      .filter((runner) => runner !== winner)
      .map(({ endpoint, error }) => ({
        endpoint,
        error: errorRecord(
          error ?? new PawlError("CANCELLED", `"${endpoint.name}" was stopped: another endpoint was quicker.`),
          "MODEL_UNAVAILABLE",
        ),
      }));
  }

  #stop(except: Runner | null): void {
    for (const { endpoint, stop, ...runner } of this.#runners)
      if (runner.parts !== except?.parts) stop.abort(abortReason(this.#options.signal, endpoint.name));
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
