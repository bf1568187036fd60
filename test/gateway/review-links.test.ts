import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { z } from "zod";
import { agent } from "../../src/agent/agent.ts";
import type { Approvers } from "../../src/core/policy.ts";
import type { ReviewLinkOptions, WebhookMessage } from "../../src/engine/deps.ts";
import { durable } from "../../src/engine/durable-function.ts";
import { tool } from "../../src/tools/tool.ts";
import { rejectsWith } from "../engine/stage.ts";
import { served, type Answer, type Served } from "./served.ts";

const reviewLinks: ReviewLinkOptions = {
  secret: "a secret of many characters",
  url: "https://chat.example/hook",
  publicUrl: "https://pawl.example/",
  reviewers: [{ by: "ada" }, { by: "bob", roles: ["finance"], url: "https://bob.example/hook" }],
};

interface Asked {
  readonly on: Served;
  readonly paid: string[];
  readonly posted: WebhookMessage[];
  /** The path of somebody's link. */
  link(by: string): string;
}

/** A run that asks before it pays, and what was posted of it. */
async function asked(t: TestContext, approvers?: Approvers, links: ReviewLinkOptions = reviewLinks): Promise<Asked> {
  const [paid, posted]: [string[], WebhookMessage[]] = [[], []];
  const pay = tool({
    name: "pay",
    version: "1",
    description: "Pay an invoice.",
    inputSchema: z.object({ invoice: z.string() }),
    effect: "once",
    approval: true,
    ...(approvers && { approvers }),
    execute: ({ invoice }) => {
      paid.push(invoice);
      return "paid";
    },
  });
  const paying = durable({
    name: "paying",
    tools: [pay],
    run: (ctx) => ctx.call(pay, { invoice: "<INV-7>" }).catch(String),
  });
  const postWebhook = async (message: WebhookMessage): Promise<void> => void posted.push(message);
  const on = await served(t, { agents: [paying], hooks: { postWebhook }, reviewLinks: links });
  const run = await on.app.start("paying", { runId: "run-1", input: null, principal: "ria", tenant: "acme" });
  assert.equal((await run.result()).status, "awaiting_approval");
  await on.clock.advance(6_000);
  const link = (by: string): string => {
    const message = posted
      .map(({ body }) => JSON.parse(body) as { reviewer: string; link: string })
      .find((it) => it.reviewer === by);
    return message?.link.replace("https://pawl.example", "") ?? `nothing for ${by}`;
  };
  return { on, paid, posted, link };
}

function send(on: Served, path: string, fields: Record<string, string>): Promise<Answer> {
  const headers = {
    "content-type": "application/x-www-form-urlencoded",
    origin: on.url,
    "sec-fetch-site": "same-origin",
  };
  return on.call("POST", path, { raw: new URLSearchParams(fields).toString(), headers });
}

async function decisions({ on }: Asked): Promise<readonly unknown[]> {
  const said: unknown[] = [];
  for await (const event of on.app.run("run-1", "acme").events())
    if (event.type === "approval.voted") said.push([event.vote, event.from]);
  return said;
}

test("each reviewer is told once, at their address, with a link of their own; the store holds no token", async (t) => {
  const it = await asked(t);
  assert.deepEqual(it.posted.map(({ url }) => url).toSorted(), [
    "https://bob.example/hook",
    "https://chat.example/hook",
  ]);
  const body = JSON.parse(it.posted[0]?.body ?? "") as Record<string, unknown>;
  assert.equal(body["type"], "approval.asked");
  assert.deepEqual(body["input"], { invoice: "<INV-7>" });
  assert.notEqual(it.link("ada"), it.link("bob"));
  const token = it.link("ada").split("/").at(-1) ?? "";
  const { store } = it.on.app;
  const kept = await Promise.all(
    ["~review-links", "~webhooks"].map((tenant) => store.listRecords(tenant, "", null, 50)),
  );
  assert.equal(kept[0]?.items.length, 2);
  assert.ok(!JSON.stringify(kept).includes(token));
  await it.on.clock.advance(12_000);
  assert.equal(it.posted.length, 2, "nobody is told twice");
});

test("a link shows the exact call and changes nothing; its form decides once, and a second use is told what was recorded", async (t) => {
  const it = await asked(t);
  const path = it.link("ada");
  for (let i = 0; i < 3; i++) {
    const page = await it.on.call("GET", path);
    assert.equal(page.status, 200, page.text);
    assert.match(page.text, /pay@1/);
    assert.match(page.text, /&lt;INV-7&gt;/);
    assert.ok(!page.text.includes("<INV-7>") && !page.text.includes("<script"));
    assert.match(page.headers.get("content-security-policy") ?? "", /default-src 'none'.*form-action 'self'/);
    assert.equal(page.headers.get("cache-control"), "no-store");
    assert.equal(page.headers.get("referrer-policy"), "strict-origin");
  }
  assert.deepEqual(await decisions(it), []);
  const both = await Promise.all([send(it.on, path, { vote: "approve" }), send(it.on, path, { vote: "reject" })]);
  const won = both.filter(({ status }) => status === 200);
  assert.equal(won.length, 1);
  assert.equal(both.find(({ status }) => status !== 200)?.code, "APPROVAL_DECIDED");
  assert.deepEqual((await it.on.app.run("run-1", "acme").result()).status, "completed");
  const [said, ...more] = await decisions(it);
  assert.deepEqual(more, []);
  assert.equal(it.paid.length, JSON.stringify(said) === `["approve","link"]` ? 1 : 0);
  for (const answer of [await send(it.on, path, { vote: "approve" }), await it.on.call("GET", path)]) {
    assert.equal(answer.code, "APPROVAL_DECIDED");
    assert.match(answer.text, /by ada/);
  }
  assert.equal(
    (await send(it.on, it.link("bob"), { vote: "approve" })).code,
    "APPROVAL_DECIDED",
    "revoked by the decision",
  );
});

