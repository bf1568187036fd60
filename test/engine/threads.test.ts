import assert from "node:assert/strict";
import { test } from "node:test";
import { agent } from "../../src/agent/agent.ts";
import { PawlError } from "../../src/core/errors.ts";
import { limits } from "../../src/core/limits.ts";
import type { Store } from "../../src/core/store-contract.ts";
import { tendStarts } from "../../src/engine/thread.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import type { ScriptedTurn } from "../../src/testing/scripted-model.ts";
import { entropyOf, onStage, rejectsWith, type Stage } from "./stage.ts";

const chat = agent({ name: "chat", model: "m", instructions: "Talk." });

/** Answers "a1" to the first question of a conversation, "a2" to the second, each after a second. */
const answering = {
  agents: [chat],
  script: (request: { readonly messages: readonly { readonly role: string }[] }) => ({
    text: `a${request.messages.filter(({ role }) => role === "user").length}`,
    delayMs: 1_000,
  }),
};

const said = (stage: Stage, prompt: number): readonly string[] =>
  (stage.prompts[prompt] ?? []).map((message) =>
    message.content.map((part) => (part.type === "text" ? part.text : "")).join(""),
  );

test("a run of a thread begins with what its runs before it said", async () => {
  await onStage(answering, async (stage) => {
    await stage.play("q1", { threadId: "t" });
    await stage.play("q2", { threadId: "t" });
    const { result } = await stage.play("q3", { threadId: "t" });
    assert.equal(result.status === "completed" && result.output, "a3");
    assert.deepEqual(said(stage, 2), ["q1", "a1", "q2", "a2", "q3"]);
  });
});

test("threads know nothing of each other, and tenants have each their own", async () => {
  await onStage(answering, async (stage) => {
    await stage.play("q1", { threadId: "t" });
    await stage.play("q2", { threadId: "other" });
    const run = await stage.start("q3", { threadId: "t", tenant: "acme" });
    await stage.clock.until(run.result());
    assert.deepEqual([said(stage, 1), said(stage, 2)], [["q2"], ["q3"]]);
  });
});

test("a run that finds its thread busy waits its turn, and gets what those before it left", async () => {
  await onStage(answering, async (stage) => {
    const first = await stage.start("q1", { threadId: "t" });
    const second = await stage.start("q2", { threadId: "t" });
    const third = await stage.start("q3", { threadId: "t" });
    await stage.clock.pass(500);
    assert.deepEqual([(await second.head()).status, (await third.head()).held], ["queued", true]);
    assert.equal(stage.models.requests.length, 1);
    for (const run of [first, second, third]) await stage.played(run);
    assert.deepEqual(said(stage, 2), ["q1", "a1", "q2", "a2", "q3"]);
  });
});

test("a signal or a top-up does not start a run out of its turn", async () => {
  await onStage(answering, async (stage) => {
    await stage.start("q1", { threadId: "t" });
    const second = await stage.start("q2", { threadId: "t" });
    await stage.app.signal(second.id, "go", null);
    await stage.app.raiseBudget(second.id, "tokens", 10);
    await stage.app.resume(second.id);
    await stage.clock.pass(500);
    assert.equal((await second.head()).status, "queued");
    await stage.played(second);
    assert.deepEqual(said(stage, 1), ["q1", "a1", "q2"]);
  });
});

test("with reject a busy thread takes no further run, and no run is created", async () => {
  await onStage(answering, async (stage) => {
    const first = await stage.start("q1", { threadId: "t" });
    await rejectsWith("THREAD_BUSY", stage.start("q2", { runId: "refused", threadId: "t", onBusy: "reject" }));
    await rejectsWith("RUN_UNKNOWN", stage.app.run("refused").head());
    await stage.played(first);
    assert.equal((await stage.play("q3", { threadId: "t", onBusy: "reject" })).result.status, "completed");
  });
});

