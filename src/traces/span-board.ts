import type { ErrorRecord } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { removedBy } from "../core/removed-by.ts";
import { spanIdOf } from "../core/trace-ids.ts";
import type { Bill, Span, SpanKind, SpanStatus } from "../core/trace-contract.ts";

/** Where an event stands: its seq, and its batch's time. */
export interface Place {
  readonly seq: number;
  readonly at: number;
}

/** A span that is not closed, with what its later events need to know of it. */
export interface OpenSpan {
  readonly span: Span;
  /** Key that it was opened by, and the keys of the open spans that end with it. */
  readonly key: string;
  readonly below: readonly string[];
  /** The attempt under way: its number, where it began, and whether it is in flight. */
  readonly attempt: number;
  readonly attemptFrom: Place;
  readonly isInFlight: boolean;
  /** Of a tool or step: `pure` and the like; of a turn's call: the turn that it belongs to. */
  readonly effect: string | null;
}

export interface SpanDraft {
  readonly kind: SpanKind;
  readonly name: string;
  /** Id of the span above it. */
  readonly parent: string | null;
  readonly callId?: string;
  readonly status?: SpanStatus;
  readonly effect?: string;
  readonly detail?: JsonObject;
  /** Key for its id where that is not the key it is found by. */
  readonly idKey?: string;
  /** Its id, where it was given before. */
  readonly spanId?: string;
}
export interface SpanEnd {
  readonly status: SpanStatus;
  readonly error?: ErrorRecord | null;
  readonly bill?: Bill | null;
  readonly detail?: JsonObject;
}
export interface SpanChange {
  readonly status?: SpanStatus;
  readonly detail?: JsonObject;
  readonly attempt?: number;
  readonly attemptFrom?: Place;
  readonly isInFlight?: boolean;
  readonly startedAt?: number;
}

/** The open spans of one run, and what changed since it was last asked. */
export class SpanBoard {
  readonly #ref: RunRef;
  readonly #traceId: string;
  readonly #open: Map<string, OpenSpan>;
  #changed = new Map<string, Span>();

  constructor(ref: RunRef, traceId: string, open: readonly OpenSpan[] = []) {
    this.#ref = ref;
    this.#traceId = traceId;
    this.#open = new Map(open.map((one) => [one.key, one]));
  }

  get open(): readonly OpenSpan[] {
    return [...this.#open.values()];
  }

  /** Spans that changed since the last take, each once, in the order in which they opened or first changed. */
  take(): readonly Span[] {
    const changed = [...this.#changed.values()];
    this.#changed = new Map();
    return changed;
  }

  get(key: string): OpenSpan | undefined {
    return this.#open.get(key);
  }

  /** @returns the span's id. A key that is open stays as it is: a repeated opening is the same span. */
  begin(key: string, from: Place, draft: SpanDraft): string {
    const known = this.#open.get(key);
    if (known !== undefined) return known.span.spanId;
    const span = this.#spanOf(draft.idKey ?? key, from, draft);
    const attemptFrom = { seq: from.seq, at: from.at };
    this.#put({
      span,
      key,
      below: [],
      attempt: 1,
      attemptFrom,
      isInFlight: false,
      effect: draft.effect ?? null,
    });
    return span.spanId;
  }

  /** As `begin`, for a span that ends with the span of `aboveKey` at the latest. */
  beginBelow(aboveKey: string, key: string, from: Place, draft: Omit<SpanDraft, "parent">): string {
    const above = this.#open.get(aboveKey);
    if (above !== undefined && !above.below.includes(key))
      this.#open.set(aboveKey, { ...above, below: [...above.below, key] });
    return this.begin(key, from, { ...draft, parent: above?.span.spanId ?? null });
  }

  change(key: string, change: SpanChange): void {
    const known = this.#open.get(key);
    if (known === undefined) return;
    const { status, detail, startedAt, ...rest } = change;
    const changed = {
      ...known.span,
      ...(status !== undefined && { status }),
      ...(startedAt !== undefined && { startedAt }),
      ...(detail !== undefined && { detail: { ...known.span.detail, ...detail } }),
    };
    this.#put({ ...known, ...rest, span: changed });
  }

  /** What was taken out of an event before it was stored. @returns false where the span to tell it at is not open */
  tellRemoved(key: string, event: JournalEvent): boolean {
    const removed = removedBy(event);
    if (removed === null) return true;
    const before = this.#open.get(key)?.span.detail["redacted"];
    const sums: { [rule: string]: JsonValue } = before !== undefined && isJsonObject(before) ? { ...before } : {};
    for (const [rule, count] of Object.entries(removed)) sums[rule] = Number(sums[rule] ?? 0) + count;
    this.change(key, { detail: { redacted: sums } });
    return this.#open.has(key);
  }

  /** Closes a span, and with it what is open below it: that is cancelled, or unknown where it was before. */
  end(key: string, at: Place, end: SpanEnd): void {
    const known = this.#open.get(key);
    if (known === undefined) return;
    for (const below of known.below) this.end(below, at, leftOpen(this.#open.get(below)));
    this.#open.delete(key);
    this.#touch(closed(known.span, at, end));
  }

  /** A span without a length. */
  point(from: Place, draft: SpanDraft): void {
    const span = this.#spanOf(draft.idKey ?? `seq:${from.seq}`, from, draft);
    this.#touch(closed(span, from, { status: draft.status ?? "ok" }));
  }

  /** A span that is told whole after it has ended. */
  whole(draft: SpanDraft, from: Place, to: Place, end: SpanEnd): void {
    this.#touch(closed(this.#spanOf(draft.idKey ?? `seq:${from.seq}`, from, draft), to, end));
  }

  #spanOf(idKey: string, from: Place, draft: SpanDraft): Span {
    return {
      traceId: this.#traceId,
      spanId: draft.spanId ?? spanIdOf(this.#ref, idKey),
      parentSpanId: draft.parent,
      runId: this.#ref.runId,
      callId: draft.callId ?? null,
      seq: from.seq,
      endSeq: null,
      kind: draft.kind,
      name: draft.name,
      status: draft.status ?? "open",
      error: null,
      startedAt: from.at,
      endedAt: null,
      bill: null,
      detail: draft.detail ?? {},
    };
  }

  #put(open: OpenSpan): void {
    this.#open.set(open.key, open);
    this.#touch(open.span);
  }

  #touch(span: Span): void {
    this.#changed.set(span.spanId, span);
  }
}

/** How a span ends of which nobody told the end. An effect that was begun may have happened. */
export function leftOpen(open: OpenSpan | undefined): SpanEnd {
  if (open === undefined) return { status: "cancelled" };
  if (open.span.status === "unknown") return { status: "unknown" };
  const isUnknown = open.isInFlight && open.effect !== null && open.effect !== "pure";
  if (isUnknown) return { status: "unknown", detail: { effectStatus: "unknown" } };
  return open.span.kind === "tool" && open.span.detail["effectStatus"] === "held"
    ? { status: "cancelled", detail: { effectStatus: "refused" } }
    : { status: "cancelled" };
}

function closed(span: Span, at: Place, end: SpanEnd): Span {
  return {
    ...span,
    status: end.status,
    endSeq: at.seq,
    // clocks of two machines may differ: no span ends before it began
    endedAt: Math.max(span.startedAt, at.at),
    error: end.error ?? span.error,
    bill: end.bill ?? span.bill,
    detail: end.detail === undefined ? span.detail : { ...span.detail, ...end.detail },
  };
}
