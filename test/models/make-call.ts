import { sleep, type Clock } from "../../src/core/clock.ts";
import { errorRecord } from "../../src/core/errors.ts";
import type { CallHint, FailedAttempt, ModelSource } from "../../src/core/model-contract.ts";
import { generateOptions, requestOf } from "./ask.ts";
import type { CallResult } from "./own-endpoint.ts";

export interface CallOptions {
  readonly clock: Clock;
  readonly random?: () => number;
  readonly hint?: CallHint;
  readonly mayHedge?: boolean;
  readonly signal?: AbortSignal;
  readonly stream?: boolean;
}

/** One call by the rules of the engine: attempt after attempt until an answer or until the source gives up. */
export async function makeCall(source: ModelSource, route: string, on: CallOptions): Promise<CallResult> {
  const { clock, random = () => 0.5, hint, mayHedge } = on;
  const failed: FailedAttempt[] = [];
  const attempts: string[] = [];
  const startMs = clock.monotonicMs();
  let waitedMs = 0;
  for (;;) {
    const next = source.next(route, failed, random(), hint);
    if (next.type === "give-up")
      return { answeredBy: null, error: next.error.code, message: next.error.message, attempts, waitedMs };
    waitedMs += next.waitMs;
    // One attempt after the other is what a call is.
    if (next.waitMs > 0) await sleep(clock, next.waitMs);
    attempts.push(next.endpoint.name);
    const options = generateOptions(on.stream ?? true, {
      ...(hint?.tenant === undefined ? {} : { tenant: hint.tenant }),
      ...(mayHedge === undefined ? {} : { mayHedge }),
      ...(on.signal === undefined ? {} : { signal: on.signal }),
    });
    try {
      for await (const part of next.endpoint.generate(requestOf(), options)) {
        if (part.type === "finish") return { answeredBy: part.model, error: null, message: "", attempts, waitedMs };
      }
      failed.push(failure("MODEL_BROKEN_STREAM"));
    } catch (error) {
      failed.push({ ...failure(""), error: errorRecord(error, "MODEL_UNAVAILABLE") });
    }
  }
  function failure(code: string): FailedAttempt {
    return {
      attempt: attempts.length,
      endpoint: attempts.at(-1) ?? "",
      error: { code, message: code },
      elapsedMs: clock.monotonicMs() - startMs,
    };
  }
}

/** Lets what is runnable run, and time pass in between, until the work is done. */
export async function until<T>(work: Promise<T>, clock: Clock & { pass(ms: number): void }, stepMs = 100): Promise<T> {
  let isDone = false;
  const done = work.finally(() => (isDone = true));
  done.catch(() => undefined);
  for (let step = 0; step < 10_000; step++) {
    await clock.drain();
    if (isDone) break;
    clock.pass(stepMs);
  }
  return done;
}
