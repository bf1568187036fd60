import { sleep, type Clock } from "../../src/core/clock.ts";
import type { ErrorCode } from "../../src/core/error-table.ts";
import { PawlError } from "../../src/core/errors.ts";
import type { GenerateOptions, ModelEndpoint, ModelPart } from "../../src/core/model-contract.ts";
import type { Price } from "../../src/core/usage.ts";

/** What an endpoint of a test does with one call. */
export interface Behaviour {
  readonly error?: ErrorCode;
  readonly retryAfterMs?: number;
  /** Until its first part; Infinity = never. */
  readonly delayMs?: number;
  /** Breaks off after its first part. */
  readonly breaks?: boolean;
}

export interface OwnEndpoint extends ModelEndpoint {
  /** Calls so far, and those under way. */
  readonly seen: { calls: number; running: number; most: number; stopped: number };
}

const price: Price = { inputUsd: 1, outputUsd: 2, source: "test", date: "2026-11-22" };

/** An endpoint whose behaviour a test decides call by call, on the test's clock. */
export function ownEndpoint(name: string, clock: Clock, behave: (call: number) => Behaviour = () => ({})): OwnEndpoint {
  const seen = { calls: 0, running: 0, most: 0, stopped: 0 };
  return {
    name,
    provider: "own",
    model: name,
    price,
    contextTokens: null,
    seen,
    countTokens: () => 100,
    async *generate(_request, options: GenerateOptions): AsyncGenerator<ModelPart> {
      const { error, retryAfterMs, delayMs = 0, breaks } = behave(seen.calls++);
      seen.running++;
      seen.most = Math.max(seen.most, seen.running);
      try {
        if (delayMs > 0) await sleep(clock, delayMs === Infinity ? 1e12 : delayMs, options.signal);
        if (error !== undefined)
          throw new PawlError(
            error,
            `"${name}" failed.`,
            retryAfterMs === undefined ? {} : { details: { retryAfterMs } },
          );
        yield { type: "text.delta", text: name };
        if (breaks === true) throw new PawlError("MODEL_BROKEN_STREAM", `"${name}" broke off.`);
        const usage = {
          inputTokens: 100,
          outputTokens: 10,
          cachedInputTokens: 0,
          cacheWriteTokens: 0,
          reasoningTokens: 0,
        };
        yield { type: "finish", content: [{ type: "text", text: name }], finish: "stop", usage, model: name };
      } finally {
        if (options.signal.aborted) seen.stopped++;
        seen.running--;
      }
    },
  };
}

/** What a call came to: all its attempts, as the engine makes them. */
export interface CallResult {
  readonly answeredBy: string | null;
  readonly error: string | null;
  readonly message: string;
  readonly attempts: readonly string[];
  readonly waitedMs: number;
}
