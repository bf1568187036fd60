import { limits } from "../core/limits.ts";
import type { RedactionCounts, Redactor } from "../core/redact.ts";
import type { Span, SpanDetail, SpanKind } from "../core/trace-contract.ts";
import type { Dialect, DialectSpan, Fact } from "./otlp-dialects.ts";
import { contentFacts, factsOf, type Facts, type FactValue, type SpanRun } from "./span-facts.ts";

// OTLP/HTTP in its JSON form: ids are hex, 64-bit numbers are decimal strings, enums are numbers.

/** One span as OTLP/JSON, already text. */
export interface EncodedSpan {
  readonly spanId: string;
  readonly json: string;
}

type Attribute = readonly [name: string, value: FactValue];

/** Turns spans into OTLP/JSON by the table of one dialect. */
export class SpanEncoder {
  readonly #dialect: Dialect;
  readonly #redactor: Redactor;
  readonly #byKind: { readonly [kind in SpanKind]?: readonly { readonly name: string; readonly fact: Fact }[] };

  constructor(dialect: Dialect, redactor: Redactor) {
    this.#dialect = dialect;
    this.#redactor = redactor;
    const kinds = Object.keys(dialect.spans) as readonly SpanKind[];
    this.#byKind = Object.fromEntries(
      kinds.map((kind) => [kind, dialect.attributes.filter(({ of }) => of === undefined || of.includes(kind))]),
    );
  }

  /**
   * @param run the run that the span belongs to, and its end: a span that was left open ends with it
   * @param detail where content is exported
   * @param counts what was removed is added to it
   */
  encode(
    span: Span,
    run: SpanRun & { readonly endedAt: number | null; readonly remoteParentSpanId?: string | null },
    detail: SpanDetail | null,
    counts: RedactionCounts,
  ): EncodedSpan {
    const said = this.#dialect.spans[span.kind];
    const facts: Facts = {
      ...factsOf(span, run),
      ...(said.operation !== undefined && { operation: said.operation }),
      ...(detail !== null && contentFacts(detail)),
    };
    const parent = span.parentSpanId ?? run.remoteParentSpanId ?? null;
    const name = nameOf(said, facts, span);
    const ended = Math.max(span.startedAt, span.endedAt ?? run.endedAt ?? span.startedAt);
    const attributes = [...this.#attributes(span.kind, facts, said.always)].map((one) => this.#attribute(one, counts));
    const status = this.#status(span, detail !== null, counts);
    const json = `{"traceId":"${span.traceId}","spanId":"${span.spanId}",${parent === null ? "" : `"parentSpanId":"${parent}",`}"name":${JSON.stringify(this.#redactor.text(name, "name", counts))},"kind":${said.kind === "client" ? 3 : 1},"startTimeUnixNano":"${nanos(span.startedAt)}","endTimeUnixNano":"${nanos(ended)}","attributes":[${attributes.join(",")}],"status":${status}}`;
    return { spanId: span.spanId, json };
  }

  *#attributes(kind: SpanKind, facts: Facts, always: { readonly [name: string]: string } = {}): Iterable<Attribute> {
    for (const [name, value] of Object.entries(always)) yield [name, value];
    for (const { name, fact } of this.#byKind[kind] ?? []) {
      const value = facts[fact];
      if (value !== undefined && value !== "") yield [name, value];
    }
  }

  #attribute([name, value]: Attribute, counts: RedactionCounts): string {
    return `{"key":${JSON.stringify(name)},"value":${this.#value(name, value, counts)}}`;
  }

  #value(name: string, value: FactValue, counts: RedactionCounts): string {
    if (typeof value === "boolean") return `{"boolValue":${value}}`;
    if (typeof value === "number")
      return Number.isSafeInteger(value)
        ? `{"intValue":"${value}"}`
        : `{"doubleValue":${Number.isFinite(value) ? value : 0}}`;
    if (typeof value === "string") return `{"stringValue":${JSON.stringify(this.#text(name, value, counts))}}`;
    return `{"arrayValue":{"values":[${value.map((one) => this.#value(name, one, counts)).join(",")}]}}`;
  }

  /** What an error says may quote content. */
  #status({ status, error }: Span, withContent: boolean, counts: RedactionCounts): string {
    if (status === "ok") return '{"code":1}';
    if (status !== "error" && status !== "unknown") return "{}";
    const message = error === null ? status : withContent ? `${error.code}: ${error.message}` : error.code;
    return `{"code":2,"message":${JSON.stringify(this.#text("status.message", message, counts))}}`;
  }

  /** Redacted before it is cut: a secret that the cut would halve is still one. */
  #text(place: string, text: string, counts: RedactionCounts): string {
    const clean = this.#redactor.text(
      text.length > 4 * limits.exportContentChars ? text.slice(0, 4 * limits.exportContentChars) : text,
      place,
      counts,
    );
    return clean.length <= limits.exportContentChars
      ? clean.toWellFormed()
      : `${clean.slice(0, limits.exportContentChars).toWellFormed()}…`;
  }
}

function nameOf({ name: pattern, takesName = true }: DialectSpan, facts: Facts, span: Span): string {
  if (!pattern.includes("{")) {
    if (!takesName || span.name === "") return pattern;
    return span.name.startsWith(pattern) ? span.name : `${pattern} ${span.name}`;
  }
  const name = pattern.replaceAll(/\{(\w+)\}/g, (_, fact: Fact) => {
    const value = facts[fact];
    return typeof value === "string" ? value : "";
  });
  return name.trim() === "" ? span.kind : name.trim();
}

/** Milliseconds as nanoseconds: decimal, since no number of JavaScript holds it. */
function nanos(ms: number): string {
  const whole = Math.max(0, Math.round(ms * 1_000));
  return `${whole}000`;
}

/** A request of OTLP/HTTP: all spans of one resource. */
export function requestBody(resource: { readonly [name: string]: string }, spans: readonly EncodedSpan[]): string {
  const attributes = Object.entries(resource).map(
    ([key, value]) => `{"key":${JSON.stringify(key)},"value":{"stringValue":${JSON.stringify(value)}}}`,
  );
  if (spans.length === 0) return '{"resourceSpans":[]}';
  return `{"resourceSpans":[{"resource":{"attributes":[${attributes.join(",")}]},"scopeSpans":[{"scope":{"name":"pawl"},"spans":[${spans.map(({ json }) => json).join(",")}]}]}]}`;
}
