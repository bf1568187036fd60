import { PawlError } from "../../core/errors.ts";
import { isJsonObject, type JsonObject, parseJson, type JsonValue } from "../../core/json.ts";
import { nanoUsdOf } from "../../core/usage.ts";
import { atDesk, toSay } from "../at-desk.ts";
import type { Desk } from "../desk.ts";
import { pasteable } from "../pasteable.ts";
import type { Place } from "../place.ts";
import { say, tell } from "../terminal.ts";

// Commands that say one thing to a run and leave its execution to whoever has it.

/** The command after which a run goes on, or shows that it does. */
export function goesOn(place: Place, runId: string): string {
  if (place.server !== undefined) return pasteable(place, "show", runId);
  return `${pasteable(place, "resume", runId)}  # unless a worker (pawl dev, pawl up) goes on with it`;
}

/** Does one thing, says what it did and what may be done next. */
function saying(
  place: Place,
  runId: string,
  { does, done }: { readonly does: (desk: Desk) => Promise<unknown>; readonly done: string },
): Promise<number> {
  return atDesk(
    place,
    async (desk) => {
      await does(desk);
      if (place.json === true) say(JSON.stringify({ done }));
      else say(done);
      tell(place, `  ${goesOn(place, runId)}`);
    },
    toSay,
  );
}

export function message(runId: string, text: string, place: Place): Promise<number> {
  if (text.trim() === "")
    throw new PawlError("OPTION_INVALID", "the message is empty. Say what the agent should know.");
  const done = `${runId} reads it at its next turn.`;
  return saying(place, runId, { does: (desk) => desk.messageRun(runId, { text }), done });
}

/** Takes the agent's next turn over. */
export function answer(runId: string, text: string, place: Place): Promise<number> {
  if (text.trim() === "") throw new PawlError("OPTION_INVALID", "the answer is empty. Say what the agent is to say.");
  const done = `${runId} says it at its next turn; no model is asked for that one.`;
  return saying(place, runId, { does: (desk) => desk.answerRun(runId, { text }), done });
}

export function signal(
  runId: string,
  { name, json }: { readonly name: string; readonly json: string | undefined },
  place: Place,
): Promise<number> {
  const value = json === undefined ? null : jsonOf("the signal's value", json);
  const done = `${runId} has the signal "${name}".`;
  return saying(place, runId, { does: (desk) => desk.signalRun(runId, { name, value }), done });
}

export function pause(runId: string, place: Place): Promise<number> {
  const done = `${runId} parks at its next turn.`;
  return saying(place, runId, { does: (desk) => desk.pauseRun(runId, { reason: "paused by hand" }), done });
}

/** Ends a pause; a gateway's worker then goes on. */
export function resumeAtServer(runId: string, place: Place): Promise<number> {
  return saying(place, runId, { does: (desk) => desk.resumeRun(runId), done: `${runId} may go on.` });
}

export function cancel(runId: string, given: string | undefined, place: Place): Promise<number> {
  const reason = given ?? "cancelled by hand";
  const done = `${runId} is asked to end; its worker, or its next one, ends it.`;
  return saying(place, runId, { does: (desk) => desk.cancelRun(runId, { reason }), done });
}

export function unblock(runId: string, action: string, place: Place): Promise<number> {
  if (action !== "retry" && action !== "fail") {
    throw new PawlError("OPTION_INVALID", `the action is "${action}". It is retry or fail.`);
  }
  const done = action === "retry" ? `${runId} may run again.` : `${runId} is to end as failed.`;
  return saying(place, runId, { does: (desk) => desk.unblockRun(runId, { action }), done });
}

/** A new run from the first turns of another: its id is printed, and what goes on with it. */
export function fork(
  runId: string,
  options: Place & {
    readonly turn?: string;
    readonly runId?: string;
    readonly limits?: string;
    readonly state?: string;
  },
): Promise<number> {
  const turn = forkTurn(options.turn);
  const limits = forkObject("limits", options.limits, '{"turns": 40}');
  const state = forkObject("state", options.state, '{"messages": []}');
  const id = options.runId === undefined ? {} : { runId: options.runId };
  return atDesk(
    options,
    async (desk) => {
      const made = await desk.forkRun(runId, { turn, ...id, ...limits, ...state });
      if (options.json === true) say(JSON.stringify({ runId: made.runId, forkedFrom: runId, turn }));
      else say(`${made.runId} goes on from turn ${turn} of ${runId}.`);
      tell(options, `  ${goesOn(options, made.runId)}`);
    },
    toSay,
  );
}

