import type { Clock } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import { checkId } from "../core/id.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Page, RecordStore, StoredRecord } from "../core/store-contract.ts";
import type { Caller } from "./caller.ts";
import { CredentialCache } from "./credential-cache.ts";
import { isRole, roles, type Role } from "./roles.ts";
import { isSameHash, newPrefix, newSecret, secretHash } from "./secrets.ts";
import { systemTenant } from "./system-tenant.ts";

/** An API key as it may be shown: without its secret, which is stored nowhere. */
export interface ApiKey {
  /** Finds the key: the middle part of `pawl_<id>_<secret>`. */
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly principal: string;
  readonly roles: readonly Role[];
  readonly createdAt: number;
  readonly createdBy: string;
  /** null = does not expire */
  readonly expiresAt: number | null;
  /** From then on it is refused; null = in force. May lie ahead: a rotation with time to change over. */
  readonly revokedAt: number | null;
  /** The key that took its place. */
  readonly replacedBy: string | null;
}

/** A new key with its text, which is shown this once. */
export interface IssuedKey extends ApiKey {
  readonly key: string;
}

export interface KeyOptions {
  readonly name: string;
  readonly roles: readonly Role[];
  readonly createdBy: string;
  /** Whom the journal names; default `key:<id>`. */
  readonly principal?: string;
  /** null or absent = does not expire */
  readonly expiresAt?: number | null;
}

interface KeyRecord extends ApiKey {
  readonly hash: string;
}

const KEY = /^pawl_([a-z0-9]{12})_([A-Za-z0-9_-]{43})$/;
const NO_HASH = secretHash("");
const NAME_CHARS_MAX = 100;
const PUT_TRIES = 5;

/** True for text that looks like an API key, valid or not. */
export function isApiKeyText(text: string): boolean {
  return text.startsWith("pawl_");
}

/**
 * The API keys of all tenants, kept in the record part of the store. Every process of one store knows a new or revoked key
 * within limits.credentialCacheMs.
 */
export class ApiKeys {
  readonly #store: RecordStore;
  readonly #clock: Clock;
  readonly #cache: CredentialCache<KeyRecord>;

  constructor(store: RecordStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#cache = new CredentialCache(clock, (id) => this.#read(id));
  }

