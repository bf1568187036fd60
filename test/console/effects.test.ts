import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chromium, skipWithoutChromium as skip } from "./browser.ts";
import { WorldProcess } from "./world.ts";

const world = new WorldProcess();
const browser = new Chromium();
before(async () => {
  if (skip !== false) return;
  await world.start("a");
  await world.startRun("billing", "INV-7 was charged twice.", "bill-1");
  await world.startRun("billing", "INV-7 was charged twice.", "bill-2");
  await Promise.all([world.settled("bill-1"), world.settled("bill-2")]);
});
after(async () => {
  await browser.close();
  await world.close();
});

test("an effect that nobody knows is resolved where it is listed, and the run goes on", { skip }, async () => {
  await world.startRun("poster", "Post the parcel to Ada", "post-1");
  while (!world.log().some((line) => line.includes("parcel"))) await world.ask("GET", "/runs/post-1");
  await world.kill();
  await world.start("b");
  const { page } = await browser.open(`${world.url}/effects?status=unknown`);
  await page.getByRole("button", { name: "post_parcel" }).click({ timeout: 60_000 });
  await page.getByText("Nobody knows whether post_parcel happened").waitFor();
  await page.getByLabel("If it happened: what it gave").fill('{"posted":"Ada Lovelace"}');
  await page.getByRole("button", { name: "It happened", exact: true }).click();
  assert.equal(await world.ended("post-1"), "completed");
  await page.getByText("Nothing was done outside").waitFor();
  assert.equal(world.log().filter((line) => line.includes("parcel")).length, 1);
});

test(
  "a call is changed before it is approved: the change is shown, and only the changed call runs",
  { skip },
  async () => {
    const { page } = await browser.open(`${world.url}/reviews`);
    await page.getByText("INV-7 was charged twice.").first().waitFor();
    await page.keyboard.press("j");
    await page.getByRole("heading", { name: "What happens" }).waitFor();
    const runId = /reviews\/(bill-\d)/.exec(page.url())?.[1] ?? "none";
    await page.locator('[data-settled="true"]').waitFor();
    await page.keyboard.press("e");
    await page.getByRole("tab", { name: "JSON" }).click();
    await page
      .getByLabel(/Arguments to run instead/)
      .fill('{ "invoiceId": "INV-7", "amountUsd": -60, "reference": "ch_9f32" }');
    const refusal = page.getByRole("alert");
    await refusal.filter({ hasText: "amountUsd must be above 0" }).waitFor();
    assert.equal(await page.getByRole("button", { name: "Approve as edited" }).isDisabled(), true);
    await page
      .getByLabel(/Arguments to run instead/)
      .fill('{ "invoiceId": "INV-7", "amountUsd": 70, "reference": "ch_9f32" }');
    await page.getByRole("tab", { name: "Fields" }).click();
    await page.getByText("Of the charge, as the invoice has it.").waitFor();
    await page.getByLabel(/^cause/).selectOption("duplicate");
    await page.getByLabel("amountUsd").fill("-1");
    await refusal.filter({ hasText: "amountUsd must be above 0" }).waitFor();
    await page.getByLabel("amountUsd").fill("60");
    const diff = page.getByRole("group", { name: "what the edit changes" });
    await diff.getByText('"amountUsd": 80').waitFor();
    await diff.getByText('"amountUsd": 60').waitFor();
    await diff.getByText('"cause": "duplicate"').waitFor();
    await page.getByRole("button", { name: "Approve as edited" }).click();
    assert.equal(await world.ended(runId), "completed");
    assert.deepEqual(
      world
        .log()
        .filter((line) => line.includes("refund") && line.includes(runId))
        .map((line) => line.split(" ").slice(1, 4)),
      [["refund", "ch_9f32", "60"]],
    );
  },
);

test("a call that is rejected never starts, and the agent reads why", { skip }, async () => {
  const { page } = await browser.open(`${world.url}/reviews`);
  await page.getByText("INV-7 was charged twice.").first().waitFor();
  await page.keyboard.press("j");
  await page.getByRole("heading", { name: "What happens" }).waitFor();
  const runId = /reviews\/(bill-\d)/.exec(page.url())?.[1] ?? "none";
  await page.locator('[data-settled="true"]').waitFor();
  await page.keyboard.press("r");
  await page.getByLabel(/Why not/).fill("ask the bank first");
  await page.keyboard.press("Enter");
  await page.getByText("Rejected: refund").waitFor();
  const { page: run } = await browser.open(`${world.url}/runs/${runId}`);
  await run.getByRole("button", { name: /^refund .* rejected/ }).click();
  await run.getByText("ask the bank first").first().waitFor();
  assert.equal(world.log().filter((line) => line.includes("refund") && line.includes(runId)).length, 0);
});
