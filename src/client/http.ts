import { ClientError, refusalOf } from "./client-error.ts";
import { operations, type Operation } from "./operations.ts";

export interface ClientOptions {
  /** Address of the gateway: https://pawl.example. In a browser on the gateway's own pages: "". */
  readonly url: string;
  /** API key or token; absent in a browser, whose session is a cookie. */
  readonly key?: string;
  /** Default: the global one. */
  readonly fetch?: typeof fetch;
  /** Sent with every request. */
  readonly headers?: { readonly [name: string]: string };
}

/** Options of one call. */
export interface CallOptions {
  readonly signal?: AbortSignal;
}
export interface WriteOptions extends CallOptions {
  /** A repeat with the same key and the same request happens once. Use a new random one for each action. */
  readonly idempotencyKey?: string;
}

interface Sent extends WriteOptions {
  readonly path?: { readonly [name: string]: string };
  readonly query?: object;
  readonly body?: unknown;
  readonly accept?: string;
  readonly headers?: { readonly [name: string]: string };
}

/** Sends requests of the operations' table. */
export class Http {
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#options = { ...options, url: options.url.replace(/\/+$/, "") };
  }

  /** @throws ClientError a refusal · TypeError  the server cannot be reached */
  async send(operation: Operation, sent: Sent = {}): Promise<Response> {
    const [method, template] = operations[operation];
    const { path = {}, query = {}, body, accept = "application/json", idempotencyKey, signal, headers = {} } = sent;
    const { url, key, fetch: send = fetch } = this.#options;
    const response = await send(`${url}${filled(template, path)}${searchOf(query)}`, {
      method,
      headers: {
        accept,
        ...this.#options.headers,
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(idempotencyKey !== undefined && { "idempotency-key": idempotencyKey }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal !== undefined && { signal }),
      credentials: "same-origin",
      redirect: "error",
    });
    if (!response.ok) throw await refusalOf(response);
    return response;
  }

  /** The cast is the client's one promise: what the gateway answers is what its schemas say. */
  async json<T>(operation: Operation, sent: Sent = {}): Promise<T> {
    const response = await this.send(operation, sent);
    return (await response.json()) as T;
  }

  /** HTTP status, whatever it is. */
  async status(operation: Operation, sent: Sent = {}): Promise<number> {
    try {
      const response = await this.send(operation, sent);
      await response.arrayBuffer();
      return response.status;
    } catch (error) {
      if (error instanceof ClientError) return error.status;
      throw error;
    }
  }

  async none(operation: Operation, sent: Sent = {}): Promise<void> {
    await (await this.send(operation, sent)).arrayBuffer();
  }
}

function filled(template: string, path: { readonly [name: string]: string }): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(path[name] ?? ""));
}

type QueryValue = string | number | readonly string[] | undefined;

function searchOf(query: object): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query) as readonly (readonly [string, QueryValue])[]) {
    for (const one of typeof value === "object" ? value : [value]) {
      if (one !== undefined) search.append(name, String(one));
    }
  }
  const text = search.toString();
  return text === "" ? "" : `?${text}`;
}
