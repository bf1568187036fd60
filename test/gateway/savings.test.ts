import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent, tool } from "pawl";
import { SavingsReader } from "../../src/engine/usage-savings.ts";
import type { ModelRequest } from "../../src/core/model-contract.ts";
import { onStage } from "../engine/stage.ts";

const read = tool({
  name: "read",
  version: "1",
  description: "Reads a page.",
  effect: "pure",
  cache: { ttlMs: 3_600_000, per: "tenant" },
  inputSchema: z.object({ at: z.number() }),
  execute: ({ at }) => `page ${at}: ${"word ".repeat(200)}`,
});
const reader = agent({
  name: "reader",
  model: "scripted",
  instructions: "Read.",
  tools: [read],
  contextTokens: 2_000,
  limits: { turns: 40, tokens: 10_000_000 },
});

test("the savings of runs are told together: kept results, small models for summaries, compactions; of forks only their own", async () => {
  const script = {
    scripted: (request: ModelRequest) => {
      const last = Math.max(
        0,
        ...[...JSON.stringify(request.messages).matchAll(/page (\d+)/g)].map(([, at]) => Number(at)),
      );
      return last < 12 ? { toolCalls: [{ tool: "read", input: { at: last + 1 } }] } : { text: "Done." };
    },
    small: (request: ModelRequest) => ({
      text: `Up to ${/page \d+(?!.*page)/.exec(JSON.stringify(request))?.[0] ?? ""}.`,
    }),
  };
  await onStage({ agents: [reader], script, replay: false }, async (stage) => {
    const savings = new SavingsReader(stage.app.store);
    await stage.play();
    const one = await savings.of("default", 100);
    assert.equal(one.cache.hits, 0);
    assert.ok(one.compaction.compactions > 0 && one.routing.asked === one.compaction.compactions);
    assert.ok(one.compaction.savedTokens > 1_000, `${one.compaction.savedTokens}`);
    const { run } = await stage.play();
    const two = await savings.of("default", 100);
    assert.deepEqual([two.cache.hits, two.runs, two.notRead, two.isAll], [12, 2, 0, true]);
    await stage.clock.until(stage.app.fork(run.id, { turn: 12, runId: "fork" }));
    await stage.played(stage.app.run("fork"));
    const three = await savings.of("default", 100);
    assert.equal(three.cache.hits, 12, "what the fork copied is its original's");
    assert.ok(three.compaction.compactions - two.compaction.compactions <= 1);
    assert.equal((await savings.of("default", 1)).isAll, false);
    assert.equal((await savings.of("other", 100)).runs, 0);
  });
});
