import { Graph, layout } from "@dagrejs/dagre";
import { MarkerType, type Edge, type Node } from "@xyflow/react";
import type { RunGraphView } from "../../api/types.ts";

const WIDTH = 168;
const HEIGHT = 52;
const names: { readonly [name: string]: string } = { __start__: "Start", __end__: "End" };

export type NodeLook = "now" | "done" | "bad" | "idle";
export type NodeText = {
  readonly label: string;
  readonly detail: string;
  readonly look: NodeLook;
};

/** Where each node stands, from top to bottom. */
export function placed(
  { nodes, edges }: RunGraphView["picture"],
  textOf: (name: string) => Omit<NodeText, "label">,
): { readonly nodes: Node<NodeText>[]; readonly edges: Edge[] } {
  const drawn = new Graph({ multigraph: true });
  drawn.setGraph({ rankdir: "TB", nodesep: 48, ranksep: 56 });
  drawn.setDefaultEdgeLabel(() => ({}));
  const all = ["__start__", ...nodes.map(({ name }) => name), "__end__"];
  for (const name of all) drawn.setNode(name, { width: WIDTH, height: HEIGHT });
  for (const [place, { from, to }] of edges.entries()) drawn.setEdge(from, to, {}, String(place));
  layout(drawn);
  const placeOf = (name: string) => drawn.node(name) as { readonly x: number; readonly y: number };
  return {
    nodes: all.map((name) => {
      const { x, y } = placeOf(name);
      const data = { ...textOf(name), label: names[name] ?? name };
      return { id: name, type: "step", position: { x: x - WIDTH / 2, y: y - HEIGHT / 2 }, data };
    }),
    edges: edges.map(({ from, to, kind }, place) => ({
      id: String(place),
      source: from,
      target: to,
      // one that leads back goes round the nodes between
      ...(placeOf(to).y <= placeOf(from).y && { sourceHandle: "back", targetHandle: "back", type: "smoothstep" }),
      markerEnd: { type: MarkerType.ArrowClosed },
      style: { ...(kind === "choice" && { strokeDasharray: "5 4" }), ...(kind === "join" && { strokeWidth: 2.5 }) },
    })),
  };
}
