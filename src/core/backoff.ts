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
  const millis = Number(headers["retry-after-ms"]);
  if (headers["retry-after-ms"] !== undefined && Number.isFinite(millis)) return clamp(millis, capMs);
  const value = headers["retry-after"]?.trim();
  if (value === undefined || value === "") return null;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return clamp(seconds * 1000, capMs);
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : clamp(date - nowMs, capMs);
}

function clamp(value: number, capMs: number): number {
  return Math.min(capMs, Math.max(0, Math.round(value)));
}
