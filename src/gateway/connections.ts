import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../core/clock.ts";
import { limits } from "../core/limits.ts";

/**
 * The connections of a server and the requests that it works on. The server's own `close` waits for every connection, also
 * for one that stays silent until its time-out; this one waits for work, and for nothing else.
 */
export class Connections {
  readonly #sockets = new Set<Socket>();
  readonly #running = new Set<IncomingMessage>();
  #onIdle: () => void = () => undefined;
  #isEnded = false;

  constructor(server: Server) {
    server.on("connection", (socket: Socket) => this.#add(socket));
    server.on("request", (request: IncomingMessage, response: ServerResponse) => this.#begin(request, response));
  }

  /**
   * Lets the requests that are here finish, those that came whole up to limits.closeMs, one whose body is still under way up
   * to limits.closeHalfSentMs; then ends every connection. Nothing that comes later is served.
   */
  async end(clock: Clock): Promise<void> {
    if (!(await this.#idleWithin(clock, limits.closeHalfSentMs))) {
      for (const { complete, socket } of this.#running) if (!complete) socket.destroy();
      await this.#idleWithin(clock, limits.closeMs - limits.closeHalfSentMs);
    }
    this.#isEnded = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  #add(socket: Socket): void {
    if (this.#isEnded) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  #begin(request: IncomingMessage, response: ServerResponse): void {
    this.#running.add(request);
    // with the last byte of the answer, or with the connection
    response.once("close", () => {
      this.#running.delete(request);
      if (this.#running.size === 0) this.#onIdle();
    });
  }

  /** @returns false = something still runs */
  async #idleWithin(clock: Clock, ms: number): Promise<boolean> {
    if (this.#running.size === 0) return true;
    const done = Promise.withResolvers<boolean>();
    this.#onIdle = () => done.resolve(true);
    const cancel = clock.setTimer(ms, () => done.resolve(false));
    const isIdle = await done.promise;
    cancel();
    return isIdle;
  }
}
