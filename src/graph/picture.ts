import { isJsonObject, type JsonValue } from "../core/json.ts";
import { END, START, type GraphDefinition } from "./definition.ts";

/** A graph as it is drawn: recorded when a run starts, so that the run is drawn as it was then. */
export interface GraphPicture {
  readonly nodes: readonly PictureNode[];
  readonly edges: readonly PictureEdge[];
  readonly channels: readonly { readonly name: string; readonly kind: string }[];
}
export interface PictureNode {
  readonly name: string;
  readonly kind: "code" | "step" | "child";
  readonly isMap: boolean;
}
export interface PictureEdge {
  readonly from: string;
  readonly to: string;
  readonly kind: "always" | "join" | "choice";
}

export function pictureOf({ nodes, edges, conditional, channels }: GraphDefinition): GraphPicture {
  const anywhere = [...nodes.keys(), END];
  return {
    nodes: [...nodes.values()].map(({ name, child, rules, over }) => ({
      name,
      kind: child !== null ? "child" : rules.effect !== undefined ? "step" : "code",
      isMap: over !== null,
    })),
    edges: [
      ...edges.flatMap(({ from, to }) =>
        from.map((name): PictureEdge => ({ from: name, to, kind: from.length > 1 ? "join" : "always" })),
      ),
      ...conditional.flatMap(({ from, targets }) =>
        (targets ?? anywhere).map((to): PictureEdge => ({ from, to, kind: "choice" })),
      ),
    ],
    channels: Object.entries(channels).map(([name, { kind }]) => ({ name, kind })),
  };
}

/** @returns null for the definition of what is no graph */
export function recordedPicture(definition: JsonValue | null): GraphPicture | null {
  const picture = isJsonObject(definition) ? definition["graph"] : null;
  return isJsonObject(picture) ? (picture as unknown as GraphPicture) : null;
}

/** Nodes of the first superstep, as far as edges alone tell. */
export function firstNodes({ nodes, edges }: GraphPicture): readonly string[] {
  const led = edges.filter(({ from }) => from === START).map(({ to }) => to);
  return nodes.map(({ name }) => name).filter((name) => led.includes(name));
}

/** As a Mermaid flowchart. Dotted: a choice. Thick: a join waits for it. */
export function mermaidOf({ nodes, edges }: GraphPicture): string {
  const ids = new Map([START, END, ...nodes.map(({ name }) => name)].map((name, place) => [name, `n${place}`]));
  const shapes = nodes.map(({ name, kind, isMap }) => {
    const text = `"${name}${isMap ? " ×" : ""}"`;
    const shape = kind === "child" ? `[[${text}]]` : kind === "step" ? `[${text}]` : `(${text})`;
    return `  ${ids.get(name)}${shape}`;
  });
  const arrows = { always: "-->", join: "==>", choice: "-.->" };
  const lines = edges.map(({ from, to, kind }) => `  ${ids.get(from)} ${arrows[kind]} ${ids.get(to)}`);
  return ["flowchart TD", "  n0([START])", ...shapes, "  n1([END])", ...lines].join("\n");
}
