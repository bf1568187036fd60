import type { Clock } from "../core/clock.ts";
import { limits } from "../core/limits.ts";
import {
  windowKindOf,
  type LedgerAmount,
  type LedgerReading,
  type LedgerScope,
  type OpenReservation,
  type ReserveResult,
} from "../core/store-contract.ts";
import { checkCap, mergedAmounts, scopeKey, scopeOf } from "../stores/ledger-amounts.ts";

interface Account {
  readonly window: string;
  cap: number | null;
  spent: number;
  reserved: number;
}
interface Reservation extends OpenReservation {
  /** What was counted: scopes that had a cap. */
  readonly held: readonly LedgerAmount[];
  /** null = open */
  settledAt: number | null;
}
interface TenantLedger {
  readonly accounts: Map<string, Account>;
  readonly reservations: Map<string, Reservation>;
}

/** The ledger of the memory store: synchronous, so that each operation is one atomic step. */
export class MemoryLedger {
  readonly #clock: Clock;
  readonly #tenants = new Map<string, TenantLedger>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  reserve(
    tenant: string,
    request: { readonly id: string; readonly runId: string; readonly amounts: readonly LedgerAmount[] },
  ): ReserveResult {
    const { accounts, reservations } = this.#tenant(tenant);
    const amounts = mergedAmounts(request.amounts);
    if (reservations.has(request.id)) return { type: "ok" };
    const held = amounts.filter((one) => this.#cap(tenant, one) !== null);
    for (const one of held) {
      const account = accounts.get(scopeKey(one));
      const left = (this.#cap(tenant, one) ?? 0) - (account?.spent ?? 0) - (account?.reserved ?? 0);
      if (one.amount > left) return { type: "refused", scope: scopeOf(one), left };
    }
    if (held.length === 0) return { type: "ok" };
    for (const one of held) this.#account(tenant, one).reserved += one.amount;
    const at = this.#clock.nowMs();
    reservations.set(request.id, { id: request.id, runId: request.runId, tenant, at, amounts, held, settledAt: null });
    return { type: "ok" };
  }

  settle(tenant: string, id: string, actual: readonly LedgerAmount[]): void {
    const { reservations } = this.#tenant(tenant);
    const used = mergedAmounts(actual);
    const open = reservations.get(id);
    if (open === undefined || open.settledAt !== null) return;
    for (const one of open.held) this.#account(tenant, one).reserved -= one.amount;
    const heldKeys = new Set(open.held.map(scopeKey));
    for (const one of used) {
      if (heldKeys.has(scopeKey(one)) || this.#cap(tenant, one) !== null)
        this.#account(tenant, one).spent += one.amount;
    }
    const now = this.#clock.nowMs();
    if (used.length === 0) reservations.delete(id);
    else open.settledAt = now;
    for (const [oldId, { settledAt }] of reservations) {
      if (settledAt !== null && settledAt <= now - limits.settledKeptMs) reservations.delete(oldId);
    }
  }

  openOf(tenant: string, runId: string): readonly OpenReservation[] {
    return [...this.#tenant(tenant).reservations.values()].filter((one) => one.runId === runId).flatMap(opened);
  }

  openBefore(atMs: number, limit: number): readonly OpenReservation[] {
    return [...this.#tenants.values()]
      .flatMap(({ reservations }) => [...reservations.values()])
      .filter((one) => one.at < atMs)
      .flatMap(opened)
      .toSorted((a, b) => a.at - b.at)
      .slice(0, limit);
  }

  setCap(tenant: string, scope: LedgerScope, cap: number | null): void {
    checkCap(scope, cap);
    this.#account(tenant, scope).cap = cap;
  }

  prune(before: string, limit: number): number {
    const kind = before.slice(0, before.indexOf(":") + 1);
    const past = [...this.#tenants.values()].flatMap(({ accounts }) =>
      [...accounts]
        .filter(([, { window, reserved }]) => window >= kind && window < before && reserved === 0)
        .map(
          ([key]) =>
            () =>
              accounts.delete(key),
        ),
    );
    for (const forget of past.slice(0, limit)) forget();
    return Math.min(limit, past.length);
  }

  read(tenant: string, scope: LedgerScope): LedgerReading {
    const account = this.#tenant(tenant).accounts.get(scopeKey(scope));
    return {
      ...scopeOf(scope),
      cap: this.#cap(tenant, scope),
      spent: account?.spent ?? 0,
      reserved: account?.reserved ?? 0,
    };
  }

  /** A window's own cap, else its kind's. */
  #cap(tenant: string, scope: LedgerScope): number | null {
    const { accounts } = this.#tenant(tenant);
    const kind = windowKindOf(scope);
    return accounts.get(scopeKey(scope))?.cap ?? (kind === null ? null : (accounts.get(scopeKey(kind))?.cap ?? null));
  }

  #account(tenant: string, scope: LedgerScope): Account {
    const { accounts } = this.#tenant(tenant);
    const account = accounts.get(scopeKey(scope)) ?? { window: scope.window, cap: null, spent: 0, reserved: 0 };
    accounts.set(scopeKey(scope), account);
    return account;
  }

  #tenant(tenant: string): TenantLedger {
    const ledger = this.#tenants.get(tenant) ?? { accounts: new Map(), reservations: new Map() };
    this.#tenants.set(tenant, ledger);
    return ledger;
  }
}

function opened({ id, runId, tenant, at, amounts, settledAt }: Reservation): readonly OpenReservation[] {
  return settledAt === null ? [{ id, runId, tenant, at, amounts }] : [];
}
