import type { Clock } from "../core/clock.ts";
import { isJsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { RecordStore } from "../core/store-contract.ts";
import { localRates, type ConfiguredRates, type RateLimiter } from "./rate-limit.ts";
import { wallClock } from "./wall-clock.ts";

/** Beside all tenants: an endpoint's allowance is nobody's own. */
const TENANT = "~models";
const MINUTE_MS = 60_000;
/** Share of a minute's allowance that a worker takes at once: a write for each call would cost more than the call. */
const SHARE = 0.05;

/** What a worker took from the shared bucket and has not used; `tokens` below 0 is owed. */
interface Stock {
  requests: number;
  tokens: number;
  untilMs: number;
}
/** The shared bucket of an endpoint, as its record has it: levels at a time. */
interface Level {
  readonly at: number;
  readonly requests: number;
  readonly tokens: number;
}

/**
 * Buckets that all workers on a store share, for `on: { rates }` of a pool: together they stay within what is configured. A
 * worker takes a twentieth of a minute's allowance at once and gives up what it has not used after a few seconds; the
 * record is changed on condition, so none takes what another took. What a provider tells, each process keeps for itself.
 */
export function sharedRates(
  store: Pick<RecordStore, "getRecord" | "putRecord">,
  clock: Pick<Clock, "nowMs"> = wallClock,
): (endpoints: readonly ConfiguredRates[]) => RateLimiter {
  return (endpoints) => {
    const own = localRates(endpoints);
    const shared = new Map(endpoints.map((endpoint) => [endpoint.name, new SharedBucket(store, clock, endpoint)]));
    return {
      async take(name, cost, nowMs) {
        const bucket = shared.get(name);
        const sharedMs = (await bucket?.take(cost.tokens)) ?? 0;
        if (sharedMs > 0) return sharedMs;
        const ownMs = await own.take(name, cost, nowMs);
        if (ownMs > 0) bucket?.giveBack(cost.tokens);
        return ownMs;
      },
      correct(name, tokens, nowMs) {
        shared.get(name)?.correct(tokens);
        own.correct(name, tokens, nowMs);
      },
      learn: (name, news, nowMs) => own.learn(name, news, nowMs),
      inForce: (name) => own.inForce?.(name) ?? {},
    };
  };
}

class SharedBucket {
  readonly #store: Pick<RecordStore, "getRecord" | "putRecord">;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #name: string;
  /** Per minute; null = not limited. */
  readonly #requests: number | null;
  readonly #tokens: number | null;
  readonly #stock: Stock = { requests: 0, tokens: 0, untilMs: 0 };

  constructor(
    store: Pick<RecordStore, "getRecord" | "putRecord">,
    clock: Pick<Clock, "nowMs">,
    { name, requestsPerMinute, tokensPerMinute }: ConfiguredRates,
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#name = name;
    this.#requests = requestsPerMinute ?? null;
    this.#tokens = tokensPerMinute ?? null;
  }

  /** @returns 0 once taken, otherwise ms after which to ask again, with nothing taken */
  async take(asked: number): Promise<number> {
    if (this.#requests === null && this.#tokens === null) return 0;
    const tokens = Math.min(asked, this.#tokens ?? asked);
    const stock = this.#fresh();
    const hasRoom = (): boolean =>
      (this.#requests === null || stock.requests >= 1) && (this.#tokens === null || stock.tokens >= tokens);
    if (!hasRoom()) {
      const waitMs = await this.#refill(tokens);
      if (waitMs > 0) return waitMs;
    }
    stock.requests -= 1;
    stock.tokens -= tokens;
    return 0;
  }

  giveBack(tokens: number): void {
    this.#stock.requests += 1;
    this.#stock.tokens += Math.min(tokens, this.#tokens ?? tokens);
  }

  correct(tokens: number): void {
    this.#stock.tokens -= tokens;
  }

  /** What was taken long ago is given up; what is owed stays owed. */
  #fresh(): Stock {
    const stock = this.#stock;
    if (this.#clock.nowMs() >= stock.untilMs) {
      stock.requests = Math.min(0, stock.requests);
      stock.tokens = Math.min(0, stock.tokens);
    }
    return stock;
  }

  async #refill(tokens: number): Promise<number> {
    for (let attempt = 1; attempt <= limits.sharedRateTries; attempt++) {
      const key = `rate:${this.#name}`;
      const record = await this.#store.getRecord(TENANT, key);
      const now = this.#clock.nowMs();
      const level = this.#levelAt(
        isJsonObject(record?.value ?? null) ? (record?.value as unknown as Level) : null,
        now,
      );
      const needed = {
        requests: Math.max(0, 1 - this.#stock.requests),
        tokens: Math.max(0, tokens - this.#stock.tokens),
      };
      const waitMs = Math.max(
        waitFor(needed.requests, level.requests, this.#requests),
        waitFor(needed.tokens, level.tokens, this.#tokens),
      );
      if (waitMs > 0) return waitMs;
      const taken = {
        requests: takenOf(needed.requests, level.requests, this.#requests),
        tokens: takenOf(needed.tokens, level.tokens, this.#tokens),
      };
      const next = { at: level.at, requests: level.requests - taken.requests, tokens: level.tokens - taken.tokens };
      const condition = record === null ? { ifAbsent: true as const } : { ifVersion: record.version };
      const put = await this.#store.putRecord(TENANT, key, next, condition, limits.sharedRateKeptMs);
      if (put.type === "conflict") continue;
      this.#stock.requests += taken.requests;
      this.#stock.tokens += taken.tokens;
      this.#stock.untilMs = now + limits.sharedRateStockMs;
      return 0;
    }
    return limits.sharedRateBusyMs;
  }

  /** A new bucket is full; clocks that go back fill nothing. */
  #levelAt(known: Level | null, now: number): Level {
    const filled = (level: number | undefined, perMinute: number | null): number => {
      if (perMinute === null) return 0;
      const passedMs = known === null ? MINUTE_MS : Math.max(0, now - known.at);
      return Math.min(perMinute, (level ?? perMinute) + (passedMs / MINUTE_MS) * perMinute);
    };
    const at = Math.max(now, known?.at ?? now);
    return { at, requests: filled(known?.requests, this.#requests), tokens: filled(known?.tokens, this.#tokens) };
  }
}

function waitFor(needed: number, level: number, perMinute: number | null): number {
  if (perMinute === null) return 0;
  const wanted = Math.min(needed, perMinute);
  return level >= wanted ? 0 : Math.ceil(((wanted - level) / perMinute) * MINUTE_MS);
}

/** What is needed, and a share in stock where there is enough. */
function takenOf(needed: number, level: number, perMinute: number | null): number {
  if (perMinute === null) return 0;
  return Math.min(level, Math.max(needed, Math.ceil(perMinute * SHARE)));
}
