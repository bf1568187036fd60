import type { ErrorCode } from "../core/error-table.ts";
import { errorRecord, PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import { encodeBatch } from "../core/journal-codec.ts";
import { journalFormat, type Batch, type RunBlocked } from "../core/journal-event.ts";
import { nextHead, type RunHead } from "../core/run-head.ts";
import { isEnd } from "../core/run-outcome.ts";
import type { EngineDeps } from "./deps.ts";

/** What makes a journal unfit to go on from: the run is set aside for a person, never shortened or guessed. */
const quarantined: readonly ErrorCode[] = ["JOURNAL_CORRUPT", "JOURNAL_REGRESSED", "BLOB_MISSING"];

export function isQuarantine(error: unknown): boolean {
  return PawlError.is(error) && quarantined.includes(error.code);
}

/** The event that says why a run is blocked, with both sides where there are two. */
export function blockedEvent(error: unknown): RunBlocked {
  const record = errorRecord(error, "INTERNAL");
  const { expected, found } = record.details ?? {};
  return {
    type: "run.blocked",
    code: record.code,
    detail: record.message,
    ...(expected !== undefined && { expected: String(expected) }),
    ...(found !== undefined && { found: String(found) }),
  };
}

/** Blocks a run by its head alone, for when its events cannot be read or trusted. A lost race changes nothing. */
export async function blockByHead(
  deps: Pick<EngineDeps, "store" | "clock" | "entropy" | "redaction">,
  ref: RunRef,
  error: unknown,
): Promise<void> {
  const head: RunHead | null = await deps.store.readHead(ref);
  if (head === null || isEnd(head.status) || head.blocked !== null) return;
  const blocked = [blockedEvent(error)];
  const batch: Batch = {
    id: deps.entropy.id(),
    firstSeq: head.seq + 1,
    at: deps.clock.nowMs(),
    format: journalFormat,
    by: { fence: head.fence },
    prevHash: head.lastHash,
    events: deps.redaction?.of(ref.tenant).events(blocked) ?? blocked,
  };
  const encoded = encodeBatch(batch);
  const next = nextHead(head, ref, encoded, batch);
  await deps.store.append(ref, { expectedSeq: head.seq, batch: encoded, head: next });
}
