import type { RunRef } from "../../src/core/id.ts";
import { decodeBatches } from "../../src/core/journal-codec.ts";
import type { Batch } from "../../src/core/journal-event.ts";
import type { Store } from "../../src/core/store-contract.ts";
import type { Span } from "../../src/core/trace-contract.ts";
import { spanFold } from "../../src/traces/spans-from-journal.ts";

export async function batchesOf(store: Pick<Store, "readEvents">, ref: RunRef): Promise<readonly Batch[]> {
  return decodeBatches(await store.readEvents(ref, 0, Infinity), { seq: 0, hash: "" }).batches;
}

/** Every span of a run as its journal says by now, in the order in which they opened. */
export async function spansOf(store: Pick<Store, "readEvents">, ref: RunRef): Promise<readonly Span[]> {
  return spansFrom(ref, await batchesOf(store, ref));
}

export function spansFrom(ref: RunRef, batches: readonly Batch[]): readonly Span[] {
  const fold = spanFold(ref);
  const spans = new Map<string, Span>();
  for (const batch of batches) for (const span of fold.read(batch)) spans.set(span.spanId, span);
  return [...spans.values()];
}
