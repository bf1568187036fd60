import assert from "node:assert/strict";
import type { ErrorCode } from "../core/error-table.ts";
import { PawlError } from "../core/errors.ts";
import { decodeBatches } from "../core/journal-codec.ts";
import { limits } from "../core/limits.ts";
import type { RunHead } from "../core/run-head.ts";
import type { Store } from "../core/store-contract.ts";
import { appendTo, ended, firstOf, nextOf, noted, startRun, turnEnded } from "./suite-journal.ts";
import type { Claims } from "./store-claims.ts";

const ref = { tenant: "acme", runId: "run-1" };

export function rejectsWith(code: ErrorCode, promise: Promise<unknown>): Promise<void> {
  return assert.rejects(promise, (error) => {
    assert.ok(PawlError.is(error, code), `${code} expected, got ${String(error)}`);
    return true;
  });
}

/** All events of a run, its chain checked. */
export async function readAll(store: Store, head: RunHead): Promise<readonly string[]> {
  const lines = await store.readEvents(head, 0, limits.readBytes);
  const { hash } = decodeBatches(lines, { seq: 0, hash: "" });
  assert.equal(hash, head.lastHash, "the chain of hashes ends at the head");
  return lines;
}

const creation: Claims = {
  "a run is created once, and a second creation gets the head of the first": async ({ store }) => {
    const first = firstOf(ref);
    assert.deepEqual(await store.createRun(ref, first), { type: "created" });
    const again = await store.createRun(ref, firstOf(ref, { inputHash: "other" }));
    assert.deepEqual(again, { type: "exists", head: first.head });
    assert.deepEqual(await store.readEvents(ref, 0, limits.readBytes), [first.batch.line]);
  },
  "of 100 creations at once exactly one creates": async ({ store }) => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => store.createRun(ref, firstOf(ref))));
    assert.equal(answers.filter(({ type }) => type === "created").length, 1);
  },
  "a head comes back as it was written": async ({ store }) => {
    const first = firstOf(ref, { threadId: "thread-1", tags: ["a", "ü", "𝄞"], title: 'quotes " and \n lines' });
    await store.createRun(ref, first);
    assert.deepEqual(await store.readHead(ref), first.head);
  },
  "a run that does not exist has no head and no events": async ({ store }) => {
    assert.equal(await store.readHead(ref), null);
    assert.deepEqual(await store.readEvents(ref, 0, limits.readBytes), []);
    await store.mark(ref, { indexedSeq: 5 });
    assert.equal(await store.readHead(ref), null);
  },
  "an append to a run that does not exist is refused by code": async ({ store }) => {
    const { head } = firstOf(ref);
    await rejectsWith("RUN_UNKNOWN", store.append(ref, nextOf(head, [turnEnded(1)])));
    assert.equal(await store.readHead(ref), null);
  },
  "a batch that does not follow its expectedSeq is refused and not written": async ({ store }) => {
    const head = await startRun(store, ref);
    const append = nextOf(head, [turnEnded(1)]);
    await rejectsWith(
      "INTERNAL",
      store.append(ref, { ...append, batch: { ...append.batch, firstSeq: 3, lastSeq: 3 } }),
    );
    await rejectsWith("INTERNAL", store.append(ref, { ...append, head: { ...append.head, seq: 9 } }));
    await rejectsWith("INTERNAL", store.append(ref, { ...append, head: { ...append.head, tenant: "other" } }));
    assert.equal((await readAll(store, head)).length, 1);
  },
};

const tooLarge: Claims = {
  "a head over its limit is refused and nothing is written": async ({ store }) => {
    const head = await startRun(store, ref);
    const append = nextOf(head, [turnEnded(1)]);
    const grown = { ...append.head, tags: ["x".repeat(limits.headBytes)] };
    await rejectsWith("EVENT_TOO_LARGE", store.append(ref, { ...append, head: grown }));
    await rejectsWith(
      "EVENT_TOO_LARGE",
      store.createRun({ ...ref, runId: "run-2" }, firstOf({ ...ref, runId: "run-2" }, { tags: grown.tags })),
    );
    assert.equal(await store.readHead({ ...ref, runId: "run-2" }), null);
    assert.equal((await readAll(store, head)).length, 1);
    assert.deepEqual(await store.append(ref, append), { type: "ok" });
  },
};

