import { z } from "zod";
import { faultOf, turnTool } from "../agent/turn-tool.ts";
import type { Amount } from "../core/budget.ts";
import { hashJson } from "../core/hash.ts";
import type { PlanItem } from "../core/plan-event.ts";
import { isJsonObject, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { TurnContext, TurnTool, TurnWork } from "../core/runnable.ts";
import { jsonSchemaOf, parseWith, type Schema } from "../core/schema.ts";
import type { Parsed } from "../core/tool-contract.ts";
import { nanoUsdOf } from "../core/usage.ts";
import { handedText, reportOf, type Report } from "./report.ts";
import type { Specialist } from "./specialist.ts";

/** What a team may do at most. */
export interface TeamCaps {
  /** Levels of runs below the root at which its supervisor may still delegate. */
  readonly depth: number;
  /** Tasks that are worked on at once. */
  readonly breadth: number;
  /** Attempts at one task: later ones are told how the one before failed. */
  readonly repeats: number;
}
export interface Delegation {
  readonly team: string;
  readonly specialists: readonly Specialist[];
  readonly caps: TeamCaps;
}

interface Task {
  readonly id: string;
  readonly specialist: string;
  readonly task: string;
  readonly context?: string | undefined;
  readonly needs?: readonly string[] | undefined;
}

/** A task as the supervisor is told of it. `not_started`: one that it needs was not done. */
export interface TaskDone {
  readonly id: string;
  readonly specialist: string;
  readonly status: "done" | "out_of_scope" | "failed" | "not_started";
  readonly attempts: number;
  readonly report?: Report;
  readonly error?: { readonly code: string; readonly message: string };
}

export const delegateName = "delegate";

/** The tool by which a supervisor plans tasks and has them done: one call is a plan, carried out, and its reports. */
export function delegateTool(on: Delegation): TurnTool {
  const schema = tasksSchema(on.specialists);
  return turnTool({
    of: on.team,
    name: delegateName,
    description:
      "Plans tasks and has them done by your specialists. Tasks that need no other run at once; one with needs starts after them and is handed their reports. Gives the report of each.",
    inputSchema: jsonSchemaOf("delegate: input", schema),
    parseInput: (input) => checked(parseWith("delegate: input", schema, input), on.team),
    uses: on.specialists,
    inTurn: (ctx, input) => delegate(on, ctx, (input as unknown as { readonly tasks: readonly Task[] }).tasks),
  });
}

function tasksSchema(specialists: readonly Specialist[]): Schema {
  const names = specialists.map(({ name }) => name);
  const scopes = specialists.map(({ name, scope }) => `${name}: ${scope}`).join(" | ");
  const id = z.string().min(1).max(64);
  const task = z.object({
    id: id.describe("Short name of the task, one of a kind in your plan; the same again replaces it"),
    specialist: z.enum(names).describe(`Who does it. ${scopes}`),
    task: z.string().min(1).max(limits.taskChars).describe("What to do, complete in itself"),
    context: z.string().max(limits.taskChars).optional().describe("What the specialist must know beside the task"),
    needs: z.array(id).max(limits.planTasks).optional().describe("Ids of tasks whose reports it needs"),
  });
  return z.object({ tasks: z.array(task).min(1).max(limits.planTasks).describe("The tasks to do now") });
}

/** Ids are one of a kind, and no task waits for itself. */
function checked(parsed: Parsed, team: string): Parsed {
  if (!parsed.ok) {
    const issues = parsed.issues.map((issue) =>
      issue.message.includes(`"${team}"`) && issue.path.endsWith("specialist")
        ? { ...issue, message: `you cannot delegate to yourself: ${issue.message}` }
        : issue,
    );
    return { ok: false, issues };
  }
  const { tasks } = parsed.value as { readonly tasks: readonly Task[] };
  const ids = tasks.map(({ id }) => id);
  const double = ids.find((id, i) => ids.indexOf(id) !== i);
  if (double !== undefined) return issue(`two tasks have the id "${double}". Give one another id.`);
  let left = tasks;
  for (;;) {
    const next = left.filter(({ needs = [] }) => needs.some((id) => left.some((task) => task.id === id)));
    if (next.length === 0) return parsed;
    if (next.length === left.length) return issue(`${left.map(({ id }) => id).join(", ")} need each other.`);
    left = next;
  }
}

function issue(message: string): Parsed {
  return { ok: false, issues: [{ path: "tasks", message }] };
}

async function delegate(on: Delegation, ctx: TurnContext, tasks: readonly Task[]): Promise<TurnWork> {
  if (ctx.run.depth >= on.caps.depth) {
    const message = `this team is ${ctx.run.depth} levels deep and may delegate to ${on.caps.depth}. Finish with what you know.`;
    return { ok: false, code: "CHILD_TOO_DEEP", message };
  }
  const done = await earlierTasks(ctx);
  const ids = new Set([...tasks.map(({ id }) => id), ...done.keys()]);
  for (const { id, needs = [] } of tasks) {
    const missing = needs.find((one) => !ids.has(one));
    if (missing === undefined) continue;
    const message = `task "${id}" needs "${missing}", which is no task of your plan. There is: ${[...ids].join(", ")}. What it needs of it can stand in its context.`;
    return { ok: false, code: "TOOL_INPUT_INVALID", message };
  }
  for (const { id } of tasks) done.delete(id);
  notePlan(ctx, tasks, (task) => (isReady(task, done) ? "active" : "open"));
  await carriedOut({ on, ctx, tasks, done, share: shareOf(ctx, tasks.length) });
  const results = tasks.flatMap(({ id }) => done.get(id) ?? []);
  notePlan(ctx, tasks, ({ id }) => (done.get(id)?.status === "done" ? "done" : "dropped"));
  return { ok: true, value: { tasks: results.map((one) => shortened(one, results.length)) } };
}

interface Work {
  readonly on: Delegation;
  readonly ctx: TurnContext;
  readonly tasks: readonly Task[];
  readonly done: Map<string, TaskDone>;
  readonly share: Amount | null;
}

/** What is ready runs, as many at once as may; a task that fails leaves those that do not need it alone. */
async function carriedOut(work: Work): Promise<void> {
  const { on, tasks, done } = work;
  const running = new Map<string, Promise<void>>();
  let waiting = tasks;
  while (waiting.length > 0 || running.size > 0) {
    const ready = waiting.filter((task) => isReady(task, done)).slice(0, on.caps.breadth - running.size);
    waiting = waiting.filter((task) => !ready.includes(task));
    for (const task of ready) {
      const outcome = outcomeOf(work, task).then((one) => {
        done.set(task.id, one);
        running.delete(task.id);
      });
      running.set(task.id, outcome);
    }
    if (running.size > 0) await Promise.race(running.values());
  }
}

function isReady({ needs = [] }: Task, done: ReadonlyMap<string, TaskDone>): boolean {
  return needs.every((id) => done.has(id));
}

async function outcomeOf({ on, ctx, done, share }: Work, task: Task): Promise<TaskDone> {
  const { id, specialist, context = "", needs = [] } = task;
  const needed = needs.flatMap((one) => done.get(one) ?? []);
  const missing = needed.filter(({ status }) => status !== "done").map((one) => one.id);
  if (missing.length > 0) {
    const message = `it needs ${missing.join(", ")}, which was not done. Plan it again without, or have that done first.`;
    return { id, specialist, status: "not_started", attempts: 0, error: { code: "TOOL_REFUSED", message } };
  }
  const reports = needed.flatMap(({ report, ...from }) =>
    report === undefined ? [] : [{ from: from.id, by: from.specialist, report }],
  );
  let before: string | null = null;
  for (let attempt = 1; ; attempt++) {
    const input = handedText({ task: task.task, context, reports, before });
    const refused = repeatedText(ctx, on, { specialist, input });
    if (refused !== null)
      return {
        id,
        specialist,
        status: "failed",
        attempts: attempt - 1,
        error: { code: "TOOL_REFUSED", message: refused },
      };
    const spec = { runnable: specialist, input, ...(share && { allowance: within(share, on, specialist) }) };
    const child = await ctx.child(spec);
    if (child.status === "completed") {
      const report = reportOf(child.value);
      return { id, specialist, status: report.status, attempts: attempt, report };
    }
    const error = faultOf(specialist, child);
    if (child.status === "cancelled" || attempt >= on.caps.repeats)
      return { id, specialist, status: "failed", attempts: attempt, error };
    before = error.message;
  }
}

/** The same task to the same specialist, turn after turn, in vain or not: its result is known. */
function repeatedText(
  ctx: TurnContext,
  on: Delegation,
  of: { readonly specialist: string; readonly input: string },
): string | null {
  const argsHash = hashJson(of.input);
  const times = ctx.state.recent.filter(
    (call) => call.tool === `@${of.specialist}` && call.argsHash === argsHash,
  ).length;
  if (times < on.caps.repeats) return null;
  return `${of.specialist} was given this very task ${times} times. Change the task, give it to another, or finish without.`;
}

/** An equal part for each task, and one for the supervisor; what a child leaves comes back. */
function shareOf(ctx: TurnContext, tasks: number): Amount | null {
  const { tokens, costNanoUsd } = ctx.left();
  if (tokens === null && costNanoUsd === null) return null;
  const part = (left: number): number => Math.floor(left / (tasks + 1));
  return {
    tokens: tokens === null ? Number.MAX_SAFE_INTEGER : part(tokens),
    costNanoUsd: costNanoUsd === null ? null : part(costNanoUsd),
    calls: 0,
  };
}

/** A specialist's own limits hold within its part. */
function within(share: Amount, { specialists }: Delegation, name: string): Amount {
  const { tokens, costUsd } = specialists.find((one) => one.name === name)?.limits ?? {};
  const nanoUsd = costUsd === undefined ? null : nanoUsdOf(costUsd);
  const costs = [share.costNanoUsd, nanoUsd].filter((cost) => cost !== null);
  return {
    ...share,
    tokens: Math.min(share.tokens, tokens ?? share.tokens),
    costNanoUsd: costs.length === 0 ? null : Math.min(...costs),
  };
}

/** Plans of calls that one answer makes at once: none knows of the other by the run's state. */
const plans = new WeakMap<TurnContext, readonly PlanItem[]>();

function notePlan(ctx: TurnContext, tasks: readonly Task[], statusOf: (task: Task) => PlanItem["status"]): void {
  const before = plans.get(ctx) ?? ctx.state.plan;
  const now = tasks.map((task): PlanItem => {
    const { id, specialist, needs = [] } = task;
    const text = task.task.slice(0, limits.planTextChars).toWellFormed();
    return { id, text, status: statusOf(task), by: specialist, ...(needs.length > 0 && { needs }) };
  });
  const isNew = ({ id }: PlanItem): boolean => !before.some((one) => one.id === id);
  const merged = before.map((one) => now.find(({ id }) => id === one.id) ?? one);
  const items = [...merged, ...now.filter(isNew)].slice(-limits.planItems);
  plans.set(ctx, items);
  ctx.note({ type: "plan.updated", items });
}

/** Tasks of earlier calls, as the conversation still shows them. */
async function earlierTasks(ctx: TurnContext): Promise<Map<string, TaskDone>> {
  const { entries, pending } = ctx.state.context;
  const found = new Map<string, TaskDone>();
  for (const { source } of [...entries, ...pending]) {
    if (source.kind !== "tool" || source.tool !== delegateName || source.isError) continue;
    for (const one of tasksIn(await ctx.read(source.ref))) found.set(one.id, one);
  }
  return found;
}

/** The tasks of what `delegate` has shown. */
export function tasksIn(value: JsonValue): readonly TaskDone[] {
  const tasks = isJsonObject(value) ? value["tasks"] : null;
  return Array.isArray(tasks) ? (tasks as unknown as readonly TaskDone[]) : [];
}

/** A report that the supervisor reads whole, or cut with a mark: its specialist's run keeps it. */
function shortened(one: TaskDone, count: number): JsonValue {
  const charsMax = Math.floor(limits.shownChars / 2 / count);
  const { report, ...rest } = one;
  const text =
    report === undefined ? "" : typeof report.result === "string" ? report.result : JSON.stringify(report.result);
  if (report === undefined || text.length <= charsMax) return one as unknown as JsonValue;
  const result = `${text.slice(0, charsMax).toWellFormed()}\n[cut: ${text.length - charsMax} characters are not shown]`;
  return { ...rest, report: { ...report, result } } as unknown as JsonValue;
}
