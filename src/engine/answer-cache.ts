import { withoutFences } from "../core/fence.ts";
import { hashJson } from "../core/hash.ts";
import { isJsonObject, utf8Bytes, type JsonObject, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Ref } from "../core/label.ts";
import type { ModelAnswered } from "../core/model-event.ts";
import type { SavedAnswer } from "../core/model-event.ts";
import type { ModelEndpoint, ModelRequest } from "../core/model-contract.ts";
import type { Desk } from "./desk.ts";
import type { Finish } from "./model-answer.ts";

/** An answer that another call got, with what it took. */
export interface KeptAnswer {
  readonly key: string;
  readonly finish: Pick<Finish, "content" | "finish" | "model">;
  readonly saved: SavedAnswer;
  readonly untilMs: number;
}

interface Asked {
  readonly endpoint: ModelEndpoint;
  readonly request: ModelRequest;
}
type Keeping = Pick<Desk, "deps" | "ref" | "values">;

/** The answer to an equal request of the same tenant to the same model; null = the model is asked. */
export async function keptAnswer(asked: Asked, { deps, ref }: Keeping): Promise<KeptAnswer | null> {
  if (!isKept(asked)) return null;
  const key = keyOf(asked);
  // a store that cannot say has no answer: the call is made
  const record = await deps.store.getRecord(ref.tenant, recordKey(key)).catch(() => null);
  if (record === null || !isJsonObject(record.value)) return null;
  // the cast: written by `keepAnswer`
  const kept = record.value as unknown as KeptAnswer;
  return kept.key === key && kept.untilMs > deps.clock.nowMs() ? kept : null;
}

/** Keeps a whole answer, as it was recorded: without what must not be stored. */
export async function keepAnswer(asked: Asked, answered: ModelAnswered, { deps, ref, values }: Keeping): Promise<void> {
  const { finish, model, assumed, ms, costNanoUsd, usage, messageRef } = answered;
  if (!isKept(asked) || assumed || (finish !== "stop" && finish !== "tool-calls")) return;
  const { ttlMs } = asked.endpoint.cache;
  const content = await contentOf(messageRef, values).catch(() => null);
  // one that says nothing is asked for again
  if (content?.some((part) => part.type === "tool-call" || (part.type === "text" && part.text.trim() !== "")) !== true)
    return;
  const key = keyOf(asked);
  const saved = { ms, costNanoUsd: costNanoUsd ?? 0, usage };
  const untilMs = deps.clock.nowMs() + ttlMs;
  const kept: KeptAnswer = { key, finish: { content, finish, model }, saved, untilMs };
  // the cast: an answer is JSON
  const value = kept as unknown as JsonObject;
  if (utf8Bytes(JSON.stringify(value)) > limits.cachedResultBytes) return;
  await deps.store.putRecord(ref.tenant, recordKey(key), value, {}, ttlMs).catch(() => undefined);
}

async function contentOf(ref: Ref, values: Desk["values"]): Promise<Finish["content"] | null> {
  const message = await values.read(ref);
  // the cast: the message was written by this process, as the model's answer
  return isJsonObject(message) ? (message["content"] as unknown as Finish["content"]) : null;
}

type Cached = Asked & { readonly endpoint: { readonly cache: NonNullable<ModelEndpoint["cache"]> } };

function isKept(asked: Asked): asked is Cached {
  const { cache } = asked.endpoint;
  return cache !== undefined && (cache.anyTemperature === true || asked.request.params.temperature === 0);
}

/** Everything that the model is sent but what is of one run alone, and which model. */
function keyOf({ endpoint: { provider, model }, request }: Asked): string {
  // the cast: a request is JSON
  return hashJson([provider, model, withoutFences(request) as unknown as JsonValue]);
}

/** A slot: two answers that fall into one take turns, so there are never more than limits.cachedResults of a tenant. */
function recordKey(key: string): string {
  return `answer:${Number.parseInt(key.slice(0, 8), 16) % limits.cachedResults}`;
}
