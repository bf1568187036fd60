import { checkLimits, type RunLimits } from "../core/budget.ts";
import { PawlError } from "../core/errors.ts";
import { checkId, checkName } from "../core/id.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Runnable, StepContext } from "../core/runnable.ts";
import type { Parsed, ToolDefinition } from "../core/tool-contract.ts";
import type { Channels, StateOf, UpdateOf } from "./channel.ts";
import type {
  END,
  START,
  ConditionalEdge,
  Edge,
  GraphDefinition,
  GraphNode,
  Given,
  NodeRules,
  StepRules,
} from "./definition.ts";
import { checkGraph, hasCycle } from "./graph-check.ts";
import { firstState, storedStateOf, superstep } from "./graph-run.ts";
import { patchedState } from "./graph-state.ts";
import type { NodeContext } from "./node-context.ts";
import { pictureOf } from "./picture.ts";

export interface GraphOptions<C extends Channels> {
  readonly name: string;
  /** Stated by the author: raise it when nodes or edges change under runs in flight. Default "1". */
  readonly version?: string;
  readonly description?: string;
  readonly state: C;
  /** Tools that `ctx.callTools` and `ctx.call` may call. */
  readonly tools?: readonly ToolDefinition[];
  /** Models that `ctx.chat` asks: checked when a run starts. */
  readonly models?: readonly string[];
  /** Of a graph with a cycle `turns` is 20 where it is not stated. */
  readonly limits?: RunLimits;
  readonly samples?: readonly JsonValue[];
  /** What a run gives of its last state; default all of it. */
  readonly output?: (state: StateOf<C>) => unknown;
}

type Result<T> = T | Promise<T | undefined> | Promise<void> | undefined | void;
interface Writes<C> {
  /** Channels it writes: then the definition says where two that run at once write the same. */
  readonly writes?: readonly (keyof C & string)[];
}
interface Fans {
  /** Items gone over at once; default 8. */
  readonly concurrency?: number;
}
interface ChildNode<C, In> extends NodeRules, Writes<C> {
  /** Input of the child run. Default: the state; in a map the item. */
  readonly input?: (given: In) => unknown;
  /** What its output updates. Default: it is an update. */
  readonly output?: (value: JsonValue) => UpdateOf<C>;
}

/** Defines a graph, node by node and edge by edge; `compile()` checks it and makes it a runnable. */
export function graph<C extends Channels>(options: GraphOptions<C>): GraphBuilder<C> {
  return new GraphBuilder(options);
}

/** @see graph */
export class GraphBuilder<C extends Channels, N extends string = never> {
  readonly #options: GraphOptions<C>;
  readonly #nodes = new Map<string, GraphNode>();
  readonly #edges: Edge[] = [];
  readonly #conditional: ConditionalEdge[] = [];

  constructor(options: GraphOptions<C>) {
    this.#options = { ...options, name: checkName("graph name", options.name) };
  }

  /** A node that is a runnable is a child run. @throws GRAPH_INVALID */
  addNode<K extends string>(name: K, runnable: Runnable, options?: ChildNode<C, StateOf<C>>): GraphBuilder<C, N | K>;
  /** With an `effect` the node is one step, and acts outside; without, it acts through its context only. */
  addNode<K extends string>(
    name: K,
    run: (state: StateOf<C>, step: StepContext) => Result<UpdateOf<C>>,
    options: StepRules & Writes<C>,
  ): GraphBuilder<C, N | K>;
  addNode<K extends string>(
    name: K,
    run: (state: StateOf<C>, ctx: NodeContext) => Result<UpdateOf<C>>,
    options?: NodeRules & Writes<C>,
  ): GraphBuilder<C, N | K>;
  addNode<K extends string>(name: K, work: unknown, options: NodeOptions = {}): GraphBuilder<C, N | K> {
    return this.#add(name, null, work, options);
  }

  /** A node that is carried out once for each item of a list, a few at a time; the updates are put in by the list's order. */
  addMap<K extends string, T>(
    name: K,
    over: (state: StateOf<C>) => readonly T[],
    runnable: Runnable,
    options?: ChildNode<C, T> & Fans,
  ): GraphBuilder<C, N | K>;
  addMap<K extends string, T>(
    name: K,
    over: (state: StateOf<C>) => readonly T[],
    run: (item: T, step: StepContext, index: number) => Result<UpdateOf<C>>,
    options: StepRules & Writes<C> & Fans,
  ): GraphBuilder<C, N | K>;
  addMap<K extends string, T>(
    name: K,
    over: (state: StateOf<C>) => readonly T[],
    run: (item: T, ctx: NodeContext, index: number) => Result<UpdateOf<C>>,
    options?: NodeRules & Writes<C> & Fans,
  ): GraphBuilder<C, N | K>;
  addMap<K extends string>(
    name: K,
    over: (state: never) => readonly unknown[],
    work: unknown,
    options: NodeOptions = {},
  ): GraphBuilder<C, N | K> {
    return this.#add(name, over as GraphNode["over"], work, options);
  }

