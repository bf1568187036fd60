import { setTimeout as sleep } from "node:timers/promises";
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
  type Message,
} from "@aws-sdk/client-sqs";
import type { Dispatch, DueRun } from "../core/dispatch-contract.ts";
import { PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import { errorText, isJsonObject, parseJson } from "../core/json.ts";
import { limits } from "../core/limits.ts";

export interface SqsOptions {
  /** Default: of the environment, as the SDK finds it. */
  readonly region?: string;
  /** Another address than Amazon's. */
  readonly endpoint?: string;
  /** Told of each failure; what failed is tried again. */
  readonly onError?: (error: unknown) => void;
}

/** What SQS takes at most: messages at once, seconds of a long poll, of a delay. */
const RECEIVED = 10;
const POLL_S = 20;
const DELAY_S = 900;

/**
 * Amazon SQS, a standard queue: credentials come from the environment, as the SDK finds them. A message is deleted once it
 * was received, because it is a hint. One for code that this worker does not have goes back for another worker.
 * @param queueUrl  as `aws sqs get-queue-url` prints it
 */
export function sqs(queueUrl: string, options: SqsOptions = {}): Dispatch {
  const { onError = () => undefined, ...where } = options;
  return new SqsDispatch(queueUrl, new SQSClient(where), onError);
}

class SqsDispatch implements Dispatch {
  readonly name = "sqs";
  readonly #at: { readonly QueueUrl: string };
  readonly #client: SQSClient;
  readonly #onError: (error: unknown) => void;

  constructor(queueUrl: string, client: SQSClient, onError: (error: unknown) => void) {
    this.#at = { QueueUrl: queueUrl };
    this.#client = client;
    this.#onError = onError;
  }

  async open(): Promise<void> {
    const asked = new GetQueueAttributesCommand({ ...this.#at, AttributeNames: ["VisibilityTimeout"] });
    try {
      await this.#client.send(asked, { abortSignal: AbortSignal.timeout(limits.queueOpenMs) });
    } catch (error) {
      throw new PawlError(
        "QUEUE_UNREACHABLE",
        `the queue "${this.#at.QueueUrl}" cannot be used (${errorText(error, 200)}). Check its address, region and that sqs:SendMessage, ReceiveMessage, DeleteMessage, ChangeMessageVisibility and GetQueueAttributes are allowed; without a queue, workers poll the store.`,
        { cause: error },
      );
    }
  }

  async enqueue({ ref, lane, delayMs }: DueRun): Promise<void> {
    const { tenant, runId } = ref;
    const DelaySeconds = Math.min(DELAY_S, Math.ceil(delayMs / 1_000));
    const MessageBody = JSON.stringify({ tenant, runId, lane });
    await this.#client.send(new SendMessageCommand({ ...this.#at, MessageBody, DelaySeconds }));
  }

  consume(
    lanes: readonly string[],
    concurrency: number,
    handle: (ref: RunRef) => Promise<void>,
  ): Promise<() => Promise<void>> {
    const ending = new AbortController();
    const underWay = new Set<Promise<void>>();
    const known = new Set(lanes);
    const take = (message: Message): void => {
      const work = this.#take(message, known, handle)
        .catch(this.#onError)
        .finally(() => underWay.delete(work));
      underWay.add(work);
    };
    const loop = async (): Promise<void> => {
      while (!ending.signal.aborted) {
        const room = concurrency - underWay.size;
        if (room <= 0) await Promise.race(underWay);
        else for (const message of await this.#received(Math.min(RECEIVED, room), ending.signal)) take(message);
      }
    };
    const looping = loop();
    return Promise.resolve(async () => {
      ending.abort();
      await looping;
      await Promise.allSettled(underWay);
    });
  }

  close(): Promise<void> {
    this.#client.destroy();
    return Promise.resolve();
  }

  async #received(most: number, signal: AbortSignal): Promise<readonly Message[]> {
    const asked = new ReceiveMessageCommand({ ...this.#at, MaxNumberOfMessages: most, WaitTimeSeconds: POLL_S });
    try {
      return (await this.#client.send(asked, { abortSignal: signal })).Messages ?? [];
    } catch (error) {
      if (signal.aborted) return [];
      this.#onError(error);
      // aborted: it ends at once
      await sleep(limits.queueRetryMs, undefined, { signal }).catch(() => undefined);
      return [];
    }
  }

  async #take(
    { Body, ReceiptHandle }: Message,
    lanes: ReadonlySet<string>,
    handle: (ref: RunRef) => Promise<void>,
  ): Promise<void> {
    const due = dueOf(Body ?? "");
    if (due !== null && !lanes.has(due.lane)) {
      const VisibilityTimeout = limits.queueForeignS;
      await this.#client.send(new ChangeMessageVisibilityCommand({ ...this.#at, ReceiptHandle, VisibilityTimeout }));
      return;
    }
    await this.#client.send(new DeleteMessageCommand({ ...this.#at, ReceiptHandle }));
    if (due !== null) await handle(due.ref);
  }
}

/** null: what somebody else wrote into the queue. */
function dueOf(body: string): { readonly ref: RunRef; readonly lane: string } | null {
  const parsed = parseJson(body);
  if (!parsed.ok || !isJsonObject(parsed.value)) return null;
  const { tenant, runId, lane } = parsed.value;
  if (typeof tenant !== "string" || typeof runId !== "string" || typeof lane !== "string") return null;
  return { ref: { tenant, runId }, lane };
}
