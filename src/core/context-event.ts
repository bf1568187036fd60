import type { Ref } from "./label.ts";

/** O. Entries `fromSeq..toSeq` of the main context are from now on seen as the summary. */
export interface ContextCompacted {
  readonly type: "context.compacted";
  readonly callId: string;
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly summaryRef: Ref;
  readonly pinned: readonly number[];
  /** The model call that wrote the summary; absent for a summary made by rule. */
  readonly byCallId?: string;
  /** Of the whole prompt, estimated: what the next request would have had, and what it has. */
  readonly tokensBefore?: number;
  readonly tokensAfter?: number;
}
