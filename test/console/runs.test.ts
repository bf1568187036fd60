import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chromium, skipWithoutChromium as skip } from "./browser.ts";
import { WorldProcess } from "./world.ts";

const world = new WorldProcess();
const browser = new Chromium();
before(async () => {
  if (skip !== false) return;
  await world.start();
  await world.startRun("failing", "Ask about DE02", "broken-1");
  await world.startRun("billing", "INV-7 was charged twice.", "bill-1");
  await Promise.all([world.settled("broken-1"), world.settled("bill-1")]);
});
after(async () => {
  await browser.close();
  await world.close();
});

test("a run is started in the browser, watched, approved by a key, and answered", { skip }, async () => {
  const { page, complaints } = await browser.open(`${world.url}/`);
  await page.getByRole("link", { name: "Start a run" }).first().click();
  await page.getByRole("button", { name: "INV-7 was charged twice. Please" }).click();
  await page.getByRole("button", { name: /^Start/ }).click();
  await page.waitForURL(/\/runs\/[0-9a-z]+$/);
  // the words come piece by piece
  await page.getByText("I look at the").waitFor();
  await page.getByRole("heading", { name: /Allow refund/ }).waitFor();
  await page.getByText("Needs review").first().waitFor();
  // a key decides only what is in sight
  await page.getByRole("button", { name: /^Approve/ }).hover();
  await page.locator('[data-settled="true"]').waitFor();
  await page.keyboard.press("a");
  await page.getByText("receipt rf_7731").first().waitFor();
  await page.getByText("Completed").first().waitFor();
  assert.deepEqual(complaints, []);
});

test("the list is live: a run that starts elsewhere appears, and its status changes", { skip }, async () => {
  const { page } = await browser.open(`${world.url}/runs`);
  await page.getByText("Ask about DE02").waitFor();
  await world.startRun("talker", "Started elsewhere", "elsewhere-1");
  const row = page.locator('[data-run="elsewhere-1"]');
  await row.waitFor();
  await row.getByText("Completed").waitFor();
});

test("filters stand in the URL, and a link with them shows the same", { skip }, async () => {
  const { page } = await browser.open(`${world.url}/runs`);
  await page.getByRole("button", { name: "Status" }).click();
  await page.getByRole("menuitem", { name: "Failed" }).click();
  await page.waitForURL(/status=failed/);
  await page.locator('[data-run="bill-1"]').waitFor({ state: "detached" });
  const other = await browser.open(page.url());
  await other.page.locator('[data-run="broken-1"]').waitFor();
  assert.equal(await other.page.locator("[data-run]").count(), 1);
  await other.page.getByRole("button", { name: "remove filter Failed" }).click();
  await other.page.locator('[data-run="bill-1"]').waitFor();
  assert.doesNotMatch(other.page.url(), /status/);
});

test("words are searched in what tools answered, and the hit is shown", { skip }, async () => {
  const { page } = await browser.open(`${world.url}/runs`);
  await page.locator('[data-run="bill-1"]').waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("duplicate");
  await page.waitForURL(/text=duplicate/);
  await page.locator('[data-run="broken-1"]').waitFor({ state: "detached" });
  await page
    .locator('[data-run="bill-1"]')
    .getByText(/duplicate/i)
    .waitFor();
});

test("j and k move the choice, the side view follows it, Enter opens it, Escape closes it", { skip }, async () => {
  const { page } = await browser.open(`${world.url}/runs`);
  await page.locator("[data-run]").first().waitFor();
  await page.keyboard.press("j");
  const first = await page.locator('tr[aria-selected="true"]').getAttribute("data-run");
  await page.keyboard.press("j");
  const second = await page.locator('tr[aria-selected="true"]').getAttribute("data-run");
  assert.notEqual(first, second);
  await page.keyboard.press("k");
  assert.match(page.url(), new RegExp(`peek=${first}`));
  await page.getByRole("complementary", { name: "The chosen run" }).getByText("Budget").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("complementary", { name: "The chosen run" }).waitFor({ state: "detached" });
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL(new RegExp(`/runs/${first}$`));
  await page.keyboard.press("g");
  await page.keyboard.press("r");
  await page.waitForURL(/\/runs$/);
});

test("the sheet behind ? lists the keys of the page", { skip }, async () => {
  const { page } = await browser.open(`${world.url}/runs`);
  await page.locator("[data-run]").first().waitFor();
  await page.keyboard.press("?");
  const sheet = page.getByRole("dialog", { name: "Keys" });
  await sheet.getByText("Next run").waitFor();
  await sheet.getByText("Go to Reviews").waitFor();
  await page.keyboard.press("Escape");
  await sheet.waitFor({ state: "detached" });
});

test("a failure is explained where it is listed, and in the run", { skip }, async () => {
  const { page } = await browser.open(`${world.url}/runs/broken-1`);
  await page.getByText("MODEL_REQUEST_INVALID").first().waitFor();
  await page.getByText("no such account").first().waitFor();
  await page
    .getByRole("button", { name: /call_bank/ })
    .first()
    .click();
  await page.getByText("maintenance until 18:00").first().waitFor();
});

test("an address of a run that does not exist says so", { skip }, async () => {
  const { page } = await browser.open(`${world.url}/runs/nowhere-1`);
  await page.getByRole("heading", { name: "No such run" }).waitFor();
});
