import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** A way to a server of this machine that can lose what it answers. */
export class TcpProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #losesAnswer = false;
  #isFrozen = false;

  private constructor(target: number) {
    this.#server = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect(target, "127.0.0.1");
      this.#keep(near, far);
      near.on("data", (bytes) => {
        if (!this.#isFrozen) far.write(bytes);
      });
      near.on("end", () => {
        if (!this.#isFrozen) far.end();
      });
      far.on("data", (bytes) => {
        // the server has answered, so it has done what it was asked: nobody hears of it
        if (this.#losesAnswer) {
          this.#losesAnswer = false;
          near.destroy();
        } else if (!this.#isFrozen) near.write(bytes);
      });
      far.on("end", () => {
        if (!this.#isFrozen) near.end();
      });
    });
  }

  static async start(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy does not listen");
    return address.port;
  }

  /** The next answer breaks its connection instead of arriving. */
  loseAnswer(): void {
    this.#losesAnswer = true;
  }

  /** From now on nothing comes through, and no connection breaks. */
  freeze(): void {
    this.#isFrozen = true;
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #keep(near: Socket, far: Socket): void {
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }
}