test("a link that is changed, expired, of somebody who is no reviewer now, or signed by another secret says nothing", async (t) => {
  const it = await asked(t);
  const path = it.link("ada");
  const changed = `${path.slice(0, -1)}${path.endsWith("A") ? "E" : "A"}`;
  for (const wrong of [changed, `/review/${"A".repeat(43)}`]) {
    assert.equal((await it.on.call("GET", wrong)).code, "REVIEW_LINK_INVALID");
    assert.equal((await send(it.on, wrong, { vote: "approve" })).code, "REVIEW_LINK_INVALID");
  }
  assert.equal((await send(it.on, path, { vote: "yes" })).code, "REQUEST_INVALID");
  assert.equal((await it.on.call("POST", path, { body: { vote: "approve" } })).code, "CONTENT_TYPE_REFUSED");
  const foreign = await it.on.call("POST", path, {
    raw: "vote=approve",
    headers: { "content-type": "application/x-www-form-urlencoded", origin: "https://evil.example" },
  });
  assert.equal(foreign.code, "ORIGIN_REFUSED");
  for (const links of [
    { ...reviewLinks, reviewers: [{ by: "bob" }] },
    { ...reviewLinks, secret: "another secret of many" },
  ]) {
    const other = await served(t, { store: it.on.app.store, agents: [], worker: false, reviewLinks: links });
    assert.equal((await send(other, path, { vote: "approve" })).code, "REVIEW_LINK_INVALID");
  }
  it.on.clock.setDate(8 * 86_400_000);
  assert.match((await send(it.on, path, { vote: "approve" })).code ?? "", /REVIEW_LINK_INVALID|APPROVAL_DECIDED/);
  assert.deepEqual(it.paid, []);
});

test("whoever may not decide yet is told when the escalation is theirs, and not before", async (t) => {
  const approvers: Approvers = { whoMay: { principals: ["ada"] }, escalation: { afterMs: 60_000, role: "finance" } };
  const it = await asked(t, approvers);
  assert.deepEqual(
    it.posted.map(({ url }) => url),
    ["https://chat.example/hook"],
  );
  await it.on.clock.advance(70_000);
  assert.deepEqual(
    it.posted.map(({ url }) => url),
    ["https://chat.example/hook", "https://bob.example/hook"],
  );
  assert.equal((await send(it.on, it.link("bob"), { vote: "approve", reason: "ada is away" })).status, 200);
  assert.equal((await it.on.app.run("run-1", "acme").result()).status, "completed");
  assert.deepEqual(it.paid, ["<INV-7>"]);
});

test("with a quorum a link is one vote of one person", async (t) => {
  const it = await asked(t, { quorum: 2 });
  assert.match((await send(it.on, it.link("ada"), { vote: "approve" })).text, /1 more must say the same/);
  assert.equal((await send(it.on, it.link("ada"), { vote: "approve" })).code, "APPROVAL_VOTED");
  assert.deepEqual(it.paid, []);
  assert.equal((await send(it.on, it.link("bob"), { vote: "approve" })).status, 200);
  assert.equal((await it.on.app.run("run-1", "acme").result()).status, "completed");
  assert.deepEqual(it.paid, ["<INV-7>"]);
});

test("a question is answered through a link as its schema wants it", async (t) => {
  const posted: WebhookMessage[] = [];
  const asking = durable({
    name: "asking",
    run: async (ctx) => (await ctx.ask({ question: "Which?", schema: { type: "integer", minimum: 1 } })).answer,
  });
  const postWebhook = async (message: WebhookMessage): Promise<void> => void posted.push(message);
  const on = await served(t, { agents: [asking], hooks: { postWebhook }, reviewLinks });
  const run = await on.app.start("asking", { runId: "run-1", input: null, principal: "ria" });
  await run.result();
  await on.clock.advance(6_000);
  const { link } = JSON.parse(posted[0]?.body ?? "{}") as { link: string };
  const path = new URL(link).pathname;
  for (const answer of ["no json", "0"])
    assert.equal((await send(on, path, { vote: "answer", answer })).code, "ANSWER_INVALID");
  assert.equal((await send(on, path, { vote: "answer", answer: "3" })).status, 200);
  const result = await run.result();
  assert.equal(result.status === "completed" ? result.output : null, 3);
});

test("links are refused where nobody could ever use them", async () => {
  const { Pawl } = await import("../../src/engine/runtime.ts");
  const { memoryStore, scriptedModel } = await import("../../src/testing.ts");
  const make = (links: ReviewLinkOptions): unknown =>
    new Pawl({
      store: memoryStore(),
      models: scriptedModel({}),
      agents: [agent({ name: "a", model: "test/a", instructions: "x" })],
      reviewLinks: links,
    });
  for (const wrong of [
    { reviewers: [] },
    { reviewers: [{ by: "a" }, { by: "a" }] },
    { publicUrl: "javascript:1" },
    { url: "x" },
    { secret: "short" },
    { reviewers: [{ by: "ada", url: "file:///x" }] },
  ])
    await rejectsWith(
      "OPTION_INVALID",
      Promise.resolve().then(() => make({ ...reviewLinks, ...wrong })),
    );
});
