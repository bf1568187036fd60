import assert from "node:assert/strict";
import { test } from "node:test";
import { channel, END, graph, START } from "pawl";
import { PawlClient } from "pawl/client";
import { serve } from "./serving.ts";

const counter = graph({
  name: "counter",
  state: { n: channel.reduce(0, (a: number, b: number) => a + b), log: channel.append<string>() },
})
  .addNode("add", ({ n }) => ({ n: 1, log: [`was ${n}`] }))
  .addEdge(START, "add")
  .addConditionalEdges("add", ({ n }) => (n < 5 ? "add" : END), ["add", END])
  .compile();

test("a graph is drawn, its run is followed, and a fork goes on from a state that was changed", async (t) => {
  const { url, key, otherKey } = await serve(t, { agents: () => [counter] });
  const api = new PawlClient({ url, key });
  const drawn = await api.getGraph("counter");
  assert.match(drawn.mermaid, /^flowchart TD\n/);
  assert.equal((await api.listAgents()).items[0]?.kind, "graph");

  await api.startRun({ agent: "counter", input: {}, runId: "count-1" });
  await api.getResult("count-1", { waitMs: 10_000 });
  const { supersteps, picture, status } = await api.getRunGraph("count-1");
  assert.equal(status, "completed");
  assert.deepEqual(
    supersteps.map(({ nodes }) => nodes),
    Array.from({ length: 5 }, () => ["add"]),
  );
  assert.deepEqual({ ...picture, mermaid: drawn.mermaid }, drawn);
  assert.deepEqual(await api.getGraphState("count-1", { turn: 2 }), {
    turn: 2,
    turns: 4,
    state: { n: 2, log: ["was 0", "was 1"] },
    next: ["add"],
  });
  assert.deepEqual((await api.getGraphState("count-1", { turn: 0 })).state, null);
  await assert.rejects(api.getGraphState("count-1", { turn: 9 }), { code: "FORK_NOT_AT_TURN" });
  await assert.rejects(new PawlClient({ url, key: otherKey }).getRunGraph("count-1"), { code: "RUN_UNKNOWN" });

  await api.forkRun("count-1", { turn: 2, runId: "count-2", state: { n: 4, log: ["set"] } });
  const result = await api.getResult("count-2", { waitMs: 10_000 });
  assert.deepEqual(result.status === "completed" && result.output, { n: 5, log: ["set", "was 4"] });
  await assert.rejects(api.forkRun("count-1", { turn: 2, state: { m: 4 } }), { code: "OPTION_INVALID" });
});
