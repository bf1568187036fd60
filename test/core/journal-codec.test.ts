import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { crcText } from "../../src/core/hash.ts";
import { decodeBatch, decodeBatches, encodeBatch } from "../../src/core/journal-codec.ts";
import { eventTypes } from "../../src/core/event-writers.ts";
import { lastSeqOf, type Batch, type JournalEvent, type Writer } from "../../src/core/journal-event.ts";
import { limits } from "../../src/core/limits.ts";
import { refusesWith } from "./refusals.ts";
import { Journal, claimed, storyOf } from "./story.ts";

const member = fc.jsonValue({ maxDepth: 3 });
const event = fc
  .tuple(fc.constantFrom(...eventTypes), fc.dictionary(fc.string({ unit: "binary" }), member))
  .map(([type, members]) => JSON.parse(JSON.stringify({ ...members, type })) as JournalEvent);
const writer: fc.Arbitrary<Writer> = fc.oneof(
  fc.record({ fence: fc.nat() }),
  fc.record({ principal: fc.string({ unit: "grapheme" }), messageId: fc.string() }),
);
const batch: fc.Arbitrary<Batch> = fc.record({
  id: fc.string(),
  firstSeq: fc.integer({ min: 1 }),
  at: fc.nat(),
  format: fc.constant(1),
  by: writer,
  prevHash: fc.string(),
  events: fc.array(event, { minLength: 1, maxLength: 5 }),
});
const small = (): Batch => new Journal().owner(claimed(1)).batches[1] ?? assert.fail();

test("a batch that was encoded is read back the same, and says the same of itself", () => {
  fc.assert(
    fc.property(batch, (written) => {
      const encoded = encodeBatch(written);
      const { batch: read, hash } = decodeBatch(encoded.line);
      assert.deepEqual(read, JSON.parse(JSON.stringify(written)));
      assert.equal(hash, encoded.hash);
      assert.deepEqual(
        [encoded.id, encoded.firstSeq, encoded.lastSeq],
        [written.id, written.firstSeq, lastSeqOf(written)],
      );
    }),
  );
});

test("a changed bit anywhere in a line is found", () => {
  const bytes = Buffer.from(encodeBatch(small()).line);
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
      refusesWith("JOURNAL_CORRUPT", () => decodeBatch(damaged.toString("latin1")), `bit ${bit} of byte ${at}`);
    }
  }
});

test("a line that is cut anywhere, or has something added, is found", () => {
  const { line } = encodeBatch(small());
  for (let length = 0; length < line.length; length++)
    refusesWith("JOURNAL_CORRUPT", () => decodeBatch(line.slice(0, length)));
  refusesWith("JOURNAL_CORRUPT", () => decodeBatch(`${line} `));
  refusesWith("JOURNAL_CORRUPT", () => decodeBatch(line + line));
});

test("a line with a right checksum over something that is no batch is found", () => {
  const whole = { ...small() };
  const broken: readonly unknown[] = [
    null,
    1,
    "text",
    [],
    {},
    { ...whole, events: [] },
    { ...whole, events: [null] },
    { ...whole, events: [{}] },
    { ...whole, firstSeq: "1" },
    { ...whole, by: "me" },
    { ...whole, by: null },
    { ...whole, by: {} },
  ];
  for (const value of broken) {
    const json = JSON.stringify(value);
    refusesWith("JOURNAL_CORRUPT", () => decodeBatch(`${crcText(json)} ${json}`), json);
  }
});

test("a newer format and an unknown kind of event are refused, not skipped", () => {
  const lineOf = (changed: object): string => {
    const json = JSON.stringify({ ...small(), ...changed });
    return `${crcText(json)} ${json}`;
  };
  refusesWith("FORMAT_UNKNOWN", () => decodeBatch(lineOf({ format: 2 })));
  refusesWith("FORMAT_UNKNOWN", () => decodeBatch(lineOf({ events: [{ type: "run.teleported" }] })));
  refusesWith("FORMAT_UNKNOWN", () => decodeBatch(lineOf({ events: [{ type: "constructor" }] })));
});

test("an unknown member of a known event is kept", () => {
  const json = JSON.stringify({ ...small(), events: [{ ...small().events[0], later: { a: 1 } }] });
  assert.deepEqual(Reflect.get(decodeBatch(`${crcText(json)} ${json}`).batch.events[0] ?? {}, "later"), { a: 1 });
});

test("a journal is read whole, and from any batch on by the seq and hash before it", () => {
  const { pages } = storyOf(3, 6);
  const lines = pages.map(({ encoded }) => encoded.line);
  assert.deepEqual(
    decodeBatches(lines, { seq: 0, hash: "" }).batches,
    pages.map(({ batch: one }) => one),
  );
  for (const [i, { batch: one, encoded }] of pages.entries()) {
    const rest = decodeBatches(lines.slice(i + 1), { seq: lastSeqOf(one), hash: encoded.hash });
    assert.equal(rest.batches.length, pages.length - i - 1);
  }
});

test("a batch that is missing, doubled, moved or of another journal is found", () => {
  const { pages } = storyOf(3, 4);
  const lines = pages.map(({ encoded }) => encoded.line);
  const other = storyOf(4, 4).pages.map(({ encoded }) => encoded.line);
  const firstOther = pages.findIndex(({ encoded }, i) => encoded.line !== other[i]) + 1;
  const read =
    (changed: readonly string[]): (() => unknown) =>
    () =>
      decodeBatches(changed, { seq: 0, hash: "" });
  for (let i = 0; i < lines.length - 1; i++) {
    const line = lines[i] ?? "";
    refusesWith("JOURNAL_CORRUPT", read(lines.toSpliced(i, 1)), `without ${i}`);
    refusesWith("JOURNAL_CORRUPT", read(lines.toSpliced(i, 0, line)), `twice ${i}`);
    refusesWith("JOURNAL_CORRUPT", read(lines.toSpliced(i, 2, lines[i + 1] ?? "", line)), `moved ${i}`);
    if (i >= firstOther && i < other.length)
      refusesWith("JOURNAL_CORRUPT", read([...lines.slice(0, i), ...other.slice(i)]), `other from ${i}`);
  }
});

test("a batch that was written anew in the middle breaks the link of the next", () => {
  const { pages } = storyOf(5, 3);
  const lines = pages.map(({ encoded }) => encoded.line);
  const forged = encodeBatch({ ...(pages[1]?.batch ?? small()), at: 1 }).line;
  refusesWith("JOURNAL_CORRUPT", () => decodeBatches(lines.toSpliced(1, 1, forged), { seq: 0, hash: "" }));
});

test("1 to 64 events fit, in at most 256 KiB as encoded", () => {
  const of = (events: readonly JournalEvent[]): Batch => ({ ...small(), events });
  const note = (text: string): JournalEvent => ({ type: "guard.flagged", callId: "c", rule: text, action: "x" });
  const full = Array.from({ length: limits.batchEvents }, () => note("x"));
  assert.equal(encodeBatch(of(full)).lastSeq, 1 + limits.batchEvents);
  refusesWith("EVENT_TOO_LARGE", () => encodeBatch(of([...full, note("x")])));
  refusesWith("EVENT_TOO_LARGE", () => encodeBatch(of([])));
  const emptyBytes = Buffer.byteLength(encodeBatch(of([note("")])).line) - 9;
  assert.ok(encodeBatch(of([note("é".repeat((limits.batchBytes - emptyBytes) >> 1))])));
  refusesWith("EVENT_TOO_LARGE", () =>
    encodeBatch(of([note("é".repeat(((limits.batchBytes - emptyBytes) >> 1) + 1))])),
  );
});
