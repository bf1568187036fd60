import { Worker } from "node:worker_threads";
import type { Clock } from "../core/clock.ts";
import { PawlError, type ErrorRecord } from "../core/errors.ts";
import { errorText } from "../core/json.ts";
import type { CoreOptions } from "./sqlite-core.ts";
import {
  answerOf,
  errorOf,
  type PlainAnswer,
  type StoreAnswer,
  type StoreRequest,
  type StoreTime,
} from "./sqlite-requests.ts";

export type ToThread =
  | { readonly type: "open"; readonly options: CoreOptions }
  | { readonly type: "run"; readonly requests: readonly StoreRequest[]; readonly now: StoreTime }
  | { readonly type: "close" };

export type FromThread =
  | { readonly type: "opened" }
  | { readonly type: "failed"; readonly error: ErrorRecord }
  | { readonly type: "answers"; readonly answers: readonly PlainAnswer[] }
  | { readonly type: "closed" };

/** The thread's file has the ending of this one: .ts in the repository, .js in the package. */
const THREAD_FILE = new URL(
  `./sqlite-worker${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`,
  import.meta.url,
);

/** The side of the thread's owner. One message is under way at a time. A thread that dies is started anew. */
export class SqliteThread {
  readonly #options: CoreOptions;
  readonly #clock: Clock;
  #worker: Worker | null = null;
  /** Waits for the thread's next message, or its end. */
  #receive: ((message: FromThread | Error) => void) | null = null;

  constructor(options: CoreOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  async open(): Promise<void> {
    this.#worker = this.#started();
    const message = await this.#ask({ type: "open", options: this.#options });
    if (message instanceof Error || message.type !== "opened") {
      await this.#ended();
      throw message instanceof Error || message.type !== "failed" ? this.#lost(message) : errorOf(message.error);
    }
  }

  async run(requests: readonly StoreRequest[]): Promise<readonly StoreAnswer[]> {
    try {
      return await this.#answers(requests);
    } catch (cause) {
      const error = PawlError.is(cause) ? cause : this.#lost(cause);
      return requests.map(() => ({ ok: false, error }));
    }
  }

  async close(): Promise<void> {
    if (this.#worker !== null) await this.#ask({ type: "close" });
    await this.#ended();
  }

  async #answers(requests: readonly StoreRequest[]): Promise<readonly StoreAnswer[]> {
    if (this.#worker === null) await this.open();
    const now = { nowMs: this.#clock.nowMs(), monotonicMs: this.#clock.monotonicMs() };
    const message = await this.#ask({ type: "run", requests, now });
    if (message instanceof Error || message.type !== "answers") throw this.#lost(message);
    return message.answers.map(answerOf);
  }

  #started(): Worker {
    const worker = new Worker(THREAD_FILE, { name: "pawl-sqlite", execArgv: [] });
    worker.on("message", (message: FromThread) => this.#receive?.(message));
    worker.on("error", (error) => this.#gone(worker, error));
    worker.on("exit", () => this.#gone(worker, new Error("the thread ended")));
    worker.unref();
    return worker;
  }

  #gone(worker: Worker, error: unknown): void {
    if (this.#worker === worker) this.#worker = null;
    this.#receive?.(error instanceof Error ? error : new Error(errorText(error)));
  }

  /** The process stays up while an answer is awaited, and not for an idle thread. */
  #ask(message: ToThread): Promise<FromThread | Error> {
    const worker = this.#worker;
    return new Promise((resolve) => {
      if (worker === null) {
        resolve(new Error("the thread ended"));
        return;
      }
      worker.ref();
      this.#receive = (answer) => {
        this.#receive = null;
        worker.unref();
        resolve(answer);
      };
      worker.postMessage(message);
    });
  }

  async #ended(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }

  #lost(cause: unknown): PawlError {
    return new PawlError(
      "STORE_UNREACHABLE",
      `the thread of database "${this.#options.path}" died (${errorText(cause, 200)}). Read before you retry; the next call starts it again.`,
      { cause },
    );
  }
}
