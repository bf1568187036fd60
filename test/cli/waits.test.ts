import assert from "node:assert/strict";
import { test } from "node:test";
import { project } from "./projects.ts";
import { commandsIn } from "./terminal.ts";

test("a run that waits for a signal says how to send it, and goes on when it comes from another terminal", async () => {
  const folder = project(`
const waiter = durable({ name: "waiter", run: async (ctx) => (await ctx.waitForSignal("go")).value });
const agents = [waiter];`);
  const running = folder.start(["run", "waiter", "--run-id", "r", "--input", "null"]);
  const printed = await running.says(/waiting for the signal "go": (.*)/);
  const sent = await folder.paste(`${printed} '{"speed": 3}'`);
  assert.equal(sent.code, 0, sent.err);
  const ended = await running.ended;
  assert.equal(ended.code, 0, ended.err);
  assert.match(ended.out, /"speed": 3/);
});

const family = `
const pay = tool({
  name: "pay", version: "1", description: "Pays.", inputSchema: z.object({ usd: z.number() }),
  effect: "idempotent", approval: true, execute: ({ usd }) => { log("paid " + usd); return "paid"; },
});
const payer = durable({ name: "payer", tools: [pay], run: (ctx) => ctx.call(pay, { usd: 5 }) });
const parent = durable({ name: "parent", uses: [payer], run: (ctx) => ctx.callRun(payer, null) });
const agents = [parent];`;

