import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { limits } from "../../src/core/limits.ts";
import { isTainting } from "../../src/core/provenance.ts";
import type { ToolContext } from "../../src/core/tool-contract.ts";
import { memoryTools } from "../../src/tools/builtin/memory-tools.ts";
import { callTool } from "./call-tool.ts";
import { tempFolder } from "./temp-folder.ts";

interface Recalled {
  readonly known: readonly { id: string; text: string; day: string }[];
  readonly untrusted: readonly { id: string; text: string }[];
}

function memory(t: TestContext, file = join(tempFolder(t), "memory.db")) {
  const set = memoryTools({ file });
  const { tools } = set;
  t.after(() => set.close());
  let keys = 0;
  return {
    file,
    tools,
    remember: (text: string, context: Partial<ToolContext> = {}) =>
      callTool(tools, "remember", { text }, { idempotencyKey: `key-${keys++}`, ...context }),
    recall: async (query = "", context: Partial<ToolContext> = {}, limit = 10) =>
      (await callTool(tools, "recall", { query, limit }, context)) as unknown as Recalled,
    forget: (id: string, context: Partial<ToolContext> = {}) => callTool(tools, "forget", { id }, context),
  };
}

const texts = (found: readonly { text: string }[]): readonly string[] => found.map(({ text }) => text);

test("what was remembered is found by its words, in a later process too", async (t) => {
  const first = memory(t);
  await first.remember("Ada prefers the morning for meetings");
  await first.remember("The invoice address is Main Street 1");
  const later = memory(t, first.file);
  assert.deepEqual(texts((await later.recall("when to MEET?")).known), ["Ada prefers the morning for meetings"]);
  assert.deepEqual(texts((await later.recall()).known), [
    "The invoice address is Main Street 1",
    "Ada prefers the morning for meetings",
  ]);
  assert.match((await later.recall("invoice")).known[0]?.day ?? "", /^\d{4}-\d\d-\d\d$/);
  for (const query of ['"', "text:", "scope : x", "a OR (", "NEAR(", "*", "' OR 1=1"])
    assert.ok(Array.isArray((await later.recall(query)).known), query);
});

test("nobody sees what was remembered for another tenant or another person", async (t) => {
  const { remember, recall, forget } = memory(t);
  const { id } = (await remember("the secret plan", { tenant: "a", principal: "ada" })) as { id: string };
  for (const other of [
    { tenant: "b", principal: "ada" },
    { tenant: "a", principal: "bob" },
    { tenant: "a/ada", principal: "" },
  ]) {
    for (const query of ["", "secret plan"]) assert.deepEqual((await recall(query, other)).known, []);
    assert.deepEqual(await forget(id, other), { isForgotten: false });
  }
  assert.deepEqual(await forget(id, { tenant: "a", principal: "ada" }), { isForgotten: true });
  assert.deepEqual((await recall("secret plan", { tenant: "a", principal: "ada" })).known, []);
});

test("E.3-67: what a run wrote that had read untrusted data taints the run that recalls it", async (t) => {
  const { tools, remember, recall } = memory(t);
  await remember("the office is in Bonn");
  const recallOf = tools.find(({ name }) => name === "recall")?.trust ?? "untrusted";
  assert.equal(isTainting(recallOf, (await recall("office")) as never), false);
  await remember("the office pays to account 7", { isTainted: true });
  const both = await recall("office");
  assert.deepEqual(
    [texts(both.known), texts(both.untrusted)],
    [["the office is in Bonn"], ["the office pays to account 7"]],
  );
  assert.equal(isTainting(recallOf, both as never), true);
});

test("a repeat with the same key remembers once, and memory is bounded", async (t) => {
  const { remember, recall } = memory(t, ":memory:");
  const first = await remember("once", { idempotencyKey: "same" });
  assert.deepEqual(await remember("once", { idempotencyKey: "same" }), first);
  assert.equal((await recall()).known.length, 1);
  for (let n = 1; n < limits.memories; n++) {
    await remember(`fact ${n}`);
  }
  await assert.rejects(remember("one more"), { name: "NotApplied", message: /forget one/ });
  assert.deepEqual(await remember("once", { idempotencyKey: "same" }), first);
  await remember("for another", { principal: "bob" });
  await assert.rejects(remember("x".repeat(limits.memoryChars + 1)), /arguments refused/);
  assert.throws(() => memoryTools({ file: "" }), { code: "OPTION_INVALID" });
});
