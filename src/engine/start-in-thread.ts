import { PawlError } from "../core/errors.ts";
import { checkId } from "../core/id.ts";
import type { EngineDeps } from "./deps.ts";
import { outsideAppend } from "./outside.ts";
import { isPassing } from "./patience.ts";
import { startRun, type RunStart } from "./start-run.ts";
import {
  admitIfNext,
  enterThread,
  forgetStart,
  leaveThread,
  noteStart,
  type OnBusy,
  type ThreadSeat,
} from "./thread.ts";

type ThreadStart = RunStart & { readonly threadId: string };

/**
 * Starts a run in its thread's order. A repeat, at any time, finds the run and takes no second place. Where the starter
 * dies on the way, a worker's sweep completes the start after limits.threadStartMs.
 * @throws THREAD_BUSY, RUN_EXISTS_DIFFERENT
 */
export async function startInThread(
  deps: Pick<EngineDeps, "store" | "clock" | "entropy" | "redaction">,
  start: ThreadStart,
  onBusy: OnBusy,
): Promise<{ readonly created: boolean }> {
  const { tenant, runId } = start.ref;
  const seat: ThreadSeat = { tenant, threadId: checkId("threadId", start.threadId), runId };
  const existing = await deps.store.readHead(start.ref);
  if (existing !== null) {
    const isHeldHere = existing.held && existing.threadId === seat.threadId;
    // who created it may have died before it noted that, and so may this process
    if (isHeldHere) await noteStart(deps, seat, "created");
    await startRun(deps, start);
    if (!isHeldHere) return { created: false };
    // its turn may have come before it was created, and who created it may not have got as far as to see that
    await admitIfNext(deps, seat);
    await forgetStart(deps, seat);
    return { created: false };
  }
  await noteStart(deps, seat, "entering");
  let created = false;
  try {
    const { interrupts } = await enterThread(deps, seat, onBusy);
    created = await create(deps, start, seat);
    // a run that is there has a note until it is let go, whoever took the first one for old
    await noteStart(deps, seat, "created");
    await admitIfNext(deps, seat);
    if (interrupts !== null) await interrupt(deps, start, interrupts);
  } catch (error) {
    // after a failure that may pass nobody knows how far it came: a sweep looks
    if (!isPassing(error)) await forgetStart(deps, seat);
    throw error;
  }
  await forgetStart(deps, seat);
  return { created };
}

async function interrupt(
  deps: Pick<EngineDeps, "store" | "clock" | "entropy" | "redaction">,
  { ref, principal }: ThreadStart,
  active: string,
): Promise<void> {
  const writer = { principal, messageId: `interrupt:${ref.runId}` };
  const reason = `interrupted by run "${ref.runId}" of its thread`;
  await outsideAppend(deps, { ...ref, runId: active }, writer, () => [{ type: "cancel.requested", reason }]);
}

/**
 * Every run of a thread is created held, and let go by the record: a starter that stood still for long after it took the
 * place may have lost it meanwhile.
 */
async function create(
  deps: Pick<EngineDeps, "store" | "clock" | "entropy" | "redaction">,
  start: ThreadStart,
  seat: ThreadSeat,
): Promise<boolean> {
  try {
    return (await startRun(deps, { ...start, heldByThread: true })).created;
  } catch (error) {
    // after a failure that may pass nobody knows whether the run is there: then its place stays
    if (!isPassing(error) && !PawlError.is(error, "RUN_EXISTS_DIFFERENT")) await leaveThread(deps, seat);
    throw error;
  }
}
