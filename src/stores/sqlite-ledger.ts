import { PawlError } from "../core/errors.ts";
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
import { jsonOf, numberOf, numberOrNull, textOf, type Database, type Row } from "./sqlite.ts";

interface Account {
  /** null = nothing was counted yet: a window of a capped kind that has just begun */
  readonly id: number | null;
  /** Its own, else its kind's. */
  readonly cap: number | null;
  readonly spent: number;
  readonly reserved: number;
}

const PRUNED_PER_SETTLE = 100;

function prepareAll(db: Database) {
  return {
    account: db.prepare(
      "SELECT id, cap, spent, reserved FROM account WHERE tenant = ? AND scope = ? AND window = ? AND unit = ?",
    ),
    setCap: db.prepare(
      `INSERT INTO account (tenant, scope, window, unit, cap, spent, reserved) VALUES (?, ?, ?, ?, ?, 0, 0)
       ON CONFLICT (tenant, scope, window, unit) DO UPDATE SET cap = excluded.cap`,
    ),
    open: db.prepare(
      "INSERT INTO account (tenant, scope, window, unit, cap, spent, reserved) VALUES (?, ?, ?, ?, NULL, 0, 0)",
    ),
    hold: db.prepare("UPDATE account SET reserved = reserved + ? WHERE id = ?"),
    spend: db.prepare("UPDATE account SET spent = spent + ? WHERE id = ?"),
    reservation: db.prepare("SELECT id, held, settled_at FROM reservation WHERE tenant = ? AND key = ?"),
    insert: db.prepare("INSERT INTO reservation (tenant, key, run_id, at, amounts, held) VALUES (?, ?, ?, ?, ?, ?)"),
    forget: db.prepare("DELETE FROM reservation WHERE id = ?"),
    close: db.prepare("UPDATE reservation SET settled_at = ? WHERE id = ?"),
    prune: db.prepare(
      `DELETE FROM reservation WHERE id IN
       (SELECT id FROM reservation WHERE settled_at <= ? LIMIT ${PRUNED_PER_SETTLE})`,
    ),
    pruneWindows: db.prepare(
      `DELETE FROM account WHERE id IN
       (SELECT id FROM account WHERE window >= ? AND window < ? AND reserved = 0 LIMIT ?)`,
    ),
    openOf: db.prepare("SELECT * FROM reservation WHERE tenant = ? AND run_id = ? AND settled_at IS NULL ORDER BY id"),
    openBefore: db.prepare("SELECT * FROM reservation WHERE at < ? AND settled_at IS NULL ORDER BY at LIMIT ?"),
  };
}

/**
 * Shared budgets in SQLite. A settled reservation is remembered for an hour, so that a late repeat of its `reserve`
 * gets the same answer and holds nothing; a released one is forgotten, since its id may be used again.
 */
export class SqliteLedger {
  readonly #sql: ReturnType<typeof prepareAll>;

  constructor(db: Database) {
    this.#sql = prepareAll(db);
  }

  reserve(
    tenant: string,
    request: { readonly id: string; readonly runId: string; readonly amounts: readonly LedgerAmount[] },
    nowMs: number,
  ): ReserveResult {
    const amounts = mergedAmounts(request.amounts);
    if (this.#sql.reservation.get(tenant, request.id) !== undefined) return { type: "ok" };
    const held: { readonly amount: LedgerAmount; readonly account: Account }[] = [];
    for (const amount of amounts) {
      const account = this.#account(tenant, amount);
      if (account.cap === null) continue;
      const left = account.cap - account.spent - account.reserved;
      if (amount.amount > left) return { type: "refused", scope: scopeOf(amount), left };
      held.push({ amount, account });
    }
    if (held.length === 0) return { type: "ok" };
    for (const { amount, account } of held) this.#sql.hold.run(amount.amount, this.#idOf(tenant, amount, account));
    const heldText = JSON.stringify(held.map(({ amount }) => amount));
    this.#sql.insert.run(tenant, request.id, request.runId, nowMs, JSON.stringify(amounts), heldText);
    return { type: "ok" };
  }

  settle(
    settlement: { readonly tenant: string; readonly id: string; readonly actual: readonly LedgerAmount[] },
    nowMs: number,
  ): void {
    const { tenant, id } = settlement;
    const used = mergedAmounts(settlement.actual);
    const row = this.#sql.reservation.get(tenant, id);
    if (row === undefined || row["settled_at"] !== null) return;
    const held = jsonOf<readonly LedgerAmount[]>(row, "held");
    for (const one of held) {
      const account = this.#account(tenant, one);
      if (account.id !== null) this.#sql.hold.run(-one.amount, account.id);
    }
    const heldKeys = new Set(held.map(scopeKey));
    for (const one of used) {
      const account = this.#account(tenant, one);
      if (account.cap !== null || heldKeys.has(scopeKey(one)))
        this.#sql.spend.run(one.amount, this.#idOf(tenant, one, account));
    }
    if (used.length === 0) this.#sql.forget.run(numberOf(row, "id"));
    else this.#sql.close.run(nowMs, numberOf(row, "id"));
    this.#sql.prune.run(nowMs - limits.settledKeptMs);
  }

  openReservationsOf(tenant: string, runId: string): readonly OpenReservation[] {
    return this.#sql.openOf.all(tenant, runId).map(openedOf);
  }

  openReservationsBefore(atMs: number, limit: number): readonly OpenReservation[] {
    return this.#sql.openBefore.all(atMs, limit).map(openedOf);
  }

  setCap(tenant: string, scope: LedgerScope, cap: number | null): void {
    checkCap(scope, cap);
    this.#sql.setCap.run(tenant, scope.scope, scope.window, scope.unit, cap);
  }

  pruneLedger(before: string, limit: number): number {
    return Number(this.#sql.pruneWindows.run(before.slice(0, before.indexOf(":") + 1), before, limit).changes);
  }

  readLedger(tenant: string, scope: LedgerScope): LedgerReading {
    const { cap, spent, reserved } = this.#account(tenant, scope);
    return { ...scopeOf(scope), cap, spent, reserved };
  }

  #account(tenant: string, scope: LedgerScope): Account {
    const row = this.#row(tenant, scope);
    const kind = windowKindOf(scope);
    const own = row === undefined ? null : numberOrNull(row, "cap");
    const ofKind = own === null && kind !== null ? this.#row(tenant, kind) : undefined;
    const cap = ofKind === undefined ? own : numberOrNull(ofKind, "cap");
    if (row === undefined) return { id: null, cap, spent: 0, reserved: 0 };
    return { id: numberOf(row, "id"), cap, spent: numberOf(row, "spent"), reserved: numberOf(row, "reserved") };
  }

  #row(tenant: string, scope: LedgerScope): Row | undefined {
    return this.#sql.account.get(tenant, scope.scope, scope.window, scope.unit);
  }

  /** The account's row, made where this is the first that is counted in it. */
  #idOf(tenant: string, scope: LedgerScope, { id }: Account): number {
    if (id !== null) return id;
    this.#sql.open.run(tenant, scope.scope, scope.window, scope.unit);
    const made = this.#account(tenant, scope).id;
    if (made === null) throw new PawlError("INTERNAL", `the ledger lost the account of "${scope.scope}".`);
    return made;
  }
}

function openedOf(row: Row): OpenReservation {
  return {
    id: textOf(row, "key"),
    runId: textOf(row, "run_id"),
    tenant: textOf(row, "tenant"),
    at: numberOf(row, "at"),
    amounts: jsonOf(row, "amounts"),
  };
}
