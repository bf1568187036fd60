import type { RecentCall } from "../core/run-state.ts";

const FAILURES = 5;
const REST_TURNS = 2;

/** `resting`: not called at all. `trying`: one call may show whether it works again. */
export type BreakerState = "closed" | "resting" | "trying";

/**
 * Whether a tool may be called in a turn. It rests when its last five tries failed and the model had a turn to change
 * something in between: a burst of parallel calls that fail together says it once.
 */
export function breakerOf(recent: readonly RecentCall[], tool: string, turn: number): BreakerState {
  const tried = recent.filter((call) => call.tool === tool && call.outcome !== "refused").slice(-FAILURES);
  const [first, last] = [tried[0], tried.at(-1)];
  const isBroken = tried.length === FAILURES && tried.every((call) => call.outcome === "error");
  if (first === undefined || last === undefined || !isBroken || first.turn === last.turn) return "closed";
  return turn - last.turn <= REST_TURNS ? "resting" : "trying";
}
