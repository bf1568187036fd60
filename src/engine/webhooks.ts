import { fullJitterMs } from "../core/backoff.ts";
import { limits } from "../core/limits.ts";
import type { Store, StoredRecord } from "../core/store-contract.ts";
import type { EngineDeps, WebhookMessage } from "./deps.ts";

/** Where messages wait to be posted. No id of a user begins with "~". */
const OUTBOX = "~webhooks";

interface Waiting extends WebhookMessage {
  readonly tries: number;
  readonly dueAt: number;
}

/** Puts a message where a worker posts it, once for each id; repeating it is harmless. */
export async function putWebhook(store: Store, message: WebhookMessage, nowMs: number): Promise<void> {
  const waiting: Waiting = { ...message, tries: 0, dueAt: nowMs };
  await store.putRecord(OUTBOX, message.id, { ...waiting }, { ifAbsent: true });
}

/**
 * Posts what is due, each message by one worker at a time: a try is taken before it is made. Given up after
 * limits.webhookTries.
 */
export async function postWebhooks(deps: EngineDeps): Promise<void> {
  const { store, clock, hooks } = deps;
  if (hooks.postWebhook === undefined) return;
  const page = await store.listRecords(OUTBOX, "", null, limits.webhooksWaiting);
  const due = page.items.filter(({ value }) => (value as unknown as Waiting).dueAt <= clock.nowMs());
  const posted = await Promise.allSettled(due.slice(0, limits.webhooksPerSweep).map((one) => postOne(deps, one)));
  const failed = posted.find((one) => one.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

async function postOne({ store, clock, entropy, hooks }: EngineDeps, record: StoredRecord): Promise<void> {
  const message = record.value as unknown as Waiting;
  const tries = message.tries + 1;
  const waitMs =
    limits.webhookTimeMs + fullJitterMs(tries, entropy.random(), { baseMs: 5_000, capMs: limits.webhookRetryMs });
  const taken = { ...message, tries, dueAt: clock.nowMs() + waitMs };
  const put = await store.putRecord(OUTBOX, record.key, taken, { ifVersion: record.version });
  if (put.type === "conflict") return;
  try {
    await hooks.postWebhook?.({ id: message.id, url: message.url, body: message.body }, clock.nowMs());
  } catch (error) {
    if (tries < limits.webhookTries) return;
    await store.deleteRecord(OUTBOX, record.key);
    throw error;
  }
  await store.deleteRecord(OUTBOX, record.key);
}
