import { limits } from "../core/limits.ts";
import type { RecentCall } from "../core/run-state.ts";

/** What a run's newest tool calls say about its progress. The response is graded: a hint, the call forbidden, a stop. */
export interface Progress {
  readonly level: "none" | "hint" | "forbid" | "stop";
  readonly rule: string;
  readonly detail: string;
  /** Calls that are refused from now on, as `tool argsHash`. */
  readonly forbidden: readonly string[];
}

/** Number of turns in a row from which each response is given. */
interface Steps {
  readonly hint: number;
  readonly forbid: number;
  readonly stop: number;
}

/** The calls of one turn. Calls that a model makes at once say one thing, however many they are. */
type Turn = readonly RecentCall[];

const SAME: Steps = { hint: 3, forbid: 4, stop: 6 };
const PING_PONG: Steps = { hint: 3, forbid: 4, stop: 5 };
const SAME_ERROR: Steps = { hint: 3, forbid: Infinity, stop: 6 };
/** A rule or a person said no: an injected text may make a model ask for much, and its user's task still waits. */
const SAME_REFUSAL: Steps = { hint: 3, forbid: Infinity, stop: 40 };
const MISUSE: Steps = { hint: Infinity, forbid: Infinity, stop: limits.repairAttempts + 1 };
const NOTHING_NEW: Steps = { hint: 6, forbid: Infinity, stop: 10 };
/** Other arguments, the same result: often a loop, sometimes twelve files without a match. */
const SAME_RESULT: Steps = { hint: 10, forbid: Infinity, stop: 16 };

const levels = ["none", "hint", "forbid", "stop"] as const;
const fine: Progress = { level: "none", rule: "", detail: "", forbidden: [] };
const RESTING = "TOOL_BREAKER_OPEN";
const misuses: readonly string[] = ["TOOL_UNKNOWN", "TOOL_INPUT_INVALID"];

export function callKey(tool: string, argsHash: string): string {
  return `${tool} ${argsHash}`;
}

/** Judges the newest calls. Pure: the same on replay, and over resumes. */
export function assess(recent: readonly RecentCall[]): Progress {
  const turns = turnsOf(recent);
  const last = turns.at(-1);
  if (last === undefined) return fine;
  const found = [
    repeated(turns, last),
    pingPong(turns, last),
    misused(turns),
    sameError(turns, last),
    stale(turns, "nothing-new", NOTHING_NEW, isIdentical),
    stale(turns, "same-result", SAME_RESULT, (a, b) => isIdentical(a, b) || hasSameResult(a, b)),
  ];
  return found.reduce((worst, one) => (levels.indexOf(one.level) > levels.indexOf(worst.level) ? one : worst), fine);
}

function turnsOf(recent: readonly RecentCall[]): readonly Turn[] {
  const turns: RecentCall[][] = [];
  for (const call of recent) {
    if (turns.at(-1)?.[0]?.turn === call.turn) turns.at(-1)?.push(call);
    else turns.push([call]);
  }
  return turns;
}

/** The same calls in every turn, with the same results. */
function repeated(turns: readonly Turn[], last: Turn): Progress {
  const count = trailing(turns, (turn) => isSameTurn(turn, last));
  const detail = `You called ${namesOf(last)} ${count} times with the same arguments and got the same result. Do something else, or finish with what you know.`;
  return graded("repeat", count, SAME, detail, last);
}

/** A B A B …, each time with the same results. */
function pingPong(turns: readonly Turn[], b: Turn): Progress {
  const a = turns.at(-2);
  if (a === undefined || isSameTurn(a, b)) return fine;
  let pairs = 0;
  for (let i = turns.length - 1; i > 0; i -= 2) {
    const [first, second] = [turns[i - 1], turns[i]];
    if (first === undefined || second === undefined || !isSameTurn(first, a) || !isSameTurn(second, b)) break;
    pairs++;
  }
  const detail = `You go back and forth between ${namesOf(a)} and ${namesOf(b)} without learning anything. Do something else, or finish.`;
  return graded("ping-pong", pairs, PING_PONG, detail, [...a, ...b]);
}

