import { fullJitterMs } from "../core/backoff.ts";
import { limits } from "../core/limits.ts";
import type { Page, Store, StoredRecord } from "../core/store-contract.ts";
import { PawlError } from "../core/errors.ts";
import { hashJson } from "../core/hash.ts";
import type { JsonObject } from "../core/json.ts";
import type { EngineDeps, WebhookMessage } from "./deps.ts";
import { ReviewLinks, type ReviewNote } from "./review-links.ts";

/** Where messages wait to be posted. No id of a user begins with "~". */
const OUTBOX = "~webhooks";

/** A message, or of an approval whom to tell: what they are told is made as it is posted, so that no link is stored. */
type Waiting = (WebhookMessage | { readonly id: string; readonly review: ReviewNote }) & {
  readonly tries: number;
  readonly dueAt: number;
};

/** Puts a message where a worker posts it, once for each id; repeating it is harmless. */
export async function putWebhook(store: Store, message: WebhookMessage, nowMs: number): Promise<void> {
  const waiting: Waiting = { ...message, tries: 0, dueAt: nowMs };
  await store.putRecord(OUTBOX, message.id, { ...waiting }, { ifAbsent: true });
}

/** Notes whom to tell of an approval, before it is asked for: what a crash leaves of it alone is never posted. */
export async function noteReviewers(
  { store, clock, hooks, reviewLinks }: EngineDeps,
  about: Omit<ReviewNote, "by">,
): Promise<void> {
  // where nobody posts, nothing is kept for it
  for (const { by } of hooks.postWebhook === undefined ? [] : (reviewLinks?.reviewers ?? [])) {
    const review = { ...about, by };
    const id = `approval:${hashJson({ ...review })}`;
    await store.putRecord(OUTBOX, id, { id, review, tries: 0, dueAt: clock.nowMs() }, { ifAbsent: true });
  }
}

/**
 * Posts what is due, each message by one worker at a time: a try is taken before it is made. Given up after
 * limits.webhookTries.
 */
export async function postWebhooks(deps: EngineDeps): Promise<void> {
  if (deps.hooks.postWebhook === undefined) return;
  const posted = await Promise.allSettled((await dueMessages(deps)).map((one) => postOne(deps, one)));
  const failed = posted.find((one) => one.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/** Those that wait long (for an escalation, or between tries) do not keep the others back. */
async function dueMessages({ store, clock }: EngineDeps): Promise<readonly StoredRecord[]> {
  const due: StoredRecord[] = [];
  let cursor: string | null = null;
  for (let pages = 0; pages < limits.webhookPages && due.length < limits.webhooksPerSweep; pages++) {
    const page: Page<StoredRecord> = await store.listRecords(OUTBOX, "", cursor, limits.webhooksWaiting);
    due.push(...page.items.filter(({ value }) => (value as unknown as Waiting).dueAt <= clock.nowMs()));
    if (page.cursor === null) break;
    ({ cursor } = page);
  }
  return due.slice(0, limits.webhooksPerSweep);
}

async function postOne(deps: EngineDeps, record: StoredRecord): Promise<void> {
  const { store, clock, entropy, hooks } = deps;
  const waiting = record.value as unknown as Waiting;
  const tries = waiting.tries + 1;
  const waitMs =
    limits.webhookTimeMs + fullJitterMs(tries, entropy.random(), { baseMs: 5_000, capMs: limits.webhookRetryMs });
  const taken = { ...waiting, tries, dueAt: clock.nowMs() + waitMs };
  const put = await store.putRecord(OUTBOX, record.key, taken as unknown as JsonObject, { ifVersion: record.version });
  if (put.type === "conflict") return;
  try {
    const message = await messageOf(deps, waiting);
    if (typeof message === "number") {
      await store.putRecord(OUTBOX, record.key, { ...taken, tries: 0, dueAt: message } as unknown as JsonObject, {});
      return;
    }
    if (message !== null) await hooks.postWebhook?.(message, clock.nowMs());
  } catch (error) {
    if (tries < limits.webhookTries) return;
    await store.deleteRecord(OUTBOX, record.key);
    // a worker that died before it asked left a note of what nobody asks
    if (PawlError.is(error, "APPROVAL_UNKNOWN")) return;
    throw error;
  }
  await store.deleteRecord(OUTBOX, record.key);
}

/** null = there is nothing to tell; a number: not before that time. */
async function messageOf(deps: EngineDeps, waiting: Waiting): Promise<WebhookMessage | number | null> {
  if ("review" in waiting) return new ReviewLinks(deps).message(waiting.review, waiting.id);
  return { id: waiting.id, url: waiting.url, body: waiting.body };
}
