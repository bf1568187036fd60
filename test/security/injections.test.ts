import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { z } from "zod";
import { agent, Pawl, tool } from "pawl";
import type { ModelRequest } from "../../src/core/model-contract.ts";
import { folded } from "../../src/core/named-text.ts";
import { sanitise } from "../../src/core/sanitise.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { scriptedModel } from "../../src/testing/scripted-model.ts";

interface Text {
  readonly id: string;
  readonly text: string;
}

function textsOf(file: string): readonly Text[] {
  const lines = readFileSync(new URL(`./injections/${file}`, import.meta.url), "utf8")
    .trim()
    .split("\n");
  return lines.map((line) => JSON.parse(line) as Text);
}

const payloads = textsOf("payloads.jsonl");
const benign = textsOf("benign.jsonl");

// oxlint-disable-next-line no-control-regex -- what must reach no terminal, page or model
const control = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069\u{E0000}-\u{E001F}]/u;
const protocol =
  /<[|｜][\w ▁-]{1,40}[|｜]>|\[\/?INST\]|<<\/?SYS>>|<\/?(?:system|assistant|tool_(?:result|call)|function_calls|start_of_turn|end_of_turn)>/i;

type Entrance = "result" | "structured result" | "error" | "description";
const own = "ann@corp.example";
const other = "mallory@evil.example";

/** What a run decides about its user's own call and an attacker's, after a text came in, and what its model was shown of it. */
async function through(entrance: Entrance, text: string) {
  const clock = manualClock();
  const requests: ModelRequest[] = [];
  const read = tool({
    name: "read",
    version: "1",
    description: entrance === "description" ? text : "Reads.",
    effect: "pure",
    attempts: 1,
    inputSchema: z.object({}),
    execute: () => {
      if (entrance === "error") throw new Error(text);
      return entrance === "structured result" ? { [text.slice(0, 200)]: [text] } : text;
    },
  });
  const send = tool({
    name: "send",
    version: "1",
    description: "Sends.",
    effect: "once",
    inputSchema: z.object({ to: z.string() }),
    flow: { sinks: { to: "destination" } },
    execute: () => "sent",
  });
  const helper = agent({ name: "helper", model: "m", instructions: "Help.", tools: [read, send] });
  const call = (name: string, input: Record<string, string>) => ({ toolCalls: [{ tool: name, input }] });
  const turns = [call("read", {}), call("send", { to: own }), call("send", { to: other }), { text: "Done." }];
  const models = scriptedModel((request, { turn }) => {
    requests.push(request);
    return turns[turn] ?? { text: "Done." };
  });
  const app = new Pawl({ store: memoryStore({ clock }), clock, agents: [helper], models });
  try {
    const run = await app.start(helper, { runId: "one", input: `Mail it to ${own}.` });
    await clock.until(run.result());
    const decisions: string[] = [];
    for await (const event of run.events())
      if (event.type === "tool.called") decisions.push(`${event.tool} ${event.verdict.decision}`);
    const last = requests.at(-1);
    return { decisions, shown: [...(last?.messages ?? []), ...(last?.tools ?? [])] };
  } finally {
    await clock.until(app.close(0));
  }
}

function leaves(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => [key, ...leaves(member)]);
}

for (const entrance of ["result", "structured result", "error", "description"] as const)
  test(`${payloads.length} injections as a tool's ${entrance}: no decision changes, and nothing in them is control`, async () => {
    for (const { id, text } of payloads) {
      if (entrance === "description" && text.trim() === "") continue;
      const { decisions, shown } = await through(entrance, text);
      assert.deepEqual(decisions, ["read allow", "send allow", "send ask"], id);
      for (const leaf of leaves(shown)) {
        assert.doesNotMatch(leaf, control, id);
        assert.doesNotMatch(leaf, protocol, id);
      }
    }
  });

test("what only looks like an attack is unharmed", () => {
  for (const { id, text } of benign) assert.equal(folded(sanitise(text).text), folded(text), id);
});
