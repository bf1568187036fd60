import { PawlError } from "../core/errors.ts";
import { isJsonObject, parseJson, type JsonObject } from "../core/json.ts";
import type { RunRef } from "../core/id.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import type { ModelAnswered, ModelCalled } from "../core/model-event.ts";
import type { RunHead } from "../core/run-head.ts";
import type { RunState } from "../core/run-state.ts";
import { noUsage } from "../core/usage.ts";
import { checkAnswer } from "./answer-schema.ts";
import { batchAt } from "./approval-journal.ts";
import type { EngineDeps } from "./deps.ts";
import { Values } from "./values.ts";

/** Endpoint and model of a request that a person answered. */
export const PERSON = "person";

const label = { source: "trusted", origin: "person" } as const;

/** Answers a request of the agent with what a person said in its place: nothing goes out, and nothing is billed. */
export async function answeredBy(
  { by, seq, valueRef }: NonNullable<RunState["answer"]>,
  { callId, attempt, context }: ModelCalled,
  values: Values,
): Promise<ModelAnswered> {
  const text = await values.read(valueRef);
  const message = {
    role: "assistant",
    content: [{ type: "text", text: typeof text === "string" ? text : JSON.stringify(text) }],
  } as const;
  return {
    type: "model.answered",
    callId,
    attempt,
    context,
    endpoint: PERSON,
    model: PERSON,
    messageRef: await values.putMessages(message as unknown as JsonObject, label),
    finish: "stop",
    usage: noUsage,
    costNanoUsd: 0,
    priceSource: null,
    assumed: false,
    ttftMs: null,
    ms: 0,
    person: { by, seq },
  };
}

/**
 * What takes an agent's next turn over.
 * @throws ANSWER_PENDING  another answer waits for that turn
 * @throws ANSWER_INVALID  it is no agent's run, or the answer does not fit what the agent must answer with
 */
export async function takeoverEvents(
  deps: Pick<EngineDeps, "store" | "redaction">,
  ref: RunRef,
  head: RunHead,
  said: { readonly by: string; readonly text: string },
): Promise<readonly JournalEvent[]> {
  if (head.answered === true)
    throw new PawlError(
      "ANSWER_PENDING",
      `run "${ref.runId}" has an answer for its next turn already. Answer again when it was taken.`,
    );
  const values = new Values(deps, ref, head.blobScope);
  const started = (await batchAt(deps.store, ref, 1))?.events[0];
  const agentRef = started?.type === "run.started" ? started.pins.agent : undefined;
  const definition = agentRef === undefined ? null : await values.read(agentRef);
  if (!isJsonObject(definition) || typeof definition["model"] !== "string")
    throw new PawlError(
      "ANSWER_INVALID",
      `run "${ref.runId}" is of "${head.runnable}", which is no agent: nobody takes its turn. Answer what it asks.`,
    );
  const schema = definition["outputSchema"];
  if (schema !== undefined && isJsonObject(schema)) {
    const parsed = parseJson(said.text);
    const what = `what "${head.runnable}" answers with`;
    if (!parsed.ok)
      throw new PawlError(
        "ANSWER_INVALID",
        `${what} is JSON, and the answer is not (${parsed.reason}). Correct it and answer again.`,
      );
    await checkAnswer(what, schema, parsed.value);
  }
  return [{ type: "answer.given", valueRef: await values.put(said.text, label), by: said.by }];
}
