import { limits } from "../core/limits.ts";
import {
  windowKindOf,
  type LedgerAmount,
  type LedgerReading,
  type LedgerScope,
  type OpenReservation,
  type ReserveResult,
} from "../core/store-contract.ts";
import { checkCap, mergedAmounts, scopeKey, scopeOf } from "./ledger-amounts.ts";
import type { PostgresDatabase, SqlValue } from "./postgres.ts";

interface ReservationRow {
  readonly key: string;
  readonly run_id: string;
  readonly tenant: string;
  readonly at: number;
  readonly amounts: string;
}

const OPEN = "SELECT key, run_id, tenant, at, amounts FROM pawl.reservation WHERE settled_at IS NULL";

/** Shared budgets in PostgreSQL: a reservation is one call of a function, which holds its accounts until it commits. */
export class PostgresLedger {
  readonly #db: PostgresDatabase;

  constructor(db: PostgresDatabase) {
    this.#db = db;
  }

  async reserve(
    tenant: string,
    request: { readonly id: string; readonly runId: string; readonly amounts: readonly LedgerAmount[] },
  ): Promise<ReserveResult> {
    const amounts = mergedAmounts(request.amounts);
    const ordered = inOrder(amounts);
    const answer = await this.#db.row<{ readonly refused: number | null; readonly room: number | null }>(
      "SELECT refused, room FROM pawl.reserve($1, $2, $3, $4, $5, $6, $7, $8, $9)",
      [tenant, request.id, request.runId, JSON.stringify(amounts), ...columnsOf(ordered)],
    );
    const refused = ordered[(answer?.refused ?? 0) - 1];
    return refused === undefined
      ? { type: "ok" }
      : { type: "refused", scope: scopeOf(refused), left: answer?.room ?? 0 };
  }

  async settle(tenant: string, id: string, actual: readonly LedgerAmount[]): Promise<void> {
    const used = inOrder(mergedAmounts(actual));
    await this.#db.rows("SELECT pawl.settle($1, $2, $3, $4, $5, $6, $7, $8)", [
      tenant,
      id,
      ...columnsOf(used),
      limits.settledKeptMs,
    ]);
  }

  async openReservationsOf(tenant: string, runId: string): Promise<readonly OpenReservation[]> {
    const rows = await this.#db.rows<ReservationRow>(`${OPEN} AND tenant = $1 AND run_id = $2 ORDER BY id`, [
      tenant,
      runId,
    ]);
    return rows.map(openedOf);
  }

  async openReservationsBefore(atMs: number, limit: number): Promise<readonly OpenReservation[]> {
    const rows = await this.#db.rows<ReservationRow>(`${OPEN} AND at < $1 ORDER BY at, id LIMIT $2`, [atMs, limit]);
    return rows.map(openedOf);
  }

  async setCap(tenant: string, scope: LedgerScope, cap: number | null): Promise<void> {
    checkCap(scope, cap);
    await this.#db.rows(
      `INSERT INTO pawl.account (tenant, scope, period, unit, cap) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (tenant, scope, period, unit) DO UPDATE SET cap = excluded.cap`,
      [tenant, scope.scope, scope.window, scope.unit, cap],
    );
  }

  async readLedger(tenant: string, scope: LedgerScope): Promise<LedgerReading> {
    const row = await this.#db.row<Pick<LedgerReading, "cap" | "spent" | "reserved">>(
      `SELECT coalesce(own.cap, kind.cap) AS cap, coalesce(own.spent, 0) AS spent, coalesce(own.reserved, 0) AS reserved
       FROM (VALUES ($1, $2, $3, $4, $5)) AS a (tenant, scope, period, unit, kind)
       LEFT JOIN pawl.account own USING (tenant, scope, period, unit)
       LEFT JOIN pawl.account kind
         ON kind.tenant = a.tenant AND kind.scope = a.scope AND kind.period = a.kind AND kind.unit = a.unit`,
      [tenant, scope.scope, scope.window, scope.unit, windowKindOf(scope)?.window ?? null],
    );
    return { ...scopeOf(scope), ...(row ?? { cap: null, spent: 0, reserved: 0 }) };
  }

  async pruneLedger(before: string, limit: number): Promise<number> {
    const gone = await this.#db.rows(
      `DELETE FROM pawl.account WHERE id IN (SELECT id FROM pawl.account
       WHERE period >= $1 AND period < $2 AND reserved = 0 LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING 1`,
      [before.slice(0, before.indexOf(":") + 1), before, limit],
    );
    return gone.length;
  }
}

/** All who lock several accounts lock them in this order. */
function inOrder(amounts: readonly LedgerAmount[]): readonly LedgerAmount[] {
  return amounts.toSorted((a, b) => (scopeKey(a) < scopeKey(b) ? -1 : 1));
}

function columnsOf(amounts: readonly LedgerAmount[]): readonly SqlValue[] {
  return [
    amounts.map(({ scope }) => scope),
    amounts.map(({ window }) => window),
    amounts.map((one) => windowKindOf(one)?.window ?? null),
    amounts.map(({ unit }) => unit),
    amounts.map(({ amount }) => amount),
  ];
}

function openedOf({ key, run_id, tenant, at, amounts }: ReservationRow): OpenReservation {
  return { id: key, runId: run_id, tenant, at, amounts: JSON.parse(amounts) as readonly LedgerAmount[] };
}
