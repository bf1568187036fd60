import type { Clock } from "../core/clock.ts";
import { isJsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { RecordStore } from "../core/store-contract.ts";
import type { ApiKeys } from "./api-keys.ts";
import type { Caller } from "./caller.ts";
import { CredentialCache } from "./credential-cache.ts";
import { newSecret, secretHash } from "./secrets.ts";
import { systemTenant } from "./system-tenant.ts";

interface SessionRecord {
  readonly keyId: string;
  readonly expiresAt: number;
}

const TOKEN = /^[A-Za-z0-9_-]{43}$/;

/**
 * Browsers that showed a key. The token is opaque and always new, so none can be planted; the store holds its hash. A
 * session has the rights of its key, and ends with it.
 */
export class Sessions {
  readonly #store: RecordStore;
  readonly #clock: Clock;
  readonly #keys: ApiKeys;
  readonly #cache: CredentialCache<SessionRecord>;

  constructor(store: RecordStore, clock: Clock, keys: ApiKeys) {
    this.#store = store;
    this.#clock = clock;
    this.#keys = keys;
    this.#cache = new CredentialCache(clock, (hash) => this.#read(hash));
  }

  /** @returns the token for the cookie, and when it ends. `keyId` was verified by the caller. */
  async open(keyId: string): Promise<{ readonly token: string; readonly expiresAt: number }> {
    const token = newSecret();
    const expiresAt = this.#clock.nowMs() + limits.sessionMs;
    await this.#store.putRecord(systemTenant, keyOf(secretHash(token)), { keyId, expiresAt }, {}, limits.sessionMs);
    return { token, expiresAt };
  }

  /** null = unknown, expired, or its key is no longer in force. */
  async verify(token: string): Promise<Caller | null> {
    if (!TOKEN.test(token)) return null;
    return this.#callerOf(secretHash(token));
  }

  /** The same by the credential of a caller that was verified before. */
  async stillValid(credential: string): Promise<boolean> {
    return (await this.#callerOf(credential.slice("session:".length))) !== null;
  }

  async close(token: string): Promise<void> {
    const hash = secretHash(token);
    await this.#store.deleteRecord(systemTenant, keyOf(hash));
    this.#cache.forget(hash);
  }

  async #callerOf(hash: string): Promise<Caller | null> {
    const session = await this.#cache.get(hash);
    if (session === null || session.expiresAt <= this.#clock.nowMs()) return null;
    const caller = await this.#keys.callerOf(session.keyId);
    if (caller === null) return null;
    const expiresAt = Math.min(session.expiresAt, caller.expiresAt ?? Infinity);
    return { ...caller, kind: "session", credential: `session:${hash}`, expiresAt };
  }

  async #read(hash: string): Promise<SessionRecord | null> {
    const value = (await this.#store.getRecord(systemTenant, keyOf(hash)))?.value;
    if (!isJsonObject(value)) return null;
    const { keyId, expiresAt } = value;
    return typeof keyId === "string" && typeof expiresAt === "number" ? { keyId, expiresAt } : null;
  }
}

function keyOf(hash: string): string {
  return `sessions/${hash}`;
}
