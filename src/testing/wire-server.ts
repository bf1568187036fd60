import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { messagesFormat } from "./wire-anthropic.ts";
import { googleFormat } from "./wire-google.ts";
import { chatFormat, responsesFormat } from "./wire-openai.ts";
import type { WireEvent, WireFault, WireFormat, WireReply } from "./wire-reply.ts";

/** A request as a wire server got it. */
export interface WireRequest {
  readonly format: WireFormat["name"];
  readonly path: string;
  readonly headers: { readonly [name: string]: string | undefined };
  readonly body: { readonly [key: string]: unknown };
  readonly isStream: boolean;
  /** 0 for the first request of this server. */
  readonly index: number;
}

/** What a wire server answers: in order, the last one for ever, or worked out from the request. */
export type WireScript = readonly WireReply[] | ((request: WireRequest) => WireReply);

export interface WireServer {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** Base URL in the form that this provider's package wants. */
  baseUrl(provider: "openai" | "openai-compatible" | "anthropic" | "google"): string;
  readonly requests: readonly WireRequest[];
  /** Connections that are open now: a client that gave up has none. */
  openConnections(): Promise<number>;
  close(): Promise<void>;
}

const formats = [chatFormat, responsesFormat, messagesFormat, googleFormat];
const BODY_BYTES_MAX = 16_777_216;

/**
 * A local server that speaks as the providers do: OpenAI's chat completions and responses, Anthropic's messages,
 * Google's generateContent, in one piece and streamed, with errors and with every fault of `WireFault`. It listens on a
 * free port of 127.0.0.1.
 */
export async function startWireServer(script: WireScript): Promise<WireServer> {
  const requests: WireRequest[] = [];
  const server = createServer((incoming, response) => {
    handle(incoming, response, { script, requests }).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    baseUrl: (provider) => `${url}${provider === "google" ? "/v1beta" : "/v1"}`,
    requests,
    openConnections: () =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
      }),
    close: () => closed(server),
  };
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

interface Desk {
  readonly script: WireScript;
  readonly requests: WireRequest[];
}

async function handle(incoming: IncomingMessage, response: ServerResponse, desk: Desk): Promise<void> {
  const path = incoming.url ?? "/";
  const format = formats.find((one) => one.matches(path.split("?")[0] ?? path));
  const body = await readBody(incoming);
  if (format === undefined || body === null) {
    response.writeHead(404, { "content-type": "text/html" }).end("<html><body>Not Found</body></html>");
    return;
  }
  const index = desk.requests.length;
  const headers = Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]));
  const request = { format: format.name, path, headers, body, isStream: format.isStream(path, body), index };
  desk.requests.push(request);
  const reply =
    typeof desk.script === "function" ? desk.script(request) : (desk.script[index] ?? desk.script.at(-1) ?? {});
  if (reply.error !== undefined) sendError(response, format, reply.error);
  else await sendReply(response, request, format, reply);
}

async function readBody(incoming: IncomingMessage): Promise<{ readonly [key: string]: unknown } | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > BODY_BYTES_MAX) return null;
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8")) as { readonly [key: string]: unknown };
  } catch {
    return null;
  }
}

function sendError(response: ServerResponse, format: WireFormat, error: NonNullable<WireReply["error"]>): void {
  const body = error.body ?? JSON.stringify(format.errorBody(error));
  response.writeHead(error.status, { "content-type": "application/json", ...error.headers }).end(body);
}

async function sendReply(
  response: ServerResponse,
  request: WireRequest,
  format: WireFormat,
  reply: WireReply,
): Promise<void> {
  const { document, events } = format.encode(
    reply,
    reply.model ?? format.modelOf(request.path, request.body),
    request.body,
  );
  const { fault } = reply;
  if (fault !== undefined && sendInstead(response, request, fault, document)) return;
  const type = request.isStream ? "text/event-stream; charset=utf-8" : "application/json";
  response.writeHead(200, { "content-type": type, "cache-control": "no-cache" });
  const text = request.isStream ? sse(events, fault) : JSON.stringify(document);
  const bytes = Buffer.from(fault?.type === "bom" ? `\uFEFF${text}` : text, "utf8");
  if (fault?.type === "endless") await sendEndless(response, events);
  else await sendBytes(response, bytes, fault);
}

/** Faults that leave nothing of the right answer. True = the response is done, or will never be. */
function sendInstead(response: ServerResponse, request: WireRequest, fault: WireFault, document: unknown): boolean {
  switch (fault.type) {
    case "no-reply":
      return true;
    case "html":
      response
        .writeHead(200, { "content-type": "text/html" })
        .end("<!doctype html><html><body>Bad gateway</body></html>");
      return true;
    case "empty":
      response.writeHead(200, { "content-type": request.isStream ? "text/event-stream" : "application/json" }).end();
      return true;
    case "wrong-type":
      if (request.isStream)
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(document));
      else response.writeHead(200, { "content-type": "text/plain" }).end("upstream said no");
      return true;
    case "gzip-bomb":
      response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" });
      response.end(gzipSync(Buffer.concat([Buffer.from('{"x":"'), Buffer.alloc(fault.bytes, 97)])));
      return true;
    default:
      return false;
  }
}

function sse(events: readonly WireEvent[], fault: WireFault | undefined): string {
  const end = fault?.type === "crlf" ? "\r\n" : "\n";
  const comment = fault?.type === "comments" ? `: keep-alive${end}${end}` : "";
  return events
    .map(
      ({ event, data }) => `${comment}${event === undefined ? "" : `event: ${event}${end}`}data: ${data}${end}${end}`,
    )
    .join("");
}

async function sendBytes(response: ServerResponse, bytes: Buffer, fault: WireFault | undefined): Promise<void> {
  switch (fault?.type) {
    case "split-bytes":
      response.socket?.setNoDelay(true);
      for (const byte of bytes) {
        // Each write must leave before the next.
        if (!(await written(response, Buffer.of(byte)))) return;
      }
      response.end();
      return;
    case "cut":
      await written(response, bytes.subarray(0, fault.afterBytes));
      response.destroy();
      return;
    case "end":
      response.end(bytes.subarray(0, fault.afterBytes));
      return;
    case "silent":
      response.flushHeaders();
      if (fault.afterBytes > 0) await written(response, bytes.subarray(0, fault.afterBytes));
      return;
    case "invalid-utf8": {
      const middle = bytes.indexOf(0x22, Math.floor(bytes.length / 2));
      response.end(Buffer.concat([bytes.subarray(0, middle), Buffer.of(0xff, 0xfe), bytes.subarray(middle)]));
      return;
    }
    default:
      response.end(bytes);
  }
}

/** The first delta that says "again", over and over, until the client has had enough. */
async function sendEndless(response: ServerResponse, events: readonly WireEvent[]): Promise<void> {
  const delta = events.findIndex(({ data }) => data.includes("again"));
  const start = Buffer.from(sse(events.slice(0, delta), undefined));
  const again = Buffer.from(sse([events[delta] ?? { data: "{}" }], undefined).repeat(100));
  let isOpen = await written(response, start);
  while (isOpen) isOpen = await written(response, again);
}

/** False once the client is gone. */
function written(response: ServerResponse, bytes: Buffer): Promise<boolean> {
  if (response.destroyed) return Promise.resolve(false);
  return new Promise((resolve) => {
    const gone = (): void => resolve(false);
    response.once("close", gone);
    response.write(bytes, (error) => {
      response.off("close", gone);
      resolve(error === null || error === undefined);
    });
  });
}
