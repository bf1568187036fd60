/** Deadlines that only the HTTP client can watch, in ms. */
export interface RequestTimes {
  readonly connectMs: number;
  readonly headersMs: number;
}

const times = new WeakMap<AbortSignal, RequestTimes>();

/**
 * Sets the deadlines of the requests that carry this signal. The provider packages hand the signal of a call on to
 * `fetch` and nothing else of ours, so it is what tells the client whose request it is.
 */
export function timeRequests(signal: AbortSignal, of: RequestTimes): void {
  times.set(signal, of);
}

export function timesOf(signal: AbortSignal | null | undefined): RequestTimes | undefined {
  return signal === null || signal === undefined ? undefined : times.get(signal);
}
