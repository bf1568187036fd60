import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { z } from "zod";
import { agent, tool } from "pawl";
import { PawlClient } from "pawl/client";
import { sqlite } from "pawl/sqlite";
import { otlpExporter, traceIndex } from "pawl/traces";
import { formsOf } from "../../src/core/secret-forms.ts";
import { Pawl } from "../../src/engine/runtime.ts";
import { gateway, type GatewayLogLine } from "../../src/gateway.ts";
import { roles } from "../../src/gateway/roles.ts";
import { scriptedModel } from "../../src/testing.ts";
import { freshFolder } from "../stores/folders.ts";
import { OtlpReceiver } from "../traces/otlp-receiver.ts";

// SECURITY.md E.3, 54: canaries in what is asked, answered and thrown, and from the vault, in files, routes and exports.

const canary = 'Zq7/canary "vK9"';
const base64 = Buffer.from(`me:${canary}`).toString("base64");

const mail = tool({
  name: "mail",
  version: "1",
  description: "Sends a mail.",
  inputSchema: z.object({ to: z.string() }),
  effect: "idempotent",
  trust: "trusted",
  capabilities: ["secret:mail"],
  attempts: 1,
  execute: async ({ to }, ctx) => {
    const key = await ctx.secret("mail");
    if (to === "nobody") throw new Error(`login with ${key} failed at ${base64}`);
    return { sent: to, header: `Basic ${base64}`, hex: Buffer.from(key).toString("hex") };
  },
});
const clerk = agent({ name: "clerk", model: "m", instructions: "Mail.", tools: [mail] });
const call = (to: string) => ({ tool: "mail", input: { to } });

test("E.3-54: a canary of the vault is in no file, answer, stream, metric, log or span, in no form; what was removed is counted", async (t) => {
  const folder = freshFolder();
  t.after(() => folder.remove());
  const receiver = new OtlpReceiver();
  const url = await receiver.listen();
  t.after(() => receiver.close());
  const store = sqlite(join(folder.path, "pawl.db"));
  const app = new Pawl({
    store,
    agents: [clerk],
    models: scriptedModel([
      { toolCalls: [call("ada"), call("nobody")] },
      { text: `It was ${canary}, I think: ${encodeURIComponent(canary)}`, toolCalls: [call(canary)] },
      { text: `Done with ${canary}.` },
    ]),
    secrets: () => canary,
    tools: { grants: [{ tool: "mail", capabilities: ["secret:mail"] }] },
  });
  const indexPath = join(folder.path, "traces.db");
  const traces = traceIndex({ store, path: indexPath });
  await store.open();
  await traces.open();
  const log: GatewayLogLine[] = [];
  const server = gateway({ app, traces, onLog: (line) => log.push(line) });
  const base = await server.listen();
  t.after(async () => {
    await server.close();
    await traces.close();
    await app.close(0);
  });
  const { key } = await server.gateway.keys.create("acme", { name: "test", roles, createdBy: "test" });
  const client = new PawlClient({ url: base, key });
  await client.startRun({ agent: "clerk", input: "Mail them.", runId: "one" });
  assert.equal((await client.getResult("one", { waitMs: 20_000 })).status, "completed");
  await traces.catchUp();
  const content = (ref: Parameters<typeof traces.span>[0], spanId: string) => traces.span(ref, spanId);
  const statePath = join(folder.path, "export.db");
  const exporter = otlpExporter({ indexPath, statePath, url, content });
  assert.equal(await exporter.flush(), true);
  exporter.close();

  const routes = ["runs/one", "runs/one/events", "runs/one/result", "runs/one/spans", "runs", "effects"];
  const told = [JSON.stringify(receiver.spans), JSON.stringify(log)];
  for (const route of routes) {
    const headers = {
      authorization: `Bearer ${key}`,
      ...(route.endsWith("events") && { accept: "text/event-stream" }),
    };
    told.push(await (await fetch(`${base}/api/v1/${route}`, { headers })).text());
  }
  told.push(await (await fetch(`${base}/metrics`)).text());
  const names = readdirSync(folder.path, { withFileTypes: true }).filter((entry) => entry.isFile());
  const files = names.map(({ name }) => readFileSync(join(folder.path, name), "latin1"));
  assert.ok(
    receiver.spans.length > 4 && files.some((text) => text.includes("Mail them.")),
    "there is something to look at",
  );
  const forms = formsOf(canary);
  for (const text of [...told, ...files].map((one) => one.toLowerCase()))
    for (const form of forms) assert.ok(!text.includes(form), `${form} in ${text.slice(0, 200)}`);
  assert.match(told.join(""), /\[redacted:secret\]/);
  const { rows } = await client.listSpans("one");
  const removed = await Promise.all(
    rows.map(async ({ spanId, kind }) => [kind, (await client.getSpan("one", spanId)).span.detail["redacted"]]),
  );
  assert.ok(
    removed.filter(([kind, counts]) => kind === "tool" && counts !== undefined).length >= 2,
    JSON.stringify(removed),
  );
});
