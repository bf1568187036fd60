import { PawlError } from "../core/errors.ts";
import type { Message } from "../core/message.ts";
import { blobScopeOf } from "../core/run-head.ts";
import type { Page, Store } from "../core/store-contract.ts";
import { threadKeys, type ThreadRecord } from "./thread.ts";
import { Values } from "./values.ts";

/** A conversation across runs, as its record tells. */
export interface ThreadView {
  readonly threadId: string;
  /** The run that has its turn; null = none. */
  readonly active: string | null;
  /** Runs that wait behind it, the next first. */
  readonly queue: readonly string[];
  /** Ended runs whose messages the next one is given. */
  readonly remembered: number;
}

export async function listThreads(
  store: Store,
  tenant: string,
  cursor: string | null,
  limit: number,
): Promise<Page<ThreadView>> {
  const page = await store.listRecords(tenant, threadKeys, cursor, limit);
  const items = page.items.map(({ key, value }) =>
    viewOf(key.slice(threadKeys.length), value as unknown as ThreadRecord),
  );
  return { items, cursor: page.cursor };
}

/** null = no run of this tenant was ever started in it. */
export async function readThread(store: Store, tenant: string, threadId: string): Promise<ThreadView | null> {
  const record = await recordOf(store, tenant, threadId);
  return record === null ? null : viewOf(threadId, record);
}

/** What the thread's next run would begin with, the oldest first; null = no such thread. */
export async function threadMessages(
  store: Store,
  tenant: string,
  threadId: string,
): Promise<readonly Message[] | null> {
  const record = await recordOf(store, tenant, threadId);
  if (record === null) return null;
  const values = new Values(
    { store, redaction: null },
    { tenant, runId: "" },
    blobScopeOf({ tenant, runId: "" }, threadId),
  );
  const messages: Message[] = [];
  // each ref is the list of messages that one run left
  for (const ref of record.history) messages.push(...((await values.read(ref)) as unknown as readonly Message[]));
  return messages;
}

export function unknownThread(threadId: string): PawlError {
  return new PawlError(
    "THREAD_UNKNOWN",
    `no thread "${threadId}" exists. A thread begins with the first run started in it.`,
  );
}

async function recordOf(store: Store, tenant: string, threadId: string): Promise<ThreadRecord | null> {
  const record = await store.getRecord(tenant, `${threadKeys}${threadId}`);
  return record === null ? null : (record.value as unknown as ThreadRecord);
}

function viewOf(threadId: string, { active, queue, history }: ThreadRecord): ThreadView {
  return { threadId, active, queue, remembered: history.length };
}
