import type { RunRef } from "../core/id.ts";
import { decodeBatches } from "../core/journal-codec.ts";
import { lastSeqOf, type Batch, type JournalEvent } from "../core/journal-event.ts";
import { parseJson, type JsonObject, type JsonValue } from "../core/json.ts";
import type { Ref } from "../core/label.ts";
import { limits } from "../core/limits.ts";
import type { RunHead } from "../core/run-head.ts";
import type { Store } from "../core/store-contract.ts";
import type { Span, SpanDetail } from "../core/trace-contract.ts";
import { eachBatch, type Pause } from "./batch-walk.ts";
import { causesOfCall, outcomeRestsOn, type Reading } from "./call-causes.ts";
import { PromptFold, rebuiltRequest, type ReadValue } from "./rebuild-request.ts";

/** What of a store a detail is read with. */
export type JournalReader = Pick<Store, "readHead" | "readEvents" | "getBlob">;

/** Events of one span that are shown; a call with more has been tried very often. */
const EVENTS_SHOWN = 200;
const LINES_DECODED_AT_ONCE = 64;

/**
 * A span with what its list leaves out, read from the run's journal up to where the span closed.
 * @param head of the run that the span is of
 * @param attempts the attempts of its call
 * @throws JOURNAL_CORRUPT, FORMAT_UNKNOWN
 */
export async function spanDetail(
  { store, pause }: { readonly store: JournalReader; readonly pause: Pause },
  head: RunHead,
  span: Span,
  attempts: readonly Span[],
): Promise<SpanDetail> {
  const ref = { tenant: head.tenant, runId: head.runId };
  const batches = await batchesTo(store, ref, span.endSeq ?? head.seq, pause);
  const read = reader(store, head, pause);
  const reading = { read, pause };
  const events = await eventsOf(batches, span, pause);
  const values = valuesOf(
    span,
    events.map(({ event }) => event),
  );
  const { callId, kind } = span;
  const hasCauses = callId !== null && (kind === "tool" || kind === "child");
  return {
    span,
    input: values.input === null ? null : await given(values.input, read),
    output: values.output === null ? null : await given(values.output, read),
    request: await requestOf(ref, batches, span, reading),
    attempts,
    causes: hasCauses ? await causesOfCall(ref, batches, callId, reading) : [],
    restsOn: kind === "run" ? await outcomeRestsOn(ref, batches, reading) : [],
    events: events
      .slice(0, EVENTS_SHOWN)
      .map(({ event, seq, at }) => ({ ...(event as unknown as JsonObject), seq, at })),
  };
}

async function batchesTo(store: JournalReader, ref: RunRef, toSeq: number, pause: Pause): Promise<readonly Batch[]> {
  const batches: Batch[] = [];
  let after: { readonly seq: number; readonly hash: string | null } = { seq: 0, hash: "" };
  while (after.seq < toSeq) {
    const lines = await store.readEvents(ref, after.seq, limits.readBytes);
    if (lines.length === 0) break;
    for (let i = 0; i < lines.length; i += LINES_DECODED_AT_ONCE) {
      const piece = decodeBatches(lines.slice(i, i + LINES_DECODED_AT_ONCE), after);
      for (const batch of piece.batches) batches.push(batch);
      const last = piece.batches.at(-1);
      if (last !== undefined) after = { seq: lastSeqOf(last), hash: piece.hash };
      await pause();
    }
  }
  return batches;
}

/** null for what is gone. */
function reader(store: JournalReader, { tenant, blobScope }: RunHead, pause: Pause): ReadValue {
  let values = 0;
  return async (ref) => {
    if (++values % limits.detailPauseEvents === 0) await pause();
    if ("inline" in ref) return ref.inline;
    const bytes = await store.getBlob(tenant, blobScope, ref.blob);
    const parsed = bytes === null ? null : parseJson(new TextDecoder().decode(bytes));
    return parsed?.ok === true ? parsed.value : null;
  };
}

