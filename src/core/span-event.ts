import type { ErrorRecord } from "./errors.ts";
import type { Ref } from "./label.ts";

/** O. A span of user code (`traceable`), told with the outcome of its call. Nothing is decided by it. */
export interface SpanRecorded {
  readonly type: "span.recorded";
  /** The call; `t<turn>` for the turn's own body. */
  readonly callId: string;
  /** 16 hex digits, and those of the span around it where that is user code too. */
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  /** ms since 1970. */
  readonly startedAt: number;
  readonly ms: number;
  readonly tags?: readonly string[];
  readonly inputRef?: Ref;
  readonly outputRef?: Ref;
  readonly error?: ErrorRecord;
  /** Spans of this call beyond the limit, which are not recorded. Only on one of its spans. */
  readonly dropped?: number;
}
