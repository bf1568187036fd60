import assert from "node:assert/strict";
import { test } from "node:test";
import { modelAnswered, modelCalled } from "../../bench/traces/journals.ts";
import { limits } from "../../src/core/limits.ts";
import type { JournalEvent } from "../../src/core/journal-event.ts";
import type { ModelCalled } from "../../src/core/model-event.ts";
import { PawlError } from "../../src/core/errors.ts";
import type { JournalReader } from "../../src/traces/span-detail.ts";
import type { Store } from "../../src/core/store-contract.ts";
import { machineClock } from "../../src/traces/machine.ts";
import { PromptFold } from "../../src/traces/rebuild-request.ts";
import { SpanDetails } from "../../src/traces/span-details.ts";
import { indexStage, tenant } from "./index-stage.ts";
import { batchesOf } from "./read-spans.ts";

/** Model calls, each of which sends the answer of the one before it. */
function conversation(calls: number, firstSeq: number): readonly JournalEvent[] {
  return Array.from({ length: calls }, (_, i): readonly JournalEvent[] => {
    const add = i === 0 ? [{ message: { inline: "go" } }] : [{ seq: firstSeq + 2 * i - 1 }];
    return [{ ...(modelCalled(`t${i}-m`) as ModelCalled), add }, modelAnswered(`t${i}-m`, `answer ${i}`)];
  }).flat();
}

async function long(
  t: Parameters<typeof indexStage>[0],
  calls: number,
): Promise<Awaited<ReturnType<typeof indexStage>>> {
  const stage = await indexStage(t);
  const run = await stage.run("long");
  const events = conversation(calls, (run.head?.seq ?? 0) + 1);
  for (let i = 0; i < events.length; i += 32) await run.owner(...events.slice(i, i + 32));
  await run.end();
  return stage;
}

test("what it costs to follow a conversation grows with its length, not with its square", async (t) => {
  const stage = await long(t, 500);
  const batches = await batchesOf(stage.store, { tenant, runId: "long" });
  const fold = new PromptFold("t499-m");
  for (const batch of batches) fold.read(batch);
  assert.equal(fold.frame?.entries.length, 500);
  // each answer is put down once when it is recorded, and once when it is sent
  assert.ok(fold.entriesMoved <= 2 * 500, `${fold.entriesMoved} entries were moved`);
});

test("a detail of a long run lets others have their turn, and a second reader shares it", async (t) => {
  const stage = await long(t, 2_000);
  let [pauses, reads] = [0, 0];
  const clock = {
    ...machineClock,
    drain: () => {
      pauses++;
      return machineClock.drain();
    },
  };
  const store = watched(stage.store, {
    readEvents: (...args) => {
      reads++;
      return stage.store.readEvents(...args);
    },
  });
  const details = new SpanDetails(store, clock);
  const ref = { tenant, runId: "long" };
  const { rows } = await stage.index.spans(ref, { from: 1_500, limit: 1_000 });
  const last = rows.findLast(({ kind }) => kind === "model");
  assert.ok(last !== undefined);
  const [one, two] = await Promise.all([details.of(ref, last, []), details.of(ref, last, [])]);
  assert.equal(one, two);
  const first = reads;
  assert.ok(pauses >= (last.endSeq ?? 0) / limits.detailPauseEvents, `${pauses} pauses over ${last.endSeq} events`);
  assert.equal(await details.of(ref, last, []), one);
  assert.equal(reads, first, "what is kept is not read again");
});

test("two details are read at once, a bounded number waits, and the next is refused", async (t) => {
  const stage = await long(t, 50);
  const gate = Promise.withResolvers<void>();
  let reading = 0;
  let most = 0;
  const store = watched(stage.store, {
    readEvents: async (...args) => {
      most = Math.max(most, ++reading);
      await gate.promise;
      reading--;
      return stage.store.readEvents(...args);
    },
  });
  const details = new SpanDetails(store, machineClock);
  const ref = { tenant, runId: "long" };
  const { rows } = await stage.index.spans(ref, { from: 0, limit: 1_000 });
  const all = rows.slice(0, limits.detailsAtOnce + limits.detailsWaiting).map((span) => details.of(ref, span, []));
  const extra = rows[all.length];
  assert.ok(extra !== undefined);
  await assert.rejects(details.of(ref, extra, []), (error) => PawlError.is(error, "OVERLOADED"));
  gate.resolve();
  assert.equal((await Promise.all(all)).length, limits.detailsAtOnce + limits.detailsWaiting);
  assert.equal(most, limits.detailsAtOnce);
  assert.ok((await details.of(ref, extra, [])).span.spanId === extra.spanId);
});

test("what is kept is given to nobody once the run is gone", async (t) => {
  const stage = await long(t, 3);
  const ref = { tenant, runId: "long" };
  let isGone = false;
  const store = watched(stage.store, {
    readHead: (of) => (isGone ? Promise.reject(new PawlError("RUN_DELETED", "gone")) : stage.store.readHead(of)),
  });
  const details = new SpanDetails(store, machineClock);
  const [span] = (await stage.index.spans(ref, { from: 0, limit: 10 })).rows;
  assert.ok(span !== undefined);
  await details.of(ref, span, []);
  isGone = true;
  await assert.rejects(details.of(ref, span, []), (error) => PawlError.is(error, "RUN_DELETED"));
});

function watched(store: Store, more: Partial<JournalReader>): JournalReader {
  return {
    readHead: (ref) => store.readHead(ref),
    readEvents: (ref, after, bytes) => store.readEvents(ref, after, bytes),
    getBlob: (of, scope, hash) => store.getBlob(of, scope, hash),
    ...more,
  };
}
