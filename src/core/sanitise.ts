import type { JsonValue } from "./json.ts";

/** What was taken out of a text or made harmless, by kind; empty = the text is as it came. */
export type Findings = Readonly<Record<string, number>>;

interface Rule {
  readonly kind: string;
  readonly pattern: RegExp;
  readonly instead: (match: string) => string;
}

const nothing = (): string => "";
const keptOr =
  (isKept: RegExp, instead: string) =>
  (match: string): string =>
    isKept.test(match) ? match : instead;

const joining =
  "Arabic Bengali Devanagari Gujarati Gurmukhi Kannada Malayalam Mongolian Oriya Sinhala Syriac Tamil Telugu"
    .split(" ")
    .map((script) => String.raw`\p{Script=${script}}`)
    .join("");
const unspaced = ["Thai", "Lao", "Khmer", "Myanmar"].map((script) => String.raw`\p{Script=${script}}`).join("");
const rightToLeft = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

/** Invisible characters with a use: what each joins must stand on both sides. */
const joiners: readonly (readonly [character: string, joined: RegExp])[] = [
  ["\u200D", new RegExp(String.raw`[\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F${joining}]`, "u")],
  ["\u200C", new RegExp(`[${joining}]`, "u")],
  ["\u200B", new RegExp(`[${unspaced}]`, "u")],
];
const variation = /[\uFE00-\uFE0F]/;
const mark = /[\u061C\u200E\u200F]/;
// oxlint-disable-next-line no-misleading-character-class -- each is looked at on its own
const useful = /[\u061C\u200B-\u200F\uFE00-\uFE0F]+/g;

/** Chat templates of the common model families, and the tags that frame tools: words of the protocol inside of data. */
const protocol = [
  String.raw`<(?=[|｜][\w ▁-]{1,40}[|｜]>|<\/?SYS>>)`,
  String.raw`\[(?=\/?(?:INST|TOOL_CALLS|TOOL_RESULTS|AVAILABLE_TOOLS|SYSTEM_PROMPT)\])`,
  String.raw`<(?=\/?(?:start_of_turn|end_of_turn|bos|eos|s)>)`,
  String.raw`<(?=\/?(?:antml:)?(?:system|assistant|human|user|untrusted[\w-]{0,20}|tool_(?:result|call|use|response)s?|function(?:_(?:call|result)s?)?|invoke|parameter)(?:\s[^>\n]{0,80})?>)`,
].join("|");

/** In this order; nothing that a later one takes out makes an earlier one match. Every pattern is linear. */
const hidingRules: readonly Rule[] = [
  { kind: "surrogate", pattern: /\p{Surrogate}/gu, instead: () => "\uFFFD" },
  {
    kind: "ansi",
    pattern:
      // oxlint-disable-next-line no-control-regex -- control characters are what it removes
      /(?:\u001B\[|\u009B)[0-?]{0,64}[ -/]{0,8}[@-~]?|(?:\u001B[\]PX^_]|[\u0090\u0098\u009D-\u009F])[^\u0007\u001B\u0080-\u009F]*(?:\u0007|\u001B\\|\u009C)|\u001B[ -/]{0,8}[0-~]?/g,
    instead: nothing,
  },
  // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
  { kind: "line-break", pattern: /\r\n?|[\u000B\u000C\u0085\u2028\u2029]/g, instead: () => "\n" },
  // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
  { kind: "control", pattern: /[\u0000-\u0008\u000E-\u001F\u007F-\u009F]/g, instead: nothing },
  {
    kind: "tag",
    pattern: /\u{1F3F4}[\u{E0030}-\u{E0039}\u{E0061}-\u{E007A}]{1,6}\u{E007F}|[\u{E0000}-\u{E0FFF}]/gu,
    instead: keptOr(/^\u{1F3F4}/u, ""),
  },
  {
    kind: "invisible",
    pattern:
      // oxlint-disable-next-line no-misleading-character-class -- each is removed on its own
      /[\u00AD\u034F\u17B4\u17B5\u180B-\u180F\u2060-\u2065\u206A-\u206F\uFEFF\uFFF0-\uFFFB]|[\u{1D173}-\u{1D17A}]/gu,
    instead: nothing,
  },
  { kind: "invisible", pattern: /[\u115F\u1160\u2800\u3164\uFFA0]+/g, instead: () => " " },
  { kind: "bidi", pattern: /[\u202A-\u202E\u2066-\u2069]/g, instead: nothing },
];
const protocolRules: readonly Rule[] = [
  { kind: "protocol", pattern: new RegExp(protocol, "gi"), instead: inert },
  { kind: "protocol", pattern: /^(?:Human|Assistant|System):/gm, instead: (match) => `${match.slice(0, -1)}：` },
];

