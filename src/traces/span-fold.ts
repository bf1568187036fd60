import type { Batch } from "../core/journal-event.ts";
import type { JsonValue } from "../core/json.ts";
import type { RunStatus } from "../core/run-outcome.ts";
import type { Span } from "../core/trace-contract.ts";

/** What the spans of a run have in common: said once, beside them. */
export interface TracedRun {
  readonly tenant: string;
  readonly runId: string;
  readonly rootRunId: string;
  readonly traceId: string;
  /** Id of the run's own span. */
  readonly spanId: string;
  readonly parent: { readonly runId: string; readonly callId: string } | null;
  /** A span of another program, to which the root run belongs by its traceparent. */
  readonly remoteParentSpanId: string | null;
  readonly runnable: string;
  readonly version: string;
  readonly principal: string;
  readonly threadId: string | null;
  readonly tags: readonly string[];
  readonly title: string;
  readonly status: RunStatus;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly turns: number;
  readonly forkedFrom: string | null;
}

/** One run's journal, read into spans batch after batch: `spanFold(ref)` starts one, `spanFold(ref, saved)` goes on. */
export interface SpanFold {
  /** Seq of the last event read; 0 at the start. */
  readonly seq: number;
  /** null before the first batch. */
  readonly run: TracedRun | null;
  /**
   * The spans that a batch opened or changed, each whole and once, in the order in which they opened. A span is the same
   * one by its spanId: the later reading replaces the earlier. A batch that was read before changes nothing.
   * @throws JOURNAL_CORRUPT when the batch does not follow what was read
   */
  read(batch: Batch): readonly Span[];
  /** What is needed to go on later: its size is that of the open spans, not of the journal. */
  save(): JsonValue;
}
