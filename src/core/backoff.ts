/**
 * Full jitter: a uniform wait in [0, min(capMs, baseMs * 2^(attempt-1))].
 * @param attempt 1 for the wait after the first failure
 */
export function fullJitterMs(
  attempt: number,
  random: number,
  bounds: { readonly baseMs: number; readonly capMs: number },
): number {
  const ceiling = Math.min(bounds.capMs, bounds.baseMs * 2 ** Math.min(30, Math.max(0, attempt - 1)));
  return Math.floor(random * ceiling);
}

/**
 * Reads a Retry-After value: seconds, an HTTP date, or milliseconds (`retry-after-ms`).
 * @returns milliseconds in [0, capMs]; null when absent or unreadable (the caller then backs off by itself)
 */
export function retryAfterMs(
  headers: { readonly [name: string]: string | undefined },
  nowMs: number,
  capMs: number,
): number | null {
  const millis = numberIn(headers["retry-after-ms"]);
  if (millis !== null) return clamp(millis, capMs);
  const value = headers["retry-after"];
  const seconds = numberIn(value);
  if (seconds !== null) return clamp(seconds * 1000, capMs);
  // only what has a time of day is a date: the parser takes almost any text for one
  const date = value !== undefined && /\d:\d\d/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? null : clamp(date - nowMs, capMs);
}

function numberIn(text: string | undefined): number | null {
  if (text === undefined || text.trim() === "") return null;
  const number = Number(text);
  return Number.isFinite(number) ? number : null;
}

function clamp(value: number, capMs: number): number {
  return Math.min(capMs, Math.max(0, Math.round(value)));
}
