import { PawlError } from "../core/errors.ts";
import { toJson } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { nearest } from "../core/nearest.ts";
import { END, START, type GraphDefinition } from "./definition.ts";

/** Refuses a graph that could not run to its end. @throws GRAPH_INVALID naming the node */
export function checkGraph(graph: GraphDefinition): void {
  checkChannels(graph);
  checkNodes(graph);
  checkEdges(graph);
  const reached = closure([START], (name) => successors(graph, name));
  for (const name of graph.nodes.keys())
    if (!reached.has(name)) refuse(graph, `node "${name}" cannot be reached from START. Add an edge that leads to it.`);
  if (!reached.has(END)) refuse(graph, "END cannot be reached. Add an edge from the last node to END.");
  for (const name of graph.nodes.keys())
    if (!closure([name], (other) => successors(graph, other)).has(END))
      refuse(
        graph,
        `from node "${name}" END cannot be reached. Add an edge, or a conditional one, that leaves its cycle.`,
      );
  checkWrites(graph);
}

/** Some node can come to itself again. */
export function hasCycle(graph: GraphDefinition): boolean {
  return [...graph.nodes.keys()].some((name) =>
    closure(successors(graph, name), (other) => successors(graph, other)).has(name),
  );
}

function checkChannels(graph: GraphDefinition): void {
  const channels = Object.entries(graph.channels);
  if (channels.length === 0 || channels.length > limits.graphChannels)
    refuse(graph, `it has ${channels.length} channels. Give it 1 to ${limits.graphChannels}.`);
  for (const [name, { initial }] of channels) {
    const json = toJson(initial);
    if (!json.ok)
      refuse(graph, `channel "${name}" begins with ${json.found}, which is not JSON. Begin with plain data.`);
  }
}

function checkNodes({ nodes, ...graph }: GraphDefinition): void {
  if (nodes.size === 0 || nodes.size > limits.graphNodes)
    refuse(graph, `it has ${nodes.size} nodes. Give it 1 to ${limits.graphNodes}.`);
  for (const { name, writes, concurrency, rules } of nodes.values()) {
    const unknown = writes?.find((channel) => !Object.hasOwn(graph.channels, channel));
    if (unknown !== undefined)
      refuse(
        graph,
        `node "${name}" says that it writes "${unknown}", which is no channel. There is: ${Object.keys(graph.channels).join(", ")}.`,
      );
    const counts = { concurrency, attemptsMax: rules.attemptsMax ?? 1, timeLimitMs: rules.timeLimitMs ?? 1 };
    for (const [option, value] of Object.entries(counts))
      if (!Number.isSafeInteger(value) || value < 1)
        refuse(graph, `node "${name}" has ${option} ${value}. Give a whole number from 1 on.`);
  }
}

function checkEdges(graph: GraphDefinition): void {
  const names = [...graph.nodes.keys()];
  const check = (end: "from" | "to", name: string): void => {
    if (names.includes(name) || name === (end === "from" ? START : END)) return;
    const near = nearest(name, names);
    const hint = near === null ? "" : ` Did you mean "${near}"?`;
    refuse(
      graph,
      `an edge ${end === "from" ? "leaves" : "leads to"} "${name}", which is no node. There is: ${names.join(", ")}.${hint}`,
    );
  };
  for (const { from, to } of graph.edges) {
    if (from.length === 0) refuse(graph, `a join to "${to}" waits for no node. Name the nodes that it waits for.`);
    for (const name of from) check("from", name);
    check("to", to);
  }
  for (const { from, targets } of graph.conditional) {
    check("from", from);
    if (targets?.length === 0)
      refuse(graph, `the conditional edge from "${from}" has no targets. Name some, or leave them out.`);
    for (const name of targets ?? []) check("to", name);
  }
  if (successors(graph, START).length === 0)
    refuse(graph, `it has no entry. Add an edge from START, for example to "${names[0]}".`);
  for (const name of names)
    if (successors(graph, name).length === 0)
      refuse(graph, `no edge leaves node "${name}". Add one, for example to END.`);
}

/** Two nodes that surely run in one superstep and both say that they write a channel that only replaces. */
function checkWrites(graph: GraphDefinition): void {
  const pairs = new Set<string>();
  const open: (readonly [string, string])[] = [];
  const add = (a: string, b: string): void => {
    const key = [a, b].toSorted().join(" ");
    if (a === b || a === END || b === END || pairs.has(key)) return;
    pairs.add(key);
    open.push([a, b]);
  };
  const surely = (name: string): readonly string[] =>
    graph.edges.flatMap(({ from, to }) => (from.length === 1 && from[0] === name ? [to] : []));
  for (const name of [START, ...graph.nodes.keys()])
    for (const a of surely(name)) for (const b of surely(name)) add(a, b);
  for (let pair = open.pop(); pair !== undefined; pair = open.pop())
    for (const a of surely(pair[0])) for (const b of surely(pair[1])) add(a, b);
  for (const key of pairs) {
    const [a = "", b = ""] = key.split(" ");
    const shared = graph.nodes.get(a)?.writes?.find((channel) => graph.nodes.get(b)?.writes?.includes(channel));
    if (shared !== undefined && graph.channels[shared]?.kind === "replace")
      refuse(
        graph,
        `nodes "${a}" and "${b}" run at once and both write channel "${shared}", which has no reducer. Make it append, merge or reduce.`,
      );
  }
}

function successors(graph: GraphDefinition, name: string): readonly string[] {
  return [
    ...graph.edges.flatMap(({ from, to }) => (from.includes(name) ? [to] : [])),
    ...graph.conditional.flatMap(({ from, targets }) =>
      from === name ? (targets ?? [...graph.nodes.keys(), END]) : [],
    ),
  ];
}

function closure(from: readonly string[], next: (name: string) => readonly string[]): ReadonlySet<string> {
  const found = new Set(from);
  for (const name of found) for (const other of next(name)) found.add(other);
  return found;
}

function refuse({ name }: Pick<GraphDefinition, "name">, message: string): never {
  throw new PawlError("GRAPH_INVALID", `graph "${name}": ${message}`);
}
