import type { Clock } from "../core/clock.ts";
import { errorRecord, type PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type {
  EndpointStatus,
  GenerateOptions,
  ModelEndpoint,
  ModelPart,
  ModelRequest,
} from "../core/model-contract.ts";
import { tokensOf } from "../core/usage.ts";
import { Breaker, signOf, type AttemptSign } from "./breaker.ts";
import { withDeadlines, type Deadlines } from "./deadlines.ts";
import { Gate } from "./gate.ts";
import { Latency, Percentile } from "./latency.ts";
import { rateNewsOf, type RateLimiter } from "./rate-limit.ts";

export interface MemberOptions {
  readonly endpoint: ModelEndpoint;
  readonly weight: number;
  readonly inFlightMax: number;
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  readonly shownUrl: string;
  /** Why it cannot be used now; null where it can. */
  readonly problem: () => PawlError | null;
  /** Has its key read again. */
  readonly renew: () => void;
}

export interface MemberSetup {
  readonly clock: Clock;
  readonly random: () => number;
  readonly rates: RateLimiter;
  readonly queueMax: number;
  readonly queueMs: number;
}

/** Output of a call before anything is known of an endpoint's answers. */
const OUTPUT_TOKENS = 500;
/** A probe that was chosen and never sent, because a budget refused it, frees its place after this. */
const PROBE_LEASE_MS = 1_000;

/** One endpoint of a pool with everything this process knows of it. */
export class Member {
  readonly of: MemberOptions;
  readonly gate: Gate;
  readonly breaker: Breaker;
  readonly #setup: MemberSetup;
  readonly #latency = new Latency();
  readonly #firstParts = new Percentile();
  readonly #errors = new Map<string, number>();
  #answered = 0;
  #outputTokens = OUTPUT_TOKENS;
  #limitedUntilMs = 0;
  #limitedInARow = 0;
  #probeLeaseUntilMs = 0;

  constructor(of: MemberOptions, setup: MemberSetup) {
    const { clock, random, rates, queueMax, queueMs } = setup;
    this.of = of;
    this.#setup = setup;
    this.breaker = new Breaker(random);
    this.gate = new Gate({
      endpoint: of.endpoint.name,
      clock,
      breaker: this.breaker,
      rates,
      inFlightMax: of.inFlightMax,
      queueMax,
      queueMs,
    });
  }

  get name(): string {
    return this.of.endpoint.name;
  }

  /** After a reload: its key may be another, so what it was refused for may be over. */
  renew(): void {
    this.of.renew();
    this.breaker.probeNow(this.#setup.clock.monotonicMs());
    this.gate.serve();
  }

  /** Whether a call may be sent there now, and answered: not resting, with an allowance left, not just refused for its rate. */
  isAvailable(nowMs: number): boolean {
    if (this.of.problem() !== null || this.#limitedUntilMs > nowMs || this.gate.heldMs(nowMs) > 0) return false;
    const room = this.breaker.room(nowMs);
    if (this.breaker.health(nowMs) !== "half-open") return this.gate.inFlight < room;
    return this.gate.inFlight < room && this.#probeLeaseUntilMs <= nowMs;
  }

  /** The call that was just placed here is a probe, where the endpoint is being probed. */
  lease(nowMs: number): void {
    if (this.breaker.health(nowMs) === "half-open") this.#probeLeaseUntilMs = nowMs + PROBE_LEASE_MS;
  }

  /** Until it may be available again, about. */
  restMs(nowMs: number): number {
    return Math.max(this.breaker.restMs(nowMs), this.#limitedUntilMs - nowMs, this.gate.heldMs(nowMs), 0);
  }

  /** Weight in a choice, lower while it comes back. */
  weight(nowMs: number): number {
    return this.of.weight * this.breaker.share(nowMs);
  }

  /** What one more call there costs its caller: time to the first part, for each call beside it, worse where many fail. */
  cost(nowMs: number, unknownMs: number): number {
    const beside = (this.gate.inFlight + this.gate.queued) / this.weight(nowMs);
    const latencyMs = this.#latency.at(nowMs) ?? unknownMs;
    return latencyMs * (1 + beside) * (1 + 10 * this.breaker.failureShare(nowMs));
  }

  latencyMs(nowMs: number): number | null {
    return this.#latency.at(nowMs);
  }

  learnRates(headers: Headers): void {
    const { clock, rates } = this.#setup;
    const news = rateNewsOf(headers, clock.nowMs());
    if (news !== null) rates.learn(this.name, news, clock.monotonicMs());
  }

  /** The endpoint as a route uses it: through the gate, within the route's deadlines, watched. */
  seenBy(deadlines: Partial<Deadlines>, firstParts: Percentile): ModelEndpoint {
    const { endpoint } = this.of;
    const timed = withDeadlines(endpoint, deadlines, this.#setup.clock);
    return { ...timed, generate: (request, options) => this.#attempt(timed, request, options, firstParts) };
  }

  status(nowMs: number): EndpointStatus {
    const { endpoint, weight, shownUrl } = this.of;
    const told = this.#setup.rates.inForce?.(this.name) ?? {};
    const requestsPerMinute = told.requestsPerMinute ?? this.of.requestsPerMinute;
    const tokensPerMinute = told.tokensPerMinute ?? this.of.tokensPerMinute;
    return {
      name: endpoint.name,
      provider: endpoint.provider,
      model: endpoint.model,
      baseUrl: shownUrl,
      weight,
      health: this.breaker.health(nowMs),
      problem: this.of.problem()?.message ?? null,
      inFlight: this.gate.inFlight,
      queued: this.gate.queued,
      latencyMs: this.#latency.last,
      p50Ms: this.#firstParts.at(0.5),
      p95Ms: this.#firstParts.at(0.95),
      failureShare: this.breaker.failureShare(nowMs),
      answered: this.#answered,
      errors: Object.fromEntries(this.#errors),
      requestsPerMinute,
      tokensPerMinute,
      isLimitLearnt: requestsPerMinute !== this.of.requestsPerMinute || tokensPerMinute !== this.of.tokensPerMinute,
      price: endpoint.price,
    };
  }

  async *#attempt(
    timed: ModelEndpoint,
    request: ModelRequest,
    options: GenerateOptions,
    firstParts: Percentile,
  ): AsyncGenerator<ModelPart> {
    const { clock, rates } = this.#setup;
    const input = this.#hasTokenRate() ? timed.countTokens(request) : 0;
    const expected = input + Math.min(request.params.maxOutputTokens, this.#outputTokens);
    const tenant = options.tenant ?? "";
    const leave = await this.gate.enter({ tenant, tokens: expected, signal: options.signal });
    this.#probeLeaseUntilMs = 0;
    const startMs = clock.monotonicMs();
    let firstMs: number | null = null;
    let sign: AttemptSign | null = null;
    try {
      for await (const part of timed.generate(request, options)) {
        if (firstMs === null) {
          firstMs = clock.monotonicMs() - startMs;
          this.#latency.observe(firstMs, clock.monotonicMs());
          firstParts.observe(firstMs);
          this.#firstParts.observe(Math.round(firstMs));
        }
        if (part.type === "finish") {
          sign = "ok";
          this.#answered++;
          this.#limitedInARow = 0;
          const used = part.usage === null ? expected : tokensOf(part.usage);
          rates.correct(this.name, used - expected, clock.monotonicMs());
          if (part.usage !== null) this.#outputTokens += (part.usage.outputTokens - this.#outputTokens) * 0.1;
        }
        yield part;
      }
      sign ??= "failed";
    } catch (error) {
      sign = options.signal.aborted ? null : this.#signOf(error);
      throw error;
    } finally {
      if (firstMs === null && sign === null) this.#left(clock.monotonicMs() - startMs, firstParts);
      if (sign !== null) this.breaker.record(sign, clock.monotonicMs());
      leave();
    }
  }

  /** Without one nobody asks how long a prompt is, which of a long one takes a third of what a call takes here. */
  #hasTokenRate(): boolean {
    const { rates } = this.#setup;
    if (rates.inForce === undefined) return true;
    return (rates.inForce(this.name).tokensPerMinute ?? this.of.tokensPerMinute) !== null;
  }

  /** A call that was given up without a part: it was slower than this. */
  #left(afterMs: number, firstParts: Percentile): void {
    this.#latency.atLeast(afterMs, this.#setup.clock.monotonicMs());
    firstParts.atLeast(afterMs);
  }

  #signOf(error: unknown): AttemptSign | null {
    const { code, details } = errorRecord(error, "MODEL_UNAVAILABLE");
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1);
    const nowMs = this.#setup.clock.monotonicMs();
    const told = details?.["retryAfterMs"];
    if (typeof told === "number" && told > 0) this.#limit(nowMs + Math.min(told, limits.modelRetryAfterMs));
    else if (code === "MODEL_RATE_LIMITED") {
      const pauseMs = Math.min(
        limits.modelRetryCapMs,
        limits.modelRetryBaseMs * 2 ** Math.min(10, this.#limitedInARow++),
      );
      this.#limit(nowMs + pauseMs * this.#setup.random());
    }
    return signOf(code);
  }

  /** Nobody is sent there before: not a new call, and not those that wait. */
  #limit(untilMs: number): void {
    if (untilMs <= this.#limitedUntilMs) return;
    this.#limitedUntilMs = untilMs;
    const { clock, rates } = this.#setup;
    const resetMs = untilMs - clock.monotonicMs();
    const empty = { limit: null, remaining: 0, resetMs };
    rates.learn(
      this.name,
      { requests: empty, tokens: { limit: null, remaining: null, resetMs: null } },
      clock.monotonicMs(),
    );
  }
}
