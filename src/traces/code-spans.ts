import type { SpanRecorded } from "../core/span-event.ts";
import type { Span } from "../core/trace-contract.ts";
import { callKey } from "./call-place.ts";
import type { Place, SpanBoard } from "./span-board.ts";

/** Reads a span that user code recorded: below the code around it, else below its call, else below its turn. */
export function readCodeSpan(
  event: SpanRecorded,
  {
    board,
    place,
    turnSpanId,
  }: { readonly board: SpanBoard; readonly place: Place; readonly turnSpanId: string | null },
): void {
  const { callId, spanId, name, tags, startedAt, ms, error, dropped } = event;
  const call = board.get(callKey(callId));
  const parent = event.parentSpanId ?? call?.span.spanId ?? turnSpanId;
  const draft = {
    kind: "code",
    name,
    parent,
    ...(call !== undefined && { callId }),
    detail: { ms, ...(tags !== undefined && { tags }) },
  } as const;
  const status: Span["status"] = error === undefined ? "ok" : error.code === "CANCELLED" ? "cancelled" : "error";
  board.whole(
    { ...draft, spanId },
    { seq: place.seq, at: startedAt },
    { seq: place.seq, at: startedAt + ms },
    {
      status,
      error: error ?? null,
    },
  );
  if (dropped !== undefined && call !== undefined) board.change(call.key, { detail: { spansDropped: dropped } });
}
