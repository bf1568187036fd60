import { PawlError } from "../core/errors.ts";
import { errorText, isJsonObject, toJson, type JsonObject, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { StepContext, TurnContext, TurnResult } from "../core/runnable.ts";
import { fold, updateOf, type NodeUpdate } from "./channel.ts";
import { END, START, type GraphDefinition, type GraphNode, type Given } from "./definition.ts";
import { readChannels, writeChannels, type Shelf, type StoredState } from "./graph-state.ts";
import { Conversation, nodeContext } from "./node-context.ts";

/** Of each claim, by its signal: what the state of its last turn named. */
const shelves = new WeakMap<AbortSignal, Shelf>();

const noState: StoredState = { channels: {}, next: [], joins: {}, sent: null, reachedEnd: false };

/** One turn of a graph: the nodes of one superstep at once, then their updates, then what comes next. */
export async function superstep(graph: GraphDefinition, ctx: TurnContext, last: JsonValue | null): Promise<TurnResult> {
  const shelf = shelves.get(ctx.signal) ?? new Map<string, JsonValue>();
  shelves.set(ctx.signal, shelf);
  const recorded = last as unknown as StoredState | null;
  const state =
    recorded === null ? firstState(graph, ctx.input) : await readChannels(recorded, (ref) => ctx.read(ref), shelf);
  const stored = recorded ?? { ...noState, ...nextNodes(graph, { ...noState, next: [START] }, state) };
  const { turns } = ctx.limits;
  if (turns !== undefined && ctx.run.turn >= turns) {
    const detail = `the end was not reached within ${turns} ${turns === 1 ? "turn" : "turns"}; next is ${stored.next.join(", ")}`;
    return { type: "stop", stopReason: "max_turns", value: state, detail };
  }
  const conversation = new Conversation(ctx, graph.tools, stored.sent);
  const nodes = stored.next.map((name) => nodeOf(graph, name));
  const on = { ctx, state, conversation, all: { isOver: false } };
  const updates = await Promise.all(nodes.map((node) => nodeUpdates(graph, node, on)));
  const folded = fold(graph.name, graph.channels, state, updates.flat());
  const after = nextNodes(graph, stored, folded.state);
  if (after.next.length === 0) return ended(graph, after, folded.state);
  const channels = await writeChannels(graph.channels, { stored: stored.channels, state }, folded, (v) => ctx.put(v));
  return { type: "next", state: { ...after, channels, sent: conversation.sent } as unknown as JsonValue };
}

/** The channels as they begin, with the run's input. */
export function firstState(graph: GraphDefinition, input: JsonValue): JsonObject {
  const initial = Object.fromEntries(Object.entries(graph.channels).map(([name, { initial: value }]) => [name, value]));
  const update = updateOf(graph.name, graph.channels, START, input);
  return fold(graph.name, graph.channels, initial, [{ node: START, update }]).state;
}

function nodeOf(graph: GraphDefinition, name: string): GraphNode {
  const node = graph.nodes.get(name);
  if (node !== undefined) return node;
  throw new PawlError(
    "RUNNABLE_MISSING",
    `graph "${graph.name}" has no node "${name}" any more, and a run comes to it next. Deploy a graph that has it, then unblock the run.`,
  );
}

interface Superstep {
  readonly ctx: TurnContext;
  readonly state: JsonObject;
  readonly conversation: Conversation;
  /** Over as soon as one node has failed: the others go no further. */
  readonly all: { isOver: boolean };
}

async function nodeUpdates(graph: GraphDefinition, node: GraphNode, on: Superstep): Promise<readonly NodeUpdate[]> {
  try {
    const items = node.over === null ? [null] : itemsOf(node.over(on.state));
    const updates: NodeUpdate[] = [];
    let taken = 0;
    const lane = async (): Promise<void> => {
      for (let index = taken++; index < items.length && !on.all.isOver; index = taken++) {
        const returned = await attempts(node, on, { item: items[index] ?? null, index });
        updates[index] = { node: node.name, update: updateOf(graph.name, graph.channels, node.name, returned) };
      }
    };
    await Promise.all(Array.from({ length: Math.min(node.concurrency, items.length) }, lane));
    return updates;
  } catch (error) {
    on.all.isOver = true;
    throw named(graph, node, error);
  }
}

function itemsOf(list: unknown): readonly JsonValue[] {
  const json = toJson(list);
  const items: readonly JsonValue[] | null = json.ok && Array.isArray(json.value) ? json.value : null;
  if (items === null)
    throw new PawlError("GRAPH_UPDATE_INVALID", "what it maps over is not a list of JSON values. Return an array.");
  if (items.length <= limits.graphMapItems) return items;
  throw new PawlError(
    "GRAPH_UPDATE_INVALID",
    `it maps over ${items.length} items; at most ${limits.graphMapItems} are gone over in one superstep. Go round in a cycle, a part each time.`,
  );
}

async function attempts(
  node: GraphNode,
  { ctx, state, conversation, all }: Superstep,
  place: Pick<Given, "item" | "index">,
): Promise<unknown> {
  const { effect, attemptsMax = 1, timeLimitMs } = node.rules;
  if (effect !== undefined && node.child === null)
    return ctx.step(node.name, { ...node.rules, effect }, (step: StepContext) =>
      plain(node.run({ ...place, state, ctx: step, callRun: null })),
    );
  for (let attempt = 1; ; attempt++) {
    const mine = { isOver: false };
    const own = nodeContext(ctx, conversation, () => mine.isOver || all.isOver);
    try {
      const run = Promise.resolve(node.run({ ...place, state, ctx: own, callRun: own.callRun }));
      return await (timeLimitMs === undefined ? run : Promise.race([run, tooLate(ctx, timeLimitMs)]));
    } catch (error) {
      if (attempt >= attemptsMax || isEngines(error)) throw error;
    } finally {
      mine.isOver = true;
    }
  }
}

/** A step's value is recorded: `undefined` is no value. */
async function plain(returned: unknown): Promise<JsonValue> {
  return ((await returned) ?? null) as JsonValue;
}

async function tooLate(ctx: TurnContext, timeLimitMs: number): Promise<never> {
  await ctx.sleep(timeLimitMs);
  throw new PawlError("TOOL_TIMED_OUT", `it passed its time limit of ${timeLimitMs} ms.`);
}

/** Not of the node: its run is lost, or needs other code. */
function isEngines(error: unknown): boolean {
  return PawlError.is(error, "CONTEXT_REVOKED") || PawlError.is(error, "RUNNABLE_MISSING");
}

function named(graph: GraphDefinition, node: GraphNode, error: unknown): unknown {
  if (isEngines(error) || (PawlError.is(error) && error.message.startsWith(`node "${node.name}" `))) return error;
  const message = `node "${node.name}" of graph "${graph.name}": `;
  if (PawlError.is(error)) return new PawlError(error.code, message + error.message, { cause: error });
  return new Error(message + errorText(error), { cause: error });
}

/** Where the edges lead from the nodes that ran. */
function nextNodes(
  graph: GraphDefinition,
  stored: StoredState,
  state: JsonObject,
): Omit<StoredState, "channels" | "sent"> {
  const ran = stored.next;
  const led = new Set<string>();
  const joins: Record<string, readonly string[]> = {};
  for (const [place, { from, to }] of graph.edges.entries()) {
    const done = from.filter((name) => ran.includes(name) || stored.joins[place]?.includes(name) === true);
    if (done.length === from.length) led.add(to);
    else if (done.length > 0) joins[place] = done;
  }
  for (const edge of graph.conditional) {
    if (ran.includes(edge.from)) for (const to of routed(graph, edge, state)) led.add(to);
  }
  const next = [...graph.nodes.keys()].filter((name) => led.has(name));
  return { next, joins, reachedEnd: stored.reachedEnd || led.has(END) };
}

function routed(
  graph: GraphDefinition,
  { from, route, targets }: GraphDefinition["conditional"][number],
  state: JsonObject,
): readonly string[] {
  const what = `the conditional edge from "${from}" of graph "${graph.name}"`;
  const allowed = targets ?? [...graph.nodes.keys(), END];
  let chosen: unknown;
  try {
    chosen = route(state);
  } catch (error) {
    throw new PawlError("GRAPH_ROUTE_INVALID", `${what} threw: ${errorText(error)}`, { cause: error });
  }
  const list: readonly unknown[] = Array.isArray(chosen) ? chosen : [chosen];
  const isAllowed = (to: unknown): to is string => typeof to === "string" && allowed.includes(to);
  if (list.length > 0 && list.every(isAllowed)) return list;
  const wrong = list.find((to) => !isAllowed(to));
  const found =
    list.length === 0 ? "an empty list" : typeof wrong === "string" ? `"${wrong.slice(0, 64)}"` : typeof wrong;
  throw new PawlError("GRAPH_ROUTE_INVALID", `${what} gave ${found}. It may lead to: ${allowed.join(", ")}.`);
}

function ended(
  graph: GraphDefinition,
  { joins, reachedEnd }: Pick<StoredState, "joins" | "reachedEnd">,
  state: JsonObject,
): TurnResult {
  if (!reachedEnd) {
    const waiting = Object.entries(joins).map(([place, done]) => {
      const edge = graph.edges[Number(place)];
      const missing = edge?.from.filter((name) => !done.includes(name)) ?? [];
      return `"${edge?.to}" waits for ${missing.map((name) => `"${name}"`).join(", ")}`;
    });
    throw new PawlError("GRAPH_STUCK", `graph "${graph.name}" has no node left to run: ${waiting.join("; ")}.`);
  }
  if (graph.output === null) return { type: "end", value: state };
  const json = toJson(graph.output(state));
  if (json.ok) return { type: "end", value: json.value };
  throw new PawlError("GRAPH_UPDATE_INVALID", `the output of graph "${graph.name}" has ${json.found} at ${json.path}.`);
}

/** @returns null where `value` is no recorded state of a graph */
export function storedStateOf(value: JsonValue | null): StoredState | null {
  return isJsonObject(value) && isJsonObject(value["channels"]) && Array.isArray(value["next"])
    ? (value as unknown as StoredState)
    : null;
}