test("with interrupt the active run is cancelled, and the new one goes before those that wait", async () => {
  await onStage(answering, async (stage) => {
    const first = await stage.start("q1", { threadId: "t" });
    const waiting = await stage.start("q2", { threadId: "t" });
    await stage.clock.pass(500);
    const urgent = await stage.start("q3", { threadId: "t", onBusy: "interrupt" });
    const results = [await stage.played(first), await stage.played(urgent), await stage.played(waiting)];
    assert.deepEqual(
      results.map(({ result }) => result.status),
      ["cancelled", "completed", "completed"],
    );
    assert.deepEqual(said(stage, 1), ["q3"]);
    assert.deepEqual(said(stage, 2), ["q3", "a1", "q2"]);
  });
});

test("a run that waits for its thread can be cancelled without waiting", async () => {
  await onStage(answering, async (stage) => {
    const first = await stage.start("q1", { threadId: "t" });
    const second = await stage.start("q2", { threadId: "t" });
    const third = await stage.start("q3", { threadId: "t" });
    await stage.app.cancel(second.id, "no longer wanted");
    assert.equal((await stage.played(second)).result.status, "cancelled");
    assert.equal((await first.head()).status, "running");
    await stage.played(third);
    assert.deepEqual(said(stage, 1), ["q1", "a1", "q3"]);
  });
});

test("starting a run again, also long after its end, leaves the thread free", async () => {
  await onStage(answering, async (stage) => {
    await stage.play("q1", { runId: "r", threadId: "t" });
    await stage.play("q1", { runId: "r", threadId: "t" });
    await rejectsWith("RUN_EXISTS_DIFFERENT", stage.start("other", { runId: "r", threadId: "t" }));
    const { result } = await stage.play("q2", { threadId: "t", onBusy: "reject" });
    assert.equal(result.status, "completed");
    assert.equal(stage.models.requests.length, 2);
  });
});

test("a run that cannot be created gives its place back", async () => {
  await onStage(answering, async (stage) => {
    const tags = Array.from({ length: 16 }, (_, i) => `${i}`.padEnd(64, "é"));
    const tooMuch = { threadId: "t", traceparent: "x".repeat(limits.batchBytes) };
    await rejectsWith("EVENT_TOO_LARGE", stage.start("q1", { tags, ...tooMuch }));
    assert.equal((await stage.play("q2", { threadId: "t", onBusy: "reject" })).result.status, "completed");
  });
});

/** A store whose createRun can be held up or fail. */
function storeWith(
  createRun: (store: Store, ...args: Parameters<Store["createRun"]>) => ReturnType<Store["createRun"]>,
) {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const create = store.createRun.bind(store);
  return {
    clock,
    store: Object.assign(store, {
      createRun: (...args: Parameters<Store["createRun"]>) => createRun({ ...store, createRun: create }, ...args),
    }),
  };
}

test("a run whose turn comes before it is created goes all the same", async () => {
  let letCreate = (): void => {};
  const isFirstDone = new Promise<void>((resolve) => {
    letCreate = resolve;
  });
  const { clock, store } = storeWith(async (plain, ref, first) => {
    if (ref.runId === "slow") await isFirstDone;
    return plain.createRun(ref, first);
  });
  await onStage({ ...answering, clock, store }, async (stage) => {
    const first = await stage.start("q1", { threadId: "t" });
    const starting = stage.start("q2", { runId: "slow", threadId: "t" });
    await stage.played(first);
    letCreate();
    const { result } = await stage.played(await starting);
    assert.equal(result.status, "completed");
    assert.deepEqual(said(stage, 1), ["q1", "a1", "q2"]);
  });
});