/** Nothing but tools that do not exist and arguments that do not fit: each was answered with what would be right. */
function misused(turns: readonly Turn[]): Progress {
  const count = trailing(turns, (turn) => turn.every((call) => misuses.includes(call.digest)));
  const detail = `the model asked ${count} times in a row for tools that do not exist, or with arguments that do not fit, though it was told what would`;
  return graded("misuse", count, MISUSE, detail, []);
}

/** One tool that fails in one way, whatever its arguments; that it rests meanwhile changes nothing. */
function sameError(turns: readonly Turn[], last: Turn): Progress {
  const [{ tool } = { tool: "" }] = last;
  const failure = turns.flat().findLast((call) => call.tool === tool && call.digest !== RESTING);
  if (failure === undefined || failure.outcome === "ok") return fine;
  const isSame = (call: RecentCall): boolean =>
    call.tool === tool &&
    (call.digest === RESTING || (call.outcome === failure.outcome && call.digest === failure.digest));
  const count = trailing(turns, (turn) => turn.every(isSame));
  const isRefused = failure.outcome === "refused" && !misuses.includes(failure.digest);
  const detail = `${tool} failed ${count} times in the same way. Change what you do, use another tool, or finish with what you know.`;
  return graded("same-error", count, isRefused ? SAME_REFUSAL : SAME_ERROR, detail, []);
}

/** Turns in a row in which no call brought anything that an earlier turn had not: seldom any, so the newest is asked first. */
function stale(
  turns: readonly Turn[],
  rule: string,
  steps: Steps,
  isSame: (a: RecentCall, b: RecentCall) => boolean,
): Progress {
  let count = 0;
  for (; count < turns.length; count++) {
    const at = turns.length - 1 - count;
    const isOld = (call: RecentCall): boolean =>
      turns.some((turn, i) => i < at && turn.some((earlier) => isSame(call, earlier)));
    if (turns[at]?.every(isOld) !== true) break;
  }
  const detail = `Your calls of the last ${count} turns brought nothing new. Finish with what you know, or say what is missing.`;
  return graded(rule, count, steps, detail, []);
}

function graded(rule: string, count: number, steps: Steps, detail: string, calls: readonly RecentCall[]): Progress {
  if (count < Math.min(steps.hint, steps.stop)) return fine;
  const level = count >= steps.stop ? "stop" : count >= steps.forbid ? "forbid" : "hint";
  const forbidden = level === "forbid" ? calls.map((call) => callKey(call.tool, call.argsHash)) : [];
  return { level, rule, detail, forbidden };
}

function trailing(turns: readonly Turn[], holds: (turn: Turn) => boolean): number {
  const firstOther = turns.toReversed().findIndex((turn) => !holds(turn));
  return firstOther < 0 ? turns.length : firstOther;
}

function isSameTurn(a: Turn, b: Turn): boolean {
  return isWithin(a, b) && isWithin(b, a);
}

function isWithin(a: Turn, b: Turn): boolean {
  return a.every((call) => b.some((other) => isSameCall(call, other)));
}

function isSameCall(a: RecentCall, b: RecentCall): boolean {
  if (a.tool !== b.tool || a.argsHash !== b.argsHash) return false;
  return a.outcome !== "ok" || b.outcome !== "ok" || a.digest === b.digest;
}

function isIdentical(a: RecentCall, b: RecentCall): boolean {
  return a.digest === b.digest && a.argsHash === b.argsHash && a.tool === b.tool;
}

/** Of calls that can bring nothing but their result. */
function hasSameResult(a: RecentCall, b: RecentCall): boolean {
  return a.digest === b.digest && a.tool === b.tool && isPureResult(a) && isPureResult(b);
}

function isPureResult(call: RecentCall): boolean {
  return call.pure && call.outcome === "ok";
}

function namesOf(turn: Turn): string {
  return [...new Set(turn.map(({ tool }) => tool))].slice(0, 3).join(" and ");
}
