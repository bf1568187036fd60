import { durationText } from "./figures.ts";
import { columns, isTerminal, oneLine, paint } from "./terminal.ts";

const EVERY_MS = 250;
const ERASE = "\r\u001B[K";

/** One line at the bottom of a terminal that says what is being waited for; nothing on a pipe. */
export class LiveLine {
  #timer: NodeJS.Timeout | null = null;
  #isShown = false;

  /** Replaces what is shown; the time since then counts up. */
  wait(what: string): void {
    this.clear();
    if (!isTerminal()) return;
    const startedMs = performance.now();
    this.#timer = setInterval(() => {
      const text = oneLine(`${what} … ${durationText(performance.now() - startedMs)}`, columns() - 1);
      process.stdout.write(`${ERASE}${paint("dim", text)}`);
      this.#isShown = true;
    }, EVERY_MS).unref();
  }

  clear(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    if (this.#isShown) process.stdout.write(ERASE);
    this.#isShown = false;
  }
}
