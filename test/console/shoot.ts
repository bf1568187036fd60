/**
 * `node -C pawl-source test/console/shoot.ts`: writes the pictures of README and docs (docs/images/console-*.png) anew, from the
 * console as it is and the agents of its tests.
 */
import { join } from "node:path";
import type { Page } from "playwright-core";
import { Chromium, type Look } from "./browser.ts";
import { WorldProcess } from "./world.ts";

interface Picture extends Look {
  readonly name: string;
  readonly path: string;
  /** What is there when the page is. */
  readonly ready: string;
  readonly prepare?: (page: Page) => Promise<void>;
}

const pictures: readonly Picture[] = [
  { name: "runs", path: "/runs?peek=invoice-7", ready: "text=Budget" },
  {
    name: "timeline",
    path: "/runs/invoice-7/timeline",
    ready: ".wf-break",
    prepare: async (page) => {
      await page.getByRole("button", { name: "Go to the costliest call" }).click();
      await page.getByText("Input, full price").waitFor();
    },
  },
  {
    name: "why",
    path: "/runs/invoice-7",
    ready: "text=Allow refund",
    width: 1100,
    prepare: async (page) => {
      await page.getByRole("button", { name: "Why?" }).last().click();
      await page.getByText("Where its words came from").last().waitFor();
    },
  },
  { name: "review", path: "/reviews/invoice-7:t1-1", ready: "text=What happens" },
  { name: "review-phone", path: "/reviews/invoice-7:t1-1", ready: "text=What happens", width: 390 },
  { name: "run-phone", path: "/runs/broken-1", ready: "[data-end]", width: 390 },
  { name: "effects", path: "/effects", ready: "text=done" },
  { name: "seam", path: "/runs/nightly-1", ready: "[data-seam]" },
];

const images = join(import.meta.dirname, "../../docs/images");
const world = new WorldProcess();
const browser = new Chromium();

/** Runs in every state that a picture needs; one of them loses its worker. */
async function play(): Promise<void> {
  await world.start("a");
  await world.startRun("slow", "Crunch the nightly job", "nightly-1");
  while (!world.log().some((line) => line.includes("crunch"))) await world.ask("GET", "/runs/nightly-1");
  await world.kill();
  await world.start("b");
  const refund = "INV-7 was charged twice. Please refund one of the charges.";
  for (const runId of ["refunded-1", "rejected-1", "invoice-7"]) await world.startRun("billing", refund, runId);
  await world.startRun("failing", "Ask the bank about DE02", "broken-1");
  const limits = { turns: 1 };
  await world.ask("POST", "/runs", { agent: "billing", input: "Why was INV-9 so high?", runId: "short-1", limits });
  for (const runId of ["nightly-1", "refunded-1", "rejected-1", "invoice-7", "broken-1", "short-1"])
    await world.settled(runId);
  const reason = "ask the bank first";
  await world.ask("POST", "/approvals/refunded-1:t1-1/decision", { decision: "approve" });
  await world.ask("POST", "/approvals/rejected-1:t1-1/decision", { decision: "reject", reason });
  for (const runId of ["refunded-1", "rejected-1"]) await world.settled(runId);
}

try {
  await play();
  for (const { name, path, ready, prepare, ...look } of pictures) {
    const { page } = await browser.open(`${world.url}${path}`, look);
    await page.locator(ready).first().waitFor();
    await prepare?.(page);
    await page.evaluate("document.fonts.ready.then(() => undefined)");
    await page.screenshot({ path: join(images, `console-${name}.png`), animations: "disabled" });
    console.log(`docs/images/console-${name}.png`);
    await page.context().close();
  }
} finally {
  await browser.close();
  await world.close();
}
