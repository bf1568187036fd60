import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { PawlError } from "../core/errors.ts";
import { errorText, type JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { NotifyHub } from "./notify-hub.ts";
import { FrameReader, listIn, numberIn, sendFrame, textIn, type Frame } from "./socket-frames.ts";
import { prepareSocketFolder, type SqliteFiles } from "./sqlite-files.ts";
import type { SqliteHost } from "./sqlite-host.ts";
import { isMethod, plainOf, type StoreAnswer } from "./sqlite-requests.ts";

/** Raised when messages change so that older processes would misread them. */
export const SOCKET_PROTOCOL = 1;

/** How long one who does not read its last answers can hold up the end. */
const LEAVE_MS = 1_000;

/**
 * The socket beside a database: other processes of this machine call the store through the one that holds it. What they
 * write joins the same groups as its own writes.
 */
export class SqliteServer {
  readonly #server: Server;
  readonly #guests = new Set<Guest>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /**
   * Listens; the caller must hold the lock, which makes a socket that is there already a dead process' one.
   * @throws what listening threw
   */
  static async listen(files: SqliteFiles, host: SqliteHost, hub: NotifyHub): Promise<SqliteServer> {
    prepareSocketFolder(files);
    if (process.platform !== "win32") rmSync(files.socket, { force: true });
    const server = createServer();
    const own = new SqliteServer(server);
    server.on("connection", (socket) => {
      const guest = new Guest({ socket, host, hub });
      own.#guests.add(guest);
      socket.on("close", () => own.#guests.delete(guest));
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(files.socket, resolve);
    });
    server.on("error", (error) => process.emitWarning(`socket of "${files.path}": ${errorText(error)}`, "PawlWarning"));
    if (process.platform !== "win32") chmodSync(files.socket, 0o600);
    server.unref();
    return own;
  }

  /** Answers what was asked, then sends everybody away. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    await Promise.all([...this.#guests].map((guest) => guest.leave()));
    await closed;
  }
}

interface GuestOptions {
  readonly socket: Socket;
  readonly host: SqliteHost;
  readonly hub: NotifyHub;
}

interface Call {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

/** One process that came over the socket. */
class Guest {
  readonly #socket: Socket;
  readonly #host: SqliteHost;
  readonly #hub: NotifyHub;
  readonly #reader = new FrameReader();
  readonly #subscriptions = new Map<string, () => void>();
  readonly #inFlight = new Set<Promise<void>>();
  #isLeaving = false;

  constructor({ socket, host, hub }: GuestOptions) {
    this.#socket = socket;
    this.#host = host;
    this.#hub = hub;
    socket.unref();
    socket.on("data", (piece: Buffer) => this.#read(piece));
    // a broken connection is told by "close"; without a listener its error would end the process
    socket.on("error", () => {});
    socket.on("close", () => {
      for (const end of this.#subscriptions.values()) end();
      this.#subscriptions.clear();
    });
  }

  async leave(): Promise<void> {
    this.#isLeaving = true;
    this.#socket.pause();
    await Promise.all(this.#inFlight);
    await new Promise<void>((resolve) => {
      if (this.#socket.destroyed) resolve();
      else this.#socket.once("close", () => resolve());
      this.#socket.setTimeout(LEAVE_MS, () => this.#socket.destroy());
      this.#socket.destroySoon();
    });
  }

  #read(piece: Buffer): void {
    try {
      for (const frame of this.#reader.push(piece)) this.#take(frame);
    } catch (error) {
      this.#send({ type: "refused", reason: errorText(error) });
      this.#socket.destroySoon();
    }
  }

  #take({ message, bytes }: Frame): void {
    switch (textIn(message, "type")) {
      case "hello":
        this.#send({ type: "hello", protocol: SOCKET_PROTOCOL, pid: process.pid });
        return;
      case "call":
        this.#begin(message, bytes);
        return;
      case "publish":
        this.#hub.publish(textIn(message, "channel"), textIn(message, "text"));
        return;
      case "subscribe":
        this.#subscribe(textIn(message, "channel"));
        return;
      case "unsubscribe":
        this.#subscriptions.get(textIn(message, "channel"))?.();
        this.#subscriptions.delete(textIn(message, "channel"));
        return;
      default:
        throw new PawlError("STORE_UNREACHABLE", `message "${textIn(message, "type")}" is unknown here.`);
    }
  }

  #begin(message: JsonObject, bytes: Uint8Array | null): void {
    const args = listIn(message, "args");
    const answering = this.#answer({
      id: numberIn(message, "id"),
      method: textIn(message, "method"),
      args: bytes === null ? args : [...args, bytes],
    });
    this.#inFlight.add(answering);
    if (this.#inFlight.size >= limits.storeCallsInFlight) this.#socket.pause();
    void answering.then(() => {
      this.#inFlight.delete(answering);
      if (this.#socket.isPaused() && !this.#isLeaving) this.#socket.resume();
    });
  }

  /** Never rejects: what goes wrong is the answer. */
  async #answer({ id, method, args }: Call): Promise<void> {
    let answer: StoreAnswer;
    try {
      if (!isMethod(method)) throw new PawlError("INTERNAL", `the store has no method "${method}".`);
      answer = { ok: true, value: await this.#host.call(method, args) };
    } catch (error) {
      answer = { ok: false, error: PawlError.is(error) ? error : new PawlError("INTERNAL", errorText(error)) };
    }
    if (this.#socket.destroyed) return;
    if (answer.ok && answer.value instanceof Uint8Array) this.#send({ type: "answer", id, ok: true }, answer.value);
    else this.#send({ type: "answer", id, ...plainOf(answer) });
  }

  #subscribe(channel: string): void {
    if (this.#subscriptions.has(channel)) return;
    if (this.#subscriptions.size >= limits.storeSubscriptions) {
      throw new PawlError("STORE_UNREACHABLE", `more than ${limits.storeSubscriptions} channels are subscribed.`);
    }
    const end = this.#hub.subscribe(channel, (text) => {
      // hints are lossy: one who does not read does not pile them up here
      if (this.#socket.writableLength < limits.storeUnsentHintBytes) this.#send({ type: "hint", channel, text });
    });
    this.#subscriptions.set(channel, end);
  }

  /** One who asks and does not read its answers is sent away. */
  #send(message: object, bytes: Uint8Array | null = null): void {
    if (this.#socket.writableLength > limits.storeUnsentBytes) this.#socket.destroy();
    else sendFrame(this.#socket, message, bytes);
  }
}
