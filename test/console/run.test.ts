import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chromium, skipWithoutChromium as skip } from "./browser.ts";
import { WorldProcess } from "./world.ts";

const world = new WorldProcess();
const browser = new Chromium();
before(async () => {
  if (skip === false) await world.start("a");
});
after(async () => {
  await browser.close();
  await world.close();
});

test("a reload in the middle of an answer loses nothing", { skip }, async () => {
  await world.startRun("talker", "Talk at length", "talk-1");
  const { page } = await browser.open(`${world.url}/runs/talk-1`);
  await page
    .getByText(/Sentence \d+ of the long talk/)
    .first()
    .waitFor();
  assert.equal(await page.getByText("Answer", { exact: true }).count(), 0, "the answer was complete too early");
  await page.reload();
  await page.getByText("Sentence 60 of the long talk").first().waitFor();
  const text = await page.getByRole("region", { name: "Conversation" }).innerText();
  for (let i = 1; i <= 60; i++) assert.ok(text.includes(`Sentence ${i} of the long talk.`), `sentence ${i} is missing`);
});

test(
  "a tab that nobody sees leaves its connection to others, and goes on behind the last event it has",
  { skip },
  async () => {
    await world.startRun("billing", "INV-7 was charged twice.", "unseen-1");
    await world.settled("unseen-1");
    const { page, requests } = await browser.open(`${world.url}/runs/unseen-1`);
    await page
      .getByRole("button", { name: /^Approve/ })
      .first()
      .waitFor();
    const turn = (isHidden: boolean): Promise<unknown> =>
      page.evaluate(
        `Object.defineProperty(document, "hidden", { configurable: true, get: () => ${isHidden} });
       document.dispatchEvent(new Event("visibilitychange"));`,
      );
    const streams = (): number => requests.filter((url) => url.endsWith("/unseen-1/events")).length;
    assert.equal(streams(), 1);
    const left = page.waitForEvent("requestfailed", (request) => request.url().endsWith("/unseen-1/events"));
    await turn(true);
    await left;
    await world.ask("POST", "/approvals/unseen-1:t1-1/decision", { decision: "approve" });
    assert.equal(await world.ended("unseen-1"), "completed");
    assert.equal(streams(), 1, "hidden, it asks for nothing");
    const again = page.waitForRequest((request) => request.url().endsWith("/unseen-1/events"));
    await turn(false);
    assert.ok(Number((await again).headers()["last-event-id"]) > 1);
    await page.getByText("completed").first().waitFor();
    assert.equal(streams(), 2);
  },
);

test(
  "a worker that is killed is seen as a seam, and the run goes on by itself on the open page",
  { skip },
  async () => {
    await world.startRun("slow", "Crunch the nightly job", "crash-1");
    const { page } = await browser.open(`${world.url}/runs/crash-1`);
    await page
      .getByRole("button", { name: /crunch/ })
      .first()
      .waitFor();
    await page.getByText("started", { exact: true }).first().waitFor();
    await world.kill();
    await page.getByText("The connection was lost").waitFor();
    await world.start("b");
    const seam = page.locator("[data-seam]");
    await seam.waitFor({ timeout: 60_000 });
    await page.getByText("The nightly job is done").first().waitFor({ timeout: 60_000 });
    const text = await seam.innerText();
    assert.match(text, /worker a died · b took over after [\d.]+ m?s · crunch repeated with the same key/);
    const keys = world
      .log()
      .filter((line) => line.includes("crunch nightly"))
      .map((line) => line.split(" ").at(-1));
    assert.equal(keys.length, 2);
    assert.equal(keys[0], keys[1]);
  },
);

test("a worker that is killed between two effects repeats nothing, and says so", { skip }, async () => {
  await world.startRun("talker", "Talk again", "crash-2");
  const { page } = await browser.open(`${world.url}/runs/crash-2`);
  await page
    .getByText(/Sentence \d+ of the long talk/)
    .first()
    .waitFor();
  await world.kill();
  await world.start("c");
  await page.getByText("Sentence 60 of the long talk").first().waitFor({ timeout: 60_000 });
  assert.match(
    await page.locator("[data-seam]").innerText(),
    /worker \w died · c took over after .* · the model was asked again/,
  );
});

test("pause, message, resume and cancel are words of the page, each recorded", { skip }, async () => {
  await world.startRun("slow", "Crunch once more", "words-1");
  const { page } = await browser.open(`${world.url}/runs/words-1`);
  await page.getByRole("button", { name: "Pause" }).first().click();
  await page.getByLabel("Why (optional)").fill("lunch");
  await page.getByRole("dialog").getByRole("button", { name: "Pause", exact: true }).click();
  await page.getByText("lunch").first().waitFor();
  await page.getByRole("button", { name: "Resume" }).first().waitFor();
  await page.keyboard.press("m");
  await page.getByRole("dialog").getByLabel("Message").fill("Please hurry.");
  await page.getByRole("dialog").getByRole("button", { name: "Send", exact: true }).click();
  await page.getByText("Please hurry.").first().waitFor();
  await page.getByRole("button", { name: "Resume" }).first().click();
  await page.keyboard.press("x");
  await page.getByRole("dialog").getByRole("button", { name: "Cancel the run", exact: true }).click();
  await page.getByText("Cancelled", { exact: true }).first().waitFor({ timeout: 30_000 });
});

