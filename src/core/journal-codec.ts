import { PawlError } from "./errors.ts";
import { crcText, hashLink } from "./hash.ts";
import { writersOf } from "./event-writers.ts";
import { journalFormat, lastSeqOf, type Batch, type JournalEvent } from "./journal-event.ts";
import { isJsonObject, parseJson, utf8Bytes } from "./json.ts";
import { limits } from "./limits.ts";

/**
 * A batch as every store keeps it: `line` is 8 hex digits of CRC-32, a space, and the JSON of the batch. `hash` links the
 * next batch to this one.
 */
export interface EncodedBatch {
  readonly id: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly line: string;
  readonly hash: string;
}

/** @throws EVENT_TOO_LARGE over 64 events or 256 KiB: values over 16 KiB must have been stored as blobs before */
export function encodeBatch(batch: Batch): EncodedBatch {
  const json = JSON.stringify(batch);
  const bytes = json.length * 3 <= limits.batchBytes ? json.length : utf8Bytes(json);
  if (batch.events.length === 0 || batch.events.length > limits.batchEvents || bytes > limits.batchBytes) {
    throw new PawlError(
      "EVENT_TOO_LARGE",
      `a batch of ${batch.events.length} events and ${bytes} bytes does not fit: 1 to ${limits.batchEvents} events and ${limits.batchBytes} bytes. Store large values as blobs.`,
    );
  }
  return {
    id: batch.id,
    firstSeq: batch.firstSeq,
    lastSeq: lastSeqOf(batch),
    line: `${crcText(json)} ${json}`,
    hash: hashLink(batch.prevHash, json),
  };
}

/**
 * Reads one line back.
 * @throws JOURNAL_CORRUPT  the checksum or shape is wrong
 * @throws FORMAT_UNKNOWN   a newer format, or a kind of event this build does not know
 */
export function decodeBatch(line: string): { readonly batch: Batch; readonly hash: string } {
  const json = line.slice(9);
  if (line.slice(0, 9) !== `${crcText(json)} `) throw corrupt(`a batch fails its checksum: "${line.slice(0, 60)}"`);
  const parsed = parseJson(json);
  if (!parsed.ok || !isBatch(parsed.value))
    throw corrupt(`a batch is not of the journal's shape: "${json.slice(0, 60)}"`);
  const batch = parsed.value;
  if (batch.format > journalFormat) {
    throw new PawlError(
      "FORMAT_UNKNOWN",
      `batch ${batch.firstSeq} has format ${batch.format}; this build reads up to ${journalFormat}. Use a newer Pawl.`,
    );
  }
  const unknown = batch.events.find((event) => writersOf(event.type) === null);
  if (unknown !== undefined) {
    throw new PawlError(
      "FORMAT_UNKNOWN",
      `batch ${batch.firstSeq} has an event "${String(unknown.type)}" that this build does not know. Use a newer Pawl.`,
    );
  }
  return { batch, hash: hashLink(batch.prevHash, json) };
}

/**
 * Reads lines in order and checks that they follow one another.
 * @param after seq and hash of what was read before; seq 0 and "" at the start. A null hash skips the first link's check.
 */
export function decodeBatches(
  lines: readonly string[],
  after: { readonly seq: number; readonly hash: string | null },
): { readonly batches: readonly Batch[]; readonly hash: string | null } {
  const batches: Batch[] = [];
  let { seq, hash } = after;
  for (const line of lines) {
    const decoded = decodeBatch(line);
    const batch = decoded.batch;
    if (batch.firstSeq !== seq + 1) throw corrupt(`batch ${batch.firstSeq} follows seq ${seq}`);
    if (hash !== null && batch.prevHash !== hash)
      throw corrupt(`batch ${batch.firstSeq} does not link to the batch before it`);
    batches.push(batch);
    seq = lastSeqOf(batch);
    hash = decoded.hash;
  }
  return { batches, hash };
}

function corrupt(detail: string): PawlError {
  return new PawlError(
    "JOURNAL_CORRUPT",
    `${detail}. The run is left as it is; run "pawl verify" and restore from a backup.`,
  );
}

function isBatch(value: unknown): value is Batch {
  if (!isJsonObject(value as never)) return false;
  const batch = value as { [key: string]: unknown };
  return (
    typeof batch["id"] === "string" &&
    Number.isSafeInteger(batch["firstSeq"]) &&
    typeof batch["at"] === "number" &&
    typeof batch["format"] === "number" &&
    typeof batch["prevHash"] === "string" &&
    isWriter(batch["by"]) &&
    Array.isArray(batch["events"]) &&
    batch["events"].length > 0 &&
    batch["events"].every((event: unknown) => typeof (event as JournalEvent | null)?.type === "string")
  );
}

function isWriter(value: unknown): boolean {
  if (!isJsonObject(value)) return false;
  const { fence, principal, messageId } = value;
  return typeof fence === "number" || (typeof principal === "string" && typeof messageId === "string");
}
