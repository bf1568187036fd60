import { request } from "undici";
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

export async function post(
  receiver: Receiver,
  body: Uint8Array,
  nowMs: number,
  signal: AbortSignal,
): Promise<PostResult> {
  const timeout = AbortSignal.timeout(receiver.timeMs);
  try {
    // a fifth of what fetch() takes of the CPU; it follows no redirect
    const response = await request(receiver.url, {
      method: "POST",
      headers: { ...receiver.headers, "content-type": "application/json" },
      body,
      signal: AbortSignal.any([signal, timeout]),
    });
    const { statusCode: status } = response;
    const answer = await boundedText(response.body);
    if (status >= 200 && status < 300) return taken(answer);
    const reason = `HTTP ${status}${answer === "" ? "" : `: ${answer.slice(0, 200)}`}`;
    if (contentRefused.has(status)) return { type: "refused", reason };
    return { type: "later", reason, retryAfterMs: retryAfterMs(response.headers["retry-after"], nowMs) };
  } catch (error) {
    const reason = timeout.aborted ? `no answer within ${receiver.timeMs} ms` : errorText(error, 200);
    return { type: "later", reason, retryAfterMs: null };
  }
}

async function boundedText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
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
function retryAfterMs(header: string | readonly string[] | undefined, nowMs: number): number | null {
  if (typeof header !== "string") return null;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1_000 : Date.parse(header) - nowMs;
  return Number.isFinite(ms) ? Math.min(RETRY_AFTER_MS_MAX, Math.max(0, ms)) : null;
}
