import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonValue } from "../../src/core/json.ts";
import { userText, type Message } from "../../src/core/message.ts";
import type { Runnable } from "../../src/core/runnable.ts";
import type { Store } from "../../src/core/store-contract.ts";
import { channel } from "../../src/graph/channel.ts";
import { END, START } from "../../src/graph/definition.ts";
import { graph } from "../../src/graph/graph.ts";
import { readGraphState } from "../../src/graph/run-graph.ts";
import { manualClock, type ManualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { onStage, rejectsWith } from "../engine/stage.ts";

/** Appends a message in each turn and keeps a large value that seldom changes. */
const talker = (turns: number, chars = 200): Runnable =>
  graph({
    name: "talker",
    state: { messages: channel.append<Message>(), note: channel.replace(""), n: channel.replace(0) },
    limits: { turns: 1_000 },
  })
    .addNode("say", ({ messages, n }) => {
      assert.equal(messages.length, n + 1);
      return { messages: [userText(`${n} ${"x".repeat(chars)}`)], n: n + 1 };
    })
    .addEdge(START, "say")
    .addConditionalEdges("say", ({ n }) => (n < turns ? "say" : END), ["say", END])
    .compile();

interface Counted {
  readonly store: Store;
  bytes: number;
  /** Blobs that were read before the run was over. */
  readonly reads: string[];
  isOver: boolean;
}

function counted(clock: ManualClock): Counted {
  const inner = memoryStore({ clock });
  const count: Counted = { bytes: 0, reads: [], isOver: false, store: inner };
  const methods: Partial<Store> = {
    append: (ref, request) => ((count.bytes += JSON.stringify(request).length), inner.append(ref, request)),
    putBlob: (tenant, scope, hash, bytes) => ((count.bytes += bytes.length), inner.putBlob(tenant, scope, hash, bytes)),
    getBlob: (tenant, scope, hash) => (count.isOver || count.reads.push(hash), inner.getBlob(tenant, scope, hash)),
  };
  const store = new Proxy(inner, {
    get: (target, key) => {
      const own: unknown = Reflect.get(methods, key);
      const member: unknown = own ?? Reflect.get(target, key);
      return typeof member === "function" && own === undefined ? (member.bind(target) as unknown) : member;
    },
  });
  return Object.assign(count, { store });
}

async function bytesOf(turns: number, chars: number): Promise<Counted> {
  const clock = manualClock();
  const count = counted(clock);
  await onStage({ agents: [talker(turns, chars)], clock, store: count.store, replay: false }, async (stage) => {
    const { result } = await stage.play({ messages: [userText("go")], note: "n".repeat(50_000) });
    assert.equal(result.status, "completed");
    count.isOver = true;
  });
  return count;
}

for (const chars of [40, 200, 3_000]) {
  test(`what a graph writes grows with its turns, not with its messages (${chars} characters each)`, async () => {
    const note = 50_000;
    const [few, many] = [await bytesOf(20, chars), await bytesOf(400, chars)];
    const [fewBytes, manyBytes] = [few.bytes - 2 * note, many.bytes - 2 * note];
    assert.ok(manyBytes <= 21 * fewBytes, `${manyBytes} for 400 turns, ${fewBytes} for 20: ${manyBytes / fewBytes}`);
    // the output alone is read again, by whoever waits for the result
    const again = many.reads.length - new Set(many.reads).size;
    assert.ok(again <= 1, `${again} of ${many.reads.length} blobs were read again`);
  });
}

test("the state at any superstep can be read, and a fork goes on from it as a person changed it", () =>
  onStage({ agents: [talker(40, 200)] }, async (stage) => {
    const { run, result } = await stage.play({ messages: [userText("go")] });
    assert.equal(result.status, "completed");
    const at = await readGraphState(stage.app.deps, { tenant: "default", runId: run.id }, 30);
    assert.ok(at.state !== null);
    assert.equal((at.state["messages"] as unknown[]).length, 31);
    assert.deepEqual([at.state["n"], at.next], [30, ["say"]]);

    const messages = [userText("other"), ...Array.from({ length: 38 }, (_, i) => userText(`${i}`))];
    const fork = await stage.app.fork(run.id, {
      turn: 30,
      runId: "fork-1",
      state: { n: 38, messages: messages as unknown as JsonValue },
    });
    const forked = await stage.played(fork);
    assert.ok(forked.result.status === "completed");
    const output = forked.result.output as unknown as { n: number; messages: Message[] };
    assert.equal(output.n, 40);
    assert.deepEqual(output.messages.slice(0, 39), messages);
    assert.equal(output.messages.length, 41);

    const plain = await stage.app.fork(run.id, { turn: 30, runId: "fork-2" });
    assert.deepEqual((await stage.played(plain)).result, { ...(await stage.played(run)).result, runId: "fork-2" });
    await rejectsWith("OPTION_INVALID", stage.app.fork(run.id, { turn: 3, runId: "fork-3", state: { nn: 1 } }));
    await rejectsWith("OPTION_INVALID", stage.app.fork(run.id, { turn: 0, runId: "fork-4", state: { n: 1 } }));
  }));
