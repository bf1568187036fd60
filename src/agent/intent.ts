import { acts } from "../core/guard-rules.ts";
import { isJsonObject, type JsonValue } from "../core/json.ts";
import { jsonIn } from "../core/json-in-text.ts";
import type { Ref } from "../core/label.ts";
import { textOf, userText, type Message } from "../core/message.ts";
import { folded } from "../core/named-text.ts";
import { isTurnTool, type TurnContext } from "../core/runnable.ts";
import { sanitise } from "../core/sanitise.ts";
import type { ToolDefinition } from "../core/tool-contract.ts";
import { toolsWithin } from "../engine/start-options.ts";
import type { AgentTurn } from "./definition.ts";
import { textOfInput } from "./summary.ts";

const OUTPUT_TOKENS = 500;
const DESCRIPTION_CHARS = 300;
const TASK_CHARS_MAX = 20_000;
const SMALL = "small";

const PLAN = `A person gives a task to an assistant. Name the tools of the list that this task cannot be done without, and no other: a call of any other is refused. What only reads is not in the list and is always allowed; where the task only asks to read, find out or tell something, the answer is the empty list.
Answer with one JSON object and nothing else: {"tools": ["name"]}

The list:
`;

/**
 * Fixes what a task may use before anything is read, where its agent wants that (`guard.intent`): all that does not act,
 * and of the rest what its words ask for. What a person says on the way is asked about too, and only adds.
 */
export async function fixIntent({ ctx, definition }: AgentTurn): Promise<void> {
  if (definition.guard?.intent !== "plan") return;
  const { trust, context } = ctx.state;
  const isAdded = context.pending.some(({ source }) => source.kind === "message" && isPersons(source.ref));
  if (trust.planned !== null && !isAdded) return;
  const tools = [...reachable({ ctx, definition }).values()];
  const acting = tools.filter((tool) => acts(tool));
  const free = tools.filter((tool) => !acts(tool)).map(({ name }) => name);
  const task = (await saidBy(ctx)).join("\n\n").slice(-TASK_CHARS_MAX).toWellFormed();
  const asked = acting.length === 0 || task === "" ? null : await proposed({ ctx, definition }, acting, task);
  const chosen = asked ?? acting.filter((tool) => isAskedFor(tool, task)).map(({ name }) => name);
  ctx.note({ type: "task.planned", tools: [...free, ...chosen], by: asked === null ? "rule" : "model" });
}

type On = Pick<AgentTurn, "ctx" | "definition">;

function reachable({ ctx, definition }: On): ReadonlyMap<string, ToolDefinition> {
  const tools = definition.tools.flatMap(({ name }) => ctx.toolOf(name) ?? []);
  return toolsWithin({ tools, uses: tools.flatMap((tool) => (isTurnTool(tool) ? tool.uses : [])) });
}

function isPersons({ label }: Ref): boolean {
  return label?.source === "trusted" && label.origin === "prompt";
}

/** What people said: to the tree, in the thread, as this run's input, and since. Nothing that a tool or a model wrote. */
async function saidBy(ctx: TurnContext): Promise<readonly string[]> {
  const { started, contextRefs, trust } = ctx.state;
  const ofThread = (await Promise.all(contextRefs.map((ref) => ctx.read(ref)))) as unknown as readonly Message[][];
  const questions = ofThread.flat().filter(({ role }) => role === "user");
  const tree = started.task?.promptRef === undefined ? [] : [await ctx.read(started.task.promptRef)];
  const since = await Promise.all(trust.said.map((ref) => ctx.read(ref)));
  const own = started.inputRef.label?.source === "trusted" ? [ctx.input] : [];
  return [...tree, ...questions.map((message) => textOf(message)), ...own, ...since].map((one) => textOfInput(one));
}

/** What a model that sees nothing else proposes; null where there is none that can, or its answer is no list. */
async function proposed(
  { ctx, definition }: On,
  acting: readonly ToolDefinition[],
  task: string,
): Promise<readonly string[] | null> {
  if (definition.model.startsWith("offline/")) return null;
  const own = definition.model;
  const outcome = await ctx.model({
    ...(own === SMALL ? { route: own } : { route: SMALL, orRoute: own, insteadOf: own }),
    context: "intent",
    system: PLAN + acting.map((tool) => lineOf(tool)).join("\n"),
    tools: [],
    add: [{ message: userText(`The task:\n${task}`) }],
    params: { maxOutputTokens: OUTPUT_TOKENS, outputSchema: schemaOf(acting) },
  });
  // the offline model quotes: what it says of tools is chance
  if (outcome.status === "failed" || outcome.model === "extractive") return null;
  const said: JsonValue = jsonIn(textOf(outcome.message))?.value ?? null;
  const list = isJsonObject(said) ? said["tools"] : null;
  if (!Array.isArray(list)) return null;
  return acting.map(({ name }) => name).filter((name) => list.includes(name));
}

/** Who wrote a tool elsewhere would speak to the planner in its description. */
function lineOf({ name, description, origin }: ToolDefinition): string {
  if (origin !== undefined) return `- ${name}`;
  return `- ${name}: ${sanitise(description).text.replaceAll(/\s+/g, " ").slice(0, DESCRIPTION_CHARS).toWellFormed()}`;
}

function schemaOf(acting: readonly ToolDefinition[]) {
  const tools = { type: "array", items: { type: "string", enum: acting.map(({ name }) => name) } };
  return { type: "object", properties: { tools }, required: ["tools"], additionalProperties: false };
}

/** By rule: a task asks for a tool whose name begins with a verb that stands in it: `send_mail` for "send", "sends", "sending". */
function isAskedFor({ name }: ToolDefinition, task: string): boolean {
  const verb = folded(name.replaceAll(/([a-z])([A-Z])/g, "$1 $2")).split(/[^\p{L}\p{N}]+/u)[0] ?? "";
  const stem = verb.replace(/e$/, "");
  const forms = new Set([verb, ...["s", "es", "e", "ed", "d", "ing"].map((end) => stem + end)]);
  return (
    verb !== "" &&
    folded(task)
      .split(/[^\p{L}\p{N}]+/u)
      .some((word) => forms.has(word))
  );
}
