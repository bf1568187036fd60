import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";

/** What the caller asked the provider for: one JSON document, or a stream of server-sent events. */
export type Expected = "json" | "event-stream";

export type Fetch = typeof globalThis.fetch;

/**
 * `fetch` for the provider packages that checks what comes back before they read it: a page of HTML, an empty body,
 * bytes that are not UTF-8 and a body without end are MODEL_BAD_RESPONSE, not a puzzle for a parser. Redirects are not
 * followed, because keys in custom headers would go with them.
 * @param endpoint names the endpoint in messages
 */
export function guardedFetch(endpoint: string, expected: Expected, fetch: Fetch): Fetch {
  const plain = plainFetch(endpoint, fetch);
  return async (input, init) => {
    const response = await plain(input, init);
    return response.ok ? checked(endpoint, expected, response) : response;
  };
}

/** `fetch` that follows no redirect, and cuts the body of an error; that of an answer is for `bodyTexts`. */
export function plainFetch(endpoint: string, fetch: Fetch): Fetch {
  return async (input, init) => {
    const response = await fetch(input, { ...init, redirect: "manual" });
    if (response.status >= 300 && response.status < 400) throw redirected(endpoint, response);
    return response.ok ? response : limited(response, limits.modelErrorBytes);
  };
}

/** The body of an answer as text, as it comes, checked as `guardedFetch` does. */
export async function* bodyTexts(endpoint: string, expected: Expected, response: Response): AsyncGenerator<string> {
  const { reader, guard, text } = await opened(endpoint, expected, response);
  try {
    yield text;
    for (;;) {
      // One read after the other is what a stream is.
      const { done, value } = await reader.read();
      if (done) break;
      yield guard.take(value);
    }
    guard.end();
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

function redirected(endpoint: string, response: Response): PawlError {
  const to = response.headers.get("location")?.slice(0, 200) ?? "an unnamed place";
  return new PawlError(
    "MODEL_BAD_RESPONSE",
    `"${endpoint}" redirects to ${to} (HTTP ${response.status}). Redirects are not followed: set the base URL to where it points.`,
  );
}

function bad(endpoint: string, what: string, text = ""): PawlError {
  const shown = text.replaceAll(/\s+/g, " ").trim().slice(0, 120);
  const quote = shown === "" ? "" : `: ${shown}`;
  return new PawlError("MODEL_BAD_RESPONSE", `"${endpoint}" answered ${what}${quote}`);
}

async function checked(endpoint: string, expected: Expected, response: Response): Promise<Response> {
  const { head, reader, guard } = await opened(endpoint, expected, response);
  return new Response(rest(head, reader, guard), { status: response.status, headers: response.headers });
}

interface Opened {
  readonly head: readonly Uint8Array[];
  /** What `head` says. */
  readonly text: string;
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly guard: BodyGuard;
}

async function opened(endpoint: string, expected: Expected, response: Response): Promise<Opened> {
  const body: ReadableStream<Uint8Array> | null = response.body;
  if (body === null) throw bad(endpoint, "with an empty body.");
  const reader = body.getReader();
  const guard = new BodyGuard(endpoint);
  // The first bytes decide: what a server calls its answer in the header is wrong too often, in both directions.
  const head: Uint8Array[] = [];
  let text = "";
  while (text.trim() === "") {
    // One read after the other is what a stream is.
    const { done, value } = await reader.read();
    if (done) throw bad(endpoint, "with an empty body.");
    text += guard.take(value);
    head.push(value);
  }
  const problem = problemOf(expected, text.trimStart(), response.headers.get("content-type") ?? "none");
  if (problem !== null) {
    reader.cancel().catch(() => undefined);
    throw bad(endpoint, problem, text);
  }
  return { head, text, reader, guard };
}

function problemOf(expected: Expected, text: string, type: string): string | null {
  if (text.startsWith("<")) return `with HTML or XML (content-type ${type})`;
  if (expected === "json") return /^[{[]/.test(text) ? null : `with something that is not JSON (content-type ${type})`;
  if (type.includes("event-stream")) return null;
  if (/^(data|event|id|retry)?:/.test(text)) return null;
  return `with content-type ${type} where a stream of events was asked for`;
}

function rest(
  head: readonly Uint8Array[],
  reader: ReadableStreamDefaultReader<Uint8Array>,
  guard: BodyGuard,
): ReadableStream<Uint8Array> {
  const waiting = [...head];
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const kept = waiting.shift();
      if (kept !== undefined) {
        controller.enqueue(kept);
        return;
      }
      const { done, value } = await reader.read();
      if (done) {
        guard.end();
        controller.close();
        return;
      }
      try {
        guard.take(value);
      } catch (error) {
        reader.cancel().catch(() => undefined);
        throw error;
      }
      controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

/** Counts and decodes a body as it passes. */
class BodyGuard {
  private readonly endpoint: string;
  private readonly decoder = new TextDecoder("utf-8", { fatal: true });
  private bytes = 0;

  constructor(endpoint: string) {
    this.endpoint = endpoint;
  }

  take(chunk: Uint8Array): string {
    this.bytes += chunk.byteLength;
    if (this.bytes > limits.modelResponseBytes) {
      throw bad(this.endpoint, `more than ${limits.modelResponseBytes} bytes and was stopped.`);
    }
    return this.decode(() => this.decoder.decode(chunk, { stream: true }));
  }

  end(): void {
    this.decode(() => this.decoder.decode());
  }

  private decode(step: () => string): string {
    try {
      return step();
    } catch {
      throw bad(this.endpoint, "with bytes that are not UTF-8.");
    }
  }
}

/** An error's body, cut where it is long enough to be read by nobody. */
function limited(response: Response, bytesMax: number): Response {
  const body: ReadableStream<Uint8Array> | null = response.body;
  if (body === null) return response;
  const reader = body.getReader();
  let bytes = 0;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) {
        controller.close();
        return;
      }
      const part = value.subarray(0, bytesMax - bytes);
      bytes += part.byteLength;
      controller.enqueue(part);
      if (bytes < bytesMax) return;
      controller.close();
      reader.cancel().catch(() => undefined);
    },
    cancel: (reason) => reader.cancel(reason),
  });
  const { status, statusText, headers } = response;
  return new Response(stream, { status, statusText, headers });
}
