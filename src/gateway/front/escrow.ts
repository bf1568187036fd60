import { fullJitterMs } from "../../core/backoff.ts";
import type { Clock, Entropy } from "../../core/clock.ts";
import { PawlError } from "../../core/errors.ts";
import { escrowRunId } from "../../core/id.ts";
import { limits } from "../../core/limits.ts";
import type { LedgerAmount, LedgerStore, ReserveResult } from "../../core/store-contract.ts";

/** What one attempt may use of its budgets, taken before it began. */
export interface Hold {
  /** Where the ledger was asked for it: what nobody uses yet of each amount that the ledger gave. Else null. */
  readonly unused: readonly number[] | null;
  /** Says what it did use, once; `[]` = nothing. In the order of the amounts that were taken. */
  settle(actual: readonly LedgerAmount[]): void;
}

interface Chunk {
  readonly id: string;
  readonly tenant: string;
  readonly amounts: readonly LedgerAmount[];
  readonly left: number[];
  readonly used: number[];
  /** For how many calls like the first it was taken. */
  readonly size: number;
  calls: number;
  open: number;
  isClosed: boolean;
  cancelTimer: () => void;
}

interface Settlement {
  readonly id: string;
  readonly tenant: string;
  readonly actual: readonly LedgerAmount[];
}

/** What calls of the same budgets share. */
interface Line {
  /** The newest last. Only those that are closed and still have calls stay beside it. */
  chunks: Chunk[];
  size: number;
  reserving: Promise<ReserveResult> | null;
}

export interface EscrowParts {
  readonly store: LedgerStore;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Id of this process' session: with it others see whether it lives. @throws STORE_UNREACHABLE */
  readonly session: () => Promise<string>;
}

/**
 * Budgets of calls that are no runs. Of each ledger scope this process takes the worst case of up to limits.escrowCalls
 * calls at once, hands it out without asking again, and settles the whole after limits.escrowMs when its calls have ended.
 * What a process that died had taken counts as used: the sweep of any worker settles it so.
 */
export class Escrow {
  readonly #parts: EscrowParts;
  readonly #lines = new Map<string, Line>();
  readonly #settling = new Set<Promise<void>>();
  /** Written together, and with the next reservation, so that they share its commit. */
  #due: Settlement[] = [];
  #cancelFlush: (() => void) | null = null;
  #isClosed = false;

  constructor(parts: EscrowParts) {
    this.#parts = parts;
  }

  /** @throws BUDGET_REFUSED naming the scope, what is left and what was needed; STORE_UNREACHABLE */
  async take(tenant: string, amounts: readonly LedgerAmount[]): Promise<Hold> {
    if (amounts.length === 0) return { unused: null, settle: () => undefined };
    const key = JSON.stringify([tenant, amounts.map(({ scope, window, unit }) => [scope, window, unit])]);
    const line = this.#lines.get(key) ?? { chunks: [], size: 1, reserving: null };
    this.#lines.set(key, line);
    let hasAsked = false;
    for (;;) {
      const chunk = line.chunks.find((one) => !one.isClosed && hasRoom(one, amounts));
      if (chunk !== undefined) return { ...this.#draw(key, chunk, amounts), unused: hasAsked ? unusedOf(line) : null };
      const isOwn = line.reserving === null;
      hasAsked ||= isOwn;
      line.reserving ??= this.#reserve(key, line, tenant, amounts).finally(() => {
        line.reserving = null;
      });
      const result = await line.reserving;
      // somebody else's reservation may have been refused for being larger
      if (result.type === "ok" || !isOwn) continue;
      const rest = line.chunks.find((one) => one.open > 0 && hasRoom(one, amounts));
      if (rest !== undefined) return { ...this.#draw(key, rest, amounts), unused: null };
      throw refusal(result, amounts);
    }
  }

