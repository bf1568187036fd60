import assert from "node:assert/strict";
import { test } from "node:test";
import { OtlpReceiver } from "../traces/otlp-receiver.ts";
import { project } from "./projects.ts";

const looking = `
const escape = "\\u001B";
const models = scriptedModel([
  { text: "I look.", toolCalls: [{ tool: "look", input: { invoice: "INV-4711" } }] },
  { text: "It was paid in March." },
]);
const look = tool({ name: "look", version: "1", description: "Looks.", inputSchema: z.object({ invoice: z.string() }), effect: "pure", execute: () => "paid 发票 " + escape + "[2J" });
const agents = [agent({ name: "clerk", model: "scripted/one", instructions: "Look.", tools: [look] })];`;

test("traces searches, shows, explains and sums what a run did, and sends it to a receiver once", async (t) => {
  const folder = project(looking, "agents, models");
  const ended = await folder.pawl("run", "clerk", "Look at INV-4711.", "--run-id", "r");
  assert.equal(ended.code, 0, ended.err);
  const all = await folder.pawl("traces");
  assert.match(all.out, /RUN +STATUS.*\nr +completed .* clerk +Look at INV-4711\./);
  assert.match((await folder.pawl("traces", "--text", "发票")).out, /\nr +completed .*发票/);
  assert.match((await folder.pawl("traces", "--text", "nowhere")).out, /no runs like that/);
  assert.match((await folder.pawl("traces", "--tool", "look", "--status", "completed")).out, /\nr /);
  const shown = await folder.pawl("traces", "show", "r");
  assert.match(shown.out, /^run clerk +∑ .*\n {2}turn 1 .*\n {4}model t0-0 .*\n {4}tool t0-1 look/);
  const why = await folder.pawl("traces", "why", "r", "t0-1");
  assert.match(why.out, /\/invoice from goal \(trusted\)\n.*Look at INV-4711/);
  assert.match((await folder.pawl("traces", "why", "r", "t0-0")).out, /prompt +1 message, proved by its hash/);
  assert.match((await folder.pawl("traces", "errors")).out, /nothing failed/);
  assert.match((await folder.pawl("traces", "cost", "--by", "agent")).out, /AGENT +BILLED.*\nclerk +2 /);
  assert.match((await folder.pawl("traces", "cost", "r")).out, /TURN +BILLED.*\nr:1 +1 .*\nr:2 +1 .*\n∑ +2 /);
  assert.match((await folder.pawl("traces", "rebuild")).out, /1 run with 6 spans read into/);
  for (const { out } of [all, shown, why]) assert.ok(!out.includes("\u001B"), JSON.stringify(out));

  const receiver = new OtlpReceiver();
  t.after(() => receiver.close());
  const url = await receiver.listen();
  const sent = await folder.pawl("traces", "export", "--otlp", url, "--once", "--content", "--header", "x-key: one");
  assert.equal(sent.code, 0, sent.err);
  assert.match(sent.out, /6 spans sent, 6 spans in all/);
  assert.match((await folder.pawl("traces", "export", "--otlp", url, "--once")).out, /0 spans sent, 6 spans in all/);
  assert.deepEqual(receiver.problems, []);
  assert.equal(receiver.headers[0]?.["x-key"], "one");
  const tool = receiver.spans.find(({ name }) => name === "execute_tool look");
  assert.equal(tool?.attributes["gen_ai.tool.call.arguments"], '{"invoice":"INV-4711"}');
});

test("options of traces that cannot be meant are refused with what is allowed", async () => {
  const folder = project(looking, "agents, models");
  await folder.pawl("run", "clerk", "Look.", "--run-id", "r");
  for (const [words, problem] of [
    [["--status", "gone"], /--status is "gone"\. It is one of queued/],
    [["--min-cost", "much"], /--min-cost is "much"\. Give a number/],
    [["--since", "soon"], /--since is "soon"\. Give a date/],
    [["--sort", "size"], /--sort is "size"\. It is one of started, cost/],
    [["--limit", "0"], /--limit is "0"/],
    [["--cursor", "x"], /CURSOR_INVALID/],
    [["show", "nobody"], /RUN_UNKNOWN/],
    [["why", "r", "t9-9"], /has no call "t9-9"\. It has: t0-0/],
    [["cost", "--by", "moon"], /--by is "moon"\. It is one of day/],
    [["export", "--once"], /name the receiver/],
    [["export", "--otlp", "ftp://x", "--once"], /no http address/],
  ] as const) {
    const { code, err } = await folder.pawl("traces", ...words);
    assert.notEqual(code, 0, words.join(" "));
    assert.match(err, problem);
  }
});
