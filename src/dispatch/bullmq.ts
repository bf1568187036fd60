import { createPostgresBackend, Queue, Worker, type Job } from "bullmq";
import type { Dispatch, DueRun } from "../core/dispatch-contract.ts";
import { PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import { errorText } from "../core/json.ts";
import { limits } from "../core/limits.ts";

export interface BullmqOptions {
  /** What its keys or tables begin with; default `pawl`. Deployments that share a server and not their runs need two. */
  readonly prefix?: string;
  /** Told of each failure of a connection; it connects again by itself. */
  readonly onError?: (error: unknown) => void;
}

interface QueueFace {
  add(name: string, data: RunRef, options: { readonly jobId: string; readonly delay: number }): Promise<unknown>;
  waitUntilReady(): Promise<unknown>;
  on(event: "error", told: (error: Error) => void): unknown;
  close(): Promise<void>;
  /** Without waiting for a server that does not answer. */
  disconnect(): Promise<void>;
}

interface WorkerFace {
  waitUntilReady(): Promise<unknown>;
  on(event: "error", told: (error: Error) => void): unknown;
  close(force?: boolean): Promise<void>;
}

/** Makes queues and workers of one server, whichever it is. */
interface Backend {
  /** Connects no more: what cannot be reached now is left. */
  giveUp(): void;
  queue(name: string): QueueFace;
  worker(name: string, process: (job: Job<RunRef>) => Promise<void>, concurrency: number): WorkerFace;
}

/**
 * BullMQ on Redis (`redis://`, `rediss://`) or PostgreSQL (`postgres://`): one queue a lane, so that a worker takes only
 * what it can run. A job is named by run and head: a second one of the same is none. Retries, stalls and their limits are
 * not used: what a lost worker left is found by Pawl's own sweep.
 * @throws OPTION_INVALID  another scheme
 */
export function bullmq(url: string, options: BullmqOptions = {}): Dispatch {
  const { prefix = "pawl", onError = () => undefined } = options;
  return new BullmqDispatch(backendOf(url, prefix), onError);
}

class BullmqDispatch implements Dispatch {
  readonly name = "bullmq";
  readonly #backend: Backend;
  readonly #onError: (error: unknown) => void;
  readonly #queues = new Map<string, QueueFace>();

  constructor(backend: Backend, onError: (error: unknown) => void) {
    this.#backend = backend;
    this.#onError = onError;
  }

  async open(): Promise<void> {
    // the server is asked once, before anything relies on it
    const probe = this.#queue("probe");
    try {
      await this.#ready(probe);
    } catch (error) {
      this.#queues.clear();
      this.#backend.giveUp();
      void probe.disconnect().catch(this.#onError);
      throw error;
    }
  }

  async enqueue({ ref, lane, headSeq, delayMs }: DueRun): Promise<void> {
    const delay = Math.min(delayMs, limits.queueMost);
    const jobId = `${encodeURIComponent(ref.tenant)}.${encodeURIComponent(ref.runId)}-${headSeq}`;
    await this.#queue(lane).add("due", { tenant: ref.tenant, runId: ref.runId }, { jobId, delay });
  }

  async consume(
    lanes: readonly string[],
    concurrency: number,
    handle: (ref: RunRef) => Promise<void>,
  ): Promise<() => Promise<void>> {
    const workers = lanes.map((lane) => {
      const worker = this.#backend.worker(queueName(lane), ({ data }) => handle(data), concurrency);
      worker.on("error", this.#onError);
      return worker;
    });
    const stop = async (): Promise<void> => {
      await Promise.all(workers.map((worker) => worker.close()));
    };
    try {
      await Promise.all(workers.map((worker) => this.#ready(worker)));
    } catch (error) {
      await stop().catch(this.#onError);
      throw error;
    }
    return stop;
  }

  async close(): Promise<void> {
    const queues = [...this.#queues.values()];
    this.#queues.clear();
    const closed = Promise.all(queues.map((queue) => queue.close()));
    if (await inTime(closed).catch(this.#onError)) return;
    // it does not answer, and would be waited for without end
    this.#backend.giveUp();
    for (const queue of queues) void queue.disconnect().catch(this.#onError);
  }

  #queue(lane: string): QueueFace {
    const known = this.#queues.get(lane);
    if (known !== undefined) return known;
    const queue = this.#backend.queue(queueName(lane));
    queue.on("error", this.#onError);
    this.#queues.set(lane, queue);
    return queue;
  }

  async #ready(face: QueueFace | WorkerFace): Promise<void> {
    try {
      if (!(await inTime(face.waitUntilReady()))) throw new Error(`no answer in ${limits.queueOpenMs} ms`);
    } catch (error) {
      throw new PawlError(
        "QUEUE_UNREACHABLE",
        `the queue cannot be reached (${errorText(error, 200)}). Check PAWL_QUEUE and that its server runs; without a queue, workers poll the store.`,
        { cause: error },
      );
    }
  }
}

/** @returns false where it takes longer than limits.queueOpenMs: it goes on, and nobody waits */
async function inTime(work: Promise<unknown>): Promise<boolean> {
  let cancel = (): void => undefined;
  const late = new Promise<false>((resolve) => {
    const timer = setTimeout(() => resolve(false), limits.queueOpenMs);
    cancel = () => clearTimeout(timer);
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    cancel();
  }
}

function queueName(lane: string): string {
  return encodeURIComponent(lane);
}

function backendOf(url: string, prefix: string): Backend {
  const scheme = URL.canParse(url) ? new URL(url).protocol : "";
  const jobs = { removeOnComplete: true, removeOnFail: true } as const;
  // what a worker that died was doing is delivered again at once, to be found taken or free; it counts for nothing
  const work = { ...finished, lockDuration: limits.queueLockMs, maxStalledCount: limits.queueMost };
  if (scheme === "redis:" || scheme === "rediss:") {
    // in a cluster all keys of a queue must be in one slot
    const at = (name: string) => ({ prefix: `{${prefix}:${name}}` });
    let isClosed = false;
    const retryStrategy = (times: number): number | null =>
      isClosed ? null : Math.min(times * limits.queueRetryMs, limits.queueOpenMs);
    const connection = { url, retryStrategy, maxRetriesPerRequest: null };
    return {
      giveUp: () => {
        isClosed = true;
      },
      queue: (name) => new Queue<RunRef, void, string>(name, { ...at(name), connection, defaultJobOptions: jobs }),
      worker: (name, process, concurrency) =>
        new Worker<RunRef, void, string>(name, process, { ...at(name), connection, concurrency, ...work }),
    };
  }
  if (scheme === "postgres:" || scheme === "postgresql:") {
    const connection = { connectionString: url, schema: prefix, migrate: true, max: limits.queueConnections };
    return {
      giveUp: () => undefined,
      queue: (name) => new Queue(name, { connection, defaultJobOptions: jobs }, createPostgresBackend),
      worker: (name, process, concurrency) =>
        new Worker(name, process, { connection, concurrency, ...work }, createPostgresBackend),
    };
  }
  throw new PawlError(
    "OPTION_INVALID",
    `a queue at "${scheme === "" ? "(no scheme)" : scheme}//…" is not known to BullMQ. Give redis://, rediss:// or postgres://.`,
  );
}

const finished = { removeOnComplete: { count: 0 }, removeOnFail: { count: 0 } };
