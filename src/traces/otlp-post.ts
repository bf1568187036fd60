import { limits } from "../core/limits.ts";
import { errorText, isJsonObject, parseJson } from "../core/json.ts";

/**
 * What a receiver did with a request. `later`: it may be repeated as it is. `refused`: this content will never be taken.
 */
export type PostResult =
  | { readonly type: "taken"; readonly rejected: number; readonly message: string | null }
  | { readonly type: "later"; readonly reason: string; readonly retryAfterMs: number | null }
  | { readonly type: "refused"; readonly reason: string };

export interface Receiver {
  readonly url: string;
  readonly headers: { readonly [name: string]: string };
  /** For the whole exchange. */
  readonly timeMs: number;
}

/** Statuses by which a receiver says that the content is at fault. All others may pass, or are somebody's to put right. */
const contentRefused = new Set([400, 413, 422]);
const RETRY_AFTER_MS_MAX = 600_000;

export async function post(receiver: Receiver, body: string, nowMs: number, signal: AbortSignal): Promise<PostResult> {
  const timeout = AbortSignal.timeout(receiver.timeMs);
  try {
    const response = await fetch(receiver.url, {
      method: "POST",
      headers: { ...receiver.headers, "content-type": "application/json" },
      body,
      redirect: "manual",
      signal: AbortSignal.any([signal, timeout]),
    });
    const answer = await boundedText(response);
    if (response.ok) return taken(answer);
    const reason = `HTTP ${response.status}${answer === "" ? "" : `: ${answer.slice(0, 200)}`}`;
    if (contentRefused.has(response.status)) return { type: "refused", reason };
    return { type: "later", reason, retryAfterMs: retryAfterMs(response.headers.get("retry-after"), nowMs) };
  } catch (error) {
    const reason = timeout.aborted ? `no answer within ${receiver.timeMs} ms` : failureText(error);
    return { type: "later", reason, retryAfterMs: null };
  }
}

/** `fetch` says "fetch failed" and keeps why to itself. */
function failureText(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? `: ${errorText(error.cause, 200)}` : "";
  return `${errorText(error, 200)}${cause}`;
}

async function boundedText(response: Response): Promise<string> {
  if (response.body === null) return "";
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > limits.exportAnswerBytes) break;
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

function taken(answer: string): PostResult {
  const parsed = parseJson(answer === "" ? "{}" : answer);
  const partial = parsed.ok && isJsonObject(parsed.value) ? parsed.value["partialSuccess"] : undefined;
  if (partial === undefined || !isJsonObject(partial)) return { type: "taken", rejected: 0, message: null };
  const rejected = Number(partial["rejectedSpans"] ?? 0);
  const message = typeof partial["errorMessage"] === "string" ? partial["errorMessage"].slice(0, 500) : "";
  return {
    type: "taken",
    rejected: Number.isSafeInteger(rejected) && rejected > 0 ? rejected : 0,
    message: message === "" ? null : message,
  };
}

/** Seconds, or a date. */
function retryAfterMs(header: string | null, nowMs: number): number | null {
  if (header === null) return null;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1_000 : Date.parse(header) - nowMs;
  return Number.isFinite(ms) ? Math.min(RETRY_AFTER_MS_MAX, Math.max(0, ms)) : null;
}
