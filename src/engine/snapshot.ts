import { hashText } from "../core/hash.ts";
import { limits } from "../core/limits.ts";
import type { RunHead } from "../core/run-head.ts";
import { snapshotOf } from "../core/run-fold.ts";
import { foldVersion } from "../core/run-state.ts";
import type { EngineDeps } from "./deps.ts";
import type { OwnedJournal } from "./journal.ts";

/** True when enough events came since the last stored fold. */
export function isSnapshotDue(deps: EngineDeps, head: RunHead, seq: number): boolean {
  return seq - (head.marks.snapshot?.seq ?? 0) >= (deps.hooks.snapshotEveryEvents ?? limits.snapshotEveryEvents);
}

/** Stores a fold between turns when one is due: a cache that makes claims cheap, never truth. */
export async function storeSnapshot(deps: EngineDeps, journal: OwnedJournal): Promise<void> {
  const { state, head, ref } = journal;
  if (!isSnapshotDue(deps, head, state.seq) || state.log.length > 0) return;
  const text = JSON.stringify(snapshotOf(state));
  const snapshot = { seq: state.seq, blob: hashText(text), foldVersion };
  await deps.store.putBlob(ref.tenant, head.blobScope, snapshot.blob, new TextEncoder().encode(text));
  await deps.store.mark(ref, { snapshot });
  journal.raiseSnapshot(snapshot);
}
