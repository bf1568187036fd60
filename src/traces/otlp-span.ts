import { limits } from "../core/limits.ts";
import type { RedactionCounts, Redactor } from "../core/redact.ts";
import type { Span, SpanDetail, SpanKind } from "../core/trace-contract.ts";
import type { Dialect, DialectSpan, Fact } from "./otlp-dialects.ts";
import { readFact, saidOf, type FactValue, type Said, type SpanRun } from "./span-facts.ts";

// OTLP/HTTP in its JSON form: ids are hex, 64-bit numbers are decimal strings, enums are numbers.

/** One span as OTLP/JSON, already text. */
export interface EncodedSpan {
  readonly spanId: string;
  readonly json: string;
}

/** What one kind of span becomes, as far as it is known before there is one. */
interface KindPlan {
  readonly said: DialectSpan;
  /** The pattern of its name: every second piece is a fact. */
  readonly name: readonly string[];
  readonly kind: 1 | 3;
  /** Attributes that are always the same, as JSON. */
  readonly always: string;
  readonly attributes: readonly AttributePlan[];
}

interface AttributePlan {
  readonly name: string;
  readonly fact: Fact;
  readonly lead: string;
  /** Whole attributes of short strings that need no redaction: one piece of text in place of six. */
  readonly texts: Map<string, string>;
}

const REMEMBERED_CHARS = 128;
const REMEMBERED_MAX = 4_096;
const ATTRIBUTES_MAX = 256;
const nothing: KindPlan = {
  said: { name: "span", kind: "internal" },
  name: ["span"],
  kind: 1,
  always: "",
  attributes: [],
};

/** Turns spans into OTLP/JSON by the table of one dialect. */
export class SpanEncoder {
  readonly #redactor: Redactor;
  readonly #plans: ReadonlyMap<SpanKind, KindPlan>;
  /** Short strings that need no redaction, as JSON: names come again and again. */
  readonly #known = new Map<string, string>();

  constructor(dialect: Dialect, redactor: Redactor) {
    this.#redactor = redactor;
    const kinds = Object.keys(dialect.spans) as readonly SpanKind[];
    this.#plans = new Map(kinds.map((kind) => [kind, planOf(dialect, kind)]));
  }

  /**
   * @param run the run that the span belongs to, and its end: a span that was left open ends with it
   * @param detail where content is exported
   * @param counts what was removed is added to it
   */
  encode(
    span: Span,
    run: SpanRun & { readonly endedAt: number | null },
    detail: SpanDetail | null,
    counts: RedactionCounts,
  ): EncodedSpan {
    const plan = this.#plans.get(span.kind) ?? nothing;
    const said = saidOf(span, run, detail);
    const parent = span.parentSpanId ?? remoteParentOf(span);
    const name = this.#string("name", nameOf(plan, said), counts);
    const ended = Math.max(span.startedAt, span.endedAt ?? run.endedAt ?? span.startedAt);
    let attributes = plan.always;
    for (const one of plan.attributes) {
      const { fact } = one;
      const value =
        fact === "operation" && plan.said.operation !== undefined ? plan.said.operation : readFact[fact](said);
      if (value === undefined || value === "") continue;
      if (attributes !== "") attributes += ",";
      attributes += this.#attribute(one, value, counts);
    }
    const status = this.#status(span, detail !== null, counts);
    const above = parent === null ? "" : `"parentSpanId":"${parent}",`;
    return {
      spanId: span.spanId,
      json: `{"traceId":"${span.traceId}","spanId":"${span.spanId}",${above}"name":${name},"kind":${plan.kind},"startTimeUnixNano":"${nanos(span.startedAt)}","endTimeUnixNano":"${nanos(ended)}","attributes":[${attributes}],"status":${status}}`,
    };
  }

