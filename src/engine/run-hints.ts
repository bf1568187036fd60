import type { RunRef } from "../core/id.ts";
import { isJsonObject, parseJson } from "../core/json.ts";
import type { RunHead } from "../core/run-head.ts";
import { runChannel, type NotifyStore } from "../core/store-contract.ts";

/** How far a run's journal is. Hints may be lost, doubled, or late. */
export interface RunHint {
  readonly seq: number;
  readonly status: string;
}

const START = '{"seq":';

/** Tells who follows a run that something was appended. */
export function tellRun(store: NotifyStore, ref: RunRef, head: RunHead): void {
  store.publish(runChannel(ref), JSON.stringify({ seq: head.seq, status: head.status }));
}

/** What a message on a run's channel tells of its journal; null for a live delta, which is not parsed for that. */
export function runHintOf(message: string): RunHint | null {
  if (!message.startsWith(START)) return null;
  const parsed = parseJson(message);
  if (!parsed.ok || !isJsonObject(parsed.value)) return null;
  const { seq, status } = parsed.value;
  return typeof seq === "number" && typeof status === "string" ? { seq, status } : null;
}
