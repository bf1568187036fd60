import type { RunEvent, StreamDelta } from "../api/types.ts";

/** What a model call has said so far. Kept until its answer is recorded; dropped when another attempt begins. */
export interface LiveText {
  readonly attempt: number;
  readonly fence: number;
  readonly text: string;
  readonly reasoning: string;
  /** One came too late for its beginning, or some were lost: the recorded answer has the whole. */
  readonly isCut: boolean;
  /** Number of the next piece, where none is lost. */
  readonly next: number;
}
export type LiveTexts = ReadonlyMap<string, LiveText>;

const TEXT_CHARS_MAX = 200_000;

export function withDelta(texts: LiveTexts, delta: StreamDelta): LiveTexts {
  const known = texts.get(delta.callId);
  const isOlder =
    known !== undefined &&
    (delta.fence < known.fence || (delta.fence === known.fence && delta.attempt < known.attempt));
  if (isOlder) return texts;
  const isSame = known?.attempt === delta.attempt && known.fence === delta.fence;
  const before = isSame ? known : { text: "", reasoning: "", isCut: false, next: 0 };
  const joined = (text: string): string => (text + delta.text).slice(-TEXT_CHARS_MAX);
  return new Map(texts).set(delta.callId, {
    attempt: delta.attempt,
    fence: delta.fence,
    text: delta.type === "text.delta" ? joined(before.text) : before.text,
    isCut: before.isCut || delta.i !== before.next,
    next: delta.i + 1,
    reasoning: delta.type === "reasoning.delta" ? joined(before.reasoning) : before.reasoning,
  });
}

/** The recorded answer has the whole; a failed attempt is none. */
export function withoutAnswered(texts: LiveTexts, event: RunEvent): LiveTexts {
  const isOver = event.type === "model.answered" || event.type === "model.attempted" || event.type === "model.failed";
  if (!isOver || !texts.has(event.callId)) return texts;
  const next = new Map(texts);
  next.delete(event.callId);
  return next;
}
