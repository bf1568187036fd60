import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chromium, skipWithoutChromium as skip } from "./browser.ts";
import { WorldProcess } from "./world.ts";

const world = new WorldProcess();
const browser = new Chromium();
const held = ["twice-1", "twice-2", "gone-1"];
before(async () => {
  if (skip !== false) return;
  await world.start();
  for (const runId of held) await world.startRun("billing", "INV-7 was charged twice.", runId);
  await Promise.all(held.map((runId) => world.settled(runId)));
});
after(async () => {
  await browser.close();
  await world.close();
});

const refunds = (): number => world.log().filter((line) => line.includes(" refund ")).length;

test("a page whose code an upgrade took away reloads once, then says so, and is there again", { skip }, async () => {
  const { page } = await browser.open(`${world.url}/runs`);
  await page.locator("[data-run]").first().waitFor();
  let asked = 0;
  await page.route("**/assets/start-*.js", (route) => {
    asked++;
    return route.fulfill({ status: 404, body: "" });
  });
  await page.getByRole("link", { name: "Start a run" }).first().click();
  await page.getByRole("heading", { name: "This page could not be shown" }).waitFor();
  assert.equal(asked, 2, "once by the tab, once after its reload");
  // the rest of the console is still there
  await page.getByRole("link", { name: "Effects" }).click();
  await page.getByRole("heading", { name: "Effects", exact: true }).waitFor();
  await page.goBack();
  await page.unroute("**/assets/start-*.js");
  await page.getByRole("button", { name: "Reload" }).click();
  await page.getByLabel("Goal").waitFor();
});

test("the page is asked for again each time, its hashed files never", { skip }, async () => {
  const control = async (path: string): Promise<string | null> =>
    (await fetch(`${world.url}${path}`, { headers: { accept: "text/html" } })).headers.get("cache-control");
  const asset = /assets\/[\w.-]+\.js/.exec(await (await fetch(world.url)).text())?.[0] ?? "none";
  for (const path of ["/", "/index.html", "/runs/twice-1"]) assert.equal(await control(path), "no-cache", path);
  assert.match((await control(`/${asset}`)) ?? "", /immutable/);
  assert.doesNotMatch((await control("/assets/start-0.js")) ?? "", /immutable/);
});

test("the same key twice decides one review: the next is looked at first", { skip }, async () => {
  const { page } = await browser.open(`${world.url}/reviews/twice-1:t1-1`);
  await page.locator('[data-settled="true"]').waitFor();
  await page.keyboard.press("a");
  await page.getByText("Approved: refund, INV-7 was charged twice.").waitFor();
  await page.waitForURL(/reviews\/(?!twice-1)/);
  await page.locator('[data-settled="false"]').waitFor();
  await page.keyboard.press("a");
  await page.locator('[data-settled="true"]').waitFor();
  assert.equal(await world.ended("twice-1"), "completed");
  assert.equal(refunds(), 1);
  const { items } = await world.ask<{ readonly items: readonly unknown[] }>("GET", "/approvals");
  assert.equal(items.length, held.length - 1);
});

test("a run that was cancelled asks nothing any more, and its call never started", { skip }, async () => {
  const { page } = await browser.open(`${world.url}/runs/gone-1`);
  const { page: review } = await browser.open(`${world.url}/reviews/gone-1:t1-1`);
  await page.getByRole("button", { name: /^Approve/ }).waitFor();
  await review.getByRole("button", { name: /^Approve/ }).waitFor();
  await world.ask("POST", "/runs/gone-1/cancel", { reason: "not needed" });
  for (const one of [page, review]) {
    await one.getByText("Not decided: the run was cancelled.").or(one.getByText("never started")).first().waitFor();
    await one.getByRole("button", { name: /^Approve/ }).waitFor({ state: "detached" });
  }
  await page.getByRole("button", { name: /^refund .* never started/ }).click();
  await page.getByText("Not decided: the run was cancelled.").waitFor();
  assert.equal(await page.getByText("held", { exact: true }).count(), 0);
});

test("without a server the page says so, its actions rest, and it goes on when it is back", { skip }, async () => {
  const { page } = await browser.open(`${world.url}/runs/twice-2`);
  const approve = page.getByRole("button", { name: /^Approve/ });
  await approve.waitFor();
  await world.kill();
  await page.getByText("Server not reachable, retrying").waitFor();
  assert.equal(await approve.isDisabled(), true);
  assert.equal(await page.getByText("Failed to fetch").count(), 0);
  await world.start();
  await page.getByText("Server not reachable, retrying").waitFor({ state: "detached" });
  assert.equal(await approve.isDisabled(), false);
});

test("on a phone nothing of the start page is cut off", { skip }, async () => {
  const { page } = await browser.open(`${world.url}/start`, { width: 390 });
  await page.getByLabel("Goal").waitFor();
  const over = await page.evaluate<number>(
    "Math.max(...[...document.querySelectorAll('main *')].map((one) => one.getBoundingClientRect().right)) - innerWidth",
  );
  assert.ok(over <= 0, `${over} px too wide`);
});
