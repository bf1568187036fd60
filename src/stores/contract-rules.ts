import { isJsonObject, parseJson, utf8Bytes } from "../core/json.ts";
import { decodeCursor, encodeCursor } from "../core/cursor.ts";
import { PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import { limits } from "../core/limits.ts";
import { nextMarks, type RunHead, type RunMarks } from "../core/run-head.ts";
import type { Append, OpenAsk, Page, RunFilter } from "../core/store-contract.ts";

// What every store refuses, and how it pages, so that all of them answer alike.

/** @throws INTERNAL when batch and head do not follow `expectedSeq`: the caller computed them from something else */
export function checkFollows(ref: RunRef, { expectedSeq, batch, head }: Append): void {
  if (
    batch.firstSeq === expectedSeq + 1 &&
    batch.lastSeq >= batch.firstSeq &&
    head.seq === batch.lastSeq &&
    head.runId === ref.runId &&
    head.tenant === ref.tenant
  )
    return;
  throw new PawlError(
    "INTERNAL",
    `run "${ref.runId}" was given batch ${batch.firstSeq}..${batch.lastSeq} with a head of run "${head.runId}" at seq ${head.seq}, to append after seq ${expectedSeq}.`,
  );
}

/**
 * The head as a store keeps it.
 * @throws EVENT_TOO_LARGE over 16 KiB
 */
export function headText(head: RunHead): string {
  const text = JSON.stringify(head);
  if (text.length * 3 <= limits.headBytes || utf8Bytes(text) <= limits.headBytes) return text;
  throw new PawlError(
    "EVENT_TOO_LARGE",
    `the head of run "${head.runId}" would have ${utf8Bytes(text)} bytes, allowed are ${limits.headBytes}. It waits for too much at once, or has too many tags.`,
  );
}

/** Marks after `raise`: none falls, and none passes the run's seq. */
export function raisedMarks(head: RunHead, raise: Partial<RunMarks>): RunMarks {
  const bounded = {
    outboxAckedSeq: Math.min(raise.outboxAckedSeq ?? 0, head.seq),
    indexedSeq: Math.min(raise.indexedSeq ?? 0, head.seq),
  };
  const { snapshot } = raise;
  return nextMarks(head.marks, snapshot && snapshot.seq <= head.seq ? { ...bounded, snapshot } : bounded);
}

export function runUnknown(ref: RunRef): PawlError {
  return new PawlError(
    "RUN_UNKNOWN",
    `there is no run "${ref.runId}" of tenant "${ref.tenant}". Start it first, or list the runs to find its id.`,
  );
}

export function runDeleted(ref: RunRef): PawlError {
  return new PawlError("RUN_DELETED", `run "${ref.runId}" was removed by retention. Start a run of another id.`);
}

/** @throws EVENT_TOO_LARGE */
export function checkBlob(hash: string, bytes: Uint8Array): void {
  if (bytes.byteLength <= limits.blobBytes) return;
  throw new PawlError(
    "EVENT_TOO_LARGE",
    `blob "${hash}" has ${bytes.byteLength} bytes, allowed are ${limits.blobBytes}. Store a part of it, or a link to it.`,
  );
}

/** @throws OPTION_INVALID for a hint over 8 KiB */
export function checkNotify(channel: string, message: string): void {
  if (message.length <= limits.notifyBytes && utf8Bytes(message) <= limits.notifyBytes) return;
  throw new PawlError(
    "OPTION_INVALID",
    `a message of ${utf8Bytes(message)} bytes on channel "${channel}" is too large for a hint: ${limits.notifyBytes} bytes. Split it.`,
  );
}

/** The entries of the review queue that a head shows. */
export function asksOf(head: RunHead): readonly OpenAsk[] {
  return head.waits.flatMap((wait) =>
    wait.kind === "approval" || wait.kind === "unknown"
      ? [{ runId: head.runId, key: wait.key, kind: wait.kind, seq: wait.seq, expiresAt: wait.expiresAt ?? null }]
      : [],
  );
}

/**
 * A page of the review queue.
 * @param runs  those with open asks from the place on, the oldest first: at least `limit` + 2 where there are as many
 * @param after place of the last ask that was shown; [0, 0] for none
 */
export function asksPage(
  runs: readonly { readonly run: number; readonly head: RunHead }[],
  [afterRun, afterSeq]: readonly [run: number, seq: number],
  limit: number,
): Page<OpenAsk> {
  const found = runs
    .flatMap(({ run, head }) => asksOf(head).map((ask) => ({ ask, run })))
    .filter(({ ask, run }) => run > afterRun || ask.seq > afterSeq)
    .toSorted((a, b) => a.run - b.run || a.ask.seq - b.ask.seq);
  return pageOf(found, limit, {
    cursorAfter: ({ ask, run }) => encodeCursor("asks", [run, ask.seq]),
    itemOf: ({ ask }) => ask,
  });
}

/** True for a run that a listing with this filter shows. */
export function fitsFilter(head: RunHead, filter: RunFilter): boolean {
  if (filter.statuses !== undefined && !filter.statuses.includes(head.status)) return false;
  if (filter.runnable !== undefined && head.runnable !== filter.runnable) return false;
  if (filter.threadId !== undefined && head.threadId !== filter.threadId) return false;
  if (filter.parentRunId !== undefined) return head.parent?.runId === filter.parentRunId;
  return filter.children === true || head.parent === null;
}

/** The id of a stored batch is read from its line: kept nowhere else, since only a repeated append asks for it. */
export function batchIdOf(line: string): string | null {
  const parsed = parseJson(line.slice(9));
  const id = parsed.ok && isJsonObject(parsed.value) ? parsed.value["id"] : null;
  return typeof id === "string" ? id : null;
}

/** The first `limit` of what was found (in order), with a cursor when there is more. */
export function pageOf<Found, Item>(
  found: readonly Found[],
  limit: number,
  { cursorAfter, itemOf }: { readonly cursorAfter: (last: Found) => string; readonly itemOf: (one: Found) => Item },
): Page<Item> {
  const last = found[limit - 1];
  const isLastPage = found.length <= limit || last === undefined;
  return { items: found.slice(0, limit).map(itemOf), cursor: isLastPage ? null : cursorAfter(last) };
}

/** @throws CURSOR_INVALID */
export function numberPlace(listing: string, cursor: string): number {
  const place = decodeCursor(listing, cursor);
  return typeof place === "number" ? place : refuseCursor(listing, cursor);
}

/** @throws CURSOR_INVALID */
export function textPlace(listing: string, cursor: string): string {
  const place = decodeCursor(listing, cursor);
  return typeof place === "string" ? place : refuseCursor(listing, cursor);
}

/** A place in the review queue: the run's number and the ask's seq. @throws CURSOR_INVALID */
export function askPlace(cursor: string): readonly [run: number, seq: number] {
  const place = decodeCursor("asks", cursor);
  const [run, seq] = Array.isArray(place) ? (place as readonly unknown[]) : [];
  return typeof run === "number" && typeof seq === "number" ? [run, seq] : refuseCursor("asks", cursor);
}

/** @throws CURSOR_INVALID */
export function refuseCursor(listing: string, cursor: string): never {
  throw new PawlError(
    "CURSOR_INVALID",
    `cursor "${cursor.slice(0, 40)}" names no place in the ${listing} listing. Start again without a cursor.`,
  );
}
