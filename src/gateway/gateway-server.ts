import { PawlError } from "../core/errors.ts";
import { Connections } from "./connections.ts";
import type { Front } from "./front/front.ts";
import type { Gateway, GatewayApp } from "./gateway.ts";
import type { Metrics } from "./metrics.ts";
import { isLoopback } from "./request-guard.ts";
import type { Upkeep } from "./upkeep.ts";

export interface ServerParts {
  readonly gateway: Gateway;
  readonly front: Front;
  readonly metrics: Metrics;
  readonly closing: AbortController;
  readonly draining: AbortController;
  readonly upkeep: Upkeep;
  /** No authentication. */
  readonly isOpen: boolean;
}

/** The gateway as a process holds it. */
export class GatewayServer {
  readonly app: GatewayApp;
  readonly #parts: ServerParts;
  readonly #connections: Connections;
  #closed: Promise<void> | null = null;

  constructor(app: GatewayApp, parts: ServerParts) {
    this.app = app;
    this.#parts = parts;
    this.#connections = new Connections(app.server);
  }

  get gateway(): Gateway {
    return this.#parts.gateway;
  }

  /** Counts of this process; tell `worker` what the runtime's `onWorkerEvent` says. */
  get metrics(): Metrics {
    return this.#parts.metrics;
  }

  /**
   * @returns the address that answers, such as http://127.0.0.1:7295
   * @throws OPTION_INVALID  without authentication on an address that others reach
   */
  async listen(at: { readonly host?: string; readonly port?: number } = {}): Promise<string> {
    const { host = "127.0.0.1", port = 0 } = at;
    if (this.#parts.isOpen && !isLoopback(host)) {
      throw new PawlError(
        "OPTION_INVALID",
        `without authentication the gateway listens on a loopback address only, not on "${host}". Use 127.0.0.1, or keys.`,
      );
    }
    await this.gateway.app.open();
    const url = await this.app.listen({ host, port });
    this.#parts.upkeep.start();
    return url;
  }

  /** Starts nothing more and is not ready; what is there is still answered. Call it when the end is near, then `close`. */
  drain(): void {
    this.#parts.draining.abort(new PawlError("DRAINING", "the gateway is shutting down."));
  }

  /**
   * Stops listening, ends streams and long polls, lets other requests finish for at most limits.closeMs, then ends every
   * connection: one that is silent holds up nothing. The runtime stays open. Idempotent.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const { gateway, front, closing, upkeep } = this.#parts;
    this.drain();
    closing.abort(new PawlError("DRAINING", "the gateway is shutting down."));
    gateway.streams.closeAll("the gateway is shutting down");
    // begins by not listening any more, and waits for the last connection
    const closed = this.app.close();
    await Promise.all([upkeep.stop(), this.#connections.end(gateway.clock)]);
    await closed;
    await front.close();
  }
}
