import type { RunRef } from "../core/id.ts";
import { decodeBatch } from "../core/journal-codec.ts";
import type { ApprovalAsked, ApprovalDecided } from "../core/approval-event.ts";
import { isOwner, type Batch, type JournalEvent } from "../core/journal-event.ts";
import type { ToolCalled } from "../core/tool-event.ts";
import type { HeadWait } from "../core/run-waits.ts";
import type { Store } from "../core/store-contract.ts";
import type { Comment, Vote } from "./approval-rules.ts";
import { batchesAfter } from "./load-run.ts";

/** What a journal says about one approval. */
export interface RecordedApproval {
  readonly seq: number;
  readonly at: number;
  readonly asked: ApprovalAsked;
  /** The call that it is about; null for a plain question. */
  readonly called: ToolCalled | null;
  /** Hash of what runs where nothing is changed: the arguments, or the question. */
  readonly argsHash: string;
  readonly votes: readonly Vote[];
  readonly comments: readonly Comment[];
  readonly decision: ApprovalDecided | null;
}

/** The batch that holds a seq, read alone; null where the journal does not reach so far. */
export async function batchAt(store: Pick<Store, "readEvents">, ref: RunRef, seq: number): Promise<Batch | null> {
  const [line] = await store.readEvents(ref, seq - 1, 1);
  return line === undefined ? null : decodeBatch(line).batch;
}

/**
 * An approval that its run's head shows as open: one batch, as a call and what was asked about it are never parted. Votes
 * are read too where more than one person must approve, and what else was said with `isWhole`.
 */
export async function openApproval(
  store: Store,
  ref: RunRef,
  wait: HeadWait,
  isWhole = false,
): Promise<RecordedApproval | null> {
  const batch = await batchAt(store, ref, wait.seq);
  const found = new Reading(wait.key);
  if (batch !== null) found.read(batch);
  const { asked } = found;
  if (asked === null) return null;
  const { argsHash, called } = found;
  const isRead = isWhole || asked.event.quorum > 1;
  const { votes, comments } = isRead ? await saidOn(store, ref, { ...wait, argsHash }) : found;
  return { seq: asked.seq, at: asked.at, asked: asked.event, called, argsHash, votes, comments, decision: null };
}

/** An approval that may be long decided: its run's whole journal is read. */
export async function anyApproval(store: Store, ref: RunRef, approvalId: string): Promise<RecordedApproval | null> {
  const found = new Reading(approvalId);
  for await (const batch of batchesAfter(store, ref, 0)) found.read(batch);
  const { asked, called, argsHash, votes, comments, decision } = found;
  if (asked === null) return null;
  return { seq: asked.seq, at: asked.at, asked: asked.event, called, argsHash, votes, comments, decision };
}

/**
 * What people said about an open approval so far.
 * @param untilSeq of the head by which the vote is judged: what came after it is for the append's condition to find
 */
export async function saidOn(
  store: Store,
  ref: RunRef,
  asked: { readonly key: string; readonly seq: number; readonly argsHash: string },
  untilSeq: number = Infinity,
): Promise<Pick<RecordedApproval, "votes" | "comments"> & { readonly refusals: number }> {
  const found = new Reading(asked.key, asked.argsHash);
  for await (const batch of batchesAfter(store, ref, asked.seq)) if (batch.firstSeq <= untilSeq) found.read(batch);
  return found;
}

/** Gathers what batches say about one approval, in their order. */
class Reading {
  asked: { readonly seq: number; readonly at: number; readonly event: ApprovalAsked } | null = null;
  called: ToolCalled | null = null;
  decision: ApprovalDecided | null = null;
  readonly votes: Vote[] = [];
  readonly comments: Comment[] = [];
  refusals = 0;
  readonly #approvalId: string;
  readonly #callId: string;
  readonly #argsHash: string | null;

  constructor(approvalId: string, argsHash: string | null = null) {
    this.#approvalId = approvalId;
    this.#callId = approvalId.slice(approvalId.lastIndexOf(":") + 1);
    this.#argsHash = argsHash;
  }

  get argsHash(): string {
    return this.#argsHash ?? this.called?.argsHash ?? this.asked?.event.actionHash ?? "";
  }

  read(batch: Batch): void {
    for (const [i, event] of batch.events.entries()) this.#event(event, batch, batch.firstSeq + i);
  }

  #event(event: JournalEvent, batch: Batch, seq: number): void {
    if (event.type === "tool.called" && event.callId === this.#callId) this.called = event;
    if (!("approvalId" in event) || event.approvalId !== this.#approvalId) return;
    if (event.type === "approval.asked") this.asked = { seq, at: batch.at, event };
    if (event.type === "approval.decided") this.decision = event;
    if (event.type === "approval.refused") this.refusals++;
    if (isOwner(batch.by)) return;
    const { principal: by } = batch.by;
    if (event.type === "approval.commented")
      this.comments.push({ by, text: event.text, at: batch.at, from: event.from });
    if (event.type !== "approval.voted") return;
    const { vote, argsHash = this.argsHash, reason = null } = event;
    this.votes.push({ by, vote, argsHash, at: batch.at, reason });
  }
}