  /** From several nodes: a join, which waits until all of them are done. */
  addEdge(from: N | typeof START | readonly N[], to: N | typeof END): this {
    this.#edges.push({ from: typeof from === "string" ? [from] : from, to });
    return this;
  }

  /**
   * After `from`, `route` says where to go: one node or several, which then run at once.
   * @param targets where it may lead; default anywhere. Stated, they are checked and drawn
   */
  addConditionalEdges<T extends N | typeof END>(
    from: N | typeof START,
    route: (state: StateOf<C>) => T | readonly T[],
    targets?: readonly T[],
  ): this {
    this.#conditional.push({ from, route: route as ConditionalEdge["route"], targets: targets ?? null });
    return this;
  }

  /** @throws GRAPH_INVALID naming the node */
  compile(): Runnable {
    const { name, description, tools = [], models = [], samples, output, state: channels } = this.#options;
    const version = checkId(`graph "${name}": version`, this.#options.version ?? "1");
    const definition: GraphDefinition = {
      name,
      channels,
      nodes: new Map(this.#nodes),
      edges: [...this.#edges],
      conditional: [...this.#conditional],
      tools,
      output: (output as GraphDefinition["output"]) ?? null,
    };
    checkGraph(definition);
    const cap = hasCycle(definition) ? { turns: limits.turns } : {};
    return {
      name,
      version,
      lane: `${name}@${version.split(".")[0] ?? version}`,
      description: description ?? "",
      inputSchema: {
        type: "object",
        properties: Object.fromEntries(Object.keys(channels).map((channel) => [channel, {}])),
        additionalProperties: false,
      },
      ...(samples && { samples }),
      definition: { graph: pictureOf(definition) as unknown as JsonObject },
      tools,
      uses: [...this.#nodes.values()].flatMap(({ child }) => (child === null ? [] : [child])),
      routes: models,
      limits: { ...cap, ...checkLimits(`graph "${name}"`, this.#options.limits ?? {}) },
      parseInput: (value) => parsedInput(definition, value),
      bestAnswer: () => null,
      turn: (ctx, last) => superstep(definition, ctx, last),
      async patchState(last, patch, values) {
        const stored = storedStateOf(last);
        if (stored === null) throw new PawlError("OPTION_INVALID", `the run has no state of graph "${name}" to set.`);
        return (await patchedState(name, channels, stored, patch, (value) =>
          values.put(value),
        )) as unknown as JsonValue;
      },
    };
  }

  #add<K extends string>(
    name: K,
    over: GraphNode["over"],
    work: unknown,
    options: NodeOptions,
  ): GraphBuilder<C, N | K> {
    const graphName = this.#options.name;
    checkName(`node of graph "${graphName}"`, name);
    if (this.#nodes.has(name))
      throw new PawlError("GRAPH_INVALID", `graph "${graphName}" has two nodes named "${name}". Rename one.`);
    const { writes, concurrency, input: _input, output: _output, ...rules } = options;
    const child = typeof work === "function" ? null : (work as Runnable);
    const run = child === null ? bodyOf(over !== null, work as Body) : childBody(over !== null, child, options);
    this.#nodes.set(name, {
      name,
      rules,
      writes: writes ?? null,
      over,
      concurrency: concurrency ?? limits.graphMapConcurrency,
      run,
      child,
    });
    return this as unknown as GraphBuilder<C, N | K>;
  }
}

type NodeOptions = NodeRules & Partial<StepRules> & ChildNode<Channels, never> & Fans;
type Body = (given: unknown, ctx: unknown, index: number) => unknown;

function bodyOf(isMap: boolean, body: Body): GraphNode["run"] {
  return ({ state, item, ctx, index }) => (isMap ? body(item, ctx, index) : body(state, ctx, 0));
}

function childBody(isMap: boolean, child: Runnable, { input, output }: NodeOptions): GraphNode["run"] {
  return async ({ state, item, callRun }: Given) => {
    const given = isMap ? item : state;
    const value = await callRun?.(child, (input === undefined ? given : input(given as never)) as JsonValue);
    return output === undefined || value === undefined ? value : output(value);
  };
}

function parsedInput(definition: GraphDefinition, value: JsonValue): Parsed {
  try {
    if (!isJsonObject(value)) throw new PawlError("INPUT_INVALID", "give an object with the channels to begin with");
    firstState(definition, value);
    return { ok: true, value };
  } catch (error) {
    return { ok: false, issues: [{ path: "", message: error instanceof Error ? error.message : String(error) }] };
  }
}
