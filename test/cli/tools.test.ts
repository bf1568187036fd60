import assert from "node:assert/strict";
import { test } from "node:test";
import { project } from "./projects.ts";

const body = `
const fetch = tool({
  name: "fetch_page", version: "1", description: "Fetches\\u001b[31m a page as text.", effect: "pure",
  inputSchema: z.object({ host: z.string() }), capabilities: ["net:*"], owner: "web team",
  costUsd: 0.002, rate: { calls: 60, perMs: 60_000 }, deprecated: "use fetch_page 2",
  execute: ({ host }) => "page of " + host,
});
const agents = [agent({ name: "clerk", model: "test/model", instructions: "Fetch.", tools: [fetch] })];
const models = scriptedModel((_, { turn }) =>
  turn === 0 ? { toolCalls: [{ tool: "fetch_page", input: { host: "a.example" } }] } : { text: "End." });
`;

test("tools are listed, granted, quarantined, looked at and accepted from the command line", async () => {
  const folder = project(body, "agents, models");
  const pawl = async (...words: readonly string[]) => {
    const { code, out, err } = await folder.pawl(...words);
    return { code, out, err, all: out + err };
  };
  const list = await pawl("tools");
  assert.match(list.out, /fetch_page@1 +not granted +pure +0 +0 +- +\$0\.002 +60\/min +web team +needs net:\*/);
  assert.match(list.err, /of the process that answers, since it started/);
  const wrong = await pawl("tools", "grant", "fetch_pge", "net:*");
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /TOOL_UNKNOWN.*Did you mean "fetch_page"/);
  const granted = await pawl("tools", "grant", "fetch_page@1", "net:a.example", "--agent", "clerk", "--days", "7");
  assert.match(granted.out, /granted net:a\.example to agent clerk with fetch_page@1/);
  assert.match((await pawl("run", "clerk", "Go.")).all, /page of a\.example.* · \$0\.002/);
  assert.match((await pawl("usage", "--by", "tool")).out, /fetch_page +1 .*\$0\.002/);
  await pawl("tools", "quarantine", "fetch_page", "--reason", "it leaks");
  const shown = await pawl("tools", "show", "fetch_page");
  assert.match(shown.out, /it was quarantined: it leaks/);
  assert.match(shown.out, /owner +web team[^]*cost +\$0\.002 a call[^]*deprecated +use fetch_page 2/);
  assert.ok(!shown.out.includes("\u001b[31m a page"));
  const diff = JSON.parse((await pawl("tools", "diff", "fetch_page", "--json")).out) as { hash: string };
  assert.match((await pawl("tools", "accept", "fetch_page")).err, /nobody is here to look/);
  assert.match((await pawl("tools", "accept", "fetch_page", "--hash", diff.hash)).all, /is accepted/);
  const grants = (await pawl("tools", "grants", "--json")).out.trim().split("\n");
  const { id } = JSON.parse(grants[0] ?? "") as { id: string };
  assert.match((await pawl("tools", "revoke", id)).out, /revoked/);
  assert.match((await pawl("tools", "grants")).out, /revoked/);
  assert.match((await pawl("run", "clerk", "Go.")).all, /not granted/);
});
