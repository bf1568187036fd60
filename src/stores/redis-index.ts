import { decodeCursor, encodeCursor } from "../core/cursor.ts";
import type { RunRef } from "../core/id.ts";
import type { RunHead } from "../core/run-head.ts";
import type { OpenAsk, Page, RunFilter } from "../core/store-contract.ts";
import { asksOf, fitsFilter, pageOf, refuseCursor, textPlace } from "./contract-rules.ts";
import {
  allFacet,
  askFacet,
  dueOrder,
  lanePrefix,
  ownerPrefix,
  parentFacet,
  refOfDue,
  refOfText,
  runIdOfEntry,
  scopeFacet,
  statusFacet,
  threadFacet,
} from "./redis-entries.ts";
import {
  allPartitions,
  beyond,
  digits,
  keyOf,
  prefixed,
  type Range,
  type RedisPartitions,
} from "./redis-partitions.ts";
import { type RedisRuns } from "./redis-runs.ts";

const DELETED_PER_STEP = 50;

/** What runs are found by: read from the index sets of all partitions, and then from the heads. */
export class RedisIndex {
  readonly #data: RedisPartitions;
  readonly #runs: RedisRuns;
  /** The last run that `dirty` offered: the next call goes on after it. */
  #dirtyUpTo = "";

  constructor(data: RedisPartitions, runs: RedisRuns) {
    this.#data = data;
    this.#runs = runs;
  }

  async due(query: {
    readonly lanes: readonly string[];
    readonly nowMs: number;
    readonly limit: number;
  }): Promise<readonly RunRef[]> {
    const ranges = [...new Set(query.lanes)].map((lane) => ({
      low: `[${lanePrefix(lane)}`,
      high: beyond(lanePrefix(lane) + digits(Math.floor(query.nowMs))),
    }));
    const found = await this.#data.firstOfAll({ kind: "due", ranges, limit: query.limit, orderOf: dueOrder });
    return found.map(refOfDue);
  }

  async ofSession(sessionId: string, limit: number): Promise<readonly RunRef[]> {
    const prefix = ownerPrefix(sessionId);
    const orderOf = (member: string): string => member.slice(prefix.length);
    const found = await this.#data.firstOfAll({ kind: "owned", ranges: [prefixed(prefix)], limit, orderOf });
    return found.map(refOfText);
  }

  async dirty(limit: number): Promise<readonly RunRef[]> {
    const upTo = this.#dirtyUpTo;
    const first = (range: Range, count: number): Promise<readonly string[]> =>
      this.#data.firstOfAll({ kind: "dirty", ranges: [range], limit: count, orderOf: (member) => member });
    const later = await first({ low: `(${upTo}`, high: "+" }, limit);
    const isShort = later.length < limit && upTo !== "";
    const earlier = isShort ? await first({ low: "-", high: `[${upTo}` }, limit - later.length) : [];
    const offered = [...later, ...earlier];
    this.#dirtyUpTo = offered.at(-1) ?? "";
    return offered.map(refOfText);
  }

  async list(tenant: string, filter: RunFilter, cursor: string | null, limit: number): Promise<Page<RunHead>> {
    const before = cursor === null ? null : textPlace("runs", cursor);
    const { threadId, parentRunId, statuses } = filter;
    const facets =
      threadId !== undefined
        ? [threadFacet(threadId)]
        : parentRunId !== undefined
          ? [parentFacet(parentRunId)]
          : statuses !== undefined
            ? [...new Set(statuses)].map(statusFacet)
            : [filter.children === true ? allFacet : parentFacet(null)];
    const entries = await this.#entries(tenant, facets, { from: "last", past: before, limit: limit + 1 });
    const shown = pageOf(entries, limit, {
      cursorAfter: (entry) => encodeCursor("runs", entry),
      itemOf: (entry) => this.#headOf(tenant, entry),
    });
    const heads = await Promise.all(shown.items);
    return {
      items: heads.flatMap((head) => (head !== null && fitsFilter(head, filter) ? [head] : [])),
      cursor: shown.cursor,
    };
  }

  async openApprovals(tenant: string, cursor: string | null, limit: number): Promise<Page<OpenAsk>> {
    const [past, afterSeq] = cursor === null ? [null, 0] : placeOfAsk(cursor);
    // the run of the cursor may have more asks: its entry is read again
    const again = past === null ? [] : [past];
    const later = await this.#entries(tenant, [askFacet], { from: "first", past, limit: limit + 1 });
    const found = await Promise.all(
      [...again, ...later].map(async (order) => {
        const head = await this.#headOf(tenant, order);
        const asks = head === null ? [] : asksOf(head).toSorted((a, b) => a.seq - b.seq);
        return asks.filter(({ seq }) => order !== past || seq > afterSeq).map((ask) => ({ ask, order }));
      }),
    );
    const page = pageOf(found.flat(), limit, {
      cursorAfter: ({ ask, order }) => encodeCursor("asks", [order, ask.seq]),
      itemOf: ({ ask }) => ask,
    });
    // what was decided since the index was read makes a page short, but not the last
    const last = later[limit];
    if (page.cursor !== null || last === undefined) return page;
    return { ...page, cursor: encodeCursor("asks", [last, Number.MAX_SAFE_INTEGER]) };
  }

  /** Removes every run of a blob scope. */
  async removeScope(tenant: string, scope: string): Promise<void> {
    const facet = scopeFacet(scope);
    await Promise.all(
      allPartitions.map(async (partition) => {
        for (;;) {
          const key = keyOf(partition, "list", tenant);
          const members = await this.#data.range(partition, key, [prefixed(facet)], DELETED_PER_STEP);
          if (members.length === 0) return;
          for (const member of members) {
            const entry = member.slice(facet.length);
            await this.#runs.remove({ tenant, runId: runIdOfEntry(entry) }, entry, facet);
          }
        }
      }),
    );
  }

  #headOf(tenant: string, entry: string): Promise<RunHead | null> {
    return this.#runs.readHead({ tenant, runId: runIdOfEntry(entry) });
  }

  /** Entries (place and run id) of a tenant's listings, put together. */
  #entries(
    tenant: string,
    facets: readonly string[],
    { from, past, limit }: { readonly from: "first" | "last"; readonly past: string | null; readonly limit: number },
  ): Promise<readonly string[]> {
    const ranges = facets.map((facet): Range => {
      if (from === "first") return prefixed(facet, past === null ? null : facet + past);
      return { low: `[${facet}`, high: past === null ? beyond(facet) : `(${facet}${past}` };
    });
    const orderOf = (member: string): string => member.slice(member.indexOf("\0") + 1);
    return this.#data.firstOfAll({ kind: "list", names: [tenant], ranges, limit, from, orderOf });
  }
}

/** @throws CURSOR_INVALID */
function placeOfAsk(cursor: string): readonly [entry: string, seq: number] {
  const place = decodeCursor("asks", cursor);
  const [entry, seq] = Array.isArray(place) ? (place as readonly unknown[]) : [];
  return typeof entry === "string" && typeof seq === "number" ? [entry, seq] : refuseCursor("asks", cursor);
}
