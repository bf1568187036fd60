import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import type { Clock } from "../core/clock.ts";
import { PawlError, type ErrorRecord } from "../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { FrameReader, numberIn, sendFrame, textIn, type Frame } from "./socket-frames.ts";
import { answerOf, type CoreMethods, type PlainAnswer } from "./sqlite-requests.ts";
import { SOCKET_PROTOCOL } from "./sqlite-server.ts";

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: PawlError) => void;
  readonly stopTimer: () => void;
}

export interface ClientOptions {
  readonly path: string;
  readonly socketPath: string;
  readonly clock: Clock;
  readonly onHint: (channel: string, text: string) => void;
  /** Called once, when the process that holds the database is gone or has sent this one away. */
  readonly onLost: () => void;
}

/** The store of another process, called over its socket. */
export class SqliteClient {
  readonly #options: ClientOptions;
  readonly #socket: Socket;
  readonly #reader = new FrameReader();
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #isGreeted = false;
  #whenIdle: () => void = () => {};
  /** Before the other side has said hello: who waits for it. */
  #greeting: PromiseWithResolvers<SqliteClient | null> | null = Promise.withResolvers();

  private constructor(options: ClientOptions) {
    this.#options = options;
    this.#socket = createConnection(options.socketPath);
    this.#socket.on("data", (piece: Buffer) => this.#read(piece));
    // told by "close", which follows
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => this.#lost());
  }

  /**
   * @returns null when nobody answers there within a second
   * @throws STORE_LOCKED when the holder is a Pawl with which this one cannot talk
   */
  static async connect(options: ClientOptions): Promise<SqliteClient | null> {
    const client = new SqliteClient(options);
    const greeted = client.#greeting?.promise ?? null;
    const stopTimer = options.clock.setTimer(limits.storeHelloMs, () => client.#socket.destroy());
    sendFrame(client.#socket, { type: "hello", protocol: SOCKET_PROTOCOL });
    try {
      return await greeted;
    } finally {
      stopTimer();
    }
  }

  /** @throws STORE_UNREACHABLE when no answer comes in time, or the holder goes away before it */
  call(method: keyof CoreMethods, args: readonly unknown[]): Promise<unknown> {
    const last = args.at(-1);
    const bytes = last instanceof Uint8Array ? last : null;
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      if (this.#pending.size >= limits.storeQueue) {
        reject(this.#unreachable(`${limits.storeQueue} calls wait for it already; this one was not sent`));
        return;
      }
      const callMs = method === "integrity" ? limits.storeCheckMs : limits.storeCallMs;
      const stopTimer = this.#options.clock.setTimer(callMs, () => {
        this.#finish(id)?.reject(this.#unreachable(`it did not answer within ${callMs} ms`));
      });
      this.#pending.set(id, { resolve, reject, stopTimer });
      this.#socket.ref();
      this.#send({ type: "call", id, method, args: bytes === null ? args : args.slice(0, -1) }, bytes);
    });
  }

  publish(channel: string, text: string): void {
    // hints are lossy: they do not pile up before a holder that does not read
    if (this.#socket.writableLength < limits.storeUnsentHintBytes) this.#send({ type: "publish", channel, text });
  }

  subscribe(channel: string): void {
    this.#send({ type: "subscribe", channel });
  }

  unsubscribe(channel: string): void {
    this.#send({ type: "unsubscribe", channel });
  }

  /** Waits for the answers to what was asked. */
  async close(): Promise<void> {
    while (this.#pending.size > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    if (this.#socket.closed) return;
    const closed = once(this.#socket, "close");
    this.#socket.destroy();
    await closed;
  }

  #send(message: object, bytes: Uint8Array | null = null): void {
    if (!this.#socket.destroyed) sendFrame(this.#socket, message, bytes);
  }

  #read(piece: Buffer): void {
    try {
      for (const frame of this.#reader.push(piece)) this.#take(frame);
    } catch {
      // the other side talks nonsense: whoever waits is told by "close" that the outcome is unknown
      this.#socket.destroy();
    }
  }

  #take({ message, bytes }: Frame): void {
    switch (textIn(message, "type")) {
      case "hello":
        this.#greeted(message);
        return;
      case "answer":
        this.#answered(message, bytes);
        return;
      case "hint":
        this.#options.onHint(textIn(message, "channel"), textIn(message, "text"));
        return;
      default:
        this.#socket.destroy();
    }
  }

  #greeted(hello: JsonObject): void {
    const greeting = this.#greeting;
    this.#greeting = null;
    if (numberIn(hello, "protocol") === SOCKET_PROTOCOL) {
      this.#isGreeted = true;
      this.#socket.unref();
      greeting?.resolve(this);
      return;
    }
    greeting?.reject(
      new PawlError(
        "STORE_LOCKED",
        `the database "${this.#options.path}" is held by process ${numberIn(hello, "pid")}, which runs another version of Pawl. End it, or use its version.`,
      ),
    );
    this.#socket.destroy();
  }

  #answered(message: JsonObject, bytes: Uint8Array | null): void {
    const pending = this.#finish(numberIn(message, "id"));
    if (pending === undefined) return;
    const plain: PlainAnswer =
      message["ok"] === true
        ? { ok: true, value: bytes ?? message["value"] }
        : { ok: false, error: errorRecordIn(message["error"]) };
    const answer = answerOf(plain);
    if (answer.ok) pending.resolve(answer.value);
    else pending.reject(answer.error);
  }

  #finish(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.stopTimer();
    if (this.#pending.size === 0) {
      this.#socket.unref();
      this.#whenIdle();
    }
    return pending;
  }

  #lost(): void {
    this.#greeting?.resolve(null);
    this.#greeting = null;
    for (const id of this.#pending.keys()) {
      this.#finish(id)?.reject(this.#unreachable("it went away before it answered"));
    }
    if (this.#isGreeted) this.#options.onLost();
  }

  #unreachable(what: string): PawlError {
    return new PawlError(
      "STORE_UNREACHABLE",
      `the process that holds "${this.#options.path}" was asked, and ${what}. Read before you retry.`,
    );
  }
}

function errorRecordIn(value: JsonValue | undefined): ErrorRecord {
  if (!isJsonObject(value)) return { code: "INTERNAL", message: "an error came without its text" };
  return { code: textIn(value, "code"), message: textIn(value, "message") };
}
