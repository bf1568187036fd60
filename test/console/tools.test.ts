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

test("a tool is granted to an agent in the console, and the grant taken back", { skip }, async () => {
  const { page, complaints } = await browser.open(`${world.url}/tools`);
  await page.getByRole("link", { name: "note@1" }).click();
  const detail = page.getByRole("complementary", { name: "note@1" });
  const grants = detail.getByRole("list", { name: "Grants" });
  await grants.getByText("by pawl.config.ts").waitFor();
  assert.equal(
    await detail.getByRole("button", { name: "Revoke" }).count(),
    0,
    "what stands in code is not revoked here",
  );
  await detail.getByRole("button", { name: "Grant", exact: true }).click();
  await page.getByLabel("Agent").fill("talker");
  await page.getByLabel("Days it holds").fill("7");
  await page.getByLabel("Reason").fill("ticket 7");
  await page.getByRole("button", { name: /Copy .Grant it. as/ }).click();
  await page.getByRole("menuitem", { name: "CLI" }).click();
  assert.equal(
    await page.evaluate<string>("navigator.clipboard.readText()"),
    "pawl tools grant note net:notes.example.org --agent talker --reason 'ticket 7' --days 7",
  );
  await page.getByRole("button", { name: "Grant it", exact: true }).click();
  await grants.getByText("to agent talker").waitFor();
  const asked = () => world.ask<{ readonly items: readonly { readonly state: string }[] }>("GET", "/grants?tool=note");
  assert.deepEqual(
    (await asked()).items.map(({ state }) => state),
    ["active", "active"],
  );
  await detail.getByRole("button", { name: "Revoke net:notes.example.org" }).click();
  await grants.getByText(/^revoked/).waitFor();
  assert.deepEqual(
    (await asked()).items.map(({ state }) => state),
    ["revoked", "active"],
  );
  assert.deepEqual(complaints, []);
});

test("a tool is quarantined, what it says is looked at, and accepted", { skip }, async () => {
  const { page, complaints } = await browser.open(`${world.url}/tools/lookup_invoice%401`);
  const detail = page.getByRole("complementary", { name: "lookup_invoice@1" });
  await detail.getByRole("button", { name: "Quarantine" }).click();
  await page.getByLabel("Reason").fill("<img src=x onerror=alert(1)>");
  await page.getByRole("button", { name: "Stop its calls", exact: true }).click();
  await detail.getByText("it was quarantined: <img src=x onerror=alert(1)>").waitFor();
  await page.getByRole("row", { name: /lookup_invoice.*Quarantined/ }).waitFor();
  await detail.getByRole("button", { name: "Look and accept" }).click();
  await page.getByRole("dialog").getByText("description").waitFor();
  await page.getByRole("button", { name: "Accept this definition", exact: true }).click();
  await page.getByRole("row", { name: /lookup_invoice.*Accepted/ }).waitFor();
  assert.deepEqual(complaints, []);
});
