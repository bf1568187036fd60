import type { Clock } from "../core/clock.ts";
import { limits } from "../core/limits.ts";

interface Entry<T> {
  readonly value: Promise<T | null>;
  readonly readAt: number;
}

/**
 * What the store says about a credential, asked at most once in limits.credentialCacheMs: so long may a revoked key
 * still work in another process. Bounded: the oldest answers go first.
 */
export class CredentialCache<T> {
  readonly #clock: Clock;
  readonly #read: (id: string) => Promise<T | null>;
  readonly #entries = new Map<string, Entry<T>>();

  constructor(clock: Clock, read: (id: string) => Promise<T | null>) {
    this.#clock = clock;
    this.#read = read;
  }

  get(id: string): Promise<T | null> {
    const now = this.#clock.monotonicMs();
    const known = this.#entries.get(id);
    if (known !== undefined && now - known.readAt < limits.credentialCacheMs) return known.value;
    this.#entries.delete(id);
    const entry = { value: this.#read(id), readAt: now };
    this.#entries.set(id, entry);
    // a store that failed is asked again at once
    entry.value.catch(() => {
      if (this.#entries.get(id) === entry) this.#entries.delete(id);
    });
    if (this.#entries.size > limits.credentialsCached) this.#forgetOldest();
    return entry.value;
  }

  forget(id: string): void {
    this.#entries.delete(id);
  }

  #forgetOldest(): void {
    for (const id of this.#entries.keys()) {
      this.#entries.delete(id);
      return;
    }
  }
}
