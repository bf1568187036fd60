import { randomBytes } from "node:crypto";
import { PawlError } from "../core/errors.ts";
import { isJsonObject, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { RecordStore, StoredRecord } from "../core/store-contract.ts";
import { seal, unseal } from "./sealing.ts";

/** Master keys of 32 bytes, by id: from the environment, or asked of a key service. They wrap data keys and nothing else. */
export interface MasterKeys {
  /** Wraps new data keys. */
  readonly current: string;
  /** null = no such key here. */
  get(id: string): Uint8Array | null | Promise<Uint8Array | null>;
}

/** Where data keys stand, one record for each tenant. No id of a user begins with "~". */
const KEY_TENANT = "~keys";
const KEY_BYTES = 32;

/**
 * Master keys of an environment variable: `id:base64` pairs of 32 bytes, separated by commas, the one in force first.
 * @throws OPTION_INVALID
 */
export function envKeys(variable = "PAWL_MASTER_KEYS"): MasterKeys {
  const pairs = (process.env[variable] ?? "").split(",").map((pair) => pair.trim().split(":"));
  const keys = new Map(pairs.map(([id = "", text = ""]) => [id, Buffer.from(text, "base64")]));
  const [[current = ""] = []] = pairs;
  const wrong = [...keys].find(([id, key]) => id === "" || key.byteLength !== KEY_BYTES);
  if (wrong !== undefined) {
    throw new PawlError(
      "OPTION_INVALID",
      `${variable} has no key of ${KEY_BYTES} bytes ${wrong[0] === "" ? "in it" : `under "${wrong[0].slice(0, 40)}"`}. Set it to "ID:BASE64", newest first, separated by commas; "openssl rand -base64 32" makes one.`,
    );
  }
  return { current, get: (id) => keys.get(id) ?? null };
}

/** One data key for each tenant, held in memory for a minute. */
export class DataKeys {
  readonly #store: RecordStore;
  readonly #masters: MasterKeys;
  readonly #monotonicMs: () => number;
  /** Oldest first. */
  readonly #held = new Map<string, { readonly key: Uint8Array; readonly untilMs: number }>();

  constructor(store: RecordStore, masters: MasterKeys, monotonicMs: () => number) {
    this.#store = store;
    this.#masters = masters;
    this.#monotonicMs = monotonicMs;
  }

  /** @throws DATA_UNREADABLE unless the master key in force is there: found at opening, not at the first write */
  async check(): Promise<void> {
    await this.#master(this.#masters.current);
  }

  /** The tenant's key, made where it has none. @throws DATA_UNREADABLE where it cannot be unwrapped */
  async toSeal(tenant: string): Promise<Uint8Array> {
    const known = await this.#find(tenant);
    if (known !== null) return known;
    const key = randomBytes(KEY_BYTES);
    const put = await this.#store.putRecord(KEY_TENANT, tenant, await this.#wrapped(tenant, key), { ifAbsent: true });
    if (put.type === "ok") return this.#hold(tenant, key);
    return this.toSeal(tenant);
  }

  /** @throws DATA_UNREADABLE where there is none, or none that can be unwrapped */
  async toOpen(tenant: string): Promise<Uint8Array> {
    const key = await this.#find(tenant);
    if (key === null) throw unreadable(`tenant "${tenant}" has no data key: it was shredded, or never stored here`);
    return key;
  }

  async shred(tenant: string): Promise<void> {
    await this.#store.deleteRecord(KEY_TENANT, tenant);
    this.#held.delete(tenant);
  }

  /** Wraps every data key under the master key in force; data stays as it is. @returns how many were under another */
  async rewrap(): Promise<number> {
    let count = 0;
    let cursor: string | null = null;
    do {
      const page = await this.#store.listRecords(KEY_TENANT, "", cursor, limits.dataKeysPerStep);
      for (const record of page.items) {
        if (masterOf(record.value) === this.#masters.current) continue;
        const key = await this.#unwrap(record);
        const value = await this.#wrapped(record.key, key);
        // somebody who was faster has wrapped or shredded it
        await this.#store.putRecord(KEY_TENANT, record.key, value, { ifVersion: record.version });
        count++;
      }
      cursor = page.cursor;
    } while (cursor !== null);
    return count;
  }

  async #find(tenant: string): Promise<Uint8Array | null> {
    const held = this.#held.get(tenant);
    if (held !== undefined && held.untilMs > this.#monotonicMs()) return held.key;
    this.#held.delete(tenant);
    const record = await this.#store.getRecord(KEY_TENANT, tenant);
    return record === null ? null : this.#hold(tenant, await this.#unwrap(record));
  }

  #hold(tenant: string, key: Uint8Array): Uint8Array {
    if (this.#held.size >= limits.dataKeysHeld)
      for (const oldest of [...this.#held.keys()].slice(0, 1)) this.#held.delete(oldest);
    this.#held.set(tenant, { key, untilMs: this.#monotonicMs() + limits.dataKeyHeldMs });
    return key;
  }

  async #wrapped(tenant: string, key: Uint8Array): Promise<JsonValue> {
    const { current } = this.#masters;
    const sealed = seal(await this.#master(current), [KEY_TENANT, tenant, current], key);
    return { master: current, key: Buffer.from(sealed).toString("base64") };
  }

  async #unwrap({ key: tenant, value }: StoredRecord): Promise<Uint8Array> {
    const master = masterOf(value);
    const text = isJsonObject(value) && typeof value["key"] === "string" ? value["key"] : "";
    const key = unseal(await this.#master(master), [KEY_TENANT, tenant, master], Buffer.from(text, "base64"));
    if (key === null)
      throw unreadable(`master key "${master}" is not the one that wrapped the key of tenant "${tenant}"`);
    return key;
  }

  async #master(id: string): Promise<Uint8Array> {
    const key = await this.#masters.get(id);
    if (key?.byteLength === KEY_BYTES) return key;
    throw unreadable(`there is no master key "${id.slice(0, 40)}" of ${KEY_BYTES} bytes here`);
  }
}

function masterOf(value: JsonValue): string {
  return isJsonObject(value) && typeof value["master"] === "string" ? value["master"] : "";
}

export function unreadable(why: string): PawlError {
  return new PawlError(
    "DATA_UNREADABLE",
    `${why}. Give the store the master key that wrapped it; what was shredded cannot be read again.`,
  );
}
