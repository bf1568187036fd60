import { limits } from "../core/limits.ts";
import type { RunHead } from "../core/run-head.ts";
import { isEnd } from "../core/run-outcome.ts";
import type { Page, Store } from "../core/store-contract.ts";

/** What the children of a run wait for from people, at any depth. */
export interface ChildAsks {
  readonly approvals: readonly string[];
  readonly unknownEffects: readonly string[];
}

/** @returns null while some child goes on by itself, or where none waits for a person */
export async function childAsks(store: Pick<Store, "list">, parent: RunHead): Promise<ChildAsks | null> {
  const approvals: string[] = [];
  const unknownEffects: string[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<RunHead> = await store.list(
      parent.tenant,
      { parentRunId: parent.runId },
      cursor,
      limits.reviewPage,
    );
    for (const head of page.items) {
      if (isEnd(head.status)) continue;
      const { status, runId } = head;
      if (status === "awaiting_approval") {
        for (const { kind, key } of head.waits) {
          if (kind === "approval") approvals.push(key);
          if (kind === "unknown") unknownEffects.push(`${runId}:${key}`);
        }
        continue;
      }
      const below = status === "awaiting_child" ? await childAsks(store, head) : null;
      if (below === null) return null;
      approvals.push(...below.approvals);
      unknownEffects.push(...below.unknownEffects);
    }
    cursor = page.cursor;
  } while (cursor !== null);
  return approvals.length + unknownEffects.length === 0 ? null : { approvals, unknownEffects };
}
