import { agent, durable, tool, type FunctionContext, type JsonValue, type Runnable, type ToolDefinition } from "pawl";
import { z } from "zod";
import { hashJson } from "../../src/core/hash.ts";
import { utf8Bytes } from "../../src/core/json.ts";
import type { AskSpec } from "../../src/core/runnable.ts";
import type { ToolContext } from "../../src/core/tool-contract.ts";
import type { Counter } from "./counter-client.ts";
import { MODEL } from "./script.ts";

export type Form = "function" | "agent" | "crowd";

/** The run ids that a form starts. The same in every trial, so that keys, child ids and answers are too. */
export function runIdsOf(form: Form): readonly string[] {
  const count = form === "crowd" ? CROWD : 1;
  return Array.from({ length: count }, (_, n) => `order-${n + 1}`);
}

/** As many as one worker executes at once. */
const CROWD = 100;

const TOOL_TIME_MS = 2_000;
const LONG_BYTES = 1_000;

/** Over the journal's inline limit, so that results are blobs too. */
const catalogue = Array.from({ length: 1_500 }, (_, n) => `item ${n} at ${n * 3} cents`).join("\n");

interface Tools {
  readonly quote: ToolDefinition;
  readonly reserve: ToolDefinition;
  readonly ship: ToolDefinition;
  readonly charge: ToolDefinition;
  readonly refund: ToolDefinition;
}

/** One tool of each effect, and one that a person must approve; each acts on the counter. */
function toolsOf(counter: Counter): Tools {
  const inputSchema = z.object({ item: z.string() });
  const common = { version: "1", inputSchema, timeLimitMs: TOOL_TIME_MS };
  const act = (name: string) => (input: { readonly item: string }, ctx: ToolContext) =>
    counter.act({ tool: name, key: ctx.idempotencyKey, subject: input.item, attempt: ctx.attempt }, ctx.signal);
  return {
    quote: tool({
      ...common,
      name: "quote",
      description: "Reads the catalogue.",
      effect: "pure",
      execute: async (input, ctx) => ({ ...(await act("quote")(input, ctx)), catalogue }),
    }),
    reserve: tool({
      ...common,
      name: "reserve",
      description: "Reserves an item; the receiver knows the key.",
      effect: "idempotent",
      execute: act("reserve"),
    }),
    ship: tool({
      ...common,
      name: "ship",
      description: "Ships an item; the receiver can be asked.",
      effect: "reconcilable",
      execute: act("ship"),
      reconcile: async (_input, ctx) => {
        const found = await counter.lookup(ctx.idempotencyKey);
        return found.happened ? { happened: true, result: { receipt: found.receipt } } : { happened: false };
      },
    }),
    charge: tool({
      ...common,
      name: "charge",
      description: "Charges for an item; nobody can be asked.",
      effect: "once",
      execute: act("charge"),
    }),
    refund: tool({
      ...common,
      name: "refund",
      description: "Refunds an item, with approval.",
      effect: "once",
      approval: "always",
      execute: act("refund"),
    }),
  };
}

/** All runnables of a workload; the first is the one to start, with its run's id as input. */
export function workloadOf(form: Form, counter: Counter): readonly [Runnable, ...Runnable[]] {
  const tools = toolsOf(counter);
  if (form === "agent") return [agentOf("clerk", Object.values(tools) as readonly ToolDefinition[])];
  if (form === "crowd") return [oneOfMany(tools)];
  const packer = agentOf("packer", [tools.reserve, tools.charge]);
  return [orderOf(tools, packer, counter), packer];
}

/** What its model does is in script.ts, by name. */
function agentOf(name: string, tools: readonly ToolDefinition[]): Runnable {
  return agent({ name, model: MODEL, instructions: `You are the ${name}.`, tools, maxOutputTokens: 200 });
}

/** Two turns: parallel calls, a child beside a step, and a timer; then an approval, a model and two calls of one tool. */
function orderOf(tools: Tools, packer: Runnable, counter: Counter): Runnable {
  return durable({
    name: "order",
    tools: Object.values(tools) as readonly ToolDefinition[],
    uses: [packer],
    run: (ctx) => (ctx.loopState === null ? pack(ctx, tools, packer, counter) : settle(ctx, tools)),
  });
}

/** A small run: one call that may repeat, one that must not. */
function oneOfMany({ reserve, charge }: Tools): Runnable {
  return durable({
    name: "one-of-many",
    tools: [reserve, charge],
    run: async (ctx) => {
      const item = ctx.run.runId;
      return [await call(ctx, reserve, item), await call(ctx, charge, item)];
    },
  });
}

async function pack(ctx: FunctionContext, tools: Tools, packer: Runnable, counter: Counter): Promise<unknown> {
  const drawn = [ctx.random(), ctx.now()];
  const recorded = await ctx.step("draw", { effect: "pure" }, () => drawn);
  const { quote, reserve, ship, charge } = tools;
  const done = await Promise.all([quote, reserve, ship, charge].map((used) => call(ctx, used, "desk")));
  const [packed, stamped] = await Promise.all([
    ctx.child({ runnable: packer.name, input: "Pack the box." }),
    ctx.step(
      "stamp",
      { effect: "once", timeLimitMs: TOOL_TIME_MS },
      async ({ idempotencyKey: key, attempt, signal }) => {
        return (await counter.act({ tool: "stamp", key, subject: "box", attempt }, signal)).receipt;
      },
    ),
  ]);
  await ctx.sleep(30_000);
  const isSame = JSON.stringify(recorded) === JSON.stringify(drawn);
  return ctx.loop([isSame, done, packed.status, packed.value, stamped]);
}

async function settle(ctx: FunctionContext, { refund, charge }: Tools): Promise<unknown> {
  const refunded = await call(ctx, refund, "desk", { question: "Refund the desk?" });
  const thanks = await ctx.model({
    route: MODEL,
    context: "thanks",
    system: "You are the greeter.",
    tools: [],
    add: [{ message: { role: "user", content: [{ type: "text", text: "Say thanks." }] } }],
    params: { maxOutputTokens: 200 },
  });
  const last = await Promise.all(["lamp", "chair"].map((item) => call(ctx, charge, item)));
  return [ctx.loopState, refunded, thanks.status === "answered" ? thanks.message.content : thanks.error.code, last];
}

/** Name and outcome; a long value as its hash, so that answers can be read. */
async function call(ctx: FunctionContext, used: ToolDefinition, item: string, ask?: AskSpec): Promise<JsonValue> {
  const outcome = await ctx.tool({
    tool: used,
    args: { item },
    verdict: ask === undefined ? { decision: "allow", rules: [] } : { decision: "ask", rules: ["workload"] },
    ...(ask && { ask }),
    show: ({ value }) => ({ value }),
  });
  const value = outcome.status === "returned" ? outcome.value : outcome.shown;
  const isLong = utf8Bytes(JSON.stringify(value)) > LONG_BYTES;
  return [used.name, outcome.status, isLong ? hashJson(value) : value];
}
