import { PawlError } from "../core/errors.ts";
import { KnownTenants } from "../core/known-tenants.ts";
import { limits } from "../core/limits.ts";
import type { RunHead } from "../core/run-head.ts";
import { endStatuses } from "../core/run-outcome.ts";
import { deleteIfOld, finishDeletions } from "./deletion.ts";
import type { EngineDeps, Retention } from "./deps.ts";

const DAY_MS = 86_400_000;

/** @throws OPTION_INVALID */
export function checkRetention(retention: Retention): Retention {
  const { days } = retention;
  if (Number.isInteger(days) && days >= 1 && days <= limits.retentionDaysMax) return retention;
  throw new PawlError(
    "OPTION_INVALID",
    `retention.days is ${days}. Give a whole number from 1 to ${limits.retentionDaysMax}; without retention everything is kept.`,
  );
}

/**
 * Deletes what is older than a store is to keep, a bounded part at a time: each worker passes over all ended runs, tenant by
 * tenant, then rests. Several may do it at once.
 */
export class RetentionSweep {
  readonly #deps: EngineDeps;
  #tenants: string[] = [];
  #cursor: string | null = null;
  #restUntilMs = -Infinity;

  constructor(deps: EngineDeps) {
    this.#deps = deps;
  }

  async step(ending: AbortSignal): Promise<void> {
    await finishDeletions(this.#deps);
    const { retention, clock, store } = this.#deps;
    if (retention === undefined) return;
    if (this.#tenants.length === 0) {
      if (clock.monotonicMs() < this.#restUntilMs) return;
      this.#tenants = [...(await new KnownTenants(store).all())];
      this.#restUntilMs = clock.monotonicMs() + limits.retentionRestMs;
    }
    const endedBy = clock.nowMs() - retention.days * DAY_MS;
    for (let page = 0; page < limits.retentionPages && !ending.aborted; page++) {
      const [tenant] = this.#tenants;
      if (tenant === undefined) return;
      await this.#page(tenant, endedBy, ending);
    }
  }

  async #page(tenant: string, endedBy: number, ending: AbortSignal): Promise<void> {
    const { store } = this.#deps;
    const cursor = this.#cursor;
    // a tenant that cannot be read does not keep others' runs
    this.#cursor = null;
    this.#tenants.shift();
    const page = await store.list(tenant, { statuses: endStatuses }, cursor, limits.retentionPage);
    const old = page.items.filter(({ updatedAt }) => updatedAt <= endedBy);
    for (const scope of new Set(old.map(({ blobScope }: RunHead) => blobScope))) {
      if (ending.aborted) return;
      await deleteIfOld(this.#deps, { tenant, scope, endedBy });
    }
    if (page.cursor === null) return;
    this.#cursor = page.cursor;
    this.#tenants.unshift(tenant);
  }
}
