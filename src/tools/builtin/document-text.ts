import { limits } from "../../core/limits.ts";
import { htmlLines } from "./html-lines.ts";

/** How a document is cut into passages. */
export type DocumentKind = "markdown" | "html" | "text" | "code";

export type DocumentText =
  | { readonly ok: true; readonly kind: DocumentKind; readonly lines: readonly string[] }
  | { readonly ok: false; readonly reason: string };

const MARKDOWN = /\.(md|mdx|markdown|rst|adoc)$/i;
const HTML = /\.(html?|xhtml)$/i;
const TEXT = /\.(txt|text|log|csv|tsv)$|(^|\/)[^./]+$/i;

const SNIFFED_BYTES = 8_192;
const CONTROL_SHARE_MAX = 0.02;

export function kindOf(file: string): DocumentKind {
  if (MARKDOWN.test(file)) return "markdown";
  if (HTML.test(file)) return "html";
  return TEXT.test(file) ? "text" : "code";
}

/** The lines of a document, numbered as in the file; HTML without its tags. Refuses what no person would read. */
export function documentText(file: string, bytes: Uint8Array): DocumentText {
  const text = decode(bytes);
  if (text === null) return { ok: false, reason: "binary" };
  const kind = kindOf(file);
  const lines = kind === "html" ? htmlLines(text) : text.split("\n").map((line) => line.trimEnd());
  if (lines.at(-1) === "") lines.pop();
  const longest = lines.reduce((chars, line) => Math.max(chars, line.length), 0);
  if (longest > limits.documentLineChars) {
    return { ok: false, reason: `a line of ${longest} characters: minified or data` };
  }
  if (lines.every((line) => line === "")) return { ok: false, reason: "empty" };
  return { ok: true, kind, lines };
}

/** UTF-8, or UTF-16 with its mark, or else Latin-1, which any bytes are: so control characters decide. */
function decode(bytes: Uint8Array): string | null {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  const start = bytes.subarray(0, SNIFFED_BYTES);
  if (start.includes(0)) return null;
  const controls = start.reduce((count, byte) => (isControl(byte) ? count + 1 : count), 0);
  if (controls > start.length * CONTROL_SHARE_MAX) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

/** Tab, line ends, form feed and escape (colours in logs) are text. */
function isControl(byte: number): boolean {
  return byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d && byte !== 0x0c && byte !== 0x1b;
}
