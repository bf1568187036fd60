/** `./pawl bench console`: a run of 50,000 spans in a real browser, from the address to the first rows of its timeline. */
import { parseArgs } from "node:util";
import { Chromium, chromiumPath } from "../../test/console/browser.ts";
import { WorldProcess } from "../../test/console/world.ts";
import { bar, machine, median, short } from "../table.ts";

const BAR_MS = 1_000;

/** ms from the navigation to the frame behind the first row, seen in the page itself. */
const watchFirstRow = `
  window.firstRowMs = new Promise((resolve) => {
    new MutationObserver((_, observer) => {
      if (document.querySelector("[data-position]") === null) return;
      observer.disconnect();
      requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now())));
    }).observe(document, { childList: true, subtree: true });
  });
`;

interface Round {
  readonly firstRowMs: number;
  readonly firstPaintMs: number;
}

async function round(browser: Chromium, url: string): Promise<Round> {
  const { page } = await browser.open("about:blank");
  await page.addInitScript(watchFirstRow);
  await page.goto(url);
  const read = await page.evaluate<Round>(
    `window.firstRowMs.then((firstRowMs) => ({ firstRowMs, firstPaintMs: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? -1 }))`,
  );
  await page.context().close();
  return read;
}

const { values } = parseArgs({
  options: {
    spans: { type: "string", default: "50000" },
    rounds: { type: "string", default: "9" },
    help: { type: "boolean" },
  },
});
if (values.help === true) console.log("./pawl bench console [--spans 50000] [--rounds 9]");
else if (chromiumPath() === null) {
  console.error("this bench needs chromium, which is not installed");
  process.exitCode = 1;
} else {
  console.log(`${machine()}\n`);
  const world = new WorldProcess();
  const browser = new Chromium();
  try {
    await world.start();
    await world.startRun("many-steps", { steps: Number(values.spans) }, "many-1");
    await world.settled("many-1");
    const rounds: Round[] = [];
    for (let i = 0; i <= Number(values.rounds); i++)
      rounds.push(await round(browser, `${world.url}/runs/many-1/timeline`));
    // the first one reads the tree into memory and starts the browser
    const [first, ...rest] = rounds;
    const rows = rest.map(({ firstRowMs }) => firstRowMs);
    console.log(
      `timeline of ${values.spans} spans, each round with an empty cache; the very first ${short(first?.firstRowMs ?? 0)} ms`,
    );
    console.log(`first rows drawn, ms: ${rows.map(short).join(" ")}`);
    console.log(`first paint, ms: ${rest.map(({ firstPaintMs }) => short(firstPaintMs)).join(" ")}`);
    console.log(bar(`first rows of ${values.spans} spans, median`, median(rows), BAR_MS, " ms"));
  } finally {
    await browser.close();
    await world.close();
  }
}
