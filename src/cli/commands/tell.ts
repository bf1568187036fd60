import { PawlError } from "../../core/errors.ts";
import type { BudgetScope } from "../../core/budget.ts";
import { isJsonObject, type JsonObject, parseJson, type JsonValue } from "../../core/json.ts";
import { nanoUsdOf } from "../../core/usage.ts";
import type { Pawl } from "../../engine/runtime.ts";
import { personHere } from "../ask-person.ts";
import { pasteable } from "../pasteable.ts";
import { openApp, type Place } from "../place.ts";
import { placeOfRun, rememberPlace } from "../run-places.ts";
import { say, tell } from "../terminal.ts";

// Commands that say one thing to a run and leave its execution to whoever has it.

/** Opens without a worker, does one thing, says what it did and what may be done next. */
async function saying(
  place: Place,
  does: (app: Pawl, by: { readonly tenant: string; readonly by: string }) => Promise<string>,
  next: readonly string[] | null,
): Promise<number> {
  const { app, tenant } = await openApp(place, { worker: false, mustExist: true });
  try {
    const done = await does(app, { tenant, by: personHere() });
    if (place.json === true) say(JSON.stringify({ done }));
    else say(done);
    const hint = next?.[0] === "resume" ? "  # unless a worker (pawl dev) goes on with it" : "";
    if (next !== null) tell(place, `  ${pasteable(place, ...next)}${hint}`);
    return 0;
  } finally {
    await app.close();
  }
}

export function message(runId: string, text: string, place: Place): Promise<number> {
  if (text.trim() === "")
    throw new PawlError("OPTION_INVALID", "the message is empty. Say what the agent should know.");
  return saying(
    place,
    async (app, by) => {
      await app.message(runId, text, by);
      return `${runId} reads it at its next turn.`;
    },
    ["show", runId],
  );
}

export function signal(
  runId: string,
  sent: { readonly name: string; readonly json: string | undefined },
  place: Place,
): Promise<number> {
  const value = sent.json === undefined ? null : jsonOf("the signal's value", sent.json);
  return saying(
    place,
    async (app, by) => {
      await app.signal(runId, sent.name, value, by);
      return `${runId} has the signal "${sent.name}".`;
    },
    ["resume", runId],
  );
}

export function pause(runId: string, place: Place): Promise<number> {
  return saying(
    place,
    async (app, by) => {
      await app.pause(runId, "paused by hand", by);
      return `${runId} parks at its next turn.`;
    },
    ["resume", runId],
  );
}

export function cancel(runId: string, reason: string | undefined, place: Place): Promise<number> {
  return saying(
    place,
    async (app, by) => {
      await app.cancel(runId, reason ?? "cancelled by hand", by);
      return `${runId} is asked to end; its worker, or its next one, ends it.`;
    },
    ["resume", runId],
  );
}

export function unblock(runId: string, action: string, place: Place): Promise<number> {
  if (action !== "retry" && action !== "fail") {
    throw new PawlError("OPTION_INVALID", `the action is "${action}". It is retry or fail.`);
  }
  return saying(
    place,
    async (app, by) => {
      await app.unblock(runId, action, by);
      return action === "retry" ? `${runId} may run again.` : `${runId} is to end as failed.`;
    },
    ["resume", runId],
  );
}

/** A new run from the first turns of another: its id is printed, and what goes on with it. */
export async function fork(
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
  const { app, tenant } = await openApp(options, { worker: false, mustExist: true });
  try {
    const id = options.runId === undefined ? {} : { runId: options.runId };
    const made = await app.fork(runId, { turn, tenant, by: personHere(), ...id, ...limits, ...state });
    const place = await placeOfRun(app.store, { tenant, runId });
    if (place !== null) await rememberPlace(app.store, made.ref, place);
    if (options.json === true) say(JSON.stringify({ runId: made.id, forkedFrom: runId, turn }));
    else say(`${made.id} goes on from turn ${turn} of ${runId}.`);
    tell(options, `  ${pasteable(options, "resume", made.id)}  # unless a worker (pawl dev, pawl up) goes on with it`);
    return 0;
  } finally {
    await app.close();
  }
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
export function forkObject<K extends "limits" | "state">(
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
  return saying(
    options,
    async (app, { tenant, by }) => {
      const resolution = outcome === "happened" ? "applied" : "not_applied";
      await app.people(tenant).resolveEffect(runId, call, { resolution, by, ...seq, ...result });
      return outcome === "happened"
        ? `${runId} goes on with that:`
        : `${runId} tries ${call} again, with the same key:`;
    },
    ["resume", runId],
  );
}

export interface RaiseOptions extends Place {
  readonly tokens?: string;
  readonly costUsd?: string;
  readonly calls?: string;
}

export function raise(runId: string, options: RaiseOptions): Promise<number> {
  const amounts: readonly (readonly [BudgetScope, number])[] = [
    ...(options.tokens === undefined ? [] : [["tokens", amountOf("--tokens", options.tokens)] as const]),
    ...(options.costUsd === undefined
      ? []
      : [["costNanoUsd", nanoUsdOf(amountOf("--cost-usd", options.costUsd))] as const]),
    ...(options.calls === undefined ? [] : [["calls", amountOf("--calls", options.calls)] as const]),
  ];
  if (amounts.length === 0) {
    throw new PawlError("OPTION_INVALID", `raise needs an amount: --tokens 100000, --cost-usd 1 or --calls 50.`);
  }
  return saying(
    options,
    async (app, by) => {
      for (const [scope, amount] of amounts) await app.raiseBudget(runId, scope, amount, by);
      return `${runId} has more to spend.`;
    },
    ["resume", runId],
  );
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