const appending: Claims = {
  "an append after the last seq is ok, and head and events change together": async ({ store }) => {
    const first = firstOf(ref);
    await store.createRun(ref, first);
    const append = nextOf(first.head, [turnEnded(1), turnEnded(2)]);
    assert.deepEqual(await store.append(ref, append), { type: "ok" });
    assert.deepEqual(await store.readHead(ref), append.head);
    assert.deepEqual(await store.readEvents(ref, 0, limits.readBytes), [first.batch.line, append.batch.line]);
  },
  "an append after an older seq is a conflict that shows the head and writes nothing": async ({ store }) => {
    const first = await startRun(store, ref);
    const second = await appendTo(store, first, [turnEnded(1)]);
    assert.deepEqual(await store.append(ref, nextOf(first, [turnEnded(9)])), { type: "conflict", head: second });
    assert.equal((await readAll(store, second)).length, 2);
  },
  "an append after a seq that is not there yet is a conflict": async ({ store }) => {
    const first = await startRun(store, ref);
    const imagined = nextOf(first, [turnEnded(1)]).head;
    assert.deepEqual(await store.append(ref, nextOf(imagined, [turnEnded(2)])), { type: "conflict", head: first });
  },
  "a repeated batch is mine: at once, after later appends, and after the end": async ({ store }) => {
    const first = await startRun(store, ref);
    const append = nextOf(first, [turnEnded(1)]);
    assert.deepEqual(await store.append(ref, append), { type: "ok" });
    assert.deepEqual(await store.append(ref, append), { type: "mine" });
    const third = await appendTo(store, append.head, [turnEnded(2)]);
    assert.deepEqual(await store.append(ref, append), { type: "mine" });
    const last = nextOf(third, [ended(third)]);
    assert.deepEqual(await store.append(ref, last), { type: "ok" });
    assert.deepEqual(await store.append(ref, append), { type: "mine" });
    assert.deepEqual(await store.append(ref, last), { type: "mine" });
    assert.equal((await readAll(store, last.head)).length, 4);
  },
  "a batch of the same id at another place is not mine": async ({ store }) => {
    const first = await startRun(store, ref);
    const second = await appendTo(store, first, [turnEnded(1)], { id: "same" });
    const third = await appendTo(store, second, [turnEnded(2)], { id: "third" });
    const answer = await store.append(ref, nextOf(second, [turnEnded(3)], { id: "same" }));
    assert.deepEqual(answer, { type: "conflict", head: third });
  },
  "a run that ended takes nothing more": async ({ store }) => {
    const first = await startRun(store, ref);
    const last = await appendTo(store, first, [ended(first)]);
    assert.deepEqual(await store.append(ref, nextOf(last, [turnEnded(1)])), { type: "ended", head: last });
    assert.deepEqual(await store.append(ref, nextOf(first, [turnEnded(1)])), { type: "ended", head: last });
    assert.equal((await readAll(store, last)).length, 2);
  },
  "of 100 appends at once exactly one wins each seq": async ({ store }) => {
    let head = await startRun(store, ref);
    for (let round = 1; round <= 5; round++) {
      const appends = Array.from({ length: 100 }, (_, i) => nextOf(head, [noted(`${round}/${i}`)]));
      const answers = await Promise.all(appends.map((append) => store.append(ref, append)));
      const winners = appends.filter((_, i) => answers[i]?.type === "ok");
      assert.equal(winners.length, 1);
      head = winners[0]?.head ?? head;
      for (const answer of answers) {
        if (answer.type !== "ok") assert.deepEqual(answer, { type: "conflict", head });
      }
    }
    assert.equal((await readAll(store, head)).length, 6);
  },
  "100 runs that append at once do not disturb one another": async ({ store }) => {
    const heads = await Promise.all(
      Array.from({ length: 100 }, (_, i) => startRun(store, { tenant: "acme", runId: `run-${i}` })),
    );
    const all = await Promise.all(
      heads.map(async (first) => {
        let head = first;
        for (let turn = 1; turn <= 3; turn++) head = await appendTo(store, head, [turnEnded(turn)]);
        return head;
      }),
    );
    for (const head of all) assert.equal((await readAll(store, head)).length, 4);
  },
};

