import { z } from "zod";
import { notApplied } from "../../src/core/errors.ts";
import type { JsonValue } from "../../src/core/json.ts";
import { userText } from "../../src/core/message.ts";
import { allowed, type Verdict } from "../../src/core/policy.ts";
import type { Runnable, ToolCallSpec } from "../../src/core/runnable.ts";
import { durable, type FunctionContext } from "../../src/engine/durable-function.ts";
import { tool, type Tool } from "../../src/tools/tool.ts";
import {
  asProgram,
  lucky,
  mixed,
  noAnswer,
  resultOf,
  type Answer,
  type Op,
  type ToolName,
  type ToolRule,
} from "./program.ts";

// The code that carries out programs: one durable function with a tool of each effect, and a model.

const TOOL_MS = 4_000;
/** Longer than a session may be silent: the request of a dead worker may still act when the next one has the run. */
const PAY_MS = 20_000;
const STEP_MS = 3_000;

const inputSchema = z.object({ n: z.number(), refuses: z.boolean().optional(), turn: z.number().optional() });

function work({ n, refuses }: z.infer<typeof inputSchema>): number {
  if (refuses === true) throw notApplied("not today");
  return resultOf(n);
}

const parts = { version: "1", description: "One outside action.", inputSchema, timeLimitMs: TOOL_MS, execute: work };
export const tools: { readonly [name in ToolName]: Tool } = {
  look: tool({ ...parts, name: "look", effect: "pure" }),
  put: tool({ ...parts, name: "put", effect: "idempotent" }),
  pay: tool({ ...parts, name: "pay", timeLimitMs: PAY_MS, effect: "reconcilable", reconcile: () => "unknown" }),
  mail: tool({ ...parts, name: "mail", timeLimitMs: PAY_MS, effect: "once" }),
};

const show: ToolCallSpec["show"] = (outcome) => ({ value: outcome.value });

/** Carries out the program that its input is. */
export const worker: Runnable = durable({
  name: "program",
  tools: Object.values(tools),
  limits: { tokens: 30_000 },
  run: async (ctx, input) => {
    const program = asProgram(input);
    const { turn, answer } = (ctx.loopState ?? { turn: 0, answer: noAnswer }) as { turn: number; answer: Answer };
    const next = await runOps(ctx, program.turns[turn] ?? [], answer);
    if (turn + 1 >= program.turns.length) return next;
    return ctx.loop({ turn: turn + 1, answer: next } as unknown as JsonValue);
  },
});

async function runOps(ctx: FunctionContext, ops: readonly Op[], before: Answer): Promise<Answer> {
  let answer = before;
  for (const op of ops) answer = await runOp(ctx, op, answer);
  return answer;
}

async function runOp(ctx: FunctionContext, op: Op, answer: Answer): Promise<Answer> {
  switch (op.op) {
    case "tool":
      return runTool(ctx, op, answer);
    case "step":
      return runStep(ctx, op, answer);
    case "all": {
      const done = await Promise.all(op.branches.map((branch) => runOps(ctx, branch, noAnswer)));
      const sum = done.reduce((all, one) => mixed(all, one.sum), noAnswer).sum;
      return done.reduce((all, one) => ({ ...all, luck: all.luck + one.luck }), mixed(answer, sum));
    }
    case "race":
      await Promise.race(op.branches.map((branch) => runOps(ctx, branch, noAnswer)));
      return mixed(answer, 1);
    case "child":
      return runChild(ctx, op, answer);
    case "throw":
      throw new Error("as the program says");
    default:
      await pass(ctx, op);
      return mixed(answer, 1);
  }
}

async function runTool(ctx: FunctionContext, op: Op & { readonly op: "tool" }, answer: Answer): Promise<Answer> {
  const { name, version, effect } = tools[op.tool];
  const args = op.rule === "refuse" ? { n: op.n, refuses: true } : { n: op.n };
  const ask = { question: "May it?", quorum: op.quorum ?? 1 };
  const outcome = await ctx.tool({ tool: { name, version, effect }, args, verdict: verdictOf(op.rule), ask, show });
  if (op.rule === "ask") return mixed(answer, 1);
  const expected = { refuse: "failed", forbid: "refused" } as const;
  if (op.rule !== undefined) return mixed(outcome.status === expected[op.rule] ? answer : lucky(answer), 1);
  return outcome.status === "returned" ? mixed(answer, Number(outcome.value)) : mixed(lucky(answer), 0);
}

function verdictOf(rule: ToolRule | undefined): Verdict {
  if (rule !== "ask" && rule !== "forbid") return allowed;
  return { decision: rule === "ask" ? "ask" : "refuse", rules: ["simulated"] };
}

async function runStep(ctx: FunctionContext, op: Op & { readonly op: "step" }, answer: Answer): Promise<Answer> {
  const options = { effect: op.effect, attemptsMax: 3, timeLimitMs: STEP_MS };
  const body = () => ({ n: resultOf(op.n), ballast: "x".repeat(op.chars ?? 0) });
  try {
    return mixed(answer, (await ctx.step("work", options, body)).n);
  } catch {
    return mixed(lucky(answer), 0);
  }
}

async function runChild(ctx: FunctionContext, op: Op & { readonly op: "child" }, answer: Answer): Promise<Answer> {
  const allowance = op.tokens === undefined ? {} : { allowance: { tokens: op.tokens, costNanoUsd: null, calls: 0 } };
  const child = await ctx.child({ runnable: "program", input: op.program as unknown as JsonValue, ...allowance });
  if (child.status === "failed" && child.error?.code === "BODY_THREW") return mixed(answer, 2);
  if (child.status !== "completed") return mixed(lucky(answer), 0);
  const { sum, luck } = child.value as unknown as Answer;
  return mixed({ ...answer, luck: answer.luck + luck }, sum);
}

async function pass(ctx: FunctionContext, op: Op): Promise<void> {
  if (op.op === "sleep") await ctx.sleep(op.ms);
  if (op.op === "ask")
    await ctx.ask({
      question: "go on?",
      quorum: op.quorum ?? 1,
      ...(op.expiresMs !== undefined && { expiresMs: op.expiresMs }),
    });
  if (op.op === "signal") await ctx.waitForSignal(op.name, op.withinMs === undefined ? {} : { withinMs: op.withinMs });
  if (op.op === "chance" && ctx.random() < 0.5 && ctx.now() % 2 === 0) await ctx.sleep(op.n);
  if (op.op === "note") ctx.note({ type: "guard.flagged", rule: "simulated", action: `note ${op.n}` });
  if (op.op !== "model" && op.op !== "mute") return;
  await ctx.model({
    route: op.op === "mute" ? "sim/mute" : "sim/parrot",
    context: op.op === "mute" ? "side" : op.context,
    system: "You are a parrot.",
    tools: [],
    add: [{ message: userText(`say ${op.op === "mute" ? "nothing" : op.n}`) }],
    params: { maxOutputTokens: 400 },
  });
}
