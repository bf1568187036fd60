import type { RecentCall } from "../core/run-state.ts";

/** What a run's newest tool calls say about its progress. The response is graded: a hint, the call forbidden, a stop. */
export interface Progress {
  readonly level: "none" | "hint" | "forbid" | "stop";
  readonly rule: string;
  readonly detail: string;
  /** Calls that are refused from now on, as `tool argsHash`. */
  readonly forbidden: readonly string[];
}

const fine: Progress = { level: "none", rule: "", detail: "", forbidden: [] };
const SAME = { hint: 3, forbid: 4, stop: 6 } as const;
const PING_PONG = { hint: 3, forbid: 4, stop: 5 } as const;
const SAME_ERROR = { hint: 3, forbid: Infinity, stop: 6 } as const;
const NOTHING_NEW = { hint: 10, forbid: Infinity, stop: 16 } as const;

export function callKey(tool: string, argsHash: string): string {
  return `${tool} ${argsHash}`;
}

/** Judges the newest calls. Pure: the same on replay, and over resumes. */
export function assess(recent: readonly RecentCall[]): Progress {
  const last = recent.at(-1);
  if (last === undefined) return fine;
  const same = trailing(recent, (call) => isSameCall(call, last));
  const found = [
    graded(
      "repeat",
      same,
      SAME,
      `You called ${last.tool} ${same} times with the same arguments and got the same result. Do something else, or finish with what you know.`,
      [last],
    ),
    pingPong(recent),
    sameError(recent, last),
    nothingNew(recent),
  ];
  const order = ["none", "hint", "forbid", "stop"] as const;
  return found.reduce((worst, one) => (order.indexOf(one.level) > order.indexOf(worst.level) ? one : worst), fine);
}

function isSameCall(a: RecentCall, b: RecentCall): boolean {
  if (a.tool !== b.tool || a.argsHash !== b.argsHash) return false;
  return a.outcome !== "ok" || b.outcome !== "ok" || a.digest === b.digest;
}

function trailing(recent: readonly RecentCall[], holds: (call: RecentCall) => boolean): number {
  const firstOther = recent.toReversed().findIndex((call) => !holds(call));
  return firstOther < 0 ? recent.length : firstOther;
}

interface Steps {
  readonly hint: number;
  readonly forbid: number;
  readonly stop: number;
}

function graded(rule: string, count: number, steps: Steps, detail: string, calls: readonly RecentCall[]): Progress {
  if (count < steps.hint) return fine;
  const level = count >= steps.stop ? "stop" : count >= steps.forbid ? "forbid" : "hint";
  const forbidden = level === "forbid" ? calls.map((call) => callKey(call.tool, call.argsHash)) : [];
  return { level, rule, detail, forbidden };
}

/** A B A B …, each time with the same results. */
function pingPong(recent: readonly RecentCall[]): Progress {
  const [a, b] = [recent.at(-2), recent.at(-1)];
  if (a === undefined || b === undefined || isSameCall(a, b)) return fine;
  let pairs = 0;
  for (let i = recent.length - 1; i > 0; i -= 2) {
    const [first, second] = [recent[i - 1], recent[i]];
    if (first === undefined || second === undefined || !isSameCall(first, a) || !isSameCall(second, b)) break;
    pairs++;
  }
  return graded(
    "ping-pong",
    pairs,
    PING_PONG,
    `You go back and forth between ${a.tool} and ${b.tool} without learning anything. Do something else, or finish.`,
    [a, b],
  );
}

/** One tool that fails in one way, whatever its arguments; that it rests meanwhile changes nothing. */
function sameError(recent: readonly RecentCall[], last: RecentCall): Progress {
  if (last.outcome === "ok") return fine;
  const digest = (recent.findLast((call) => call.tool === last.tool && call.outcome === "error") ?? last).digest;
  const count = trailing(
    recent,
    (call) =>
      call.tool === last.tool && (call.outcome === "refused" || (call.outcome === "error" && call.digest === digest)),
  );
  const detail = `${last.tool} failed ${count} times in the same way. Change what you do, use another tool, or finish with what you know.`;
  return graded("same-error", count, SAME_ERROR, detail, []);
}

/** Many calls in a row that each gave a result seen before. */
function nothingNew(recent: readonly RecentCall[]): Progress {
  const seen = new Set<string>();
  let stale = 0;
  for (const call of recent) {
    const key = `${call.tool} ${call.argsHash} ${call.digest}`;
    stale = seen.has(key) ? stale + 1 : 0;
    seen.add(key);
  }
  return graded(
    "nothing-new",
    stale,
    NOTHING_NEW,
    `Your last ${stale} calls brought nothing new. Finish with what you know.`,
    [],
  );
}
