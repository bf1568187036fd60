import type { Clock } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import { hashJson, hashText } from "../core/hash.ts";
import { decodeBatch } from "../core/journal-codec.ts";
import { isOwner } from "../core/journal-event.ts";
import { isJsonObject, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Store, StoredRecord } from "../core/store-contract.ts";

/** One request to start a run, named by its sender. */
export interface KeyedStart {
  readonly tenant: string;
  readonly key: string;
  readonly body: JsonValue;
  /** The id to use where this is the first time. */
  readonly runId: string;
}

export interface BoundStart {
  readonly runId: string;
  /** The key was used before, for this body. */
  readonly isRepeat: boolean;
}

/**
 * Binds an `Idempotency-Key` to a body and a run id, before anything is started: whoever repeats the request, in whatever
 * process, gets the same id, and starting the same id twice is harmless.
 * @throws IDEMPOTENCY_KEY_REUSED  bound to another body
 */
export async function bindStart(store: Store, { tenant, key, body, runId }: KeyedStart): Promise<BoundStart> {
  const bodyHash = hashJson(body);
  // not read before: keys are mostly new
  const binding = { runId, bodyHash };
  const put = await store.putRecord(tenant, recordKey(key), binding, { ifAbsent: true }, limits.idempotencyKeptMs);
  if (put.type === "ok") {
    if ((await store.readHead({ tenant, runId: keyedRunId(tenant, key) })) === null) return { runId, isRepeat: false };
    await store.deleteRecord(tenant, recordKey(key));
    throw reused(keyedRunId(tenant, key));
  }
  // without one the record went away between two looks: its time was up
  return boundTo(put.current, bodyHash) ?? { runId, isRepeat: false };
}

/**
 * Starts that are named by an `Idempotency-Key` alone: the run has the id that its key gives, so that no record of the key
 * need be written, and whoever repeats the request finds the run. The key is bound for as long as the run is kept.
 */
export class KeyedStarts {
  readonly #store: Store;
  readonly #clock: Clock;
  /** Whether a tenant has keys in records: of forks, and of starts with an id of their own. As it was within two seconds. */
  readonly #records = new Map<string, { readonly untilMs: number; readonly areThere: boolean }>();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** As bindStart, and its tenant has records from now on. */
  bind(start: KeyedStart): Promise<BoundStart> {
    this.#note(start.tenant, true);
    return bindStart(this.#store, start);
  }

  /** The id to start with. @throws IDEMPOTENCY_KEY_REUSED  a record binds the key to another body */
  async idOf({ tenant, key, body }: Omit<KeyedStart, "runId">): Promise<BoundStart> {
    const record = (await this.#hasRecords(tenant)) ? await this.#store.getRecord(tenant, recordKey(key)) : null;
    return boundTo(record, hashJson(body)) ?? { runId: keyedRunId(tenant, key), isRepeat: false };
  }

  /** Looks who started the run that was found there. @throws IDEMPOTENCY_KEY_REUSED  a request with another body */
  async checkSame({ tenant, key, body }: Omit<KeyedStart, "runId">): Promise<void> {
    const [line] = await this.#store.readEvents({ tenant, runId: keyedRunId(tenant, key) }, 0, 1);
    const by = line === undefined ? null : decodeBatch(line).batch.by;
    if (by === null || isOwner(by) || by.messageId !== startMessage(body)) throw reused(keyedRunId(tenant, key));
  }

  async #hasRecords(tenant: string): Promise<boolean> {
    const known = this.#records.get(tenant);
    if (known !== undefined && known.untilMs > this.#clock.monotonicMs()) return known.areThere;
    const { items } = await this.#store.listRecords(tenant, RECORDS, null, 1);
    return this.#note(tenant, items.length > 0);
  }

  #note(tenant: string, areThere: boolean): boolean {
    if (this.#records.size >= limits.bucketsKept) this.#records.clear();
    this.#records.set(tenant, { untilMs: this.#clock.monotonicMs() + limits.credentialCacheMs, areThere });
    return areThere;
  }
}

/** What the journal has of a start: the whole body, not the input alone. */
export function startMessage(body: JsonValue): string {
  return `start:${hashJson(body)}`;
}

const RECORDS = "start/";

function recordKey(key: string): string {
  return `${RECORDS}${hashText(key)}`;
}

function keyedRunId(tenant: string, key: string): string {
  return `k${hashText(`${tenant}/${key}`).slice(0, 31)}`;
}

function boundTo(record: StoredRecord | null, bodyHash: string): BoundStart | null {
  const value = record?.value ?? null;
  if (!isJsonObject(value) || typeof value["runId"] !== "string") return null;
  if (value["bodyHash"] === bodyHash) return { runId: value["runId"], isRepeat: true };
  throw reused(value["runId"]);
}

export function reused(runId: string): PawlError {
  return new PawlError(
    "IDEMPOTENCY_KEY_REUSED",
    `this Idempotency-Key started run "${runId}" with another body. Use a new key for a new run.`,
    { details: { runId } },
  );
}
