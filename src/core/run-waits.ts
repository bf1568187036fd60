import type { RunStatus } from "./run-outcome.ts";

export type WaitKind = "approval" | "signal" | "timer" | "child" | "budget" | "unknown";
/** One thing a parked run waits for, as its head shows it. */
export interface HeadWait {
  /** approvalId, childRunId, or the call's id */
  readonly key: string;
  readonly kind: WaitKind;
  /** seq of the event that began the wait */
  readonly seq: number;
  readonly actionHash?: string;
  readonly expiresAt?: number;
  /** Of an awaited signal; of a budget that others use too, with its unit. */
  readonly name?: string;
}

/** What a person can do something about comes first. */
const statuses: readonly (readonly [HeadWait["kind"], RunStatus])[] = [
  ["approval", "awaiting_approval"],
  ["unknown", "awaiting_approval"],
  ["budget", "awaiting_budget"],
  ["signal", "awaiting_signal"],
  ["child", "awaiting_child"],
  ["timer", "sleeping"],
];
const SHOWN = 8;

/** Status of a parked run by what it waits for; one that waits for nothing is to be taken up again. */
export function statusOfWaits(waits: readonly HeadWait[]): RunStatus {
  return statuses.find(([kind]) => waits.some((wait) => wait.kind === kind))?.[1] ?? "queued";
}

/**
 * The waits that the head shows. It stays small: of timers and children, which need no answer from outside by name, only
 * a few. A wait that was open before keeps its seq: by it people say which one they mean.
 */
export function waitsOnHead(before: readonly HeadWait[], waits: readonly HeadWait[]): readonly HeadWait[] {
  let shown = 0;
  return waits
    .map((wait) => before.find(({ key, kind }) => key === wait.key && kind === wait.kind) ?? wait)
    .filter((wait) => (wait.kind !== "timer" && wait.kind !== "child") || shown++ < SHOWN);
}

/** What an owner saw pass of the grace of lost calls before it gave the run back. Dates of workers are not compared. */
export interface GraceSeen {
  /** By its monotonic clock, since its claim. */
  readonly ownedMs: number;
  /** Its session, and the beats sent by then: each that follows is limits.beatMs more. */
  readonly session: string;
  readonly beats: number;
}
export interface GivenBack {
  /** Absent where no lost call waits. */
  readonly grace?: GraceSeen;
}
export interface TakenUp {
  /** How long the run surely lay with nobody since it was given back with a grace: counted by beats. Absent: 0. */
  readonly unownedMs?: number;
}
