import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A span as the receiver understood it. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | null;
  readonly name: string;
  readonly kind: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly status: number;
  readonly message: string | null;
  readonly attributes: { readonly [name: string]: unknown };
  readonly resource: { readonly [name: string]: unknown };
}

/** What to do with a request; it must end the response, or leave it hanging. Spans count as received only where it says so. */
export type Answer = (spans: readonly ReceivedSpan[], response: ServerResponse) => "received" | "not";

const accept: Answer = (_spans, response) => {
  response.end("{}");
  return "received";
};

/**
 * A receiver of OTLP/HTTP in JSON that knows the protocol's fields by itself, and nothing of the exporter's: a field that
 * the protocol does not have, an id of another form or a number in the wrong place is kept as a problem.
 */
export class OtlpReceiver {
  readonly spans: ReceivedSpan[] = [];
  readonly problems: string[] = [];
  readonly headers: IncomingMessage["headers"][] = [];
  requests = 0;
  answer: Answer = accept;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => void this.#take(request, response));
  }

  async listen(port = 0): Promise<string> {
    await new Promise<void>((resolve) => {
      this.#server.listen(port, "127.0.0.1", resolve);
    });
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests++;
    this.headers.push(request.headers);
    let text = "";
    for await (const chunk of request) text += String(chunk);
    if (request.url !== "/v1/traces" || request.method !== "POST")
      this.problems.push(`${request.method} ${request.url}`);
    if (request.headers["content-type"] !== "application/json") this.problems.push("content-type");
    const spans = new Decoder(this.problems).request(JSON.parse(text));
    if (this.answer(spans, response) === "received") this.spans.push(...spans);
  }
}

type Json = { readonly [name: string]: unknown };

/** Of opentelemetry/proto/collector/trace/v1 and trace/v1: every field that may be there. */
const fields = {
  request: ["resourceSpans"],
  resourceSpans: ["resource", "scopeSpans", "schemaUrl"],
  resource: ["attributes", "droppedAttributesCount"],
  scopeSpans: ["scope", "spans", "schemaUrl"],
  scope: ["name", "version", "attributes", "droppedAttributesCount"],
  span: [
    "traceId",
    "spanId",
    "traceState",
    "parentSpanId",
    "flags",
    "name",
    "kind",
    "startTimeUnixNano",
    "endTimeUnixNano",
    "attributes",
    "droppedAttributesCount",
    "events",
    "droppedEventsCount",
    "links",
    "status",
  ],
  keyValue: ["key", "value"],
  anyValue: ["stringValue", "boolValue", "intValue", "doubleValue", "arrayValue", "kvlistValue", "bytesValue"],
  status: ["message", "code"],
} as const;

class Decoder {
  readonly #problems: string[];

  constructor(problems: string[]) {
    this.#problems = problems;
  }

  request(body: unknown): readonly ReceivedSpan[] {
    return this.#list(this.#known("request", body)["resourceSpans"]).flatMap((one) => {
      const { resource, scopeSpans } = this.#known("resourceSpans", one);
      const attributes = this.#attributes(this.#known("resource", resource ?? {})["attributes"]);
      return this.#list(scopeSpans).flatMap((scoped) => {
        const { scope, spans } = this.#known("scopeSpans", scoped);
        this.#known("scope", scope ?? {});
        return this.#list(spans).map((span) => this.#span(span, attributes));
      });
    });
  }

  #span(given: unknown, resource: Json): ReceivedSpan {
    const span = this.#known("span", given);
    const status = this.#known("status", span["status"] ?? {});
    const { kind, name, parentSpanId } = span;
    if (typeof name !== "string" || name === "") this.#problem("name", name);
    if (![1, 2, 3, 4, 5].includes(kind as number)) this.#problem("kind", kind);
    if (![undefined, 0, 1, 2].includes(status["code"] as number | undefined))
      this.#problem("status.code", status["code"]);
    const [start, end] = [this.#nanos(span["startTimeUnixNano"]), this.#nanos(span["endTimeUnixNano"])];
    if (end < start) this.#problem("endTimeUnixNano before startTimeUnixNano", end);
    return {
      traceId: this.#id(span["traceId"], 32),
      spanId: this.#id(span["spanId"], 16),
      parentSpanId: parentSpanId === undefined ? null : this.#id(parentSpanId, 16),
      name: String(name),
      kind: Number(kind),
      startMs: Number(start / 1_000_000n),
      endMs: Number(end / 1_000_000n),
      status: Number(status["code"] ?? 0),
      message: typeof status["message"] === "string" ? status["message"] : null,
      attributes: this.#attributes(span["attributes"]),
      resource,
    };
  }

  #attributes(given: unknown): Json {
    const attributes: { [name: string]: unknown } = {};
    for (const one of this.#list(given ?? [])) {
      const { key, value } = this.#known("keyValue", one);
      if (typeof key !== "string" || key === "") this.#problem("key", key);
      if (Object.hasOwn(attributes, String(key))) this.#problem("a key twice", key);
      attributes[String(key)] = this.#value(value);
    }
    return attributes;
  }

  #value(given: unknown): unknown {
    const value = this.#known("anyValue", given);
    const [kind, ...more] = Object.keys(value);
    if (kind === undefined || more.length > 0)
      return this.#problem("a value of no or two kinds", JSON.stringify(value));
    const inner = value[kind];
    if (kind === "stringValue") return typeof inner === "string" ? inner : this.#problem(kind, inner);
    if (kind === "boolValue") return typeof inner === "boolean" ? inner : this.#problem(kind, inner);
    if (kind === "doubleValue") return typeof inner === "number" ? inner : this.#problem(kind, inner);
    if (kind === "intValue")
      return typeof inner === "string" && /^-?\d{1,19}$/.test(inner) ? Number(inner) : this.#problem(kind, inner);
    if (kind === "arrayValue") return this.#list((inner as Json)["values"]).map((one) => this.#value(one));
    return this.#problem("a kind of value that nobody writes", kind);
  }

  #id(given: unknown, digits: number): string {
    const isGood =
      typeof given === "string" && given.length === digits && /^[0-9a-f]+$/.test(given) && !/^0+$/.test(given);
    if (!isGood) this.#problem(`an id of ${digits} digits`, given);
    return String(given);
  }

  #nanos(given: unknown): bigint {
    if (typeof given !== "string" || !/^\d{19}$/.test(given)) this.#problem("nanoseconds", given);
    return BigInt(String(given));
  }

  #list(given: unknown): readonly unknown[] {
    if (Array.isArray(given)) return given as readonly unknown[];
    this.#problem("a list", given);
    return [];
  }

  #known(message: keyof typeof fields, given: unknown): Json {
    if (typeof given !== "object" || given === null || Array.isArray(given)) {
      this.#problem(message, given);
      return {};
    }
    for (const name of Object.keys(given))
      if (!(fields[message] as readonly string[]).includes(name)) this.#problem(`a field of ${message}`, name);
    return given as Json;
  }

  #problem(what: string, got: unknown): undefined {
    this.#problems.push(`${what}: ${String(got)}`);
  }
}