/** What opens a token, in a form that looks the same and folds to the same (NFKC), and is of nobody's protocol. */
function inert(opening: string): string {
  return opening === "<" ? "＜" : "［";
}

/**
 * What stays of invisible characters in a row: a variation, a joiner and a mark, each at most once, in this order and where
 * it has a use. It depends on them and the visible characters beside them alone, so that doing it again changes nothing.
 */
function keptOf(run: string, before: string, after: string, isRtl: boolean): string {
  const varied = variation.exec(run)?.[0] ?? "";
  const joiner = joiners.find(
    ([character, joined]) => run.includes(character) && joined.test(varied || before) && joined.test(after),
  );
  const marks = run.split(mark).length - 1;
  return varied + (joiner?.[0] ?? "") + (isRtl && marks === 1 ? (mark.exec(run)?.[0] ?? "") : "");
}

function kindOf(run: string, kept: string): string {
  const gone = run.split("").find((character) => !kept.includes(character)) ?? "";
  return mark.test(gone) ? "bidi" : joiners.some(([character]) => character === gone) ? "joiner" : "variation";
}

/** Nothing to do for plain text without markup, which most text is. */
const isPlain = /^[\t\n\u0020-\u0039\u003B\u003D-\u005A\u005C-\u007E\u00A1-\u00AC\u00AE-\u024F]*$/;

/**
 * A text as a person would see it, without what plays tricks on terminals, people and models: hidden characters, control
 * sequences, reversed runs, and words of chat protocols. It says nothing about what the text means. Idempotent, linear.
 */
export function sanitise(text: string): { readonly text: string; readonly findings: Findings } {
  if (isPlain.test(text)) return { text, findings: {} };
  const findings: Record<string, number> = {};
  const found = (kind: string): void => void (findings[kind] = (findings[kind] ?? 0) + 1);
  const apply = (input: string, { kind, pattern, instead }: Rule): string =>
    input.replaceAll(pattern, (match: string) => {
      const replaced = instead(match);
      if (replaced !== match) found(kind);
      return replaced;
    });
  const bare = hidingRules.reduce(apply, text);
  const isRtl = rightToLeft.test(bare);
  const seen = bare.replaceAll(useful, (run: string, at: number) => {
    const before = /.$/su.exec(bare.slice(Math.max(0, at - 2), at))?.[0] ?? "";
    const after = /^./su.exec(bare.slice(at + run.length, at + run.length + 2))?.[0] ?? "";
    const kept = keptOf(run, before, after, isRtl);
    if (kept !== run) found(kindOf(run, kept));
    return kept;
  });
  return { text: protocolRules.reduce(apply, seen), findings };
}

/** Every text and key of a value; the same object where nothing had to be changed, so that it is stored once. */
export function sanitiseJson(value: JsonValue): { readonly value: JsonValue; readonly findings: Findings } {
  const findings: Record<string, number> = {};
  const clean = (text: string): string => {
    const done = sanitise(text);
    for (const [kind, count] of Object.entries(done.findings)) findings[kind] = (findings[kind] ?? 0) + count;
    return done.text;
  };
  const mapped = mapTexts(value, clean);
  return { value: Object.keys(findings).length === 0 ? value : mapped, findings };
}

/** The value with each text and key of it mapped. */
export function mapTexts(value: JsonValue, map: (text: string) => string): JsonValue {
  if (typeof value === "string") return map(value);
  if (Array.isArray(value)) return value.map((item: JsonValue) => mapTexts(item, map));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [map(key), mapTexts(member, map)]));
}
