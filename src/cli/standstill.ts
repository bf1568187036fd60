import { rootRunIdOf } from "../core/id.ts";
import { limits } from "../core/limits.ts";
import type { RunHead } from "../core/run-head.ts";
import type { OpenAsk, Page } from "../core/store-contract.ts";
import type { Run } from "../engine/run-handle.ts";
import type { Pawl } from "../engine/runtime.ts";

/** What a run and its children wait for from people. */
export async function openAsks(app: Pawl, run: Run): Promise<readonly OpenAsk[]> {
  const { hasChildren, waits, runId } = await run.head();
  if (!hasChildren) {
    return waits.flatMap(({ kind, key, seq, expiresAt = null }) =>
      kind === "approval" || kind === "unknown" ? [{ kind, key, seq, expiresAt, runId }] : [],
    );
  }
  const people = app.people(run.ref.tenant);
  const asks: OpenAsk[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<OpenAsk> = await people.list(cursor);
    asks.push(...page.items.filter((ask) => rootRunIdOf(ask.runId) === rootRunIdOf(run.id)));
    cursor = page.cursor;
  } while (cursor !== null);
  return asks;
}

/** Children of a run that go on only when somebody says so. */
export async function stuckChildren(app: Pawl, run: Run): Promise<readonly RunHead[]> {
  const filter = { parentRunId: run.id, statuses: ["blocked", "awaiting_budget", "paused"] } as const;
  return (await app.runs(filter, { tenant: run.ref.tenant })).items;
}

/**
 * Looks now and then why a run stands still, where its own events do not say it. `held` is called once.
 * @returns a function that ends the looking
 */
export function whenStill(
  app: Pawl,
  run: Run,
  tell: { readonly held: () => void; readonly byChild: () => void },
): () => void {
  let isTold = false;
  const look = async (): Promise<void> => {
    const { status, cancelRequested, threadId, dueAt } = await run.head();
    if (status === "queued" && threadId !== null && dueAt === null && !isTold) {
      isTold = true;
      tell.held();
    }
    if (status !== "awaiting_child" || cancelRequested) return;
    if ((await openAsks(app, run)).length > 0 || (await stuckChildren(app, run)).length > 0) tell.byChild();
  };
  // what fails is looked at again soon
  const timer = setInterval(() => void look().catch(() => undefined), limits.pollMs * 2);
  return () => clearInterval(timer);
}