  /** @returns the key with its text: it cannot be shown again. @throws OPTION_INVALID, ID_INVALID */
  async create(tenant: string, options: KeyOptions): Promise<IssuedKey> {
    checkId("tenant", tenant);
    checkOptions(options, this.#clock.nowMs());
    await this.#refuseTooMany(tenant);
    const id = newPrefix();
    const secret = newSecret();
    const record: KeyRecord = {
      id,
      tenant,
      name: options.name,
      principal: options.principal ?? `key:${id}`,
      roles: [...new Set(options.roles)],
      createdAt: this.#clock.nowMs(),
      createdBy: options.createdBy,
      expiresAt: options.expiresAt ?? null,
      revokedAt: null,
      replacedBy: null,
      hash: secretHash(secret),
    };
    // the listing first: a key that works is always listed
    await this.#store.putRecord(systemTenant, listKey(tenant, id), {}, {});
    await this.#store.putRecord(systemTenant, recordKey(id), record as unknown as JsonValue, { ifAbsent: true });
    this.#cache.forget(id);
    return { ...shown(record), key: `pawl_${id}_${secret}` };
  }

  /** A tenant's keys, in force or not, in the order of their ids. */
  async list(tenant: string, cursor: string | null, limit: number): Promise<Page<ApiKey>> {
    const page = await this.#store.listRecords(systemTenant, listKey(tenant, ""), cursor, limit);
    const records = await Promise.all(page.items.map(({ key }) => this.#read(key.slice(listKey(tenant, "").length))));
    return { items: records.filter((record) => record !== null).map(shown), cursor: page.cursor };
  }

  /** @throws KEY_UNKNOWN also for a key of another tenant */
  async get(tenant: string, id: string): Promise<ApiKey> {
    return shown((await this.#stored(tenant, id)).record);
  }

  /** From now on the key is refused; every process knows within seconds. Repeating it changes nothing. @throws KEY_UNKNOWN */
  async revoke(tenant: string, id: string): Promise<ApiKey> {
    return this.#end(tenant, id, { revokedAt: this.#clock.nowMs(), replacedBy: null });
  }

  /**
   * A new key with the same name, principal, roles and expiry; the old one is refused after `graceMs` (0: at once).
   * @throws KEY_UNKNOWN · OPTION_INVALID the key is no longer in force
   */
  async rotate(
    tenant: string,
    id: string,
    by: { readonly createdBy: string; readonly graceMs?: number },
  ): Promise<IssuedKey> {
    const { record } = await this.#stored(tenant, id);
    if (!isInForce(record, this.#clock.nowMs())) {
      throw new PawlError("OPTION_INVALID", `key "${id}" is expired or revoked. Create a new one instead.`);
    }
    const { name, principal, roles: held, expiresAt } = record;
    const issued = await this.create(tenant, { name, principal, roles: held, expiresAt, createdBy: by.createdBy });
    await this.#end(tenant, id, { revokedAt: this.#clock.nowMs() + (by.graceMs ?? 0), replacedBy: issued.id });
    return issued;
  }

  /** Who holds this key; null = unknown, wrong, expired or revoked: the caller is not told which. */
  async verify(text: string): Promise<Caller | null> {
    const [, id = "", secret = ""] = KEY.exec(text) ?? [];
    const record = id === "" ? null : await this.#cache.get(id);
    const isRight = isSameHash(secretHash(secret), record?.hash ?? NO_HASH) && record !== null;
    return isRight && isInForce(record, this.#clock.nowMs()) ? callerOf(record) : null;
  }

  /** The caller behind a key id that was verified before; null = no longer in force. */
  async callerOf(id: string): Promise<Caller | null> {
    const record = await this.#cache.get(id);
    return record !== null && isInForce(record, this.#clock.nowMs()) ? callerOf(record) : null;
  }

  async #end(tenant: string, id: string, end: Pick<KeyRecord, "revokedAt" | "replacedBy">): Promise<ApiKey> {
    for (let tries = 0; tries < PUT_TRIES; tries++) {
      const { record, version } = await this.#stored(tenant, id);
      const isEarlier = record.revokedAt !== null && record.revokedAt <= (end.revokedAt ?? 0);
      if (isEarlier) return shown(record);
      const next = { ...record, revokedAt: end.revokedAt, replacedBy: end.replacedBy ?? record.replacedBy };
      const put = await this.#store.putRecord(systemTenant, recordKey(id), next as unknown as JsonValue, {
        ifVersion: version,
      });
      this.#cache.forget(id);
      if (put.type === "ok") return shown(next);
    }
    throw new PawlError("JOURNAL_CONFLICT", `key "${id}" is being changed by somebody else. Try again.`);
  }

  async #stored(tenant: string, id: string): Promise<{ readonly record: KeyRecord; readonly version: number }> {
    const found = await this.#store.getRecord(systemTenant, recordKey(id));
    const record = found === null ? null : recordOf(found);
    if (found === null || record === null || record.tenant !== tenant) {
      throw new PawlError("KEY_UNKNOWN", `no key "${id.slice(0, 40)}". List them with "pawl keys list".`);
    }
    return { record, version: found.version };
  }

  async #read(id: string): Promise<KeyRecord | null> {
    const found = await this.#store.getRecord(systemTenant, recordKey(id));
    return found === null ? null : recordOf(found);
  }

  /** Bounds what may be created; keys that are over are forgotten first. */
  async #refuseTooMany(tenant: string): Promise<void> {
    const { items, cursor } = await this.list(tenant, null, limits.keysPerTenant);
    if (items.length < limits.keysPerTenant && cursor === null) return;
    const over = items.filter((key) => !isInForce(key, this.#clock.nowMs()));
    for (const { id } of over) {
      await this.#store.deleteRecord(systemTenant, recordKey(id));
      await this.#store.deleteRecord(systemTenant, listKey(tenant, id));
    }
    if (over.length > 0) return;
    throw new PawlError(
      "OPTION_INVALID",
      `tenant "${tenant}" has ${limits.keysPerTenant} keys in force, which is the limit. Revoke one first.`,
    );
  }
}

function isInForce(key: ApiKey, nowMs: number): boolean {
  return (key.expiresAt === null || nowMs < key.expiresAt) && (key.revokedAt === null || nowMs < key.revokedAt);
}

function callerOf(record: KeyRecord): Caller {
  const { id, tenant, principal, expiresAt } = record;
  return { tenant, principal, roles: record.roles, keyId: id, kind: "key", credential: `key:${id}`, expiresAt };
}

function shown({ hash: _hash, ...key }: KeyRecord): ApiKey {
  return key;
}

function recordKey(id: string): string {
  return `keys/${id}`;
}

function listKey(tenant: string, id: string): string {
  return `tenant-keys/${tenant}/${id}`;
}

function checkOptions({ name, roles: wanted, expiresAt, principal }: KeyOptions, nowMs: number): void {
  if (name.length === 0 || name.length > NAME_CHARS_MAX || /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(name)) {
    throw new PawlError("OPTION_INVALID", `a key has a name of 1 to ${NAME_CHARS_MAX} characters that can be seen.`);
  }
  if (wanted.length === 0 || !wanted.every(isRole)) {
    throw new PawlError(
      "OPTION_INVALID",
      `a key has roles of ${roles.join(", ")}; got "${wanted.join(", ").slice(0, 100)}".`,
    );
  }
  if (principal !== undefined && !/^[\x21-\x7e]{1,128}$/.test(principal)) {
    throw new PawlError("OPTION_INVALID", "a principal is 1 to 128 visible ASCII characters, such as ada@example.com.");
  }
  if (expiresAt !== undefined && expiresAt !== null && !(expiresAt > nowMs)) {
    throw new PawlError("OPTION_INVALID", "a key expires in the future, or not at all.");
  }
}

/** null = not a record of a key: it opens nothing. */
function recordOf({ value }: StoredRecord): KeyRecord | null {
  if (!isJsonObject(value) || !isKeyRecord(value)) return null;
  return value as unknown as KeyRecord;
}

function isKeyRecord(value: JsonObject): boolean {
  const isText = (name: string): boolean => typeof value[name] === "string" && value[name] !== "";
  const held = value["roles"];
  return ["id", "tenant", "hash", "principal"].every(isText) && Array.isArray(held) && held.every(isRole);
}
