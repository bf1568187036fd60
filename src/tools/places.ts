import { notApplied } from "../core/errors.ts";

/** So many at once; the others wait, in order. */
export class Places {
  #free: number;
  readonly #waitingMax: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number, waitingMax: number) {
    this.#free = places;
    this.#waitingMax = waitingMax;
  }

  async take(signal: AbortSignal): Promise<void> {
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    if (this.#waiting.length >= this.#waitingMax)
      throw notApplied(`${this.#waitingMax} calls wait already: try again later.`);
    await new Promise<void>((go, stop) => {
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        stop(signal.reason as Error);
      };
      const enter = (): void => {
        signal.removeEventListener("abort", leave);
        go();
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.push(enter);
    });
  }

  /** Hands its place to the next. */
  free(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}
