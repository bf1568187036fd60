import type { RunParked } from "../core/journal-event.ts";
import { durationText } from "./figures.ts";

/** Makes commands to paste for the run that waits. */
export interface WaitSpeaker {
  readonly runId: string;
  readonly nowMs: () => number;
  command(...words: readonly string[]): string;
}

/** Names of the tools by call: a call of a dead worker waits like a timer. */
export type ToolNames = ReadonlyMap<string, string>;

/** What a parked run waits for, and what to do about it; null where the question follows anyway. */
export function waitText(parked: RunParked, speaker: WaitSpeaker, tools: ToolNames): string | null {
  const { waits, dueAt } = parked;
  const leftMs = dueAt === null ? null : dueAt - speaker.nowMs();
  const time = leftMs === null || leftMs <= 0 ? "" : ` ${durationText(leftMs)}`;
  const [first] = waits;
  if (first === undefined) return null;
  const count = waits.filter(({ kind }) => kind === first.kind).length;
  switch (first.kind) {
    case "timer": {
      const acting = waits.flatMap(({ key }) => tools.get(key) ?? []);
      return acting.length === 0 ? `sleeping${time}` : `waiting${time}: ${acting.join(" and ")} may still be acting`;
    }
    case "child":
      return `waiting for ${count === 1 ? `run ${first.key}` : `${count} child runs`}`;
    case "signal":
      return `waiting for the signal "${first.name ?? ""}": ${speaker.command("signal", speaker.runId, first.name ?? "NAME")}`;
    case "approval":
    case "unknown":
    case "budget":
      return null;
  }
}
