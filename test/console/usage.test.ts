import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chromium, skipWithoutChromium as skip } from "./browser.ts";
import { WorldProcess } from "./world.ts";

const world = new WorldProcess();
const browser = new Chromium();
before(async () => {
  if (skip !== false) return;
  await world.start("a");
  for (const [agent, runId] of [
    ["talker", "talk-1"],
    ["asker", "ask-1"],
    ["spender", "spend-1"],
  ] as const)
    await world.startRun(agent, "Say something.", runId);
  for (const runId of ["talk-1", "ask-1", "spend-1"]) await world.settled(runId);
});
after(async () => {
  await browser.close();
  await world.close();
});

test("what was spent is told by agent, model and day, and the address keeps what was asked", { skip }, async () => {
  const { page, complaints } = await browser.open(`${world.url}/usage`);
  const row = page.getByRole("row", { name: /^talker/ });
  await row.waitFor();
  const { items } = await world.ask<{
    readonly items: readonly { readonly key: string; readonly costNanoUsd: number }[];
  }>("GET", "/usage?by=runnable");
  const nanoUsd = items.reduce((sum, { costNanoUsd }) => sum + costNanoUsd, 0);
  assert.equal(await page.getByTestId("cost").textContent(), `$${(nanoUsd / 1e9).toFixed(4)}`);
  assert.match((await row.textContent()) ?? "", /50 %$/);
  await page.locator(".u-over").waitFor();
  await page.getByRole("button", { name: "talker" }).click();
  await page.getByRole("button", { name: "By agent" }).click();
  await page.getByRole("menuitem", { name: "Model" }).click();
  await page.getByRole("row", { name: /^test\/talker.*100 %/ }).waitFor();
  assert.equal(await page.getByRole("row").count(), 2);
  const asked = new URL(page.url()).searchParams;
  assert.deepEqual([asked.get("agent"), asked.get("by")], ["talker", "model"]);
  await page.getByRole("button", { name: /Copy .usage. as/ }).click();
  await page.getByRole("menuitem", { name: "CLI" }).click();
  const today = new Date(Date.now() - 6 * 86_400_000).toISOString().slice(0, 10);
  assert.equal(
    await page.evaluate<string>("navigator.clipboard.readText()"),
    `pawl usage --by model --since ${today} --agent talker`,
  );
  await page.getByRole("button", { name: "remove filter agent" }).click();
  await page.getByRole("button", { name: "By model" }).waitFor();
  assert.deepEqual(complaints, []);
});

test(
  "a budget that is used up holds its run, and a cap that is set in the console lets it go on",
  { skip },
  async () => {
    const { page } = await browser.open(`${world.url}/usage/budgets`);
    const card = page.locator('[data-budget="spender-runs"]');
    await card.getByText("cap 40 tokens").waitFor();
    const { page: run } = await browser.open(`${world.url}/runs/spend-1`);
    await run.getByText("does not fit the budget spender-runs, which other runs use too").waitFor();
    assert.equal(await run.getByRole("link", { name: "To the budget" }).getAttribute("href"), "/usage/budgets");
    await card.getByRole("button", { name: "Change the cap of spender-runs" }).click();
    const set = page.getByRole("button", { name: "Set the cap", exact: true });
    assert.equal(await set.isDisabled(), true);
    await page.getByLabel("Cap in tokens").fill("-5");
    assert.equal(await set.isDisabled(), true);
    await page.getByLabel("Cap in tokens").fill("900000");
    await set.click();
    await card.getByText("cap 900,000 tokens").waitFor();
    await card.getByText("In place of the declared cap, set by ada").waitFor();
    await run.getByText("Completed").first().waitFor();
    await card.getByRole("button", { name: "Change the cap of spender-runs" }).click();
    await page.getByRole("button", { name: "Take it back" }).click();
    await card.getByText("cap 40 tokens").first().waitFor();
  },
);

test("endpoints are shown with their health, failures, limits and price, and one is checked", { skip }, async () => {
  const { page, complaints } = await browser.open(`${world.url}/models`);
  const down = page.locator('[data-endpoint="test/down"]');
  await down.getByText("1 MODEL_UNAVAILABLE").waitFor();
  const keyless = page.locator('[data-endpoint="claude-eu"]');
  await keyless.getByText("Not usable").waitFor();
  await keyless.getByText("PAWL_TEST_NO_SUCH_KEY").waitFor();
  await keyless.getByText("50 requests, 40.0k tokens").waitFor();
  const talker = page.locator('[data-endpoint="test/talker"]');
  await talker.getByText("$3 in, $15 out").waitFor();
  await talker.getByRole("button", { name: "Check test/talker", exact: true }).click();
  await talker.getByText(/first part after/).waitFor();
  await page.getByText("hedged").waitFor();
  assert.deepEqual(complaints, []);
});