test("a fork begins with the turns that were kept, and says where it came from", { skip }, async () => {
  await world.startRun("billing", "INV-7 was charged twice.", "fork-1");
  await world.settled("fork-1");
  const { page } = await browser.open(`${world.url}/runs/fork-1`);
  await page.getByRole("region", { name: "Turn 1" }).hover();
  await page.getByRole("button", { name: "Fork after this turn" }).first().click();
  await page.getByRole("dialog").getByRole("button", { name: "Fork", exact: true }).click();
  await page.waitForURL((url) => /^\/runs\/(?!fork-1)/.test(url.pathname));
  await page.getByText("I look at the invoice first.").first().waitFor();
  await page.getByRole("link", { name: "forked" }).waitFor();
  await page.getByText("the original paid").first().waitFor();
});

test("Why? marks the words that arguments came from, in the call and where they stood before", { skip }, async () => {
  const { page } = await browser.open(`${world.url}/runs/fork-1`);
  const card = page.locator("[data-call]").filter({ hasText: "refund" }).last();
  await card.getByRole("button", { name: "Why?" }).first().click();
  await page.waitForURL(/why=1/);
  const inspector = page.getByRole("complementary", { name: "Inspector" });
  await inspector.getByText("Where its words came from").waitFor();
  await inspector.locator("mark", { hasText: "ch_9f32" }).first().waitFor();
  const source = page.locator("[data-call]").filter({ hasText: "lookup_invoice" });
  await source.locator("mark", { hasText: "ch_9f32" }).first().waitFor();
});

test(
  "the inspector shows the exact prompt with its proof, the cost by bucket and the raw events",
  { skip },
  async () => {
    const { page } = await browser.open(`${world.url}/runs/fork-1`);
    await page
      .getByRole("button", { name: /test\/billing/ })
      .first()
      .click();
    const inspector = page.getByRole("complementary", { name: "Inspector" });
    await inspector.getByText("Input, full price").waitFor();
    await inspector.getByRole("tab", { name: "Prompt" }).click();
    await inspector.getByText("Proved.").waitFor();
    await inspector.getByText("Settle billing complaints.").first().waitFor();
    await inspector.getByRole("tab", { name: "Raw events" }).click();
    await inspector.getByText("model.called").first().waitFor();
    const other = await browser.open(page.url());
    await other.page.getByRole("complementary", { name: "Inspector" }).getByText("model.called").first().waitFor();
  },
);

test("every action can be copied for a shell, a program and the command line", { skip }, async () => {
  const { page } = await browser.open(`${world.url}/runs/fork-1`);
  await page.getByRole("button", { name: "More actions" }).waitFor();
  await page.keyboard.press("x");
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Why (optional)").fill("it's over");
  for (const [form, wanted] of [
    ["curl", /curl -X POST .*\/api\/v1\/runs\/fork-1\/cancel[\s\S]*it'\\''s over/],
    ["TypeScript", /await pawl\.cancelRun\("fork-1", \{/],
    ["CLI", /^pawl cancel fork-1 'it'\\''s over'$/],
  ] as const) {
    await dialog.getByRole("button", { name: /^Copy/ }).click();
    await page.getByRole("menuitem", { name: form }).click();
    assert.match(await page.evaluate<string>("navigator.clipboard.readText()"), wanted);
  }
});

test("a run that was stopped at its turns goes on with more of them, two clicks from the top", { skip }, async () => {
  const input = "INV-7 was charged twice.";
  await world.ask("POST", "/runs", { agent: "billing", input, runId: "stop-1", limits: { turns: 1 } });
  assert.equal(await world.settled("stop-1"), "stopped");
  const { page } = await browser.open(`${world.url}/runs/stop-1`);
  await page.getByText("Stopped: it used all of its turns (1).").waitFor();
  const last = page.getByText("I look at the invoice first.");
  await last.first().waitFor();
  assert.equal(await last.count(), 1, "what it said last is said once");
  await page.getByRole("button", { name: "Raise the limit and go on" }).click();
  const dialog = page.getByRole("dialog");
  assert.equal(await dialog.getByLabel(/^New limit/).inputValue(), "2");
  await dialog.getByLabel(/^New limit/).fill("9");
  await dialog.getByRole("button", { name: "Go on in a fork", exact: true }).click();
  await page.getByRole("heading", { name: /Run refund anyway/ }).waitFor();
  assert.doesNotMatch(page.url(), /stop-1/);
});

test("at the top of a failed run stands why, and the way to the call that failed", { skip }, async () => {
  await world.startRun("failing", "Ask about DE02", "broken-1");
  assert.equal(await world.settled("broken-1"), "failed");
  const { page } = await browser.open(`${world.url}/runs`);
  const row = page.locator('[data-run="broken-1"]');
  await row.getByText("model request invalid").waitFor();
  await row.getByRole("link").click();
  await page.getByText("Why it failed: the provider refused the request: no such account").waitFor();
  await page.getByRole("button", { name: "Show the call that failed" }).click();
  const inspector = page.getByRole("complementary", { name: "Inspector" });
  await inspector.getByText("no such account").first().waitFor();
});
