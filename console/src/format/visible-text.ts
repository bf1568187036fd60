// Text of others may hold characters that are not seen or that reorder what is: they are named instead of obeyed.

export interface TextPiece {
  readonly text: string;
  /** Set where `text` names a character that would not be seen. */
  readonly isGlyph: boolean;
  /** Place in the original text. */
  readonly start: number;
  readonly end: number;
}

const names: { readonly [code: number]: string } = {
  0x00: "NUL",
  0x07: "BEL",
  0x08: "BS",
  0x0b: "VT",
  0x0c: "FF",
  0x0d: "CR",
  0x1b: "ESC",
  0x7f: "DEL",
  0xad: "SHY",
  0x34f: "CGJ",
  0x61c: "ALM",
  0x200b: "ZWSP",
  0x200c: "ZWNJ",
  0x200d: "ZWJ",
  0x200e: "LRM",
  0x200f: "RLM",
  0x2028: "LSEP",
  0x2029: "PSEP",
  0x202a: "LRE",
  0x202b: "RLE",
  0x202c: "PDF",
  0x202d: "LRO",
  0x202e: "RLO",
  0x2060: "WJ",
  0x2066: "LRI",
  0x2067: "RLI",
  0x2068: "FSI",
  0x2069: "PDI",
  0xfeff: "BOM",
};

/** Control, bidi, zero-width, tag and variation characters; tab and line feed stay as they are. */
const hidden =
  // eslint-disable-next-line no-misleading-character-class, no-control-regex -- each is a class of its own, by its code
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f\u205f-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffc]|[\u{1d173}-\u{1d17a}]|[\u{e0000}-\u{e0fff}]/gu;

function nameOf(code: number): string {
  const known = names[code];
  if (known !== undefined) return known;
  if (code >= 0xe0020 && code <= 0xe007e) return `TAG ${String.fromCodePoint(code - 0xe0000)}`;
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** A joiner between two pictures belongs to an emoji and hides nothing. */
function isInEmoji(text: string, at: number): boolean {
  const before = text.slice(Math.max(0, at - 3), at);
  return text[at] === "\u200d" && /\p{Extended_Pictographic}\ufe0f?$/u.test(before);
}

export function piecesOf(text: string): TextPiece[] {
  const pieces: TextPiece[] = [];
  let done = 0;
  for (const match of text.matchAll(hidden)) {
    const start = match.index;
    if (isInEmoji(text, start)) continue;
    const end = start + match[0].length;
    if (start > done) pieces.push({ text: text.slice(done, start), isGlyph: false, start: done, end: start });
    pieces.push({ text: nameOf(match[0].codePointAt(0) ?? 0), isGlyph: true, start, end });
    done = end;
  }
  if (done < text.length || pieces.length === 0)
    pieces.push({ text: text.slice(done), isGlyph: false, start: done, end: text.length });
  return pieces;
}

/** One line for lists and titles: what would not be seen is named in brackets, breaks become spaces. */
export function oneLine(text: string, charsMax = 300): string {
  const cut = text.length > charsMax ? `${text.slice(0, charsMax)}…` : text;
  return piecesOf(cut.replace(/\s+/g, " ").trim())
    .map((piece) => (piece.isGlyph ? `[${piece.text}]` : piece.text))
    .join("");
}
