import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chromium, skipWithoutChromium as skip, type WatchedPage } from "./browser.ts";
import { hostileHost, hostileTexts, injectionTexts } from "./hostile.ts";
import { WorldProcess } from "./world.ts";

const world = new WorldProcess();
const browser = new Chromium();
const runId = "hostile-1";
before(async () => {
  if (skip !== false) return;
  await world.start();
  await world.startRun("hostile", hostileTexts.join("\n"), runId);
  await world.settled(runId);
});
after(async () => {
  await browser.close();
  await world.close();
});

/** Nothing was asked of any other place, nothing ran, nothing was blocked because it would have. */
async function assertHarmless({ page, requests, complaints }: WatchedPage): Promise<void> {
  const elsewhere = requests.filter((url) => !url.startsWith(world.url));
  assert.deepEqual(elsewhere, []);
  assert.deepEqual(complaints, []);
  assert.doesNotMatch(await page.title(), /owned/);
  assert.equal(
    await page.locator("main iframe, main object, main embed, main style, main link, main script").count(),
    0,
  );
  assert.equal(
    await page.locator(`img[src*="${hostileHost}"], [href*="${hostileHost}"], [href^="javascript:"]`).count(),
    0,
  );
}

for (const path of ["", "/timeline", "?view=events"]) {
  test(
    `hostile texts are shown as text and fetch nothing: ${path === "" ? "conversation" : path}`,
    { skip },
    async () => {
      const watched = await browser.open(`${world.url}/runs/${runId}${path}`);
      const { page } = watched;
      await page.locator('[data-call], [role="row"]').first().waitFor();
      if (path === "") {
        await page
          .getByRole("button", { name: /read_page/ })
          .first()
          .click();
        await page.getByText("<script>fetch").first().waitFor();
        await page.locator(".glyph", { hasText: "RLO" }).first().waitFor();
        await page.locator(".glyph", { hasText: "ESC" }).first().waitFor();
        await page.locator(".glyph", { hasText: "TAG I" }).first().waitFor();
      }
      await assertHarmless(watched);
    },
  );
}

test("a line of a megabyte is folded, and opened keeps the page small", { skip }, async () => {
  const watched = await browser.open(`${world.url}/runs/${runId}`);
  const { page } = watched;
  await page
    .getByRole("button", { name: /read_page/ })
    .first()
    .click();
  await page
    .getByRole("button", { name: /^Show .*[KM]B$/ })
    .first()
    .click();
  await page
    .getByRole("button", { name: /show .* more characters/ })
    .first()
    .click();
  await page.getByRole("group", { name: "result of read_page" }).waitFor();
  const size = await page.evaluate<{ readonly nodes: number; readonly chars: number }>(
    `({ nodes: document.querySelectorAll("*").length, chars: document.body.innerText.length })`,
  );
  assert.ok(size.nodes < 3_000, `${size.nodes} elements`);
  assert.ok(size.chars < 100_000, `${size.chars} characters in the page`);
  await assertHarmless(watched);
});

test("hostile titles stay one line of text in the lists", { skip }, async () => {
  const watched = await browser.open(`${world.url}/runs?peek=${runId}`);
  await watched.page.locator(`[data-run="${runId}"]`).waitFor();
  await watched.page.getByText("<script>").first().waitFor();
  await assertHarmless(watched);
});

const HEAD_PX_MAX = 400;
const CARD_PX_MAX = 6_000;
interface Card {
  readonly text: string;
  readonly head: number;
  readonly height: number;
  readonly over: number;
  readonly isolated: number;
  readonly active: number;
}
const cardScript = `(() => {
  const card = document.querySelector("article");
  return {
    text: card.innerText,
    head: card.querySelector("header").getBoundingClientRect().height,
    height: card.getBoundingClientRect().height,
    over: document.documentElement.scrollWidth - innerWidth,
    isolated: card.querySelectorAll("h2 bdi").length,
    active: card.querySelectorAll("script, iframe, object, embed, img, svg image, style, link, meta, base, video").length,
  };
})()`;

test(
  "E.3-51: every hostile text of an approval is shown as text, whole in its bounds, and does nothing",
  { skip },
  async () => {
    const texts = injectionTexts();
    assert.equal(texts.length, 60);
    await Promise.all(texts.map(({ text }, i) => world.startRun("injected", text, `inj-${i}`)));
    await Promise.all(texts.map((_, i) => world.settled(`inj-${i}`)));
    const watched = await browser.open(`${world.url}/reviews`);
    const { page } = watched;
    page.on("dialog", (dialog) => {
      watched.complaints.push(`a dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    for (const [i, { id, text }] of texts.entries()) {
      await page.evaluate(`history.pushState(null, "", "/reviews/inj-${i}%3At0-1")`);
      await page.locator(`article a[href="/runs/inj-${i}"]`).waitFor();
      const card = await page.evaluate<Card>(cardScript);
      // a word of it as it was written, where it has one that stands in one line
      const word = /[A-Za-z]{4,}/.exec(text.slice(0, 400))?.[0] ?? "";
      assert.ok(card.text.includes(word), `${id}: "${word}" is not in the card`);
      assert.doesNotMatch(card.text.replaceAll(/[\t\n]/g, ""), /\p{Cc}|\p{Bidi_Control}|[\u{e0000}-\u{e007f}]/u, id);
      assert.ok(card.head < HEAD_PX_MAX, `${id}: its head is ${card.head} px high`);
      assert.ok(card.height < CARD_PX_MAX, `${id}: the card is ${card.height} px high`);
      assert.deepEqual([card.over <= 0, card.isolated, card.active], [true, 1, 0], id);
    }
    await assertHarmless(watched);
  },
);
