import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chromium, skipWithoutChromium as skip } from "./browser.ts";
import { WorldProcess } from "./world.ts";

const world = new WorldProcess();
const browser = new Chromium();
before(async () => {
  if (skip !== false) return;
  await world.start();
  await world.startRun("rounds", {}, "rounds-1");
  assert.equal(await world.settled("rounds-1"), "completed");
});
after(async () => {
  await browser.close();
  await world.close();
});

test(
  "a run of a graph is drawn, each superstep shows its nodes and state, and a node leads to its calls",
  { skip },
  async () => {
    const { page, complaints } = await browser.open(`${world.url}/runs/rounds-1`);
    await page.getByRole("link", { name: "Graph" }).click();
    const node = (name: string) => page.locator(`[data-graph-node="${name}"]`);
    await node("join").waitFor();
    await page.getByText("Superstep 9 of 9: join").waitFor();
    assert.equal(await node("plan").getAttribute("data-look"), "done");
    await page.locator('input[type="range"]').fill("1");
    await page.getByText("Superstep 2 of 9: fetch, read").waitFor();
    assert.equal(await node("fetch").getAttribute("data-look"), "now");
    assert.equal(await node("join").getAttribute("data-look"), "idle");
    await page.getByText("from 0").waitFor();
    if (process.env["PAWL_SHOT"] !== undefined) await page.screenshot({ path: process.env["PAWL_SHOT"] });
    await node("read").click();
    await page.waitForURL(/span=/);
    assert.deepEqual(complaints, []);
  },
);

test("the tab of a graph is there for runs of graphs only", { skip }, async () => {
  await world.startRun("billing", "INV-7 was charged twice.", "bill-1");
  await world.settled("bill-1");
  const { page } = await browser.open(`${world.url}/runs/bill-1/graph`);
  await page.getByText("Allow refund").first().waitFor();
  assert.equal(await page.getByRole("link", { name: "Graph" }).count(), 0);
});
