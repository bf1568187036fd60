import type { ServerResponse } from "node:http";
import type { Clock } from "../../core/clock.ts";
import { PawlError } from "../../core/errors.ts";
import { limits } from "../../core/limits.ts";

/**
 * Events of a streamed answer on their way to one reader. What it does not read is not fetched: `write` waits, and a reader
 * that takes nothing for limits.streamStallMs is cut. While nothing is said, comments keep proxies from giving up.
 */
export class SseAnswer {
  readonly #out: ServerResponse;
  readonly #clock: Clock;
  #cancelBeat: () => void = () => undefined;

  constructor(out: ServerResponse, clock: Clock, headers: { readonly [name: string]: string }) {
    this.#out = out;
    this.#clock = clock;
    out.on("error", () => undefined);
    out.once("close", () => this.#cancelBeat());
    out.writeHead(200, {
      ...headers,
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
    this.#beat();
  }

  /** @throws STREAM_CUT  the reader is gone, or read nothing for too long */
  async write(text: string): Promise<void> {
    if (text === "") return;
    if (this.#out.destroyed) throw gone();
    if (this.#out.write(text)) return;
    await this.#drained();
  }

  end(text: string): void {
    this.#cancelBeat();
    if (!this.#out.destroyed) this.#out.end(text);
  }

  #drained(): Promise<void> {
    const out = this.#out;
    return new Promise((resolve, reject) => {
      const settle = (error?: PawlError): void => {
        cancel();
        out.off("drain", onDrain);
        out.off("close", onClose);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onDrain = (): void => settle();
      const onClose = (): void => settle(gone());
      const cancel = this.#clock.setTimer(limits.streamStallMs, () => {
        out.destroy();
        settle(gone());
      });
      out.once("drain", onDrain);
      out.once("close", onClose);
    });
  }

  #beat(): void {
    this.#cancelBeat = this.#clock.setTimer(limits.streamHeartbeatMs, () => {
      if (this.#out.destroyed || this.#out.writableEnded) return;
      if (!this.#out.writableNeedDrain) this.#out.write(": still here\n\n");
      this.#beat();
    });
  }
}

function gone(): PawlError {
  return new PawlError("STREAM_CUT", `nothing was read for ${limits.streamStallMs / 1000} s, or the caller went away.`);
}