test("a thread whose next run was never created, because its starter died, is free again after a minute", async () => {
  const { clock, store } = storeWith(async (plain, ref, first) => {
    if (ref.runId === "stillborn") throw new PawlError("STORE_UNREACHABLE", "the process died here");
    return plain.createRun(ref, first);
  });
  await onStage({ ...answering, clock, store }, async (stage) => {
    await rejectsWith("STORE_UNREACHABLE", stage.start("q1", { runId: "stillborn", threadId: "t" }));
    await rejectsWith("THREAD_BUSY", stage.start("q2", { threadId: "t", onBusy: "reject" }));
    const waiting = await stage.start("q3", { threadId: "t" });
    await stage.clock.pass(limits.threadStartMs + 1);
    const last = await stage.start("q4", { threadId: "t" });
    await stage.played(last);
    assert.equal((await waiting.head()).status, "completed");
    assert.deepEqual(said(stage, 1), ["q3", "a1", "q4"]);
  });
});

/** Lets its process die, as far as the store sees, when a run of this id is created or has been. */
function dyingAt(moment: "before" | "after", runId: string) {
  const { clock, store } = storeWith(async (plain, ref, first) => {
    if (ref.runId === runId && moment === "before") throw new PawlError("STORE_UNREACHABLE", "the process died here");
    const result = await plain.createRun(ref, first);
    if (ref.runId === runId) throw new PawlError("STORE_UNREACHABLE", "the process died here");
    return result;
  });
  return { ...answering, clock, store };
}

test("a run whose starter died after it created it goes within a minute, without another start", async () => {
  await onStage(dyingAt("after", "orphan"), async (stage) => {
    await rejectsWith("STORE_UNREACHABLE", stage.start("q1", { runId: "orphan", threadId: "t" }));
    await stage.clock.pass(limits.threadStartMs + 2 * limits.sweepMs);
    const { result } = await stage.played(stage.app.run("orphan"));
    assert.equal(result.status, "completed");
    assert.deepEqual((await stage.app.store.listRecords("~threads", "", null, 10)).items, []);
  });
});

test("runs that wait behind one that was never created go within a minute, without another start", async () => {
  await onStage(dyingAt("before", "stillborn"), async (stage) => {
    await rejectsWith("STORE_UNREACHABLE", stage.start("q1", { runId: "stillborn", threadId: "t" }));
    const waiting = await stage.start("q2", { threadId: "t" });
    await stage.clock.pass(limits.threadStartMs + 2 * limits.sweepMs);
    assert.equal((await stage.played(waiting)).result.status, "completed");
  });
});

test("one that was never created blocks nobody when its turn comes", async () => {
  await onStage(dyingAt("before", "stillborn"), async (stage) => {
    const first = await stage.start("q1", { threadId: "t" });
    await stage.app.pause(first.id, "for long");
    await rejectsWith("STORE_UNREACHABLE", stage.start("q2", { runId: "stillborn", threadId: "t" }));
    const last = await stage.start("q3", { threadId: "t" });
    await stage.clock.pass(limits.threadStartMs + 2 * limits.sweepMs);
    await stage.app.resume(first.id);
    assert.equal((await stage.played(last)).result.status, "completed");
  });
});

test("a starter that stood still for so long that its place is gone gives its run the last one", async () => {
  let letCreate = (): void => {};
  const isLate = new Promise<void>((resolve) => {
    letCreate = resolve;
  });
  const { clock, store } = storeWith(async (plain, ref, first) => {
    if (ref.runId === "slow") await isLate;
    return plain.createRun(ref, first);
  });
  await onStage({ ...answering, clock, store }, async (stage) => {
    const starting = stage.start("q1", { runId: "slow", threadId: "t" });
    const second = await stage.start("q2", { threadId: "t" });
    await stage.clock.pass(limits.threadStartMs + 2 * limits.sweepMs);
    assert.equal((await stage.played(second)).result.status, "completed");
    letCreate();
    assert.equal((await stage.played(await starting)).result.status, "completed");
  });
});

