import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { WordCounts } from "../../src/models/word-counts.ts";

const root = join(import.meta.dirname, "../..");
const exact = (text: string): number => countTokens(text, { disallowedSpecial: new Set<string>() });

function piecesOf(text: string): readonly string[] {
  return Array.from({ length: Math.ceil(text.length / 256) }, (_, i) => text.slice(i * 256, (i + 1) * 256));
}

const odd = [
  "one  two   three \n\n four\tfive ",
  " leading and trailing ",
  "it's we'll I'M DON'T x'd 'quoted' \"double\" (paren) [x] {y} a/b/c http://example.org/a?b=c&d#e",
  "12 345 6789 10,000.50 -3 +4 v1.2.3 0x1f 2026-11-22T16:38:19Z",
  "naïve café 漢字 仮名 交じり文 Привет мир 🙂 👩‍👩‍👧 a 🙂 b a\u00a0b a\u3000b",
  "camelCase PascalCase SCREAMING_SNAKE kebab-case a_b  = { x: 1, y: [2, 3] }; // comment\r\n\tif (a && b) return;",
];

test("counted word by word a text has as many tokens as counted whole, new words or known", () => {
  const counts = new WordCounts(exact);
  const docs = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
  const texts = [...odd, ...docs.map((name) => readFileSync(join(root, "docs", name), "utf8").slice(0, 50_000))];
  texts.push(readFileSync(import.meta.filename, "utf8"));
  for (const text of [...texts, ...texts])
    for (const piece of piecesOf(text)) assert.equal(counts.tokensOf(piece), exact(piece), JSON.stringify(piece));
});

test("a text of known words does not ask the tokenizer, one of new words asks it a few times for each piece", () => {
  let asked = 0;
  const counts = new WordCounts((text) => {
    asked++;
    return exact(text);
  });
  const piece = "the quick brown fox jumps over the lazy dog";
  for (let i = 0; i < 3; i++) counts.tokensOf(piece);
  asked = 0;
  counts.tokensOf(piece);
  assert.equal(asked, 0);
  counts.tokensOf(Array.from({ length: 40 }, (_, i) => `new${i}`).join(" "));
  assert.equal(asked, 5);
});
