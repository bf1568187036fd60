import assert from "node:assert/strict";
import { test } from "node:test";
import { channel } from "../../src/graph/channel.ts";
import { END, START } from "../../src/graph/definition.ts";
import { graph, type GraphBuilder } from "../../src/graph/graph.ts";
import { mermaidOf, recordedPicture } from "../../src/graph/picture.ts";
import type { Runnable } from "../../src/core/runnable.ts";

const state = { text: channel.replace(""), list: channel.append<string>() };
type Builder = GraphBuilder<typeof state, "a" | "b" | "c">;
const nothing = (): undefined => undefined;
const three = (): Builder =>
  graph({ name: "three", state }).addNode("a", nothing).addNode("b", nothing).addNode("c", nothing);
const line = (): Builder => three().addEdge(START, "a").addEdge("a", "b").addEdge("b", "c").addEdge("c", END);
const wrong = (name: string): "a" => name as "a";

const refused: readonly (readonly [string, () => Runnable, RegExp])[] = [
  ["has no entry", () => three().addEdge("a", "b").compile(), /"three": it has no entry.*"a"/],
  [
    "has a node that no edge leaves",
    () => three().addEdge(START, "a").addEdge("a", "b").compile(),
    /no edge leaves node "b"/,
  ],
  [
    "has a node that nothing leads to",
    () => three().addEdge(START, "a").addEdge("a", END).addEdge("b", END).addEdge("c", END).compile(),
    /node "b" cannot be reached/,
  ],
  [
    "leads to no node",
    () => line().addEdge("a", wrong("aa")).compile(),
    /leads to "aa", which is no node.*a, b, c.*Did you mean "a"/,
  ],
  ["leaves no node", () => line().addEdge(wrong("x"), "a").compile(), /leaves "x", which is no node/],
  [
    "branches to no node",
    () =>
      line()
        .addConditionalEdges("a", () => "b", ["b", wrong("bb")])
        .compile(),
    /leads to "bb", which is no node/,
  ],
  [
    "has no end",
    () => three().addEdge(START, "a").addEdge("a", "b").addEdge("b", "c").addEdge("c", "a").compile(),
    /END cannot be reached/,
  ],
  [
    "has a cycle that nothing leaves",
    () =>
      line()
        .addConditionalEdges("a", () => "b", ["b"])
        .addNode("d", nothing)
        .addEdge("a", "d")
        .addEdge("d", "d")
        .compile(),
    /from node "d" END cannot be reached/,
  ],
  ["has two nodes of one name", () => line().addNode("a", nothing).compile(), /two nodes named "a"/],
  [
    "writes what is no channel",
    () =>
      line()
        .addNode("d", nothing, { writes: [wrong("txt") as "text"] })
        .addEdge("c", "d")
        .addEdge("d", END)
        .compile(),
    /node "d".*"txt".*text, list/,
  ],
  [
    "writes one channel without a reducer in two branches",
    () =>
      graph({ name: "twice", state })
        .addNode("a", nothing)
        .addNode("left", () => ({ text: "l" }), { writes: ["text"] })
        .addNode("right", () => ({ text: "r" }), { writes: ["text", "list"] })
        .addEdge(START, "a")
        .addEdge("a", "left")
        .addEdge("a", "right")
        .addEdge(["left", "right"], END)
        .compile(),
    /nodes "left" and "right".*"text".*reducer/,
  ],
  [
    "begins with what is not JSON",
    () =>
      graph({ name: "odd", state: { n: channel.replace(Number.NaN) } })
        .addNode("a", nothing)
        .addEdge(START, "a")
        .addEdge("a", END)
        .compile(),
    /channel "n" begins with NaN/,
  ],
  [
    "tries a node no time",
    () =>
      graph({ name: "odd", state })
        .addNode("a", nothing, { attemptsMax: 0 })
        .addEdge(START, "a")
        .addEdge("a", END)
        .compile(),
    /node "a" has attemptsMax 0/,
  ],
];

for (const [what, define, message] of refused) {
  test(`a graph that ${what} is refused when it is defined`, () => {
    assert.throws(define, { code: "GRAPH_INVALID", message });
  });
}

test("a graph is drawn as Mermaid, by what its nodes and edges are", () => {
  const drawn = graph({ name: "drawn", state })
    .addNode("fetch", nothing, { effect: "idempotent" })
    .addMap("read", ({ list }) => list, nothing)
    .addNode("sum", nothing)
    .addEdge(START, "fetch")
    .addEdge("fetch", "read")
    .addEdge(["fetch", "read"], "sum")
    .addConditionalEdges("sum", () => END, ["fetch", END])
    .compile();
  const picture = recordedPicture(drawn.definition);
  assert.ok(picture !== null);
  assert.equal(
    mermaidOf(picture),
    [
      "flowchart TD",
      "  n0([START])",
      '  n2["fetch"]',
      '  n3("read ×")',
      '  n4("sum")',
      "  n1([END])",
      "  n0 --> n2",
      "  n2 --> n3",
      "  n2 ==> n4",
      "  n3 ==> n4",
      "  n4 -.-> n2",
      "  n4 -.-> n1",
    ].join("\n"),
  );
});

test("an input that does not fit the channels is refused before a run starts", () => {
  const lined = line().compile();
  assert.ok(lined.parseInput({ text: "x", list: ["y"] }).ok);
  for (const input of ["x", { txt: 1 }, { list: "x" }])
    assert.equal(lined.parseInput(input).ok, false, JSON.stringify(input));
});
