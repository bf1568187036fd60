import type { Detection, Detector } from "../core/guard-rules.ts";
import type { RunRef } from "../core/id.ts";
import type { Verdict } from "../core/policy.ts";
import type { EngineDeps } from "./deps.ts";
import type { ReadText } from "./run-reading.ts";
import { withTimeLimit } from "./time-limit.ts";

const DETECTOR_MS = 2_000;
const TEXT_CHARS = 20_000;
const LABEL_CHARS = 60;
/** Texts that are looked at, the newest, and answers that are kept. */
const TEXTS_MAX = 16;

const levels = ["none", "flag", "ask"];

/** Asks an operator's detectors about what a run has read: each text once, while this process has the run. */
export class Detected {
  readonly #deps: EngineDeps;
  readonly #ref: RunRef;
  readonly #known = new Map<string, Promise<readonly Verdict[]>>();

  constructor(deps: EngineDeps, ref: RunRef) {
    this.#deps = deps;
    this.#ref = ref;
  }

  /** Verdicts of `allow` that carry a flag, or `ask`. */
  async verdicts(read: readonly ReadText[]): Promise<readonly Verdict[]> {
    const newest = read.slice(-TEXTS_MAX);
    const found = await Promise.all(newest.map((text) => this.#of(text)));
    for (const callId of this.#known.keys())
      if (newest.every((text) => text.callId !== callId)) this.#known.delete(callId);
    return found.flat();
  }

  #of(text: ReadText): Promise<readonly Verdict[]> {
    const known = this.#known.get(text.callId);
    if (known !== undefined) return known;
    const detectors = this.#deps.guard?.detectors ?? [];
    const asked = Promise.all(detectors.map((detector) => this.#ask(detector, text))).then((said) => said.flat());
    this.#known.set(text.callId, asked);
    return asked;
  }

  async #ask(detector: Detector, { callId, tool, text }: ReadText): Promise<readonly Verdict[]> {
    const ctx = { ...this.#ref, tool, callId };
    const never = new AbortController().signal;
    const shown = text.slice(0, TEXT_CHARS).toWellFormed();
    const said = await withTimeLimit(this.#deps.clock, DETECTOR_MS, never, () => detector(shown, ctx));
    if (said.type !== "value" || !isDetection(said.value)) return [{ decision: "allow", rules: ["detector.failed"] }];
    const { level, label = "found" } = said.value;
    if (level === "none") return [];
    const rules = [`detector.${label.slice(0, LABEL_CHARS).toWellFormed()}`];
    if (level === "flag") return [{ decision: "allow", rules }];
    return [
      { decision: "ask", rules, reason: `a detector finds in what ${tool} gave: ${label.slice(0, LABEL_CHARS)}` },
    ];
  }
}

function isDetection(value: unknown): value is Detection {
  const { level, label } = (value ?? {}) as Partial<Detection>;
  return levels.includes(String(level)) && (label === undefined || typeof label === "string");
}
