import type { Clock } from "../core/clock.ts";
import { nameAtVersion } from "../core/id.ts";
import type { JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Store } from "../core/store-contract.ts";
import type { ToolGrant } from "../core/tool-grants.ts";
import type { ToolReview } from "../core/tool-review.ts";

/** What a tenant's records say of tools. */
export interface ToolView {
  readonly grants: readonly ToolGrant[];
  /** By `name@version`. */
  readonly reviews: ReadonlyMap<string, ToolReview>;
}

interface Kept {
  view: ToolView;
  readAt: number;
  /** Rises with each change that this process made: what was read before it is not kept. */
  change: number;
  /** Version of the mark, read before the view. */
  mark: number;
}

const GRANT = "tool-grant/";
const REVIEW = "tool-review/";
const CARD = "tool-card/";
/** Written after each change, by whichever process made it: one small read says whether a view is still that of now. */
const MARK = "tool-mark";
const noView: ToolView = { grants: [], reviews: new Map() };

/** One for all who use a store in this process: what one of them changes, the others see at once. */
const viewsOf = new WeakMap<Store, Map<string, Kept>>();

type Reading = { readonly store: Store; readonly clock: Clock };

/** The tenant's view, at most limits.toolViewMs old; null where it must be read first. */
export function freshView({ store, clock }: Reading, tenant: string): ToolView | null {
  const kept = viewsOf.get(store)?.get(tenant);
  if (kept === undefined || clock.monotonicMs() - kept.readAt >= limits.toolViewMs) return null;
  return kept.view;
}

/** As it was read last, however long ago: for questions within a call that was let through by a fresh one. */
export function knownView(store: Store, tenant: string): ToolView {
  return viewsOf.get(store)?.get(tenant)?.view ?? noView;
}

/** @throws STORE_UNREACHABLE */
export async function toolView(reading: Reading, tenant: string): Promise<ToolView> {
  return freshView(reading, tenant) ?? readView(reading, tenant);
}

/** As it is in the store at this moment, whoever changed it. @throws STORE_UNREACHABLE */
export async function toolViewNow(reading: Reading, tenant: string): Promise<ToolView> {
  const { store } = reading;
  const view = freshView(reading, tenant);
  if (view === null) return readView(reading, tenant);
  const mark = await markOf(store, tenant);
  const kept = viewsOf.get(store)?.get(tenant);
  return kept?.view === view && kept.mark === mark ? view : readView(reading, tenant);
}

async function markOf(store: Store, tenant: string): Promise<number> {
  return (await store.getRecord(tenant, MARK))?.version ?? 0;
}

async function readView({ store, clock }: Reading, tenant: string): Promise<ToolView> {
  const views = viewsOf.get(store) ?? new Map<string, Kept>();
  viewsOf.set(store, views);
  for (;;) {
    const change = views.get(tenant)?.change ?? 0;
    const readAt = clock.monotonicMs();
    const mark = await markOf(store, tenant);
    const [grants, reviews] = await Promise.all([listed(store, tenant, GRANT), listed(store, tenant, REVIEW)]);
    if ((views.get(tenant)?.change ?? 0) !== change) continue;
    const byId = (reviews as unknown as readonly ToolReview[]).map(
      (review) => [nameAtVersion(review.name, review.version), review] as const,
    );
    const view = { grants: grants as unknown as readonly ToolGrant[], reviews: new Map(byId) };
    views.delete(tenant);
    views.set(tenant, { view, readAt, change, mark });
    const oldest = views.keys().next();
    if (views.size > limits.toolViews && oldest.done !== true) views.delete(oldest.value);
    return view;
  }
}

async function listed(store: Store, tenant: string, prefix: string): Promise<readonly JsonValue[]> {
  const values: JsonValue[] = [];
  let cursor: string | null = null;
  do {
    const page = await store.listRecords(tenant, prefix, cursor, 500);
    values.push(...page.items.map(({ value }) => value));
    cursor = page.cursor;
  } while (cursor !== null && values.length < limits.toolGrants * 2);
  return values;
}

/** Writes a grant or a review. From the moment it is written on, this process goes by it. */
export async function putToolRecord(
  reading: Reading,
  tenant: string,
  record:
    | { readonly grant: ToolGrant; readonly ttlMs?: number }
    | { readonly review: ToolReview; readonly ifNew?: true },
): Promise<void> {
  const { store } = reading;
  if ("grant" in record) {
    const { grant, ttlMs } = record;
    await store.putRecord(tenant, GRANT + grant.id, grant as unknown as JsonValue, {}, ttlMs);
  } else {
    const key = REVIEW + nameAtVersion(record.review.name, record.review.version);
    const condition = record.ifNew === true ? ({ ifAbsent: true } as const) : {};
    await store.putRecord(tenant, key, record.review as unknown as JsonValue, condition);
  }
  await store.putRecord(tenant, MARK, true, {});
  const kept = viewsOf.get(store)?.get(tenant);
  if (kept !== undefined) Object.assign(kept, { change: kept.change + 1, readAt: Number.NEGATIVE_INFINITY });
  await readView(reading, tenant);
}

/** What a tool said of itself when it was accepted; null where it is not known. */
export async function readCard(store: Store, tenant: string, hash: string): Promise<JsonValue> {
  return (await store.getRecord(tenant, CARD + hash))?.value ?? null;
}

export async function putCard(store: Store, tenant: string, hash: string, said: JsonValue): Promise<void> {
  await store.putRecord(tenant, CARD + hash, said, {});
}
