import type { Clock } from "../core/clock.ts";
import { decodeCursor, encodeCursor } from "../core/cursor.ts";
import { PawlError, type ErrorRecord } from "../core/errors.ts";
import { hashJson } from "../core/hash.ts";
import { limits } from "../core/limits.ts";
import type { RunStatus } from "../core/run-outcome.ts";
import type { TraceFilter, TracePage, TraceSummary } from "../core/trace-contract.ts";
import { conditionsOf, joined, rarest, sortColumns, type Piece } from "./run-conditions.ts";
import { RunSearch } from "./run-search.ts";
import { termsOf } from "./search-text.ts";
import { spanSums, sumsOfRow } from "./span-sums.ts";
import { jsonOf, numberOf, numberOrNull, textOf, textOrNull, type Database, type Row } from "./sqlite.ts";

/** The last row that was looked at: the next page begins after it. */
type Place = readonly [value: number, id: number];

interface Listing {
  readonly tenant: string;
  readonly filter: TraceFilter;
  readonly column: string;
  readonly limit: number;
  readonly after: Place;
  readonly conditions: Piece;
}

const FEW_RUNS = 4_000;
const PROBED_AT_ONCE = 50;
const PROBED_FEW_AT_ONCE = 500;
const start: Place = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];

/** Runs of a tenant by a filter. What one call looks at is bounded: it then gives a short page, and a cursor to go on from. */
export class RunList {
  readonly #db: Database;
  readonly #clock: Clock;

  constructor(db: Database, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  /** @throws CURSOR_INVALID */
  page(tenant: string, filter: TraceFilter, cursor: string | null, limit: number): TracePage {
    const name = listingOf(tenant, filter);
    const conditions = conditionsOf(tenant, filter);
    const listing: Listing = {
      tenant,
      filter,
      column: sortColumns[filter.sort ?? "started"],
      limit: Math.min(limits.tracePage, Math.max(1, Math.trunc(limit) || 1)),
      after: cursor === null ? start : placeOf(name, cursor),
      conditions: joined(conditions.map(({ test }) => test)),
    };
    const found =
      filter.text === undefined
        ? this.#plain(listing, rarest(this.#db, conditions, FEW_RUNS))
        : this.#searched(listing, filter.text);
    const next = found.place === null ? null : encodeCursor(name, found.place);
    return { items: found.items, cursor: next, ...(found.isCut === true && { partial: true }) };
  }

  #plain(listing: Listing, ids: Piece | null): Found {
    const few = ids === null ? null : { sql: ` AND id IN (${ids.sql})`, values: ids.values, index: "" };
    const bottom = few === null ? this.#bottom(listing) : null;
    const rows = this.#rows(listing, few, bottom, listing.limit);
    return { items: rows.map((row) => summaryOf(row, null)), place: placeAfter(listing, rows, listing.limit, bottom) };
  }

