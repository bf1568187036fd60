import { PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import { encodeBatch } from "../core/journal-codec.ts";
import { isOwner, journalFormat, type Batch, type JournalEvent } from "../core/journal-event.ts";
import { limits } from "../core/limits.ts";
import { nextHead, sawMessage, type RunHead } from "../core/run-head.ts";
import { isEnd } from "../core/run-outcome.ts";
import { laneChannel } from "../core/store-contract.ts";
import type { EngineDeps } from "./deps.ts";
import { batchesAfter } from "./load-run.ts";
import { tellRun } from "./run-hints.ts";

export type OutsideDeps = Pick<EngineDeps, "store" | "clock" | "entropy" | "redaction" | "queue">;

export interface OutsideWriter {
  readonly principal: string;
  /** The same id is taken once: a repeat is answered with what was recorded. null = this is said once, and gets an id. */
  readonly messageId: string | null;
}

export type OutsideResult =
  | { readonly type: "appended"; readonly seq: number }
  /** This message was taken before. */
  | { readonly type: "repeated" }
  | { readonly type: "ended"; readonly head: RunHead }
  | { readonly type: "missing" };

/**
 * Appends events to a run that somebody else may own: signals, decisions, cancels, children's ends. `decide` sees the
 * newest head and gives the events, or throws to refuse.
 * @throws JOURNAL_CONFLICT after limits.outsideAppendTries lost races
 */
export async function outsideAppend(
  deps: OutsideDeps,
  ref: RunRef,
  writer: OutsideWriter,
  decide: (head: RunHead) => Promise<readonly JournalEvent[]> | readonly JournalEvent[],
): Promise<OutsideResult> {
  const by = { principal: writer.principal, messageId: writer.messageId ?? deps.entropy.id() };
  for (let tries = 0; tries < limits.outsideAppendTries; tries++) {
    const head = await deps.store.readHead(ref);
    if (head === null) return { type: "missing" };
    if (writer.messageId !== null && (await wasTaken(deps, ref, head, writer.messageId))) return { type: "repeated" };
    if (isEnd(head.status)) return { type: "ended", head };
    if (isBeingCopied(head)) throw notWhole(ref);
    const decided = await decidedOn(deps, ref, writer, head, decide);
    if (decided === null) return { type: "repeated" };
    const events = deps.redaction?.of(ref.tenant).events(decided) ?? decided;
    const batch: Batch = {
      id: deps.entropy.id(),
      firstSeq: head.seq + 1,
      at: deps.clock.nowMs(),
      format: journalFormat,
      by,
      prevHash: head.lastHash,
      events,
    };
    const encoded = encodeBatch(batch);
    const next = nextHead(head, ref, encoded, batch);
    const result = await deps.store.append(ref, { expectedSeq: head.seq, batch: encoded, head: next });
    if (result.type === "ok" || result.type === "mine") {
      announce(deps, ref, next);
      return { type: "appended", seq: encoded.firstSeq };
    }
  }
  throw new PawlError(
    "JOURNAL_CONFLICT",
    `run "${ref.runId}" changed ${limits.outsideAppendTries} times while a message was being written. Send it again with the same message id.`,
  );
}

/** @returns null where it was refused because its own twin was taken while this one was looked at */
async function decidedOn(
  deps: OutsideDeps,
  ref: RunRef,
  { messageId }: OutsideWriter,
  head: RunHead,
  decide: (head: RunHead) => Promise<readonly JournalEvent[]> | readonly JournalEvent[],
): Promise<readonly JournalEvent[] | null> {
  try {
    return await decide(head);
  } catch (refusal) {
    const now = messageId === null ? null : await deps.store.readHead(ref);
    if (messageId !== null && now !== null && (await wasTaken(deps, ref, now, messageId))) return null;
    throw refusal;
  }
}

/** A fork of which not all is copied: a word between its batches would tear it. Only a thread's run is held otherwise. */
function isBeingCopied(head: RunHead): boolean {
  return head.held && head.threadId === null;
}

function notWhole(ref: RunRef): PawlError {
  return new PawlError(
    "JOURNAL_CONFLICT",
    `run "${ref.runId}" is a fork that is still being copied. If that goes on for long, repeat the fork with the same id.`,
  );
}

/** Hints for the owner, for stream readers, and for workers when the run is due. Lossy. */
export function announce(deps: OutsideDeps, ref: RunRef, head: RunHead): void {
  tellRun(deps.store, ref, head);
  if (head.session === null && head.dueAt !== null) deps.store.publish(laneChannel(head.lane), JSON.stringify(ref));
  deps.queue?.offer(ref, head);
}

async function wasTaken(deps: OutsideDeps, ref: RunRef, head: RunHead, messageId: string): Promise<boolean> {
  const known = sawMessage(head, messageId);
  if (known !== null) return known;
  for await (const batch of batchesAfter(deps.store, ref, 0)) {
    if (!isOwner(batch.by) && batch.by.messageId === messageId) return true;
  }
  return false;
}

/** Of signals: one that a parked run waits for is always taken, others must not keep it out. @throws SIGNALS_TOO_MANY */
export function checkRoom({ runId, signals = [], waits }: RunHead, name: string): void {
  const isAwaited = waits.some((wait) => wait.kind === "signal" && wait.name === name);
  if (signals.length < limits.signalsPending + (isAwaited ? limits.headWaits : 0)) return;
  throw new PawlError(
    "SIGNALS_TOO_MANY",
    `run "${runId}" has ${signals.length} signals that it has not waited for yet; at most ${limits.signalsPending} are kept. Send "${name}" again when it has taken some.`,
  );
}