  /** Settles everything that no call holds any more, and waits for it. What is left is a sweep's. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const [key, { chunks }] of this.#lines) for (const chunk of chunks) this.#end(key, chunk);
    this.#flush();
    await Promise.all(this.#settling);
  }

  async #reserve(key: string, line: Line, tenant: string, amounts: readonly LedgerAmount[]): Promise<ReserveResult> {
    const { store, entropy, clock, session } = this.#parts;
    const runId = escrowRunId(await session());
    for (const chunk of line.chunks) this.#end(key, chunk);
    for (let size = line.size; ; size = 1) {
      const id = `${runId}:${entropy.id()}`;
      const wanted = amounts.map((one) => ({ ...one, amount: one.amount * size }));
      this.#flush();
      const result = await store.reserve(tenant, { id, runId, amounts: wanted }).catch((error: unknown) => {
        // it may be there: what nobody uses is given back
        this.#settle({ id, tenant, actual: [] });
        throw error;
      });
      line.size = result.type === "ok" ? Math.min(limits.escrowCalls, size * 2) : 1;
      if (result.type !== "ok" && size > 1) continue;
      if (result.type !== "ok") return result;
      const left = wanted.map(({ amount }) => amount);
      const used = wanted.map(() => 0);
      const chunk: Chunk = {
        id,
        tenant,
        amounts: wanted,
        left,
        used,
        size,
        calls: 0,
        open: 0,
        isClosed: false,
        cancelTimer: clock.setTimer(limits.escrowMs, () => {
          if (chunk.calls * 2 < size) line.size = Math.max(1, chunk.calls);
          this.#end(key, chunk);
        }),
      };
      line.chunks.push(chunk);
      return result;
    }
  }

  #draw(key: string, chunk: Chunk, amounts: readonly LedgerAmount[]): Pick<Hold, "settle"> {
    chunk.calls++;
    chunk.open++;
    for (const [i, { amount }] of amounts.entries()) chunk.left[i] = (chunk.left[i] ?? 0) - amount;
    if (chunk.calls >= limits.escrowCalls) this.#end(key, chunk);
    let isOpen = true;
    return {
      settle: (actual) => {
        if (!isOpen) return;
        isOpen = false;
        chunk.open--;
        for (const [i, { amount }] of actual.entries()) chunk.used[i] = (chunk.used[i] ?? 0) + amount;
        if (this.#isClosed) chunk.isClosed = true;
        this.#settleIfDone(key, chunk);
      },
    };
  }

  #end(key: string, chunk: Chunk): void {
    if (chunk.isClosed) return;
    chunk.isClosed = true;
    chunk.cancelTimer();
    this.#settleIfDone(key, chunk);
  }

  #settleIfDone(key: string, chunk: Chunk): void {
    if (!chunk.isClosed || chunk.open > 0) return;
    const line = this.#lines.get(key);
    if (line !== undefined) line.chunks = line.chunks.filter((one) => one !== chunk);
    if (line?.chunks.length === 0 && line.reserving === null && this.#lines.size > limits.bucketsKept)
      this.#lines.delete(key);
    const actual = chunk.amounts.map((one, i) => ({ ...one, amount: chunk.used[i] ?? 0 }));
    this.#settle({ id: chunk.id, tenant: chunk.tenant, actual: chunk.calls === 0 ? [] : actual });
  }

  #settle(chunk: Settlement): void {
    this.#due.push(chunk);
    if (this.#isClosed) this.#flush();
    else this.#cancelFlush ??= this.#parts.clock.setTimer(limits.callLogMs, () => this.#flush());
  }

  #flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = null;
    for (const chunk of this.#due.splice(0)) {
      const settling = this.#settled(chunk, 1).finally(() => this.#settling.delete(settling));
      this.#settling.add(settling);
    }
  }

  /** Until the store takes it; a process that closes asks once more, then leaves it to the sweep. */
  async #settled(chunk: Settlement, attempt: number): Promise<void> {
    const { store, clock, entropy } = this.#parts;
    try {
      await store.settle(chunk.tenant, chunk.id, chunk.actual);
    } catch {
      if (this.#isClosed || this.#settling.size > limits.frontCalls) return;
      const bounds = { baseMs: limits.escrowRetryMs, capMs: 30 * limits.escrowRetryMs };
      await new Promise<void>((resolve) => {
        clock.setTimer(limits.escrowRetryMs + fullJitterMs(attempt, entropy.random(), bounds), resolve);
      });
      await this.#settled(chunk, Math.min(attempt + 1, 10));
    }
  }
}

function hasRoom({ left }: Chunk, amounts: readonly LedgerAmount[]): boolean {
  return amounts.every(({ amount }, i) => amount <= (left[i] ?? 0));
}

function unusedOf({ chunks }: Line): readonly number[] {
  const amounts = chunks[0]?.amounts ?? [];
  return amounts.map((_, i) => chunks.reduce((sum, { left }) => sum + (left[i] ?? 0), 0));
}

function refusal(result: ReserveResult, amounts: readonly LedgerAmount[]): PawlError {
  if (result.type === "ok") return new PawlError("INTERNAL", "a reservation was granted and refused.");
  const { scope, window, unit } = result.scope;
  const wanted = amounts.find((one) => one.scope === scope && one.window === window && one.unit === unit);
  return new PawlError(
    "BUDGET_REFUSED",
    `the budget "${scope}" (${window}, ${unit}) has ${result.left} left, and this call may need ${wanted?.amount ?? 0}. Ask for fewer output tokens, wait for the next window, or have it raised.`,
    { details: { scope, window, unit, left: result.left, needed: wanted?.amount ?? 0 } },
  );
}
