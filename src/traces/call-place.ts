import type { Place, SpanBoard } from "./span-board.ts";

/** What reading an event of a call needs: where the spans are, where the event stands, and what the call belongs to. */
export interface CallPlace {
  readonly board: SpanBoard;
  readonly place: Place;
  /** Name of the runnable. */
  readonly agent: string;
  readonly turnSpanId: string;
}

export function callKey(callId: string): string {
  return `call:${callId}`;
}
export function attemptKey(callId: string, attempt: number): string {
  return `attempt:${callId}:${attempt}`;
}
export function askKey(callId: string): string {
  return `ask:${callId}`;
}
export function budgetKey(callId: string): string {
  return `budget:${callId}`;
}
