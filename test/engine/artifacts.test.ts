import assert from "node:assert/strict";
import { test } from "node:test";
import { durable, tool } from "pawl";
import { z } from "zod";
import { onStage } from "./stage.ts";

const keep = tool({
  name: "keep",
  version: "1",
  description: "Keeps bytes.",
  effect: "idempotent",
  inputSchema: z.object({ bytes: z.array(z.int()) }),
  execute: ({ bytes }, ctx) => ctx.putArtifact(new Uint8Array(bytes)),
});
const read = tool({
  name: "read",
  version: "1",
  description: "Reads bytes.",
  effect: "pure",
  inputSchema: z.object({ name: z.string() }),
  execute: async ({ name }, ctx) => {
    const bytes = await ctx.readArtifact(name);
    return bytes === null ? null : [...bytes];
  },
});

test("what a tool keeps with a run is there for the run's later calls, byte for byte", () => {
  const all = [[104, 105], [0, 255, 254], [], [0xf0, 0x9f, 0x98, 0x80]];
  const body = durable({
    name: "body",
    tools: [keep, read],
    run: async (ctx) => {
      const names: string[] = [];
      for (const bytes of all) {
        names.push(await ctx.call(keep, { bytes }));
      }
      assert.equal(new Set(names).size, all.length);
      const back = await Promise.all(names.map((name) => ctx.call(read, { name })));
      return {
        back,
        none: await ctx.call(read, { name: "0".repeat(32) }),
        odd: await ctx.call(read, { name: "../x" }),
      };
    },
  });
  return onStage({ agents: [body] }, async (stage) => {
    const { result } = await stage.play();
    assert.deepEqual(result.status === "completed" && result.output, { back: all, none: null, odd: null });
  });
});
