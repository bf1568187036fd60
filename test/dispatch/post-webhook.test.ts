import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { test } from "node:test";
import { agent, durable, pawl, verifyWebhook } from "pawl";
import { manualClock, memoryStore } from "pawl/testing";
import { webhookPoster } from "../../src/dispatch/post-webhook.ts";
import { rejectsWith } from "../engine/stage.ts";

const secret = "a secret of many characters";

test("a message is signed over its time and body; only public addresses are called unless the operator says otherwise", async (t) => {
  const got: { readonly request: IncomingMessage; readonly body: string }[] = [];
  let status = 204;
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (piece: Buffer) => (body += piece.toString()));
    request.on("end", () => {
      got.push({ request, body });
      response.writeHead(status, { location: "/elsewhere" }).end();
    });
  }).listen(0, "127.0.0.1");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const message = { id: "m1", url: `http://127.0.0.1:${address.port}/hook`, body: `{"type":"budget.over"}` };
  await webhookPoster({ secret, allowPrivate: true })(message, 1_700_000_000_500);
  const [first] = got;
  assert.deepEqual([first?.request.method, first?.body], ["POST", message.body]);
  const signed = createHmac("sha256", secret).update(`1700000000.${message.body}`).digest("hex");
  const headers = first?.request.headers;
  assert.deepEqual(
    [headers?.["pawl-id"], headers?.["pawl-timestamp"], headers?.["pawl-signature"]],
    ["m1", "1700000000", `sha256=${signed}`],
  );
  status = 302;
  await rejectsWith("WEBHOOK_REFUSED", webhookPoster({ secret, allowPrivate: true })(message, 0));
  assert.equal(got.length, 2, "no redirect is followed");
  const post = webhookPoster({ secret });
  for (const host of ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "0x7f.1"]) {
    await rejectsWith("WEBHOOK_REFUSED", post({ ...message, url: `http://${host}:${address.port}/hook` }, 0));
  }
  assert.equal(got.length, 2);
});

test("a receiver takes what the secret signed within five minutes, and nothing else", async (t) => {
  const server = createServer((request, response) => {
    request.resume();
    response.end();
    headers = request.headers;
  }).listen(0, "127.0.0.1");
  let headers: IncomingMessage["headers"] = {};
  t.after(() => server.close());
  await once(server, "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const body = `{"type":"approval.asked"}`;
  const nowMs = 1_700_000_000_500;
  await webhookPoster({ secret, allowPrivate: true })(
    { id: "m1", url: `http://127.0.0.1:${address.port}`, body },
    nowMs,
  );
  const good = { secret, headers, body, nowMs };
  assert.ok(verifyWebhook(good));
  assert.ok(verifyWebhook({ ...good, nowMs: nowMs + 299_000 }));
  for (const wrong of [
    { body: `${body} ` },
    { secret: "another secret of many" },
    { nowMs: nowMs + 301_000 },
    { nowMs: nowMs - 301_000 },
    { headers: { ...headers, "pawl-timestamp": "1700000001" } },
    { headers: { ...headers, "pawl-signature": "sha256=" } },
    { headers: {} },
  ])
    assert.ok(!verifyWebhook({ ...good, ...wrong }), JSON.stringify(wrong));
});

test("a webhook needs a secret that signs it", () => {
  const budgets = [{ name: "b", scope: "tenant", window: "day", tokens: 1, webhook: "https://a.example" } as const];
  const options = {
    store: memoryStore(),
    agents: [agent({ name: "a", model: "offline/extractive", instructions: "x" })],
  };
  assert.throws(() => pawl({ ...options, budgets }), /budget "b" has a webhook, and nothing signs it/);
  assert.throws(() => pawl({ ...options, budgets, webhooks: { secret: "short" } }), /at least 16 characters/);
});

test("pawl({ webhooks: { reviews } }) posts each approval to its reviewers, signed, with a link", async (t) => {
  const got = Promise.withResolvers<{ readonly headers: IncomingMessage["headers"]; readonly body: string }>();
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (piece: Buffer) => (body += piece.toString()));
    request.on("end", () => {
      response.end();
      got.resolve({ headers: request.headers, body });
    });
  }).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const url = `http://127.0.0.1:${address.port}/hook`;
  const clock = manualClock();
  const asking = durable({ name: "asking", run: async (ctx) => (await ctx.ask({ question: "Pay?" })).decision });
  const reviews = { url, publicUrl: "https://pawl.example", reviewers: [{ by: "ada" }] };
  const app = pawl({
    store: memoryStore({ clock }),
    clock,
    agents: [asking],
    webhooks: { secret, allowPrivate: true, reviews },
  });
  const run = await app.start(asking, { runId: "run-1", input: null });
  await clock.until(run.result());
  await clock.pass(6_000);
  const { headers, body } = await got.promise;
  assert.ok(verifyWebhook({ secret, headers, body, nowMs: clock.nowMs() }));
  const said = JSON.parse(body) as { type: string; approvalId: string; link: string; question: string };
  assert.deepEqual([said.type, said.approvalId, said.question], ["approval.asked", "run-1:t0-0", "Pay?"]);
  assert.match(said.link, /^https:\/\/pawl\.example\/review\/[\w-]{43}$/);
  await clock.until(app.close());
});
