import { PawlError } from "../core/errors.ts";
import { hashJson, hashText } from "../core/hash.ts";
import { isJsonObject, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Store } from "../core/store-contract.ts";

/** One request to start a run, named by its sender. */
export interface KeyedStart {
  readonly tenant: string;
  readonly key: string;
  readonly body: JsonValue;
  /** The id to use where this is the first time. */
  readonly runId: string;
}

/**
 * Binds an `Idempotency-Key` to a body and a run id, before anything is started: whoever repeats the request, in whatever
 * process, gets the same id, and starting the same id twice is harmless.
 * @returns the run id, and whether the key was bound before
 * @throws IDEMPOTENCY_KEY_REUSED  bound to another body
 */
export async function bindStart(
  store: Store,
  { tenant, key, body, runId }: KeyedStart,
): Promise<{ readonly runId: string; readonly isRepeat: boolean }> {
  const bodyHash = hashJson(body);
  const recordKey = `start/${hashText(key)}`;
  // not read before: keys are mostly new
  const binding = { runId, bodyHash };
  const put = await store.putRecord(tenant, recordKey, binding, { ifAbsent: true }, limits.idempotencyKeptMs);
  if (put.type === "ok") return { runId, isRepeat: false };
  const value = put.current?.value ?? null;
  if (!isJsonObject(value) || typeof value["runId"] !== "string") {
    // the record went away between two looks: its time was up
    return { runId, isRepeat: false };
  }
  if (value["bodyHash"] === bodyHash) return { runId: value["runId"], isRepeat: true };
  throw new PawlError(
    "IDEMPOTENCY_KEY_REUSED",
    `this Idempotency-Key started run "${value["runId"]}" with another body. Use a new key for a new run.`,
    { details: { runId: value["runId"] } },
  );
}
