import assert from "node:assert/strict";
import { after, before, test, type TestContext } from "node:test";
import { Chromium, skipWithoutChromium as skip } from "./browser.ts";
import { WorldProcess } from "./world.ts";

const SPANS = 50_000;
const world = new WorldProcess();
const browser = new Chromium();
const runId = "many-1";
before(async () => {
  if (skip !== false) return;
  await world.start();
  await world.startRun("many-steps", { steps: SPANS }, runId);
  assert.equal(await world.settled(runId), "completed");
});
after(async () => {
  await browser.close();
  await world.close();
});

test(
  "50,000 spans: rows in the page stay few while one scrolls from the first to the last",
  { skip },
  async (t: TestContext) => {
    const { page, requests } = await browser.open(`${world.url}/runs/${runId}/timeline`);
    await page.locator('[role="row"]').nth(5).waitFor();
    const painted = await page.evaluate<number>(
      `performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? -1`,
    );
    t.diagnostic(`first paint after ${Math.round(painted)} ms`);
    const grid = page.getByRole("treegrid");
    assert.ok(Number(await grid.getAttribute("aria-rowcount")) >= SPANS);
    for (const share of [0.1, 0.5, 0.9, 1]) {
      await page.evaluate(
        `((box) => box.scrollTo({ top: (box.scrollHeight - box.clientHeight) * ${share} }))(document.querySelector("[role=treegrid]"))`,
      );
      const wanted = Math.floor(SPANS * share * 0.95);
      const rowsThere = async (): Promise<readonly number[]> =>
        page.evaluate<readonly number[]>(
          `[...document.querySelectorAll("[data-position]")].map((row) => Number(row.dataset.position))`,
        );
      while (!(await rowsThere()).some((position) => position >= wanted))
        await page.locator("[data-position]").first().waitFor();
      const rows = await page.locator("[data-position]").count();
      assert.ok(rows < 60, `${rows} rows are in the page`);
    }
    const windows = requests.filter((url) => url.includes("/spans?")).length;
    assert.ok(windows < 40, `${windows} windows were asked for`);
  },
);

test("a closed turn hides what is below it, and the rows after it move up", { skip }, async () => {
  const { page } = await browser.open(`${world.url}/runs/${runId}/timeline`);
  const first = page.locator('[data-position="1"]');
  await first.waitFor();
  await first.getByRole("button", { name: /^close/ }).click();
  await page.locator('[data-position="2"]').waitFor({ state: "detached" });
  await first.getByText(/below/).waitFor();
  const next = await page.locator("[data-position]").nth(2).getAttribute("data-position");
  assert.ok(Number(next) > 400, `the next row is at ${next}`);
  await first.getByRole("button", { name: /^open/ }).click();
  await page.locator('[data-position="2"]').waitFor();
});

test("j and k walk the rows, and the choice stands in the URL", { skip }, async () => {
  const { page } = await browser.open(`${world.url}/runs/${runId}/timeline`);
  await page.locator('[data-position="3"]').waitFor();
  for (const key of ["j", "j", "j", "k"]) await page.keyboard.press(key);
  assert.equal(await page.locator('[data-selected="true"]').getAttribute("data-position"), "1");
  assert.match(page.url(), /span=[0-9a-f]{16}/);
});

test(
  "the costliest call is one click away, though its row is hidden and its columns stay beside the inspector",
  { skip },
  async () => {
    await world.startRun("billing", "INV-7 was charged twice.", "bill-1");
    assert.equal(await world.settled("bill-1"), "awaiting_approval");
    const { page } = await browser.open(`${world.url}/runs/bill-1/timeline`);
    await page.getByText(/Costliest call: test\/billing, \$0\.\d{4}/).waitFor();
    await page.getByText(/Slowest call: .*, [\d.]+ m?s/).waitFor();
    await page
      .locator('[data-position="0"]')
      .getByRole("button", { name: /^close/ })
      .click();
    await page.locator('[data-position="1"]').waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Go to the costliest call" }).click();
    await page.locator('[data-selected="true"][data-position="5"]').waitFor();
    await page.getByRole("complementary", { name: "Inspector" }).getByText("Input, full price").waitFor();
    for (const column of ["Tokens", "Cost", "Duration"])
      assert.equal(await page.getByText(column, { exact: true }).first().isVisible(), true, column);
  },
);

test("a long wait is drawn short, with a mark, and is no reason to call a row slow", { skip }, async () => {
  const { page } = await browser.open(`${world.url}/runs/bill-1/timeline`);
  await page.locator(".wf-break").first().waitFor();
  await page.getByText(/^\/\/ .* \/\/$/).waitFor();
  const widths = await page.evaluate<readonly number[]>(
    `[".wf-break", '[data-position="2"] .wf-bar'].map((one) => document.querySelector(one).getBoundingClientRect().width)`,
  );
  assert.ok((widths[0] ?? 0) < (widths[1] ?? 0), `the wait is ${widths[0]} px, the model's work ${widths[1]} px`);
});
