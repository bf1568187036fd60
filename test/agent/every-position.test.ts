import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent, tool } from "pawl";
import type { Store } from "../../src/core/store-contract.ts";
import { manualClock, type ManualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { checkRuns } from "../../src/testing/run-checks.ts";
import type { ScriptedTurn } from "../../src/testing/scripted-model.ts";
import { ofType, Stage, type Played } from "../engine/stage.ts";

// One run with a tool of each effect, calls at once, an approval and a final answer; harmed at each of its appends.

/** What the tools did outside, by idempotency key. */
class World {
  readonly done = new Map<string, string>();
  acts = 0;

  act(what: string, key: string): string {
    this.acts++;
    this.done.set(key, what);
    return `${what} done`;
  }
}

function agentIn(world: World, clock: ManualClock) {
  const inputSchema = z.object({ id: z.string() });
  const after = <T>(value: () => T): Promise<T> =>
    new Promise((resolve) => {
      clock.setTimer(50, () => resolve(value()));
    });
  const parts = (name: string) => ({ name, version: "1", description: name, inputSchema, timeLimitMs: 5_000 });
  return agent({
    name: "clerk",
    model: "scripted",
    instructions: "Work.",
    tools: [
      tool({ ...parts("look"), effect: "pure", execute: ({ id }) => `saw ${id}` }),
      tool({
        ...parts("put"),
        effect: "idempotent",
        execute: ({ id }, ctx) => after(() => world.act(`put ${id}`, ctx.idempotencyKey)),
      }),
      tool({
        ...parts("book"),
        effect: "reconcilable",
        execute: ({ id }, ctx) => after(() => world.act(`book ${id}`, ctx.idempotencyKey)),
        reconcile: (_, ctx) => {
          const result = world.done.get(ctx.idempotencyKey);
          return result === undefined ? { happened: false } : { happened: true, result: `${result} done` };
        },
      }),
      tool({
        ...parts("send"),
        effect: "once",
        execute: ({ id }, ctx) => after(() => world.act(`send ${id}`, ctx.idempotencyKey)),
      }),
      tool({
        ...parts("pay"),
        effect: "once",
        approval: "always",
        execute: ({ id }, ctx) => after(() => world.act(`pay ${id}`, ctx.idempotencyKey)),
      }),
    ],
    limits: { tokens: 1_000_000 },
  });
}

const call = (name: string, id: string) => ({ tool: name, input: { id } });
const script: readonly ScriptedTurn[] = [
  { toolCalls: [call("look", "a"), call("put", "a"), call("book", "a"), call("send", "a")] },
  { text: "Now I pay.", toolCalls: [call("pay", "a"), call("look", "b")] },
  { text: "All done." },
];

type Hook = (append: number) => Promise<"die" | void> | void;

/** A process's own view of a store that others share. The hooks are told of each append; once one says "die", nothing answers. */
function processOn(
  store: Store,
  hooks: { readonly before?: Hook; readonly after?: Hook },
): Store & { readonly appends: number } {
  let [appends, isDead] = [0, false];
  const never = new Promise<never>(() => {});
  const append: Store["append"] = async (...args) => {
    const number = ++appends;
    if (!isDead) isDead = (await hooks.before?.(number)) === "die";
    if (isDead) return never;
    const result = await store.append(...args);
    if (!isDead) isDead = (await hooks.after?.(number)) === "die";
    return isDead ? never : result;
  };
  return new Proxy(store, {
    get(target, key) {
      if (key === "appends") return appends;
      if (key === "append") return append;
      const member: unknown = Reflect.get(target, key);
      if (typeof member !== "function") return member;
      if (!isDead) return member.bind(target) as unknown;
      return key === "publish" || key === "subscribe" ? () => () => undefined : () => never;
    },
  }) as Store & { readonly appends: number };
}

/** Approves what is asked, and says of an unknown effect what the world knows. */
async function attended(stage: Stage, world: World): Promise<Played> {
  const run = stage.app.run("run-1");
  for (let rounds = 0; rounds < 10; rounds++) {
    const played = await stage.played(run);
    if (played.result.status !== "awaiting_approval") return played;
    for (const id of played.result.approvals) await stage.app.approvals.approve(id, { by: "ada" });
    for (const callId of played.result.unknownEffects) {
      const what = world.done.get(`run-1:${callId}`);
      const found =
        what === undefined
          ? ({ resolution: "not_applied" } as const)
          : ({ resolution: "applied", result: `${what} done` } as const);
      await stage.app.approvals.resolveEffect("run-1", callId, { ...found, by: "ada" });
    }
    await stage.clock.settle();
  }
  throw new Error("it asked ten times");
}

async function unharmed(): Promise<{
  readonly output: unknown;
  readonly prompts: readonly string[];
  readonly appends: number;
}> {
  const [world, clock] = [new World(), manualClock()];
  const store = processOn(memoryStore({ clock }), {});
  const stage = new Stage({ agents: [agentIn(world, clock)], script, clock, store });
  await stage.start("Go.");
  const { result } = await attended(stage, world);
  await stage.check();
  await stage.close();
  assert.equal(result.status, "completed");
  assert.equal(world.acts, 4);
  assert.ok(store.appends > 12, `${store.appends} appends`);
  return {
    output: result.status === "completed" && result.output,
    prompts: stage.prompts.map((prompt) => JSON.stringify(prompt)),
    appends: store.appends,
  };
}

for (const moment of ["before", "after"] as const) {
  test(`a process that dies ${moment} any append leaves a run that ends as the unharmed one`, async () => {
    const expected = await unharmed();
    let takeovers = 0;
    for (let at = 1; at <= expected.appends; at++) {
      const [world, clock] = [new World(), manualClock()];
      const shared = memoryStore({ clock });
      const agents = [agentIn(world, clock)];
      const die: Hook = (append) => Promise.resolve(append === at ? "die" : undefined);
      const first = new Stage({ agents, script, clock, store: processOn(shared, { [moment]: die }) });
      await first.start("Go.");
      attended(first, world).catch(() => undefined);
      await clock.pass(30_000);
      const second = new Stage({ agents, script, clock, store: shared });
      await second.app.open();
      const { result, events } = await attended(second, world);
      const where = `${moment} append ${at}`;
      assert.equal(result.status === "completed" && result.output, expected.output, where);
      const last = second.prompts.at(-1);
      assert.ok(
        last === undefined || expected.prompts.includes(JSON.stringify(last)),
        `${where}: ${JSON.stringify(last)}`,
      );
      assert.equal(world.done.size, 4, `${where}: each effect has one key`);
      const puts = ofType(events, "tool.started").filter(({ tool: name }) => name === "put").length;
      assert.ok(world.acts <= 3 + puts, `${where}: nothing but the idempotent call is repeated`);
      takeovers += ofType(events, "run.claimed").some(({ fence }, n) => fence > 1 && n > 0) ? 1 : 0;
      await checkRuns(second.app);
      await second.close();
    }
    assert.ok(takeovers > expected.appends / 2, `${takeovers} of ${expected.appends} were taken over`);
  });

  test(`a cancel ${moment} any append ends the run once, with the state of each effect known`, async () => {
    const { appends } = await unharmed();
    const statuses = new Set<string>();
    for (let at = 1; at <= appends; at++) {
      const [world, clock] = [new World(), manualClock()];
      let isCancelled = false;
      const cancel: Hook = async (append) => {
        if (isCancelled || append !== at) return;
        isCancelled = true;
        await stage.app.cancel("run-1", "enough").catch(() => undefined);
      };
      const store = processOn(memoryStore({ clock }), { [moment]: cancel });
      const stage: Stage = new Stage({ agents: [agentIn(world, clock)], script, clock, store });
      await stage.start("Go.");
      const { result, events } = await attended(stage, world);
      statuses.add(result.status);
      assertOneEnd(events, world, `${moment} append ${at}`);
      await stage.check();
      await stage.close();
    }
    assert.ok(statuses.has("cancelled"));
  });
}

function assertOneEnd(events: Played["events"], world: World, where: string): void {
  const [end, second] = ofType(events, "run.ended");
  assert.ok(end !== undefined && second === undefined && events.at(-1)?.type === "run.ended", where);
  assert.ok(end.status === "cancelled" || end.status === "completed", where);
  const known = new Set(
    events.flatMap((event) =>
      event.type === "tool.returned" || event.type === "tool.failed" || event.type === "effect.unknown"
        ? [event.callId]
        : [],
    ),
  );
  for (const { callId } of ofType(events, "tool.started")) assert.ok(known.has(callId), `${where}: ${callId} is known`);
  const { done, unknown } = end.effects;
  assert.ok(world.done.size <= done + unknown, `${where}: ${world.done.size} acts, ${done} done, ${unknown} unknown`);
}
