import type { RunRef } from "../core/id.ts";
import { limits } from "../core/limits.ts";

/** Which tenant's run is next: tenants take turns, and none has more than its share of a worker. */
export class TenantTurns {
  readonly #cap: number;
  readonly #executing = new Map<string, number>();
  /** Of tenants at their cap, oldest first. */
  readonly #waiting = new Map<string, RunRef[]>();

  /** @param cap  runs of one tenant at once; Infinity = no cap */
  constructor(cap: number) {
    this.#cap = cap;
  }

  get isCapped(): boolean {
    return Number.isFinite(this.#cap);
  }

  /** One of each tenant, then the second of each; the order within a tenant stays. */
  inTurns(refs: readonly RunRef[]): readonly RunRef[] {
    const lines = [...Map.groupBy(refs, ({ tenant }) => tenant).values()];
    if (lines.length < 2) return refs;
    const longest = Math.max(...lines.map((line) => line.length));
    return Array.from({ length: longest }, (_, i) => lines.flatMap((line) => line[i] ?? [])).flat();
  }

  /** @returns false where the tenant has its share: the run waits for one of its others, or for a later look */
  enter(ref: RunRef): boolean {
    const count = this.#executing.get(ref.tenant) ?? 0;
    if (count >= this.#cap) {
      this.#wait(ref);
      return false;
    }
    this.#executing.set(ref.tenant, count + 1);
    return true;
  }

  /** @returns the tenant's next run, where one waits */
  leave({ tenant }: RunRef): RunRef | null {
    const count = (this.#executing.get(tenant) ?? 1) - 1;
    if (count > 0) this.#executing.set(tenant, count);
    else this.#executing.delete(tenant);
    const line = this.#waiting.get(tenant);
    const next = line?.shift() ?? null;
    if (line?.length === 0) this.#waiting.delete(tenant);
    return next;
  }

  #wait(ref: RunRef): void {
    const line = this.#waiting.get(ref.tenant) ?? [];
    if (line.length >= limits.claimsPerPoll || line.some(({ runId }) => runId === ref.runId)) return;
    this.#waiting.set(ref.tenant, [...line, ref]);
  }
}
