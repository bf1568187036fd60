/** Limits of one endpoint as configured; absent = none is known. */
export interface ConfiguredRates {
  readonly name: string;
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
}

/** What one attempt takes: itself, and its tokens by estimate. */
export interface RateCost {
  readonly tokens: number;
}

/** What a response told of a limit: of its size per minute, what is left, and when it is full again. */
export interface LimitNews {
  readonly limit: number | null;
  readonly remaining: number | null;
  readonly resetMs: number | null;
}
export interface RateNews {
  readonly requests: LimitNews;
  readonly tokens: LimitNews;
}

/**
 * The allowance of endpoints, requests and tokens per minute. The pool's own lives in its process; one that workers
 * share, on a ledger, has the same shape.
 */
export interface RateLimiter {
  /** Takes the cost. @returns 0 once taken, otherwise ms after which to ask again, with nothing taken */
  take(endpoint: string, cost: RateCost, nowMs: number): number | Promise<number>;
  /** Corrects an estimate: `tokens` more (or, below 0, less) were used. */
  correct(endpoint: string, tokens: number, nowMs: number): void;
  /** What the provider said: its word counts where it is stricter, or where nothing was configured. */
  learn(endpoint: string, news: RateNews, nowMs: number): void;
  /** The limits in force. Absent: those that are configured. */
  inForce?(endpoint: string): Omit<ConfiguredRates, "name">;
}

const MINUTE_MS = 60_000;
/** A provider that says "full in a day" means a quota, not a rate: it is asked again before. */
const RESET_MAX_MS = 60_000;

class Bucket {
  readonly #configured: number | null;
  #perMinute: number | null;
  #level: number;
  #atMs: number | null = null;
  #emptyUntilMs = 0;

  constructor(perMinute: number | null) {
    this.#configured = perMinute;
    this.#perMinute = perMinute;
    this.#level = perMinute ?? 0;
  }

  get perMinute(): number | null {
    return this.#perMinute;
  }

  waitMs(cost: number, nowMs: number): number {
    if (this.#emptyUntilMs > nowMs) return this.#emptyUntilMs - nowMs;
    if (this.#perMinute === null) return 0;
    this.#fill(nowMs);
    const needed = Math.min(cost, this.#perMinute);
    return this.#level >= needed ? 0 : Math.ceil(((needed - this.#level) / this.#perMinute) * MINUTE_MS);
  }

  take(cost: number): void {
    if (this.#perMinute !== null) this.#level -= cost;
  }

  learn({ limit, remaining, resetMs }: LimitNews, nowMs: number): void {
    if (limit !== null && limit > 0) {
      const perMinute = Math.min(limit, this.#configured ?? limit);
      if (this.#perMinute === null) this.#level = perMinute;
      this.#perMinute = perMinute;
    }
    this.#fill(nowMs);
    if (remaining !== null) this.#level = Math.min(this.#level, remaining);
    if (remaining === 0 && resetMs !== null) this.#emptyUntilMs = nowMs + Math.min(resetMs, RESET_MAX_MS);
  }

  #fill(nowMs: number): void {
    const perMinute = this.#perMinute ?? 0;
    const passedMs = Math.max(0, nowMs - (this.#atMs ?? nowMs));
    this.#atMs = nowMs;
    this.#level = Math.min(perMinute, this.#level + (passedMs / MINUTE_MS) * perMinute);
  }
}

/** Buckets of one process. */
export function localRates(endpoints: readonly ConfiguredRates[]): RateLimiter {
  const buckets = new Map(
    endpoints.map(({ name, requestsPerMinute, tokensPerMinute }) => [
      name,
      { requests: new Bucket(requestsPerMinute ?? null), tokens: new Bucket(tokensPerMinute ?? null) },
    ]),
  );
  return {
    take(endpoint, { tokens }, nowMs) {
      const pair = buckets.get(endpoint);
      if (pair === undefined) return 0;
      const waitMs = Math.max(pair.requests.waitMs(1, nowMs), pair.tokens.waitMs(tokens, nowMs));
      if (waitMs > 0) return waitMs;
      pair.requests.take(1);
      pair.tokens.take(tokens);
      return 0;
    },
    correct: (endpoint, tokens) => buckets.get(endpoint)?.tokens.take(tokens),
    learn(endpoint, news, nowMs) {
      buckets.get(endpoint)?.requests.learn(news.requests, nowMs);
      buckets.get(endpoint)?.tokens.learn(news.tokens, nowMs);
    },
    inForce(endpoint) {
      const pair = buckets.get(endpoint);
      const requestsPerMinute = pair?.requests.perMinute ?? null;
      const tokensPerMinute = pair?.tokens.perMinute ?? null;
      return {
        ...(requestsPerMinute !== null && { requestsPerMinute }),
        ...(tokensPerMinute !== null && { tokensPerMinute }),
      };
    },
  };
}

type Headers = Pick<globalThis.Headers, "get">;

/**
 * Reads `x-ratelimit-*` (OpenAI and those who copy it: `limit-requests`, reset as `6m0s`) and `anthropic-ratelimit-*`
 * (`requests-limit`, reset as a date). null where nothing was told.
 */
export function rateNewsOf(headers: Headers, nowMs: number): RateNews | null {
  const openai = (kind: string): LimitNews =>
    newsOf([`x-ratelimit-limit-${kind}`, `x-ratelimit-remaining-${kind}`, `x-ratelimit-reset-${kind}`], headers, nowMs);
  const anthropic = (kind: string): LimitNews => {
    const stem = `anthropic-ratelimit-${kind}`;
    return newsOf([`${stem}-limit`, `${stem}-remaining`, `${stem}-reset`], headers, nowMs);
  };
  const [requests, tokens] = [openai("requests"), openai("tokens")];
  const news = {
    requests: isSilent(requests) ? anthropic("requests") : requests,
    tokens: isSilent(tokens) ? firstTold([anthropic("tokens"), anthropic("input-tokens")]) : tokens,
  };
  return isSilent(news.requests) && isSilent(news.tokens) ? null : news;
}

function newsOf(
  [limit, remaining, reset]: readonly [string, string, string],
  headers: Headers,
  nowMs: number,
): LimitNews {
  return {
    limit: countOf(headers.get(limit)),
    remaining: countOf(headers.get(remaining)),
    resetMs: resetMsOf(headers.get(reset), nowMs),
  };
}

function isSilent({ limit, remaining }: LimitNews): boolean {
  return limit === null && remaining === null;
}

function firstTold(list: readonly [LimitNews, LimitNews]): LimitNews {
  return isSilent(list[0]) ? list[1] : list[0];
}

function countOf(text: string | null): number | null {
  const value = Number(text ?? "");
  return text !== null && text.trim() !== "" && Number.isFinite(value) && value >= 0 ? value : null;
}

const UNIT_MS: { readonly [unit: string]: number } = { ms: 1, s: 1_000, m: MINUTE_MS, h: 3_600_000, d: 86_400_000 };

/** `1s`, `6m0s`, `20ms`, `1.5s`, bare seconds, or a date; null where it is none of these. */
export function resetMsOf(text: string | null, nowMs: number): number | null {
  if (text === null || text.length > 40) return null;
  if (/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) {
    const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
    return Math.round(parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNIT_MS[unit ?? ""] ?? 0), 0));
  }
  const seconds = countOf(text);
  if (seconds !== null) return Math.round(seconds * 1_000);
  const date = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs);
}
