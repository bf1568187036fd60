import { hashJson } from "../core/hash.ts";
import { PawlError } from "../core/errors.ts";
import type { CallState, RunState, TurnEntry } from "../core/run-state.ts";
import type { JsonValue } from "../core/json.ts";
import { deliveryOf } from "./facts.ts";
import { askHashOf } from "./intents.ts";
import type { LiveCall, TurnScope } from "./turn-scope.ts";
import type { Values } from "./values.ts";

/**
 * Brings a fresh body to where the journal is: lets it ask, matches what it asks for with what is recorded, delivers the
 * recorded facts in journal order. What it asked for beyond the record stays with the scope, to be recorded now.
 * @throws JOURNAL_DIVERGED naming both sides
 */
export async function replayTurn(
  state: RunState,
  turn: { readonly scope: TurnScope; readonly live: Map<string, LiveCall> },
  values: Values,
): Promise<void> {
  const { scope, live } = turn;
  const asked: LiveCall[] = [];
  const letRun = async (): Promise<void> => {
    await scope.drain();
    asked.push(...scope.take());
  };
  await letRun();
  for (const entry of state.log) {
    if (entry.kind === "fact") {
      const call = live.get(entry.callId);
      const fact = state.calls[entry.callId]?.fact?.event;
      if (call === undefined || fact === undefined) throw new PawlError("INTERNAL", `fact ${entry.seq} has no call.`);
      live.delete(entry.callId);
      const delivery = await deliveryOf(state, fact, values);
      scope.factAt(entry.at);
      if (delivery.ok) call.settle(delivery.value);
      else call.fail(delivery.error);
      await letRun();
      continue;
    }
    const call = matched(entry, asked, state, values);
    if (entry.kind === "intent") live.set(call.callId, call);
  }
  scope.giveBack(asked);
}

/** Takes the request that a recorded entry stands for out of `asked`. */
function matched(entry: TurnEntry, asked: LiveCall[], state: RunState, values: Values): LiveCall {
  const at = asked.findIndex((call) =>
    entry.kind === "note" ? call.request.kind === "note" : call.callId === entry.callId,
  );
  const call = asked[at];
  const expected = describeRecorded(entry, state.calls[entry.callId]);
  const first = call ?? asked[0];
  const found = first === undefined ? "nothing" : describe(first, (value) => values.clean(value));
  // what the record holds may have been cleaned by other rules than today's: the same request as it was made is the same
  if (call === undefined || (expected !== found && expected !== describe(call, (value) => value))) {
    throw new PawlError(
      "JOURNAL_DIVERGED",
      `at seq ${entry.seq} the journal has ${expected}, but the code asked for ${found}. Deploy the code that made this run, or fork it at an earlier turn.`,
      {
        details: { expected, found, seq: entry.seq },
      },
    );
  }
  asked.splice(at, 1);
  return call;
}

function describe(call: LiveCall, clean: <T extends JsonValue>(value: T) => T): string {
  const { request, callId } = call;
  switch (request.kind) {
    case "model":
      return `${callId} model ${request.spec.context}`;
    case "tool":
      return `${callId} tool ${request.spec.tool.name} ${hashJson(clean(request.spec.args))}`;
    case "step":
      return `${callId} step ${request.name}`;
    case "child":
      return `${callId} child ${request.spec.runnable} ${hashJson(clean(request.spec.input))}`;
    case "ask":
      return `${callId} ask ${askHashOf({ ...request.spec, question: clean(request.spec.question) })}`;
    case "wait":
      return `${callId} wait ${request.wait.kind}${request.wait.kind === "signal" ? ` ${request.wait.name}` : ""}`;
    case "note":
      return `note ${request.note.type}`;
  }
}

function describeRecorded(entry: TurnEntry, call: CallState | undefined): string {
  if (entry.kind === "note") return `note ${entry.type}`;
  const intent = call?.intent;
  switch (intent?.type) {
    case "model.called":
      return `${entry.callId} model ${intent.context}`;
    case "tool.called":
      return `${entry.callId} tool ${intent.tool} ${intent.argsHash}`;
    case "step.called":
    case "step.started":
      return `${entry.callId} step ${intent.name}`;
    case "child.called":
      return `${entry.callId} child ${intent.runnable} ${intent.inputHash}`;
    case "approval.asked":
      return `${entry.callId} ask ${intent.actionHash}`;
    case "wait.started":
      return `${entry.callId} wait ${intent.wait.kind}${intent.wait.kind === "signal" ? ` ${intent.wait.name}` : ""}`;
    default:
      return `${entry.callId} ${entry.type}`;
  }
}
