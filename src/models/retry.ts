import { fullJitterMs } from "../core/backoff.ts";
import { errorTable, type ErrorCode, type Retry } from "../core/error-table.ts";
import type { ErrorRecord } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { FailedAttempt } from "../core/model-contract.ts";

/** Bounds of the attempts of one call. */
export interface RetryBounds {
  /** Attempts in all. */
  readonly attempts: number;
  /** From the first attempt to the start of the last. */
  readonly totalMs: number;
  /** First and largest step of the backoff. */
  readonly baseMs: number;
  readonly capMs: number;
}

export const defaultRetry: RetryBounds = {
  attempts: limits.modelAttempts,
  totalMs: limits.modelRetryTotalMs,
  baseMs: limits.modelRetryBaseMs,
  capMs: limits.modelRetryCapMs,
};

export type RetryDecision =
  | { readonly type: "wait"; readonly waitMs: number }
  | { readonly type: "give-up"; readonly error: ErrorRecord };

/**
 * Whether a call is attempted again, and after how long: what the provider asked for (Retry-After) and full jitter on
 * top, so that all who were told the same second do not come back in it. An attempt that died with its worker says
 * nothing about the provider: it costs no attempt, and the time it was down is not counted.
 * @param others whether there are other endpoints: what only one of them refuses is no reason to give up
 */
export function decideRetry(
  failed: readonly FailedAttempt[],
  random: number,
  bounds: RetryBounds,
  others = false,
): RetryDecision {
  const last = failed.at(-1);
  if (last === undefined) return { type: "wait", waitMs: 0 };
  const lost = failed.filter((attempt) => attempt.error.code === "WORKER_LOST");
  if (lost.length > limits.poisonBlocked) return { type: "give-up", error: finalError(failed, "its workers died") };
  if (last.error.code === "WORKER_LOST") return { type: "wait", waitMs: 0 };
  if (retryOf(last.error) === "never" && !(others && isElsewhere(last.error)))
    return { type: "give-up", error: failed.length === 1 ? last.error : finalError(failed, "") };
  const counted = failed.length - lost.length;
  if (counted >= bounds.attempts) return { type: "give-up", error: finalError(failed, `${counted} attempts failed`) };
  const waitMs = asked(last.error) + fullJitterMs(counted, random, { baseMs: bounds.baseMs, capMs: bounds.capMs });
  const elapsedMs = last.elapsedMs - (lost.at(-1)?.elapsedMs ?? 0);
  if (elapsedMs + waitMs > bounds.totalMs) {
    return { type: "give-up", error: finalError(failed, `the next attempt would pass ${bounds.totalMs} ms`) };
  }
  return { type: "wait", waitMs };
}

/** Attempts that count: all but those that died with their worker. */
export function attemptsOf(failed: readonly FailedAttempt[]): number {
  return failed.filter((attempt) => attempt.error.code !== "WORKER_LOST").length;
}

/** True for what concerns an endpoint's key, account or model name: another endpoint may do, this one will not. */
export function isElsewhere({ code }: ErrorRecord): boolean {
  const codes: readonly string[] = [
    "MODEL_UNAUTHORIZED",
    "MODEL_NOT_FOUND",
    "MODEL_QUOTA_EXHAUSTED",
    "MODEL_KEY_MISSING",
  ] satisfies ErrorCode[];
  return codes.includes(code);
}

/** True where nothing was sent to a provider, or its outcome is not its fault: no extra attempt to pay for. */
export function isFree({ code }: ErrorRecord): boolean {
  return code === "WORKER_LOST" || code === "MODEL_QUEUE_FULL";
}

function asked(error: ErrorRecord): number {
  const told = error.details?.["retryAfterMs"];
  return typeof told === "number" && told > 0 ? Math.min(told, limits.modelRetryAfterMs) : 0;
}

function retryOf(error: ErrorRecord): Retry {
  return Object.hasOwn(errorTable, error.code) ? errorTable[error.code as ErrorCode].retry : "never";
}

/** The last error, with what was tried before it. */
export function finalError(failed: readonly FailedAttempt[], why: string): ErrorRecord {
  const last = failed.at(-1);
  if (last === undefined) return { code: "INTERNAL", message: "no attempt failed." };
  const tried = failed.map((attempt) => `${attempt.endpoint} ${attempt.error.code}`).join(", ");
  const reason = why === "" ? "" : ` (${why})`;
  return {
    code: last.error.code,
    message: `${last.error.message} Gave up${reason} after ${tried}.`.slice(0, 2_000),
    details: { ...last.error.details, attempts: failed.length },
  };
}
