import type { EffectStatus } from "../core/effect.ts";
import type { ToolCalled } from "../core/tool-event.ts";
import type { JsonValue } from "../core/json.ts";
import type { Span } from "../core/trace-contract.ts";
import type { TracedRun } from "./span-fold.ts";
import type { ErrorRecord } from "../core/errors.ts";

/** A text that is searched, with the span that it belongs to. */
export interface Doc {
  readonly spanId: string;
  readonly field: string;
  readonly text: string;
}

/** An outside action as an event tells of it: its values read, its approval still only named. */
export type EffectWrite =
  | {
      readonly type: "called";
      readonly event: ToolCalled;
      readonly status: EffectStatus;
      readonly input: string;
      readonly at: number;
    }
  | {
      readonly type: "news";
      readonly by: { readonly callId: string } | { readonly approvalId: string };
      readonly status?: EffectStatus;
      readonly attempts?: number;
      readonly approvalId?: string;
      readonly approver?: string;
      readonly input?: string;
      readonly at: number;
    };

/** What a piece of one run's journal brings to the index: written whole, or not at all. */
export interface RunDelta {
  readonly run: TracedRun;
  /** Seq that the index must have before, and has after. */
  readonly afterSeq: number;
  readonly seq: number;
  /** Latest reading of each span that changed, in order of opening. */
  readonly spans: readonly Span[];
  readonly docs: readonly Doc[];
  readonly effects: readonly EffectWrite[];
  readonly error: ErrorRecord | null;
  /** Time of the last event read. */
  readonly at: number;
  /** What reading goes on with later; null once the run has ended. */
  readonly saved: { readonly fold: JsonValue; readonly hash: string } | null;
}
