import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";
import { Chromium, skipWithoutChromium as skip, type Look } from "./browser.ts";
import { WorldProcess } from "./world.ts";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const world = new WorldProcess();
const locked = new WorldProcess("keys");
const browser = new Chromium();
before(async () => {
  if (skip !== false) return;
  await Promise.all([world.start(), locked.start()]);
  await world.startRun("billing", "INV-7 was charged twice.", "bill-1");
  await world.startRun("failing", "Ask about DE02", "broken-1");
  await world.startRun("rounds", {}, "rounds-1");
  await Promise.all(["bill-1", "broken-1", "rounds-1"].map((runId) => world.settled(runId)));
});
after(async () => {
  await browser.close();
  await Promise.all([world.close(), locked.close()]);
});

interface Shown {
  readonly name: string;
  readonly path: string;
  /** What is there when the page is. */
  readonly ready: string;
  readonly phone?: true;
}
const pages: readonly Shown[] = [
  { name: "runs", path: "/runs", ready: "[data-run]" },
  { name: "runs with a side view", path: "/runs?peek=bill-1", ready: "text=Budget" },
  { name: "no run matches", path: "/runs?status=blocked", ready: "text=No run matches" },
  { name: "conversation", path: "/runs/bill-1", ready: "text=Allow refund", phone: true },
  { name: "a failed run", path: "/runs/broken-1", ready: "text=no such account", phone: true },
  { name: "timeline", path: "/runs/bill-1/timeline", ready: '[data-position="3"]', phone: true },
  { name: "graph", path: "/runs/rounds-1/graph", ready: '[data-graph-node="join"]', phone: true },
  { name: "start", path: "/start", ready: "text=Goal" },
  { name: "reviews", path: "/reviews", ready: "text=INV-7 was charged twice", phone: true },
  { name: "one review", path: "/reviews/bill-1:t1-1", ready: "text=What happens", phone: true },
  { name: "effects", path: "/effects", ready: "text=refund" },
  { name: "models", path: "/models", ready: "text=PAWL_TEST_NO_SUCH_KEY", phone: true },
  { name: "tools", path: "/tools", ready: "text=note@1", phone: true },
  { name: "a tool", path: "/tools/note@1", ready: "text=Grants", phone: true },
  { name: "usage", path: "/usage", ready: ".u-over", phone: true },
  { name: "budgets", path: "/usage/budgets", ready: "[data-budget]", phone: true },
  { name: "savings", path: "/usage/savings", ready: "text=Kept results", phone: true },
  { name: "no such page", path: "/nowhere", ready: "text=There is no such page" },
];

async function problemsOf(page: Page): Promise<readonly string[]> {
  // evaluated by the test's own channel: the page's policy allows no such script
  await page.evaluate(axe);
  const { violations } = await page.evaluate<AxeResults>("axe.run()");
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`);
}

const looks: readonly Look[] = [
  { width: 1280, scheme: "light" },
  { width: 1280, scheme: "dark" },
  { width: 390, scheme: "light" },
  { width: 390, scheme: "dark" },
];

for (const { name, path, ready, phone } of pages) {
  for (const look of looks.filter(({ width }) => width === 1280 || phone === true)) {
    test(
      `${name}: axe finds nothing, nothing is wider than the page (${look.width} px, ${look.scheme})`,
      { skip },
      async () => {
        const { page, complaints } = await browser.open(`${world.url}${path}`, look);
        await page.locator(ready).first().waitFor();
        assert.deepEqual(await problemsOf(page), []);
        const over = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
        assert.ok(over <= 0, `${over} px too wide`);
        assert.deepEqual(
          complaints.filter((text) => !text.includes("404")),
          [],
        );
        await page.context().close();
      },
    );
  }
}

test(
  "without a key the login is asked for, a wrong one is refused in words, a right one opens the page",
  { skip },
  async () => {
    const { page } = await browser.open(`${locked.url}/runs`);
    await page.getByRole("heading", { name: "Log in to Pawl" }).waitFor();
    assert.deepEqual(await problemsOf(page), []);
    await page.getByLabel("API key").fill("pawl_wrong");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("not valid here").waitFor();
    await page.getByLabel("API key").fill(locked.key ?? "");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { name: "No runs yet" }).waitFor();
    assert.equal(await page.getByText("Authentication is off").count(), 0);
    await page.getByRole("button", { name: "Account and theme" }).click();
    await page.getByRole("menuitem", { name: "Log out" }).click();
    await page.getByRole("heading", { name: "Log in to Pawl" }).waitFor();
  },
);

test("a key behind the # opens the page and does not stay in the address", { skip }, async () => {
  const { page } = await browser.open(`${locked.url}/#key=${locked.key}`);
  await page.getByRole("heading", { name: "No runs yet" }).waitFor();
  assert.doesNotMatch(page.url(), /key/);
});

test("the theme that is chosen stays over a reload", { skip }, async () => {
  const { page } = await browser.open(`${world.url}/runs`, { scheme: "light" });
  const canvas = (): Promise<string> =>
    page.evaluate<string>("getComputedStyle(document.documentElement).backgroundColor");
  const before = await canvas();
  await page.getByRole("button", { name: "Account and theme" }).click();
  await page.getByRole("menuitem", { name: "Dark" }).click();
  assert.notEqual(await canvas(), before);
  await page.reload();
  assert.notEqual(await canvas(), before);
});
