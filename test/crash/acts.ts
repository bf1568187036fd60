import { readFileSync } from "node:fs";
import type { Effect } from "../../src/core/effect.ts";

/** One line of the counter's record, `trial` first: a call that reached the outside world. */
export interface Act {
  readonly trial: string;
  readonly tool: string;
  readonly key: string;
  /** What it was about: the same in every attempt, whatever the key. */
  readonly subject: string;
  readonly attempt: number;
  /** The receiver knew the key and did nothing. */
  readonly repeated: boolean;
}

export type ActRequest = Omit<Act, "trial" | "repeated">;
export interface ActAnswer {
  readonly receipt: string;
}
export type LookupAnswer =
  | { readonly happened: true; readonly receipt: string }
  | { readonly happened: false; readonly receipt?: never };

/** What acts in a workload. `stamp` is a step, the others are tools. */
export const effectOf: { readonly [tool: string]: Effect } = {
  quote: "pure",
  reserve: "idempotent",
  ship: "reconcilable",
  charge: "once",
  refund: "once",
  stamp: "once",
};

/**
 * Where the counter stops the `nth` call of a tool, and tells: its act done and its answer never sent, just sent, or
 * sent a little later.
 */
export interface Halt {
  readonly tool: string;
  readonly phase: "before-answer" | "after-answer" | "slow-answer";
  readonly nth: number;
}

/** The counter's record of one trial, from its file. */
export function actsOf(file: string, trial: string): readonly Act[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.startsWith(`{"trial":${JSON.stringify(trial)},`))
    .map((line) => JSON.parse(line) as Act);
}

/** Every act by what it was: `tool subject`. */
export function actsSeen(acts: readonly Act[]): readonly string[] {
  return [...new Set(acts.map(({ tool, subject }) => `${tool} ${subject}`))].toSorted();
}