  /** The last row that a walk along the order may look at; null = it may go to the end. */
  #bottom({ tenant, filter, column, after }: Listing): Place | null {
    const row = this.#db.get(
      `SELECT ${column} AS value, id FROM run ${this.#index(filter, column)} WHERE tenant = ? ${roots(filter)}
       AND (${column}, id) < (?, ?) ORDER BY ${column} DESC, id DESC LIMIT 1 OFFSET ${limits.traceScannedRuns - 1}`,
      tenant,
      ...after,
    );
    return row === undefined ? null : [numberOf(row, "value"), numberOf(row, "id")];
  }

  /** Only a listing of all runs by something else than their start has no index: it sorts. */
  #index(filter: TraceFilter, column: string): string {
    if (filter.children === true) return column === "started_at" ? "INDEXED BY run_started" : "";
    return `INDEXED BY root_${column === "started_at" ? "started" : column}`;
  }

  #rows(listing: Listing, few: Few | null, bottom: Place | null, limit: number): readonly Row[] {
    const { tenant, filter, column, after, conditions } = listing;
    const index = few === null ? this.#index(filter, column) : few.index;
    const floor = bottom === null ? "" : ` AND (${column}, id) >= (?, ?)`;
    return this.#db.all(
      `SELECT ${column} AS value, run.*, (SELECT root FROM tree WHERE tree.id = run.tree) AS root
       FROM run ${index} WHERE tenant = ? ${roots(filter)} AND (${column}, id) < (?, ?)${floor}
       ${few?.sql ?? ""}${conditions.sql} ORDER BY ${column} DESC, id DESC LIMIT ?`,
      tenant,
      ...after,
      ...(bottom ?? []),
      ...(few?.values ?? []),
      ...conditions.values,
      limit,
    );
  }

  // ---- with words

  /** Runs are looked at in their order, until the page is full or the time is up. */
  #searched(listing: Listing, text: string): Found {
    const terms = termsOf(text);
    if (terms.length === 0) return { items: [], place: null };
    const until = this.#clock.monotonicMs() + limits.traceQueryMs;
    const search = new RunSearch(this.#db, listing.tenant, terms);
    const { trees } = search;
    const few =
      trees === null
        ? null
        : {
            sql: " AND tree IN (SELECT value FROM json_each(?))",
            values: [JSON.stringify(trees)],
            index: "INDEXED BY run_tree",
          };
    const atOnce = few === null ? PROBED_AT_ONCE : PROBED_FEW_AT_ONCE;
    const items: TraceSummary[] = [];
    let { after } = listing;
    for (let probed = 0; probed < limits.traceProbedRuns; probed += atOnce) {
      const here = { ...listing, after };
      const bottom = few === null ? this.#bottom(here) : null;
      const rows = this.#rows(here, few, bottom, atOnce);
      for (const row of rows) {
        const run = { id: numberOf(row, "id"), tree: numberOf(row, "tree") };
        const doc = search.hitOf(run, listing.filter.children !== true);
        after = [numberOf(row, "value"), run.id];
        if (doc !== null) items.push(summaryOf(row, search.snippet(doc)));
        if (items.length === listing.limit || this.#clock.monotonicMs() >= until)
          return { items, place: after, isCut: search.isCut };
      }
      const place = placeAfter(here, rows, atOnce, bottom);
      if (place === null) return { items, place: null, isCut: search.isCut };
      after = place;
    }
    return { items, place: after, isCut: search.isCut };
  }
}

/** Runs that alone can be meant, and the index by which they are found. */
interface Few extends Piece {
  readonly index: string;
}

interface Found {
  readonly items: readonly TraceSummary[];
  /** Where the next page begins; null = there is none. */
  readonly place: Place | null;
  /** Words were asked for, and not all texts were read. */
  readonly isCut?: boolean;
}

function roots(filter: TraceFilter): string {
  return filter.children === true ? "" : "AND is_root = 1";
}

function placeAfter({ column }: Listing, rows: readonly Row[], limit: number, bottom: Place | null): Place | null {
  const last = rows.at(-1);
  if (last !== undefined && rows.length === limit) return [numberOf(last, column), numberOf(last, "id")];
  return bottom;
}

/** A cursor of another tenant, filter or order is not one of this listing. */
function listingOf(tenant: string, filter: TraceFilter): string {
  const asked = Object.entries(filter).filter(([, value]) => value !== undefined);
  const plain = Object.fromEntries(asked.map(([name, value]) => [name, JSON.stringify(value)]));
  return `traces-${hashJson([tenant, plain]).slice(0, 16)}`;
}

function placeOf(name: string, cursor: string): Place {
  const place = decodeCursor(name, cursor);
  const [value, id] = Array.isArray(place) ? (place as readonly unknown[]) : [];
  if (typeof value === "number" && typeof id === "number") return [value, id];
  throw new PawlError("CURSOR_INVALID", "the cursor is none of this listing. Start again without a cursor.");
}

function summaryOf(row: Row, snippet: string | null): TraceSummary {
  const endedAt = numberOrNull(row, "ended_at");
  return {
    runId: textOf(row, "run_id"),
    rootRunId: textOf(row, "root"),
    traceId: textOf(row, "trace_id"),
    runnable: textOf(row, "runnable"),
    version: textOf(row, "version"),
    status: textOf(row, "status") as RunStatus,
    principal: textOf(row, "principal"),
    threadId: textOrNull(row, "thread"),
    tags: jsonOf<readonly string[]>(row, "tags"),
    title: textOf(row, "title"),
    startedAt: numberOf(row, "started_at"),
    endedAt,
    turns: numberOf(row, "turns"),
    sums: spanSums(sumsOfRow(row), endedAt),
    error: jsonOf<ErrorRecord | null>(row, "error"),
    errorGroup: textOrNull(row, "error_group"),
    snippet,
  };
}
