import type { Dispatcher } from "undici";
import { limits } from "../core/limits.ts";
import type { Fetch } from "./guarded-fetch.ts";
import { timesOf } from "./request-times.ts";

/** Idle connections are kept this long: providers close theirs after one to several minutes. */
const KEEP_ALIVE_MS = 30_000;
const KEEP_ALIVE_MAX_MS = 120_000;
/** Chunks that wait to be read before the server is told to wait. */
const CHUNKS_AHEAD = 16;

/** One client per time that connecting may take; in practice one. Each keeps a pool of connections per origin. */
const clients = new Map<number, Promise<Dispatcher>>();

function clientFor(connectMs: number): Promise<Dispatcher> {
  const known = clients.get(connectMs);
  if (known !== undefined) return known;
  if (clients.size >= limits.modelRoutes) clients.clear();
  const opening = openClient(connectMs);
  clients.set(connectMs, opening);
  opening.catch(() => clients.delete(connectMs));
  return opening;
}

async function openClient(connectMs: number): Promise<Dispatcher> {
  const { Agent, EnvHttpProxyAgent } = await import("undici");
  const Client = process.env["NODE_USE_ENV_PROXY"] === "1" ? EnvHttpProxyAgent : Agent;
  return new Client({
    connections: limits.modelConnections,
    // A request behind another on one connection would wait for its whole answer.
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
    connect: { timeout: connectMs },
    bodyTimeout: 0,
    allowH2: false,
  });
}

/**
 * `fetch` for requests to models over pools of connections that are kept open: the same answers as the global one for a
 * fraction of its CPU. What it does not know (a Request object, a form as body) goes to the global one. Redirects are
 * handed back, not followed.
 */
export const pooledFetch: Fetch = async (input, init) => {
  const url = typeof input === "string" || input instanceof URL ? new URL(input) : null;
  const body = init?.body ?? null;
  if (url === null || (body !== null && typeof body !== "string" && !(body instanceof Uint8Array)))
    return fetch(input, init);
  const signal = init?.signal ?? undefined;
  signal?.throwIfAborted();
  const times = timesOf(signal);
  const client = await clientFor(times?.connectMs ?? limits.modelConnectMs);
  return new Promise<Response>((resolve, reject) => {
    const exchange = new Exchange(resolve, reject, signal);
    const options = {
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: init?.method ?? "GET",
      headers: headersOf(init?.headers),
      body,
      headersTimeout: times?.headersMs ?? limits.modelHeadersMs,
    };
    client.dispatch(options, exchange);
  });
};

function headersOf(given: RequestInit["headers"]): Record<string, string> {
  if (given === undefined) return {};
  // The packages give plain objects; what is undefined in them is not sent.
  const entries = given instanceof Headers || Array.isArray(given) ? [...given] : Object.entries(given);
  const headers: Record<string, string> = {};
  for (const [name, value] of entries as readonly (readonly [string, string | undefined])[])
    if (name !== undefined && value !== undefined) headers[name] = value;
  return headers;
}

/** One request and its response, from the client's callbacks to a Response whose body is read as it comes. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #resolve: (response: Response) => void;
  readonly #reject: (error: Error) => void;
  readonly #signal: AbortSignal | undefined;
  #request: Dispatcher.DispatchController | null = null;
  #body: ReadableStreamDefaultController<Uint8Array> | null = null;
  #isOver = false;

  constructor(resolve: (response: Response) => void, reject: (error: Error) => void, signal: AbortSignal | undefined) {
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = signal;
    signal?.addEventListener("abort", this.#abort, { once: true });
  }

  readonly #abort = (): void => {
    const reason: unknown = this.#signal?.reason;
    const error = reason instanceof Error ? reason : new Error("aborted");
    this.#request?.abort(error);
    this.#fail(error);
  };

  onRequestStart(request: Dispatcher.DispatchController): void {
    this.#request = request;
    if (this.#isOver) request.abort(new Error("aborted"));
  }

  onResponseStart(
    request: Dispatcher.DispatchController,
    status: number,
    raw: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (status < 200 || this.#isOver) return;
    const stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#body = controller;
        },
        pull: () => {
          if (request.paused) request.resume();
        },
        cancel: () => {
          this.#end();
          request.abort(new Error("the body is not wanted any more"));
        },
      },
      { highWaterMark: CHUNKS_AHEAD },
    );
    try {
      this.#resolve(responseOf(status, raw, stream));
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
      request.abort(new Error("the response cannot be read"));
    }
  }

  onResponseData(request: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.#isOver || this.#body === null) return;
    this.#body.enqueue(chunk);
    if ((this.#body.desiredSize ?? 1) <= 0) request.pause();
  }

  onResponseEnd(): void {
    if (this.#isOver) return;
    this.#end();
    this.#body?.close();
  }

  onResponseError(_request: Dispatcher.DispatchController, error: Error): void {
    this.#fail(error);
  }

  #fail(error: Error): void {
    if (this.#isOver) return;
    this.#end();
    // Whichever of the two nobody waits for does nothing.
    this.#reject(error);
    this.#body?.error(error);
  }

  #end(): void {
    this.#isOver = true;
    this.#signal?.removeEventListener("abort", this.#abort);
  }
}

function responseOf(
  status: number,
  raw: Readonly<Record<string, string | string[] | undefined>>,
  stream: ReadableStream<Uint8Array>,
): Response {
  const headers = new Headers();
  for (const [name, value] of Object.entries(raw))
    for (const one of Array.isArray(value) ? value : value === undefined ? [] : [value]) headers.append(name, one);
  const body = status === 204 || status === 304 ? null : unpacked(stream, headers);
  return new Response(body, { status, headers });
}

/** Nothing asks for packed bodies, but some hosts send them; what they unpack to is counted by who reads it. */
function unpacked(stream: ReadableStream<Uint8Array>, headers: Headers): ReadableStream<Uint8Array> {
  const encoding = headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
  const format = encoding === "gzip" || encoding === "x-gzip" ? "gzip" : encoding === "deflate" ? "deflate" : null;
  if (format === null) return stream;
  const unpacking = new DecompressionStream(format);
  return stream.pipeThrough(unpacking as unknown as ReadableWritablePair<Uint8Array, Uint8Array>);
}