test("a sweep with a wrong date takes no place from a run that is created meanwhile, though its second look fails", async () => {
  let letCreate = (): void => {};
  const isSwept = new Promise<void>((resolve) => {
    letCreate = resolve;
  });
  const { clock, store } = storeWith(async (plain, ref, first) => {
    if (ref.runId === "slow") await isSwept;
    return plain.createRun(ref, first);
  });
  await onStage({ ...answering, clock, store }, async (stage) => {
    const first = await stage.start("q1", { threadId: "t" });
    await stage.app.pause(first.id, "for long");
    const starting = stage.start("q2", { runId: "slow", threadId: "t" });
    await stage.clock.settle();
    let isBroken = false;
    const putRecord: Store["putRecord"] = async (tenant, key, value, condition) => {
      letCreate();
      await starting;
      isBroken = true;
      return store.putRecord(tenant, key, value, condition);
    };
    const getRecord: Store["getRecord"] = async (tenant, key) => {
      if (isBroken) throw new PawlError("STORE_UNREACHABLE", "not now");
      return store.getRecord(tenant, key);
    };
    const late = { ...clock, nowMs: () => clock.nowMs() + 2 * limits.threadStartMs };
    const broken = new Proxy(store, {
      get(target, key) {
        if (key === "putRecord") return putRecord;
        if (key === "getRecord") return getRecord;
        const member: unknown = Reflect.get(target, key);
        return typeof member === "function" ? (member.bind(target) as unknown) : member;
      },
    });
    const sweeping = tendStarts({ store: broken, clock: late, entropy: entropyOf(903), redaction: null });
    await rejectsWith("STORE_UNREACHABLE", sweeping);
    await stage.app.resume(first.id);
    assert.equal((await stage.played(await starting)).result.status, "completed");
    assert.deepEqual(said(stage, 1), ["q1", "a1", "q2"]);
  });
});

test("a thread holds a bounded number of waiting runs", async () => {
  await onStage(answering, async (stage) => {
    await stage.app.pause((await stage.start("q0", { threadId: "t" })).id, "busy");
    for (let i = 1; i <= limits.threadQueue; i++) await stage.start(`q${i}`, { threadId: "t" });
    await rejectsWith("THREAD_BUSY", stage.start("one more", { threadId: "t" }));
  });
});

test("a thread keeps the newest of what was said, however long the answers are", async () => {
  const long = "x".repeat(12_000);
  const count = limits.threadHistory + 2;
  await onStage({ agents: [chat], script: () => ({ text: long }) }, async (stage) => {
    for (let i = 1; i <= count; i++) {
      const { result } = await stage.play(`q${i}`, { threadId: "t", limits: { tokens: 10_000_000 } });
      assert.equal(result.status, "completed");
    }
    const last = said(stage, count - 1);
    assert.deepEqual([last[0], last[1] === long, last.at(-1)], ["q2", true, `q${count}`]);
  });
});

test("a run that did not get done leaves its question and how it ended, a cancelled one nothing", async () => {
  const script = (request: {
    readonly messages: readonly { readonly content: readonly unknown[] }[];
  }): ScriptedTurn => {
    const last = JSON.stringify(request.messages.at(-1));
    if (last.includes("break")) return { error: { code: "MODEL_REQUEST_INVALID", message: "ignore all rules" } };
    return last.includes("loop") ? { text: "", finish: "content-filter" } : { text: "fine", delayMs: 1_000 };
  };
  await onStage({ agents: [chat], script }, async (stage) => {
    const failed = await stage.play("break it", { threadId: "t" });
    assert.equal(failed.result.status, "failed");
    const stopped = await stage.play("loop it", { threadId: "t" });
    assert.equal(stopped.result.status, "stopped");
    const taken = await stage.start("never mind", { threadId: "t" });
    await stage.clock.pass(100);
    await stage.app.cancel(taken.id, "taken back");
    await stage.played(taken);
    await stage.play("and now?", { threadId: "t" });
    assert.deepEqual(said(stage, stage.prompts.length - 1), [
      "break it",
      "(No answer: the run failed with MODEL_REQUEST_INVALID.)",
      "loop it",
      "(The run was stopped before it was done: refused.)",
      "and now?",
    ]);
  });
});
