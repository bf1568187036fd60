import type { JournalEvent, RunEnded } from "../../src/core/journal-event.ts";
import { isJsonObject, type JsonValue } from "../../src/core/json.ts";
import type { LedgerScope } from "../../src/core/store-contract.ts";
import { tokensOf } from "../../src/core/usage.ts";
import type { SimulatedEnd } from "../../src/testing/simulator.ts";
import { callPlaceOf, placeOf } from "../../src/testing/simulation/place.ts";
import { goalAnswer } from "./agent-workload.ts";
import { overbilledTokens } from "./models.ts";
import { answerOf, asProgram, type Answer } from "./program.ts";

type EndedRun = SimulatedEnd["runs"][number];

/** A completed run has the answer that its program gives without any engine; other ends have their reason. */
export function checkAnswers(end: SimulatedEnd): void {
  for (const run of end.runs) {
    const { started, ended } = run.state;
    if (ended === null || !("inline" in started.inputRef)) continue;
    if (started.pins.agent !== undefined) {
      // whose turn a person took ends with what they said
      const isTaken = run.events.some(({ event }) => event.type === "model.answered" && event.person !== undefined);
      if (!isTaken) checkAgent(placeOf(run.ref), started.inputRef.inline, ended);
      else claim(["completed", "cancelled"].includes(ended.status), `${placeOf(run.ref)}: a taken turn ends a run`);
      continue;
    }
    const expected = answerOf(asProgram(started.inputRef.inline));
    const place = `${placeOf(run.ref)} (${ended.status})`;
    switch (ended.status) {
      case "completed":
        claimAnswer(place, expected, ended.valueRef);
        break;
      case "failed":
        claim(expected === null, `${place}: a run fails only where its body throws (${ended.error?.message})`);
        break;
      case "cancelled":
        claim(hasEvent(run, "cancel.requested") || run.events.length === 2, `${place}: only a cancel cancels`);
        break;
      case "stopped":
        claim(started.limits.onBudget === "finish", `${place}: only a budget that finishes stops a run`);
    }
  }
}

/** What was said to an agent before a turn began is in that turn's first request. */
export function checkMessages(end: SimulatedEnd): void {
  for (const run of end.runs.filter(({ state }) => state.started.pins.agent !== undefined)) {
    const unheard = new Set<number>();
    let isTurnStart = true;
    for (const { seq, event } of run.events) {
      if (event.type === "message.received") unheard.add(seq);
      if (event.type === "turn.ended") isTurnStart = true;
      // a turn may begin with a summary of what was: it is no request of the conversation
      if (event.type !== "model.called" || event.context !== "main" || event.attempt > 1 || !isTurnStart) continue;
      isTurnStart = false;
      for (const entry of event.add) if ("seq" in entry) unheard.delete(entry.seq);
      claim(
        unheard.size === 0,
        `${placeOf(run.ref)} seq ${seq}: an agent hears what was said before its turn (${[...unheard].join()})`,
      );
    }
  }
}

/** An agent that is not cancelled does its goal to the end. */
function checkAgent(runId: string, goal: JsonValue, { status, valueRef, error, reason }: RunEnded): void {
  if (status === "cancelled") return;
  claim(status === "completed", `${runId}: an agent does its goal (${status}: ${error?.message ?? reason})`);
  const value = "inline" in valueRef ? valueRef.inline : null;
  claim(
    value === goalAnswer(goal),
    `${runId}: an agent's answer is that of the unharmed run (${JSON.stringify(value)})`,
  );
}

function claimAnswer(place: string, expected: Answer | null, valueRef: object): void {
  const value: unknown = "inline" in valueRef ? valueRef.inline : null;
  claim(expected !== null, `${place}: a body that throws does not complete`);
  const answer = isJsonObject(value) ? (value as unknown as Answer) : null;
  if (answer === null || answer.luck > 0) return;
  claim(
    answer.sum === expected?.sum,
    `${place}: its answer is that of the unharmed run (${answer.sum}, not ${expected?.sum})`,
  );
}

