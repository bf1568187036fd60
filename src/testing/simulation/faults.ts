/** What the simulator may do to a run, each kind with its own probability per opportunity. */
export const faultKinds = [
  /** A worker ends without a word: nothing of it settles any more. */
  "crash",
  /** A worker ends soon after it took a run, as if the run had killed it. */
  "poison",
  /** A worker stands still, longer than its session may be silent or shorter, then goes on. */
  "pause",
  /** A worker shuts down in good order. */
  "shutdown",
  /** A request to the store is lost before it is applied. */
  "request-lost",
  /** A request to the store is applied, and its answer is lost. */
  "answer-lost",
  /** The store is given up on, and applies the request later. */
  "late-write",
  /** An index read leaves out runs, or gives some that are not due. */
  "index-stale",
  "hint-lost",
  "hint-doubled",
  /** A tool, step or model fails before it acts. */
  "effect-lost",
  /** A worker stands still between its last look at its right and the effect. */
  "pause-at-effect",
  /** A tool or step is given up on with an error, and acts later, within its time limit. */
  "effect-late",
  /** A tool, step or model acts, and its answer is lost. */
  "effect-answer-lost",
  /** A tool, step or model never answers; it may act or not. */
  "effect-silent",
  /** A process' date jumps; its monotonic clock does not. */
  "clock-jump",
  /** A client says the same thing twice at once, with the same message id. */
  "message-doubled",
  /** A client gives up, not knowing what became of what it said. */
  "client-ended",
  /** A person claims an approval, and may or may not decide it. */
  "approval-claimed",
  /** Somebody forks a run. */
  "fork",
  /** A person decides, cancels, pauses or steers where nobody expects it. */
  "outsider",
] as const;

export type FaultKind = (typeof faultKinds)[number];

export type FaultRates = { readonly [kind in FaultKind]?: number };

/** Probability per opportunity at which a kind is rolled when a seed has it at all. */
export const defaultRates: Required<FaultRates> = {
  crash: 0.02,
  poison: 1.2,
  pause: 0.025,
  shutdown: 0.008,
  "request-lost": 0.03,
  "answer-lost": 0.03,
  "late-write": 0.02,
  "index-stale": 0.1,
  "hint-lost": 0.4,
  "hint-doubled": 0.15,
  "effect-lost": 0.1,
  "pause-at-effect": 0.05,
  "effect-late": 0.06,
  "effect-answer-lost": 0.1,
  "effect-silent": 0.06,
  "clock-jump": 0.01,
  "message-doubled": 0.2,
  "client-ended": 0.3,
  "approval-claimed": 0.02,
  fork: 0.002,
  outsider: 0.02,
};

export type FaultCounts = { readonly [kind in FaultKind]: { readonly all: number; readonly live: number } };

/** Decides by the seed's numbers where a fault strikes, and counts those that struck a live run. */
export class FaultDice {
  readonly #random: () => number;
  readonly #rates = new Map<FaultKind, number>();
  readonly #all = new Map<FaultKind, number>();
  readonly #live = new Map<FaultKind, number>();
  #isCalm = false;

  /** Each seed has about half of the kinds, so that every kind also meets a world without the others. */
  constructor(random: () => number, rates: FaultRates = {}) {
    this.#random = random;
    for (const kind of faultKinds) {
      const strength = random() < 0.5 ? 0 : 0.3 + random();
      this.#rates.set(kind, (rates[kind] ?? defaultRates[kind]) * strength);
    }
  }

  /** From here on nothing is struck. */
  calm(): void {
    this.#isCalm = true;
  }

  get isCalm(): boolean {
    return this.#isCalm;
  }

  roll(kind: FaultKind, isLive: boolean): boolean {
    const rate = this.#rates.get(kind) ?? 0;
    if (this.#isCalm || rate === 0 || this.#random() >= rate) return false;
    this.#all.set(kind, (this.#all.get(kind) ?? 0) + 1);
    if (isLive) this.#live.set(kind, (this.#live.get(kind) ?? 0) + 1);
    return true;
  }

  counts(): FaultCounts {
    const entries = faultKinds.map((kind) => [
      kind,
      { all: this.#all.get(kind) ?? 0, live: this.#live.get(kind) ?? 0 },
    ]);
    return Object.fromEntries(entries) as FaultCounts;
  }
}

export const noFaults: FaultCounts = Object.fromEntries(
  faultKinds.map((kind) => [kind, { all: 0, live: 0 }]),
) as FaultCounts;

export function addFaults(a: FaultCounts, b: FaultCounts): FaultCounts {
  const entries = faultKinds.map((kind) => [
    kind,
    { all: a[kind].all + b[kind].all, live: a[kind].live + b[kind].live },
  ]);
  return Object.fromEntries(entries) as FaultCounts;
}