/** A run of `count` batches of three events each after the first: its seqs are 1, 2-4, 5-7, … */
async function longRun(store: Store, count: number): Promise<RunHead> {
  let head = await startRun(store, ref);
  for (let i = 1; i <= count; i++) head = await appendTo(store, head, [turnEnded(i), turnEnded(i), turnEnded(i)]);
  return head;
}

const reading: Claims = {
  "a reader gets the batches that end after its seq, the first maybe begun before": async ({ store }) => {
    const head = await longRun(store, 3);
    const all = await readAll(store, head);
    for (const [afterSeq, skipped] of [0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4].entries()) {
      const lines = await store.readEvents(ref, afterSeq, limits.readBytes);
      assert.deepEqual(lines, all.slice(skipped), `after seq ${afterSeq}`);
    }
    assert.deepEqual(await store.readEvents(ref, 99, limits.readBytes), []);
  },
  "a reader gets at most the bytes it asked for, but at least one batch": async ({ store }) => {
    const all = await readAll(store, await longRun(store, 5));
    const bytes = all.map((line) => Buffer.byteLength(line));
    const firstTwo = (bytes[0] ?? 0) + (bytes[1] ?? 0);
    assert.deepEqual(await store.readEvents(ref, 0, 1), all.slice(0, 1));
    assert.deepEqual(await store.readEvents(ref, 0, firstTwo), all.slice(0, 2));
    assert.deepEqual(await store.readEvents(ref, 0, firstTwo - 1), all.slice(0, 1));
  },
  "pages of any size put together are the whole journal": async ({ store }) => {
    const head = await longRun(store, 20);
    const all = await readAll(store, head);
    for (const bytesMax of [1, 700, 2_000, 100_000]) {
      const lines: string[] = [];
      for (let seq = 0; seq < head.seq;) {
        const page = await store.readEvents(ref, seq, bytesMax);
        assert.ok(page.length > 0);
        lines.push(...page);
        seq = 1 + (lines.length - 1) * 3;
      }
      assert.deepEqual(lines, all);
    }
  },
  "a batch at the limits comes back byte for byte": async ({ store }) => {
    const first = await startRun(store, ref);
    const text = 'ä𝄞\u0000\u001f"\\'.repeat(180);
    const events = Array.from({ length: limits.batchEvents }, (_, i) => noted(`${i} ${text}`));
    const append = nextOf(first, events);
    assert.ok(append.batch.line.length > limits.batchBytes / 2);
    assert.deepEqual(await store.append(ref, append), { type: "ok" });
    assert.equal((await readAll(store, append.head))[1], append.batch.line);
    const largest = "x".repeat(limits.batchBytes - 400);
    const second = nextOf(append.head, [noted(largest)]);
    assert.deepEqual(await store.append(ref, second), { type: "ok" });
    assert.equal((await readAll(store, second.head))[2], second.batch.line);
  },
  "a write is seen by every read that begins after its answer": async ({ store }) => {
    let head = await startRun(store, ref);
    for (let turn = 1; turn <= 50; turn++) {
      head = await appendTo(store, head, [turnEnded(turn)]);
      assert.equal((await store.readHead(ref))?.seq, head.seq);
      assert.equal((await store.readEvents(ref, head.seq - 1, limits.readBytes)).length, 1);
    }
  },
};

export const runClaims: Claims = { ...creation, ...tooLarge, ...appending, ...reading };
