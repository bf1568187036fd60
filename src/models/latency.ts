/** After so long a slow answer counts a third: an endpoint that was slow is tried again. */
const DECAY_MS = 10_000;

/** Average of the time to the first part: rises at once, falls with time, so that a slow endpoint is left quickly. */
export class Latency {
  #ms: number | null = null;
  #atMs = 0;

  /** null before the first answer. */
  at(nowMs: number): number | null {
    return this.#ms === null ? null : Math.max(1, this.#ms * Math.exp(-(nowMs - this.#atMs) / DECAY_MS));
  }

  /** The last average, without what time took off it: for people. */
  get last(): number | null {
    return this.#ms === null ? null : Math.round(this.#ms);
  }

  /** A call that was given up after so long without a part. */
  atLeast(sampleMs: number, nowMs: number): void {
    if (sampleMs > (this.at(nowMs) ?? 0)) this.observe(sampleMs, nowMs);
  }

  observe(sampleMs: number, nowMs: number): void {
    const before = this.#ms;
    if (before === null || sampleMs >= before) this.#ms = sampleMs;
    else {
      const kept = Math.exp(-(nowMs - this.#atMs) / DECAY_MS);
      this.#ms = before * kept + sampleMs * (1 - kept);
    }
    this.#atMs = nowMs;
  }
}

const SAMPLES = 128;
const SAMPLES_MIN = 20;

/** The last first parts of a route, for the delay of a hedge. */
export class Percentile {
  readonly #samples: number[] = [];
  #next = 0;

  observe(sampleMs: number): void {
    this.#samples[this.#next] = sampleMs;
    this.#next = (this.#next + 1) % SAMPLES;
  }

  /** One that was left after so long without a part: without these, each hedge would make the next one earlier. */
  atLeast(sampleMs: number): void {
    if (sampleMs >= (this.p95() ?? Infinity)) this.observe(sampleMs);
  }

  /** null while too few are known. */
  p95(): number | null {
    return this.#samples.length < SAMPLES_MIN ? null : this.at(0.95);
  }

  /** Of however few there are: for people. */
  at(share: number): number | null {
    return this.#samples.toSorted((a, b) => a - b)[Math.floor(this.#samples.length * share)] ?? null;
  }
}