test("a question that a child run asks is put to the person who watches the parent", async () => {
  const folder = project(family);
  const parked = await folder.pawl("run", "parent", "--run-id", "r", "--input", "null");
  assert.equal(parked.code, 3, parked.err);
  const [approve = "", resume = ""] = commandsIn(parked.out);
  assert.match(approve, /approve '?r~/);
  assert.equal((await folder.paste(approve)).code, 0);
  const resumed = await folder.paste(resume);
  assert.equal(resumed.code, 0, resumed.err);
  assert.equal(folder.read("world.log"), "paid 5\n");
  const shown = await folder.pawl("show", "r");
  assert.match(shown.out, /child payer/);
  assert.match(shown.out, /tool pay /, "children are shown inside");
  const effects = await folder.pawl("effects", "r");
  assert.match(effects.out, /done +idempotent +×1 +asked: ada +pay/);
});

test("--yes answers a child's question too", async () => {
  const folder = project(family);
  const ended = await folder.pawl("run", "parent", "--input", "null", "--yes");
  assert.equal(ended.code, 0, ended.err);
  assert.equal(folder.read("world.log"), "paid 5\n");
});

test("a run without budget parks with 3 and the command that raises it, which works when pasted", async () => {
  const folder = project(
    `
const usage = { inputTokens: 50, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 10, reasoningTokens: 0 };
const models = scriptedModel([{ text: "thinking", toolCalls: [{ tool: "look", input: {} }], usage }, { text: "the answer", usage }]);
const look = tool({ name: "look", version: "1", description: "Looks.", inputSchema: z.object({}), effect: "pure", execute: () => "seen" });
const frugal = agent({ name: "frugal", model: "scripted/one", instructions: "Answer.", tools: [look], maxOutputTokens: 100, limits: { tokens: 150 } });
const agents = [frugal];`,
    "agents, models",
  );
  const parked = await folder.pawl("run", "frugal", "What?", "--run-id", "r");
  assert.equal(parked.code, 3, parked.out + parked.err);
  assert.match(parked.out, /r is awaiting budget/);
  const [raise = "", resume = ""] = commandsIn(parked.out);
  assert.equal((await folder.paste(raise)).code, 0);
  const resumed = await folder.paste(resume);
  assert.equal(resumed.code, 0, resumed.err);
  assert.match(resumed.out, /the answer/);
});

test("a fork keeps the turns it is told to, and goes on when resumed", async () => {
  const folder = project(
    `
const look = tool({ name: "look", version: "1", description: "Looks.", effect: "pure", inputSchema: z.object({}), execute: () => "seen" });
const models = scriptedModel((request) => request.messages.some((m) => m.role === "tool") ? { text: "done" } : { toolCalls: [{ tool: "look", input: {} }] });
const looker = agent({ name: "looker", model: "scripted/one", instructions: "Look.", tools: [look] });
const agents = [looker];`,
    "agents, models",
  );
  assert.equal((await folder.pawl("run", "looker", "go", "--run-id", "first")).code, 0);
  const forked = await folder.pawl("fork", "first", "--turn", "1", "--run-id", "second");
  assert.equal(forked.code, 0, forked.err);
  assert.match(forked.out, /second goes on from turn 1 of first/);
  const resumed = await folder.pawl("resume", "second");
  assert.equal(resumed.code, 0, resumed.err);
  assert.match(resumed.out, /done/);
  const short = ["fork", "first", "--turn", "1", "--run-id", "third", "--limits", '{"turns":1}'];
  assert.equal((await folder.pawl(...short)).code, 0);
  assert.match((await folder.pawl("resume", "third")).out, /max_turns|no final answer within 1 turn/);
  assert.match((await folder.pawl("fork", "first", "--limits", "[1]")).err, /OPTION_INVALID: --limits is \[1\]/);
  assert.match((await folder.pawl("fork", "first", "--turn", "9")).err, /FORK_NOT_AT_TURN/);
  assert.match((await folder.pawl("fork", "first", "--turn", "x")).err, /OPTION_INVALID: --turn is "x"/);
});

test("cancel ends a run that waits, and a run that has ended takes no more messages", async () => {
  const folder = project(family);
  assert.equal((await folder.pawl("run", "parent", "--run-id", "r", "--input", "null")).code, 3);
  assert.equal((await folder.pawl("cancel", "r", "no longer needed")).code, 0);
  const resumed = await folder.pawl("resume", "r");
  assert.equal(resumed.code, 1, resumed.err);
  assert.match(resumed.out, /cancelled: no longer needed/);
  const late = await folder.pawl("message", "r", "one more thing");
  assert.equal(late.code, 1);
  assert.match(late.err, /^RUN_ENDED: /);
});

test("a conversation: each line of a pipe is a run of one thread that knows the ones before", async () => {
  const folder = project(
    `
const models = scriptedModel((request) => ({ text: "I have heard " + request.messages.filter((m) => m.role === "user").length }));
const talker = agent({ name: "talker", model: "scripted/one", instructions: "Talk." });
const agents = [talker];`,
    "agents, models",
  );
  const talking = folder.start(["chat", "talker", "--thread", "t"]);
  talking.child.stdin.end("hello\n\nand again\n");
  const ended = await talking.ended;
  assert.equal(ended.code, 0, ended.err);
  assert.match(ended.out, /I have heard 1[\s\S]*I have heard 2/);
  const go = /^go on: .*main\.ts (.*)$/m.exec(ended.out)?.[1] ?? "";
  const later = folder.start(go.split(" "));
  later.child.stdin.end("and now?\n");
  assert.match((await later.ended).out, /I have heard 3/);
});

test("a question of a person to a run, and an answer with data", async () => {
  const folder = project(`
const asker = durable({ name: "asker", run: async (ctx) => (await ctx.ask({ question: "How many?", schema: { type: "number" } })).answer });
const agents = [asker];`);
  const parked = await folder.pawl("run", "asker", "--run-id", "r", "--input", "null");
  assert.equal(parked.code, 3, parked.err);
  const approvals = await folder.pawl("approvals");
  assert.match(approvals.out, /How many\?/);
  assert.equal((await folder.pawl("approve", "r:t0-0", "--answer", "4")).code, 0);
  const resumed = await folder.pawl("resume", "r");
  assert.equal(resumed.code, 0, resumed.err);
  assert.match(resumed.out, /^4$/m);
});

test("a child that is blocked ends the command with its reason and the commands that go on", async () => {
  const folder = project(`
const child = durable({ name: "child", run: async () => { await wait(5_000); return 1; } });
const parent = durable({ name: "parent", uses: [child], run: (ctx) => ctx.callRun(child, null) });
const agents = [parent];`);
  const ended = await folder.pawl("run", "parent", "--run-id", "r", "--input", "null");
  assert.equal(ended.code, 1, ended.out + ended.err);
  assert.match(ended.out, /BODY_AWAITS_OUTSIDE: /);
  assert.match(ended.out, /^r~\w+ is blocked\.$/m);
  const [unblock = "", resume = ""] = commandsIn(ended.out);
  assert.match(unblock, /unblock r~\w+ retry/);
  assert.match(resume, /resume r$/);
  assert.equal((await folder.paste(unblock.replace("retry  # or fail", "fail"))).code, 0);
  const resumed = await folder.paste(resume);
  assert.equal(resumed.code, 1, resumed.err);
  assert.match(resumed.out, /failed/);
});