/** What the journal says of an effect is what the world outside saw. */
export function checkEffects(end: SimulatedEnd): void {
  const acted = new Map(end.effects.map((effect) => [callPlaceOf(effect), effect.acted]));
  for (const run of end.runs) {
    for (const { seq, event } of run.events) {
      if (!("callId" in event)) continue;
      const place = callPlaceOf({ ...run.ref, callId: event.callId });
      const times = acted.get(place) ?? 0;
      if (isInherited(run, seq) || ("via" in event && event.via === "fork")) continue;
      if (event.type === "tool.returned" || event.type === "step.returned")
        claim(times > 0, `${place}: what returned has happened`);
      if (event.type === "tool.refused") claim(times === 0, `${place}: what was refused has not happened`);
      if (
        event.type === "tool.failed" &&
        event.applied === "no" &&
        run.history.calls.get(event.callId)?.effect !== "pure"
      )
        claim(times === 0, `${place}: what failed as not applied has not happened`);
    }
    const billed = end.billedTokens.get(placeOf(run.ref)) ?? 0;
    const recorded = tokensOf(run.state.totals.usage);
    const guessed = run.events.filter(({ event }) => event.type === "model.attempted" && event.assumed).length;
    claim(
      billed <= recorded + guessed * overbilledTokens,
      `${placeOf(run.ref)}: every billed token is recorded (${recorded} of ${billed})`,
    );
  }
}

/** Copied from the run that this one was forked from. */
function isInherited(run: EndedRun, seq: number): boolean {
  return seq <= (run.state.started.forkedFrom?.seq ?? 0);
}

/** Shared budgets: nothing stays reserved, and what is spent is what the journals say. */
export async function checkLedger(
  end: SimulatedEnd,
  tenant: string,
  scopes: { readonly tokens: LedgerScope; readonly calls: LedgerScope },
): Promise<void> {
  const tokens = await end.store.readLedger(tenant, scopes.tokens);
  const calls = await end.store.readLedger(tenant, scopes.calls);
  const expected = end.runs
    .filter(({ ref }) => ref.tenant === tenant)
    .reduce(
      (sum, run) => {
        const spent = spentOf(run.events.map(({ event }) => event));
        return { tokens: sum.tokens + spent.tokens, calls: sum.calls + spent.calls };
      },
      { tokens: 0, calls: 0 },
    );
  claim(
    tokens.reserved === 0 && calls.reserved === 0,
    `nothing stays reserved (${tokens.reserved} tokens, ${calls.reserved} calls)`,
  );
  claim(
    tokens.spent === expected.tokens,
    `spent is the sum of the bills (${tokens.spent}, not ${expected.tokens} tokens)`,
  );
  claim(calls.spent === expected.calls, `spent is the sum of the calls (${calls.spent}, not ${expected.calls})`);
}

/** Tokens and tool calls that a journal charges to shared budgets. */
function spentOf(events: readonly JournalEvent[]): { readonly tokens: number; readonly calls: number } {
  const reserved = new Map<string, number>();
  const calls = new Set<string>();
  for (const event of events) {
    if (event.type === "tool.called" && event.reservationId !== undefined) calls.add(event.callId);
    if (event.type === "tool.refused") calls.delete(event.callId);
    if (event.type === "model.called" && event.reservationId !== undefined)
      reserved.set(`${event.callId}:${event.attempt}`, event.reservation.tokens);
    if (event.type === "model.attempted" || event.type === "model.answered") {
      const key = `${event.callId}:${event.attempt}`;
      if (reserved.has(key)) reserved.set(key, event.usage === undefined ? 0 : tokensOf(event.usage));
    }
  }
  return { tokens: [...reserved.values()].reduce((sum, one) => sum + one, 0), calls: calls.size };
}

function hasEvent(run: EndedRun, type: string): boolean {
  return run.events.some(({ event }) => event.type === type);
}

function claim(holds: boolean, text: string): void {
  if (!holds) throw new Error(text);
}