/** @throws OPTION_INVALID */
export function forkTurn(given: string | undefined): number {
  const turn = Number(given ?? "0");
  if (Number.isSafeInteger(turn) && turn >= 0 && given !== "") return turn;
  throw new PawlError(
    "OPTION_INVALID",
    `--turn is "${given}". Give the number of turns to keep; 0 keeps the input only.`,
  );
}

/** Their names and values are judged by whoever makes the fork. @throws OPTION_INVALID */
function forkObject<K extends "limits" | "state">(
  option: K,
  given: string | undefined,
  example: string,
): { readonly [key in K]?: JsonObject } {
  if (given === undefined) return {};
  const value = jsonOf(`--${option}`, given);
  if (isJsonObject(value)) return { [option]: value } as { readonly [key in K]?: JsonObject };
  throw new PawlError("OPTION_INVALID", `--${option} is ${given.slice(0, 60)}, no object. Give such as '${example}'.`);
}

export function resolve(
  runId: string,
  { call, outcome }: { readonly call: string; readonly outcome: string },
  options: Place & { readonly result?: string; readonly seq?: string },
): Promise<number> {
  if (outcome !== "happened" && outcome !== "not-happened") {
    throw new PawlError("OPTION_INVALID", `the outcome is "${outcome}". It is happened or not-happened.`);
  }
  const result = options.result === undefined ? {} : { result: jsonOf("--result", options.result) };
  const seq = options.seq === undefined ? {} : { seq: Number(options.seq) };
  if (Number.isNaN(seq.seq ?? 0)) throw new PawlError("OPTION_INVALID", `--seq is "${options.seq}", not a number.`);
  const hasHappened = outcome === "happened";
  const resolution = hasHappened ? "applied" : "not_applied";
  return saying(options, runId, {
    does: (desk) => desk.resolveEffect({ runId, callId: call }, { resolution, ...seq, ...result }),
    done: hasHappened ? `${runId} goes on: ${call} happened.` : `${runId} tries ${call} again, with the same key.`,
  });
}

export interface RaiseOptions extends Place {
  readonly tokens?: string;
  readonly costUsd?: string;
  readonly calls?: string;
}

/** `pawl raise`: more for one run. */
export function raise(runId: string, { tokens, costUsd, calls, ...place }: RaiseOptions): Promise<number> {
  const given = [
    ...(tokens === undefined ? [] : [{ scope: "tokens" as const, amount: amountOf("--tokens", tokens) }]),
    ...(costUsd === undefined
      ? []
      : [{ scope: "costNanoUsd" as const, amount: nanoUsdOf(amountOf("--cost-usd", costUsd)) }]),
    ...(calls === undefined ? [] : [{ scope: "calls" as const, amount: amountOf("--calls", calls) }]),
  ];
  if (given.length === 0) {
    throw new PawlError("OPTION_INVALID", `raise needs an amount: --tokens 100000, --cost-usd 1 or --calls 50.`);
  }
  return saying(place, runId, {
    does: async (desk) => {
      for (const body of given) await desk.raiseBudget(runId, body);
    },
    done: `${runId} has more to spend.`,
  });
}

function amountOf(option: string, given: string): number {
  const amount = Number(given);
  if (Number.isFinite(amount) && amount > 0) return amount;
  throw new PawlError("OPTION_INVALID", `${option} is "${given}". Give a number above 0.`);
}

export function jsonOf(what: string, text: string): JsonValue {
  const parsed = parseJson(text);
  if (parsed.ok) return parsed.value;
  throw new PawlError("OPTION_INVALID", `${what} is not JSON (${parsed.reason}). Quote it for the shell: '{"id": 1}'.`);
}
