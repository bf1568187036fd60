import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { z } from "zod";
import { agent, asTool, Pawl, tool, type AgentOptions } from "pawl";
import { McpServer } from "pawl/mcp";
import { memoryStore, scriptedModel } from "pawl/testing";

const parts = { version: "1", inputSchema: z.object({}), execute: () => "x" } as const;
const web = tool({ ...parts, name: "web", description: "Reads a page.", effect: "pure" });
const books = tool({
  ...parts,
  name: "books",
  description: "Reads the books.",
  effect: "pure",
  trust: "trusted",
  flow: { audience: "confidential" },
});
const send = { ...parts, name: "send", description: "Sends.", effect: "once", trust: "trusted" } as const;
const bare = tool(send);
const made = (options: Pick<AgentOptions, "tools" | "guard">) =>
  agent({ name: "clerk", model: "m", instructions: "x", ...options });

test("who reads untrusted input, holds confidential data and acts unsupervised is refused, and told by which tools", () => {
  assert.throws(() => made({ tools: [web, books, bare] }), {
    code: "AGENT_UNSUPERVISED",
    message:
      /agent "clerk" reads untrusted input \("web"\), holds confidential data \("books"\) and acts outside \("send"\)/,
  });
  const boss = agent({ name: "boss", model: "m", instructions: "x", tools: [books] });
  assert.throws(() => made({ tools: [web, bare, asTool(boss)] }), { code: "AGENT_UNSUPERVISED" }, "its tree is one");
});

test("two of the three need nobody", () => {
  for (const tools of [
    [web, books],
    [web, bare],
    [books, bare],
    [books, tool({ ...send, trust: "untrusted" })],
  ])
    assert.equal(made({ tools }).name, "clerk");
});

test("an approval or a question on the acting tool, a strict profile, or an intent fixed before anything is read supervises", () => {
  const asks = tool({ ...send, approval: "always" });
  const rules = tool({ ...send, approval: () => false });
  const tainted = tool({ ...send, flow: { askWhenTainted: true, reversible: true } });
  const undone = tool({ ...send, flow: { reversible: true } });
  for (const acting of [asks, rules, tainted]) assert.equal(made({ tools: [web, books, acting] }).name, "clerk");
  assert.equal(made({ tools: [web, books, bare], guard: { intent: "plan" } }).name, "clerk");
  assert.equal(made({ tools: [web, books, bare], guard: { profile: "strict" } }).name, "clerk");
  assert.throws(() => made({ tools: [web, books, undone], guard: { profile: "strict" } }), /"send"/);
  assert.throws(() => made({ tools: [web, books, asks, { ...bare, name: "post" }] }), /acts outside \("post"\)/);
  const unknown = tool({ ...send, name: "unknown", trust: "untrusted" });
  assert.throws(
    () => made({ tools: [books, bare, unknown] }),
    /untrusted input \("unknown"\)/,
    "as a server of tools has them",
  );
});

test("tools of a server count when it has said what it offers: the run is refused then", async () => {
  const program = join(import.meta.dirname, "injection-process.ts");
  const payloads = join(import.meta.dirname, "injections/payloads.jsonl");
  const server = new McpServer("srv", { command: process.execPath, args: [program, payloads, "0", "1"] });
  const clerk = made({ tools: [server, books] });
  const app = new Pawl({ store: memoryStore(), agents: [clerk], models: scriptedModel([]) });
  try {
    await assert.rejects(app.start(clerk, { input: "x" }), {
      code: "AGENT_UNSUPERVISED",
      message: /untrusted input \("srv__fail"\).*acts outside \("srv__read"\)/,
    });
  } finally {
    await app.close(0);
  }
});