interface Placed {
  readonly event: JournalEvent;
  readonly seq: number;
  readonly at: number;
}

/** The journal's events of a span: of its call, of the run itself, or those at which it opened and closed. */
async function eventsOf(batches: readonly Batch[], span: Span, pause: Pause): Promise<readonly Placed[]> {
  const asks = new Set<string>();
  const found: Placed[] = [];
  for await (const { events, firstSeq, at } of eachBatch(batches, pause)) {
    for (const [i, event] of events.entries()) {
      const seq = firstSeq + i;
      if (isOf(event, seq, span, asks)) found.push({ event, seq, at });
    }
  }
  return found;
}

function isOf(event: JournalEvent, seq: number, span: Span, asks: Set<string>): boolean {
  if (span.kind === "run")
    return event.type === "run.started" || event.type === "run.ended" || event.type === "run.claimed";
  if (seq === span.seq || seq === span.endSeq)
    return span.callId === null || !("callId" in event) || event.callId === span.callId;
  if (span.callId === null) return false;
  if ("approvalId" in event && asks.has(String(event.approvalId))) return true;
  if (!("callId" in event) || event.callId !== span.callId) return false;
  if (event.type === "approval.asked") asks.add(event.approvalId);
  const { attempt } = span.detail;
  return span.kind !== "attempt" || !("attempt" in event) || event.attempt === attempt;
}

type Given = { readonly ref: Ref } | { readonly value: JsonValue };

async function given(one: Given, read: ReadValue): Promise<JsonValue> {
  return "ref" in one ? read(one.ref) : one.value;
}

interface Values {
  readonly input: Given | null;
  readonly output: Given | null;
}

/** What went in and what came out, by the last event that says so. */
function valuesOf(span: Span, events: readonly JournalEvent[]): Values {
  let values: Values = { input: null, output: null };
  for (const event of events) values = { ...values, ...valueIn(event, span.kind) };
  return values;
}

function valueIn(event: JournalEvent, kind: Span["kind"]): Partial<Values> {
  switch (event.type) {
    case "run.started":
      return { input: { ref: event.inputRef } };
    case "tool.called":
      return { input: { ref: event.argsRef } };
    case "child.called":
      return { input: { ref: event.inputRef } };
    case "approval.asked":
      return kind === "ask" ? { input: { value: event.question } } : {};
    case "approval.voted":
      return kind === "ask" && event.answerRef !== undefined ? { output: { ref: event.answerRef } } : {};
    case "wait.started":
      return { input: { value: { ...event.wait } as unknown as JsonValue } };
    case "tool.returned":
      return { output: { ref: event.rawRef ?? event.shownRef } };
    case "tool.refused":
      return { output: { ref: event.shownRef } };
    case "model.answered":
      return { output: { ref: event.messageRef } };
    case "step.returned":
    case "child.ended":
    case "run.ended":
    case "signal.received":
    case "message.received":
    case "answer.given":
      return { output: { ref: event.valueRef } };
    case "context.compacted":
      return { output: { ref: event.summaryRef } };
    case "span.recorded":
      return {
        ...(event.inputRef !== undefined && { input: { ref: event.inputRef } }),
        ...(event.outputRef !== undefined && { output: { ref: event.outputRef } }),
      };
    default:
      return {};
  }
}

async function requestOf(
  ref: RunRef,
  batches: readonly Batch[],
  span: Span,
  { read, pause }: Reading,
): Promise<SpanDetail["request"]> {
  if (span.callId === null || (span.kind !== "model" && span.kind !== "attempt")) return null;
  const { attempt } = span.detail;
  const prompt = new PromptFold(span.callId, span.kind === "attempt" && typeof attempt === "number" ? attempt : null);
  for await (const batch of eachBatch(batches, pause)) prompt.read(batch);
  return prompt.frame === null ? null : rebuiltRequest(ref, prompt.frame, read);
}
