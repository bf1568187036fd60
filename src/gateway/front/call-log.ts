import type { Clock, Entropy } from "../../core/clock.ts";
import { encodeBatch } from "../../core/journal-codec.ts";
import { journalFormat, type Batch, type JournalEvent } from "../../core/journal-event.ts";
import { limits } from "../../core/limits.ts";
import { nextHead, type RunHead } from "../../core/run-head.ts";
import type { Store } from "../../core/store-contract.ts";
import type { Redaction } from "../../engine/redaction.ts";
import { eventsOf, type Clean, type LoggedCall } from "./call-record.ts";

export interface CallLogParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly build: string;
  readonly redaction: Redaction | null;
  readonly session: () => Promise<string>;
  /** Calls that are not in the log, because it could not be written or was too long. */
  readonly onLost: (calls: number, why: unknown) => void;
}

/**
 * Calls that are no runs, written down together after they ended: each as a journal that is complete at once, so that it is
 * in traces, bills and listings as everything else. Up to limits.callLogMs of it are lost with the process; money is not
 * in it.
 */
export class CallLog {
  readonly #parts: CallLogParts;
  #waiting: LoggedCall[] = [];
  #writing: Promise<void> | null = null;
  #cancelTimer: (() => void) | null = null;

  constructor(parts: CallLogParts) {
    this.#parts = parts;
  }

  add(call: LoggedCall): void {
    if (this.#waiting.length >= limits.callLogCalls) {
      this.#parts.onLost(1, new Error(`${limits.callLogCalls} calls wait to be written`));
      return;
    }
    this.#waiting.push(call);
    this.#arm();
  }

  /** Writes what there is, and what comes meanwhile. */
  async flush(): Promise<void> {
    while (this.#waiting.length > 0 || this.#writing !== null) {
      this.#begin();
      await this.#writing;
    }
  }

  /** What comes while a part is written waits for the next: each costs the store its commits, however much is in it. */
  #arm(): void {
    if (this.#writing !== null || this.#waiting.length === 0) return;
    this.#cancelTimer ??= this.#parts.clock.setTimer(limits.callLogMs, () => this.#begin());
  }

  #begin(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null;
      this.#arm();
    });
  }

  async #write(): Promise<void> {
    const all = this.#waiting;
    this.#waiting = [];
    for (let i = 0; i < all.length; i += limits.callLogBatch) {
      const some = all.slice(i, i + limits.callLogBatch);
      const done = await Promise.allSettled(some.map((one) => this.#writeOne(one)));
      const failed = done.filter((one) => one.status === "rejected");
      if (failed.length > 0) this.#parts.onLost(failed.length, failed[0]?.reason);
    }
  }

  async #writeOne(logged: LoggedCall): Promise<void> {
    const { store, build, session } = this.#parts;
    const { id } = logged.call;
    const cleaner = this.#parts.redaction?.of(logged.call.started.tenant);
    const clean: Clean = (value) => cleaner?.json(value) ?? value;
    const started = { ...logged.call.started, title: clean(logged.call.started.title ?? "") };
    const ref = { tenant: started.tenant, runId: id };
    const claimed = { type: "run.claimed", fence: 1, session: await session(), worker: "front", build } as const;
    const by = { principal: started.principal, messageId: id };
    const first = this.#batch(null, { at: logged.at, by, events: [started, claimed] });
    const head = nextHead(null, ref, first.encoded, first.batch);
    const rest = this.#batch(head, {
      at: Math.round(logged.endedAt),
      by: { fence: 1 },
      events: eventsOf(logged, clean),
    });
    const last = nextHead(head, ref, rest.encoded, rest.batch);
    const append = { expectedSeq: head.seq, batch: rest.encoded, head: last };
    // at once, so that a store that writes in groups commits both together
    const [created, ended] = await Promise.allSettled([
      store.createRun(ref, { batch: first.encoded, head }),
      store.append(ref, append),
    ]);
    if (created.status === "rejected") throw created.reason;
    // one that does not keep the order had no run yet; a repeat of a batch that is there is harmless
    if (ended.status === "rejected") await store.append(ref, append);
  }

  #batch(head: RunHead | null, of: Pick<Batch, "at" | "by"> & { readonly events: readonly JournalEvent[] }) {
    const batch: Batch = {
      id: this.#parts.entropy.id(),
      firstSeq: (head?.seq ?? 0) + 1,
      format: journalFormat,
      prevHash: head?.lastHash ?? "",
      ...of,
    };
    return { batch, encoded: encodeBatch(batch) };
  }
}
