import { PawlError } from "pawl";
import type { FailedAttempt, GenerateOptions, ModelEndpoint, ModelPart, ModelRequest, ModelSource } from "pawl/models";
import type { ManualClock } from "pawl/testing";

/** What one endpoint does with one call: an answer after so long, or an error after so long, or nothing. */
export type Deed =
  | { readonly type: "answers"; readonly afterMs: number }
  | { readonly type: "refuses"; readonly afterMs: number; readonly code: "MODEL_RATE_LIMITED" | "MODEL_UNAVAILABLE" }
  | { readonly type: "silent" };

export interface SimulatedEndpoint extends ModelEndpoint {
  /** Times of its calls, ms on the clock. */
  readonly askedAt: readonly number[];
}

const request: ModelRequest = {
  system: "",
  messages: [{ role: "user", content: [{ type: "text", text: "x" }] }],
  tools: [],
  params: { maxOutputTokens: 100 },
};

/** An endpoint that lives on a clock of its own: an hour of traffic is a few seconds of ours. */
export function simulatedEndpoint(name: string, clock: ManualClock, deed: () => Deed): SimulatedEndpoint {
  const askedAt: number[] = [];
  return {
    name,
    provider: "simulated",
    model: name,
    price: null,
    contextTokens: null,
    askedAt,
    countTokens: () => 100,
    async *generate(_request: ModelRequest, options: GenerateOptions): AsyncGenerator<ModelPart> {
      askedAt.push(clock.monotonicMs());
      const done = deed();
      await waited(clock, done.type === "silent" ? 3_600_000 : done.afterMs, options.signal);
      if (done.type === "refuses") throw new PawlError(done.code, `"${name}" refused.`);
      const usage = {
        inputTokens: 100,
        cachedInputTokens: 0,
        cacheWriteTokens: 0,
        outputTokens: 20,
        reasoningTokens: 0,
      };
      yield { type: "finish", content: [{ type: "text", text: "y" }], finish: "stop", usage, model: name };
    },
  };
}

function waited(clock: ManualClock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      cancel();
      reject(new Error("stopped"));
    };
    const cancel = clock.setTimer(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
  });
}

export interface Called {
  readonly isAnswered: boolean;
  readonly attempts: number;
  /** From the call to its outcome. */
  readonly ms: number;
}

/** One call by the rules of the engine: attempt after attempt, until there is an answer or the source gives up. */
export async function called(
  source: ModelSource,
  route: string,
  { clock, random }: { readonly clock: ManualClock; readonly random: () => number },
): Promise<Called> {
  const failed: FailedAttempt[] = [];
  const startMs = clock.monotonicMs();
  for (;;) {
    const next = source.next(route, failed, random());
    const ms = clock.monotonicMs() - startMs;
    if (next.type === "give-up") return { isAnswered: false, attempts: failed.length, ms };
    if (next.waitMs > 0) await waited(clock, next.waitMs);
    try {
      const options = { signal: new AbortController().signal, requestId: "bench", stream: true };
      for await (const part of next.endpoint.generate(request, options))
        if (part.type === "finish")
          return { isAnswered: true, attempts: failed.length + 1, ms: clock.monotonicMs() - startMs };
    } catch (error) {
      const code = PawlError.is(error) ? error.code : "MODEL_UNAVAILABLE";
      const elapsedMs = clock.monotonicMs() - startMs;
      failed.push({
        attempt: failed.length + 1,
        endpoint: next.endpoint.name,
        error: { code, message: code },
        elapsedMs,
      });
    }
  }
}

/** Calls at random times, so many a second on average, for so long; resolves when the last one has its outcome. */
export async function traffic(
  call: () => Promise<Called>,
  on: {
    readonly clock: ManualClock;
    readonly random: () => number;
    readonly perSecond: number;
    readonly forMs: number;
  },
): Promise<readonly Called[]> {
  const { clock, random, perSecond, forMs } = on;
  const untilMs = clock.monotonicMs() + forMs;
  const calls: Promise<Called>[] = [];
  while (clock.monotonicMs() < untilMs) {
    calls.push(call());
    await clock.pass((-Math.log(1 - random()) / perSecond) * 1_000);
  }
  return clock.until(Promise.all(calls));
}
