import {
  type AuthProvider,
  type CallToolResult,
  Client,
  type ElicitRequestParams,
  type ElicitResult,
  type FetchLike,
  type JSONRPCMessage,
  type OAuthClientProvider,
  type Progress,
  ProtocolError,
  SdkError,
  SdkErrorCode,
  SdkHttpError,
  StreamableHTTPClientTransport,
  type Tool,
  type Transport,
  UnauthorizedError,
} from "@modelcontextprotocol/client";
import { DEFAULT_INHERITED_ENV_VARS, StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { PawlError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { McpOAuth } from "./mcp-oauth.ts";

/** How long a connection may take: where a person must say yes first, longer. */
export function connectLimitMs(place: McpPlace): number {
  return "auth" in place && place.auth instanceof McpOAuth ? limits.mcpAuthorizeMs : limits.mcpConnectMs;
}

export type ListedTool = Tool;

/** A server that Pawl starts: only an operator's configuration names one. */
export interface McpProcess {
  readonly command: string;
  readonly args?: readonly string[];
  /** All of its environment, but PATH. */
  readonly env?: { readonly [name: string]: string };
  readonly cwd?: string;
}

/** A server at an address: streamable HTTP. */
export interface McpAddress {
  readonly url: string;
  readonly headers?: { readonly [name: string]: string };
  /** `{ token }` for a bearer token, or an OAuth client of the SDK: see mcpOAuth. */
  readonly auth?: AuthProvider | OAuthClientProvider;
}

export type McpPlace = McpProcess | McpAddress;

/** Answers a server that asks the user something; without it a server is told that nobody can be asked. */
export type OnElicit = (asked: ElicitRequestParams) => Promise<ElicitResult>;

export interface ConnectionEvents {
  /** Once: the connection is gone, whoever ended it. */
  readonly onClosed: (why: string | null) => void;
  readonly onTools: (tools: readonly Tool[]) => void;
  readonly onStderr: (text: string) => void;
  readonly onElicit: OnElicit | null;
}

/** One connection to a server, from its handshake to its end. */
export class McpConnection {
  readonly #client: Client;
  readonly #events: ConnectionEvents;
  readonly #place: McpPlace;
  #transport: Transport | null = null;
  #unasked = 0;
  #why: string | null = null;

  private constructor(client: Client, events: ConnectionEvents, place: McpPlace) {
    this.#client = client;
    this.#events = events;
    this.#place = place;
  }

  /** @param signal ends the attempt */
  static async open(place: McpPlace, events: ConnectionEvents, signal: AbortSignal): Promise<McpConnection> {
    const client = new Client(
      { name: "pawl", version: "1" },
      {
        versionNegotiation: { mode: "auto" },
        ...(events.onElicit !== null && { capabilities: { elicitation: { form: { applyDefaults: true } } } }),
        // outputs are untrusted whatever they look like, and a server's schema may take for ever to check
        jsonSchemaValidator: {
          getValidator: () => (data) => ({ valid: true, data: data as never, errorMessage: undefined }),
        },
        listMaxPages: limits.mcpPages,
        listChanged: {
          tools: {
            onChanged: (error, tools) => (error === null && tools !== null ? events.onTools(tools) : undefined),
          },
        },
      },
    );
    const { onElicit } = events;
    if (onElicit !== null) client.setRequestHandler("elicitation/create", ({ params }) => onElicit(params));
    const connection = new McpConnection(client, events, place);
    for (let round = 1; ; round++) {
      const transport = transportTo(place, events.onStderr);
      connection.#transport = transport;
      try {
        await connection.#connect(transport, signal);
        return connection;
      } catch (error) {
        try {
          if (!(await connection.#authorized(error, round))) throw error;
        } finally {
          await transport.close().catch(() => undefined);
        }
      }
    }
  }

  /** A person came back from the authorization server: the same again helps. */
  async #authorized(error: unknown, round: number): Promise<boolean> {
    const auth = "auth" in this.#place ? this.#place.auth : undefined;
    if (!(error instanceof UnauthorizedError && auth instanceof McpOAuth) || round > limits.mcpAuthorizations)
      return false;
    const back = auth.takeReturn();
    if (back === null || !(this.#transport instanceof StreamableHTTPClientTransport)) return false;
    await this.#transport.finishAuth(back);
    return true;
  }

  async #connect(transport: Transport, signal: AbortSignal): Promise<void> {
    const aborted = new Promise<never>((_resolve, reject) => {
      const stop = (): void => reject(signal.reason instanceof Error ? signal.reason : new Error("stopped"));
      if (signal.aborted) stop();
      signal.addEventListener("abort", stop, { once: true });
    });
    await Promise.race([this.#client.connect(transport, { timeout: connectLimitMs(this.#place) }), aborted]);
    const { onmessage } = transport;
    transport.onmessage = (message: JSONRPCMessage, extra) => {
      if (this.#isTaken(message)) onmessage?.(message, extra);
    };
    this.#client.onclose = () => this.#events.onClosed(this.#why);
  }

  /** A server may say something between two answers, not without end. */
  #isTaken(message: JSONRPCMessage): boolean {
    if (this.#why !== null) return false;
    // a request is answered, if only with no: it weighs more than word of progress
    const weight = "id" in message ? limits.mcpUnasked / limits.mcpRequests : 1;
    this.#unasked = "method" in message ? this.#unasked + weight : 0;
    if (this.#unasked <= limits.mcpUnasked) return true;
    void this.close("it sent messages without end that nobody asked for");
    return false;
  }

  /** Name, version and protocol, as it says. */
  get says(): string {
    const { name = "?", version = "?" } = this.#client.getServerVersion() ?? {};
    return `${name} ${version}, protocol ${this.#client.getNegotiatedProtocolVersion() ?? "?"}`;
  }

  async list(signal: AbortSignal): Promise<readonly Tool[]> {
    // the cache of the SDK is for what a server says may be kept; drift must be seen
    const { tools } = await this.#client.listTools(undefined, {
      signal,
      timeout: limits.mcpConnectMs,
      cacheMode: "refresh",
    });
    return tools;
  }

  /** @throws SdkError, ProtocolError: see outcomeOf in mcp-server.ts */
  async call(
    params: { readonly name: string; readonly arguments: JsonObject; readonly traceparent: string },
    options: {
      readonly signal: AbortSignal;
      readonly timeLimitMs: number;
      readonly onProgress: (progress: Progress) => void;
    },
  ): Promise<CallToolResult> {
    const { traceparent, ...rest } = params;
    const { signal, timeLimitMs: timeout, onProgress: onprogress } = options;
    for (let round = 1; ; round++) {
      try {
        return await this.#client.callTool({ ...rest, _meta: { traceparent } }, { signal, timeout, onprogress });
      } catch (error) {
        if (!(await this.#authorized(error, round))) throw error;
      }
    }
  }

  async close(why: string | null = null): Promise<void> {
    this.#why ??= why ?? "closed";
    await this.#client.close().catch(() => undefined);
  }
}

/** An answer, or one event of a stream, may not be larger than a message of a process. */
const boundedFetch: FetchLike = async (url, init) => {
  const response = await fetch(url, init);
  if (!response.ok || response.body === null) return response;
  let bytes = 0;
  const counting = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, out) {
      const tail = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      bytes = tail.includes("\n\n") || tail.includes("\r\n\r\n") ? 0 : bytes + chunk.byteLength;
      if (bytes <= limits.mcpMessageBytes) out.enqueue(chunk);
      else out.error(new Error(`an answer of the MCP server has more than ${limits.mcpMessageBytes} bytes`));
    },
  });
  return new Response(response.body.pipeThrough(counting), response);
};

function transportTo(place: McpPlace, onStderr: (text: string) => void): Transport {
  if ("url" in place) {
    const url = URL.parse(place.url);
    if (url === null || !/^https?:$/.test(url.protocol))
      throw new PawlError(
        "CONFIG_INVALID",
        `an MCP server's url is "${place.url.slice(0, 200)}"; give an http(s) address.`,
      );
    return new StreamableHTTPClientTransport(url, {
      fetch: boundedFetch,
      ...(place.auth && { authProvider: place.auth }),
      ...(place.headers && { requestInit: { headers: { ...place.headers } } }),
    });
  }
  const none = Object.fromEntries(DEFAULT_INHERITED_ENV_VARS.map((name) => [name, undefined]));
  const env = { ...none, PATH: process.env["PATH"], ...place.env };
  const transport = new StdioClientTransport({
    command: place.command,
    args: [...(place.args ?? [])],
    // the cast: what is undefined is left out by spawn, and so hides what the SDK would pass on
    env: env as { [name: string]: string },
    stderr: "pipe",
    maxBufferSize: limits.mcpMessageBytes,
    ...(place.cwd !== undefined && { cwd: place.cwd }),
  });
  transport.stderr?.on("data", (chunk: Buffer) => onStderr(chunk.toString("utf8")));
  return transport;
}

/** The server does not know the session of the request: it did nothing, and a new connection helps. */
export function isSessionLost(error: unknown): boolean {
  return SdkHttpError.isInstance(error) && error.status === 404;
}

const INVALID_PARAMS = -32602;
const METHOD_NOT_FOUND = -32601;

/** Did it say no before it did anything? */
export function wasRefused(error: unknown): boolean {
  if (error instanceof UnauthorizedError) return true;
  if (SdkHttpError.isInstance(error)) return [400, 401, 403, 404, 405, 413, 415, 429].includes(error.status);
  if (error instanceof ProtocolError) return error.code === INVALID_PARAMS || error.code === METHOD_NOT_FOUND;
  if (error instanceof SdkError && error.code === SdkErrorCode.NotConnected) return true;
  const cause: unknown = error instanceof Error ? error.cause : null;
  return cause instanceof Error && "code" in cause && cause.code === "ECONNREFUSED";
}
