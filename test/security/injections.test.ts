import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { z } from "zod";
import { agent, Pawl, tool } from "pawl";
import { oneLine as oneLineOnPage, piecesOf } from "../../console/src/format/visible-text.ts";
import { oneLine, plain } from "../../src/cli/terminal.ts";
import type { GuardProfile } from "../../src/core/guard-rules.ts";
import type { ModelRequest } from "../../src/core/model-contract.ts";
import { folded } from "../../src/core/named-text.ts";
import { sanitise } from "../../src/core/sanitise.ts";
import { isToolSource } from "../../src/core/tool-contract.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { scriptedModel } from "../../src/testing/scripted-model.ts";
import { entrances, type Entered } from "./entrances.ts";

interface Text {
  readonly id: string;
  readonly text: string;
}

const folder = join(import.meta.dirname, "injections");
const file = join(folder, "payloads.jsonl");

function textsOf(name: string): readonly Text[] {
  const lines = readFileSync(join(folder, name), "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as Text);
}

const payloads = textsOf("payloads.jsonl");
const benign = textsOf("benign.jsonl");

// oxlint-disable-next-line no-control-regex -- what must reach no terminal, page or model
const control = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069\u{E0000}-\u{E001F}]/u;
const protocol =
  /<[|｜][\w ▁-]{1,40}[|｜]>|\[\/?INST\]|<<\/?SYS>>|<\/?(?:system|assistant|tool_(?:result|call)|function_calls|start_of_turn|end_of_turn)>/i;

const own = "ann@corp.example";
const other = "mallory@evil.example";
const BATCH = 48;

const send = tool({
  name: "send",
  version: "1",
  description: "Sends.",
  effect: "once",
  inputSchema: z.object({ to: z.string() }),
  flow: { sinks: { to: "destination" } },
  execute: () => "sent",
});

/** What a run decides about its user's own call and an attacker's, after texts came in, and what its model was shown of them. */
async function through({ tools, calls }: Entered, profile: GuardProfile) {
  const requests: ModelRequest[] = [];
  const helper = agent({
    name: "helper",
    model: "m",
    instructions: "Help.",
    tools: [...tools, send],
    contextTokens: 1e6,
  });
  const turns = [calls, [{ tool: "send", input: { to: own } }], [{ tool: "send", input: { to: other } }]];
  const models = scriptedModel((request, { turn }) => {
    requests.push(request);
    const toolCalls = turns[turn];
    return toolCalls === undefined ? { text: "Done." } : { toolCalls };
  });
  const needed = tools.flatMap((one) => (isToolSource(one) || one.capabilities.length === 0 ? [] : [one]));
  const grants = needed.map(({ name, capabilities }) => ({ tool: name, capabilities }));
  const app = new Pawl({ store: memoryStore(), agents: [helper], models, guard: { profile }, tools: { grants } });
  try {
    // the reads are the user's own: they name what is read
    const named = calls.flatMap(({ input }) => Object.values(input).map(String)).join(" ");
    const run = await app.start(helper, { runId: "one", input: `Read ${named}. Mail it to ${own}.` });
    await run.result();
    const decisions: string[] = [];
    for await (const event of run.events())
      if (event.type === "tool.called") decisions.push(`${event.tool} ${event.verdict.decision}`);
    const { messages = [], tools: offered = [] } = requests.at(-1) ?? {};
    return { decisions, results: messages.flatMap((one) => (one.role === "tool" ? one.content : [])), offered };
  } finally {
    await app.close(0);
  }
}

function leaves(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => [key, ...leaves(member)]);
}

/** The letters and digits that a text begins with, as far as they are the same however it is cleaned. */
const beginning = (text: string): string => (/[a-z]{4,12}/.exec(folded(sanitise(text).text)) ?? [""])[0];

for (const [name, enter] of Object.entries(entrances))
  test(`${payloads.length} injections by ${name}: no decision changes, no fence breaks, and nothing in them is control`, async () => {
    let arrived = 0;
    for (let first = 0; first < payloads.length; first += BATCH) {
      const texts = payloads.slice(first, first + BATCH).map(({ text }) => text);
      const entered = await enter({ texts, first, file });
      try {
        const profile = first % (2 * BATCH) === 0 ? "standard" : "strict";
        const { decisions, results, offered } = await through(entered, profile);
        const sent = profile === "strict" ? ["send ask"] : ["send allow", "send ask"];
        assert.deepEqual(decisions, [...entered.calls.map((call) => `${call.tool} allow`), ...sent]);
        const read = results.filter((part) => part.tool !== "send");
        assert.equal(read.length, entered.calls.length);
        for (const { output } of read) assertFenced(output);
        for (const leaf of leaves([results, offered])) {
          assert.doesNotMatch(leaf, control, name);
          assert.doesNotMatch(leaf, protocol, name);
        }
        const shown = leaves([read, offered]).map((leaf) => folded(leaf));
        arrived += texts.filter((text) => shown.some((leaf) => leaf.includes(beginning(text)))).length;
      } finally {
        await entered.close?.();
      }
    }
    assert.ok(arrived > payloads.length * 0.9, `${arrived} texts came in`);
  });

/** One opening and one end of the same id, around all of it. */
function assertFenced(output: unknown): void {
  assert.ok(typeof output === "string");
  const id = /^<untrusted-([0-9a-f]{12})(?: json)?>\n[^]*\n<\/untrusted-\1>$/.exec(output)?.[1] ?? "";
  assert.equal(id.length, 12, output.slice(0, 200));
  assert.equal(output.toLowerCase().split(id).length, 3);
  assert.equal([...output.matchAll(/<\/?untrusted-/gi)].length, 2, "nothing in it looks like a fence");
}

test("no injection reaches a terminal or a page as control", () => {
  for (const { id, text } of payloads)
    for (const shown of [
      plain(text),
      oneLine(text, 200),
      oneLineOnPage(text),
      piecesOf(text)
        .map((piece) => piece.text)
        .join(""),
    ])
      assert.doesNotMatch(shown, control, id);
});

test("what only looks like an attack comes before the model unharmed", async () => {
  const texts = benign.map(({ text }) => text);
  const entered = await entrances["a tool's result"]?.({ texts, first: 0, file });
  assert.ok(entered !== undefined);
  const { results } = await through(entered, "standard");
  for (const [n, text] of texts.entries())
    assert.ok(
      leaves(results[n]).some((leaf) => folded(leaf).includes(folded(text))),
      text,
    );
});
