import assert from "node:assert/strict";
import { test } from "node:test";
import { project } from "./projects.ts";

const body = `
const pay = tool({
  name: "pay", version: "1", description: "Pays.", effect: "once", inputSchema: z.object({ usd: z.number() }),
  confidence: ({ usd }) => (usd < 50 ? 0.9 : { score: 0.4, reason: "a new \\u001b[31mamount" }),
  approvers: { whoMay: { roles: ["clerk"], principals: [process.env.USER ?? process.env.USERNAME ?? "local"] } },
  execute: ({ usd }) => { log("paid " + usd); return "paid"; },
});
const paying = durable({
  name: "paying", tools: [pay],
  run: (ctx, input) => ctx.call(pay, { usd: Number(input) }).catch(String),
});
const agents = [paying];
`;

test("pawl reviews lists, shows, claims, decides and calibrates", async () => {
  const folder = project(body);
  const pawl = async (...words: readonly string[]) => {
    const { code, out, err } = await folder.pawl("reviews", ...words);
    return { code, out, all: out + err };
  };
  await folder.pawl("run", "paying", "9", "--run-id", "small");
  await folder.pawl("run", "paying", "80", "--run-id", "big");
  assert.match((await pawl()).out, /Allow pay\? \(confidence 0\.40[\s\S]*big:t0-1/);
  const shown = await pawl("show", "big:t0-1");
  assert.match(
    shown.out,
    /pay@1 \{"usd":80\}[\s\S]*who may +role clerk[\s\S]*then: reject[\s\S]*reviews approve big:t0-1/,
  );
  assert.ok(!shown.out.includes("\u001b[31mamount"));
  assert.match((await pawl("claim", "big:t0-1")).out, /yours until/);
  assert.match((await pawl("show", "big:t0-1")).out, /claimed +by/);
  assert.match((await pawl("show", "big:t0-1")).out, /measured +0\.40 by tool, threshold 0\.8: asked/);
  assert.match((await pawl("comment", "big:t0-1", "Is it \u001b[31mdue?")).out, /noted; it decides nothing/);
  assert.match((await pawl("show", "big:t0-1")).out, /comment +\S+, .*: Is it/);
  assert.match((await pawl("approve", "big:t0-1", "--edit", '{"usd":60}')).out, /approved/);
  assert.match((await pawl("show", "big:t0-1")).out, /decided +approve by/);
  const late = await pawl("reject", "big:t0-1");
  assert.deepEqual([late.code, /APPROVAL_DECIDED/.test(late.all)], [1, true]);
  assert.match((await pawl("calibrate")).out, /pay +2 outcomes: 1 right, 1 wrong; 0 open[\s\S]*nothing is suggested/);
  assert.match((await pawl("outcome", "small", "t0-1", "wrong")).out, /was wrong/);
  const [line = ""] = (await pawl("calibrate", "pay", "--json")).out.split("\n");
  const { right, wrong } = JSON.parse(line) as { right: number; wrong: number };
  assert.deepEqual([right, wrong], [0, 2]);
  assert.match((await pawl("outcome", "small", "t0-1", "maybe")).all, /It is right or wrong/);
  assert.match((await pawl("calibrate", "--calls")).out, /small t0-1 +pay +0\.90 +0\.80 +auto_approved +wrong/);
  assert.match((await pawl("calibrate", "nosuch")).out, /no call's confidence was measured/);
});