  #attribute({ name, lead, texts }: AttributePlan, value: FactValue, counts: RedactionCounts): string {
    const known = typeof value === "string" ? texts.get(value) : undefined;
    if (known !== undefined) return known;
    const text = `${lead}${this.#value(name, value, counts)}}`;
    if (typeof value === "string" && this.#known.has(value)) {
      if (texts.size >= ATTRIBUTES_MAX) texts.clear();
      texts.set(value, text);
    }
    return text;
  }

  #value(place: string, value: FactValue, counts: RedactionCounts): string {
    if (typeof value === "string") return `{"stringValue":${this.#string(place, value, counts)}}`;
    if (typeof value === "number")
      return Number.isSafeInteger(value)
        ? `{"intValue":"${value}"}`
        : `{"doubleValue":${Number.isFinite(value) ? value : 0}}`;
    if (typeof value === "boolean") return `{"boolValue":${value}}`;
    return `{"arrayValue":{"values":[${value.map((one) => this.#value(place, one, counts)).join(",")}]}}`;
  }

  /** What an error says may quote content. */
  #status({ status, error }: Span, withContent: boolean, counts: RedactionCounts): string {
    if (status === "ok") return '{"code":1}';
    if (status !== "error" && status !== "unknown") return "{}";
    const message = error === null ? status : withContent ? `${error.code}: ${error.message}` : error.code;
    return `{"code":2,"message":${this.#string("status.message", message, counts)}}`;
  }

  /** A string as JSON. Redacted before it is cut: a secret that the cut would halve is still one. */
  #string(place: string, text: string, counts: RedactionCounts): string {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const bounded = text.length > READ_CHARS_MAX ? text.slice(0, READ_CHARS_MAX) : text;
    const clean = this.#redactor.text(bounded, place, counts);
    const cut = clean.length <= limits.exportContentChars ? clean : `${clean.slice(0, limits.exportContentChars)}…`;
    const json = JSON.stringify(cut.toWellFormed());
    if (clean === text && text.length <= REMEMBERED_CHARS && this.#redactor.isFixed) this.#remember(text, json);
    return json;
  }

  #remember(text: string, json: string): void {
    if (this.#known.size >= REMEMBERED_MAX) this.#known.clear();
    this.#known.set(text, json);
  }
}

const READ_CHARS_MAX = 4 * limits.exportContentChars;

function planOf(dialect: Dialect, kind: SpanKind): KindPlan {
  const said = dialect.spans[kind];
  const always = Object.entries(said.always ?? {}).map(
    ([name, value]) => `{"key":${JSON.stringify(name)},"value":{"stringValue":${JSON.stringify(value)}}}`,
  );
  const attributes = dialect.attributes
    .filter(({ of }) => of === undefined || of.includes(kind))
    .map(({ name, fact }) => ({
      name,
      fact,
      lead: `{"key":${JSON.stringify(name)},"value":`,
      texts: new Map<string, string>(),
    }));
  return {
    said,
    name: said.name.split(/\{(\w+)\}/),
    kind: said.kind === "client" ? 3 : 1,
    always: always.join(","),
    attributes,
  };
}

/** A root run may belong to a span of another program: its run's own span says so. */
function remoteParentOf({ kind, detail }: Span): string | null {
  const remote = kind === "run" ? detail["remoteParentSpanId"] : undefined;
  return typeof remote === "string" && /^[0-9a-f]{16}$/.test(remote) ? remote : null;
}

function nameOf({ said: { name: pattern, takesName = true }, name: pieces }: KindPlan, said: Said): string {
  const { span } = said;
  if (pieces.length === 1) {
    if (!takesName || span.name === "") return pattern;
    return span.name.startsWith(pattern) ? span.name : `${pattern} ${span.name}`;
  }
  let name = "";
  for (const [i, piece] of pieces.entries()) {
    const value = i % 2 === 0 ? piece : readFact[piece as Fact](said);
    if (typeof value === "string") name += value;
  }
  name = name.trim();
  return name === "" ? span.kind : name;
}

/** Milliseconds as nanoseconds: decimal, since no number of JavaScript holds it. */
function nanos(ms: number): string {
  return `${Math.max(0, Math.round(ms * 1_000))}000`;
}

/** Requests of OTLP/HTTP, one after the other in the same bytes: joined as text, a body would be copied three times more. */
export class RequestBody {
  readonly #head: string;
  #bytes = Buffer.alloc(0);

  constructor(resource: { readonly [name: string]: string }) {
    const attributes = Object.entries(resource).map(
      ([key, value]) => `{"key":${JSON.stringify(key)},"value":{"stringValue":${JSON.stringify(value)}}}`,
    );
    this.#head = `{"resourceSpans":[{"resource":{"attributes":[${attributes.join(",")}]},"scopeSpans":[{"scope":{"name":"pawl"},"spans":[`;
  }

  /** @returns bytes that the next call writes over */
  of(spans: readonly EncodedSpan[]): Uint8Array {
    if (spans.length === 0) return Buffer.from('{"resourceSpans":[]}');
    let room = (this.#head.length + TAIL.length) * UTF8_BYTES_MAX;
    for (const { json } of spans) room += json.length * UTF8_BYTES_MAX + 1;
    if (room > this.#bytes.byteLength) this.#bytes = Buffer.allocUnsafeSlow(room);
    const bytes = this.#bytes;
    let at = bytes.write(this.#head);
    for (const { json } of spans) {
      at += bytes.write(json, at);
      bytes[at++] = COMMA;
    }
    // over the last comma
    at += bytes.write(TAIL, at - 1) - 1;
    return bytes.subarray(0, at);
  }
}

const TAIL = "]}]}]}";
const COMMA = 44;
/** Of one unit of a string. */
const UTF8_BYTES_MAX = 3;
