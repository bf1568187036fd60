import { isJsonObject, parseJson, type JsonValue } from "../core/json.ts";

const ASKING =
  /^(please\s+)?((what('s| is| are)|how much (is|are)|calculate|compute|evaluate|work out|tell me|give me|solve)\s+)*((the )?(result|value|sum|product) of\s+)?/i;
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/(\d),(?=\d{3}\b)/g, "$1"],
  [/\bplus\b/gi, "+"],
  [/\bminus\b|−/gi, "-"],
  [/\b(times|multiplied by)\b|×|(?<=\d\s*)x(?=\s*\d)/gi, "*"],
  [/\b(divided by|over)\b|÷/gi, "/"],
  [/\b(to the power of|raised to)\b|\*\*/gi, "^"],
  [/\bsquared\b/gi, "^2"],
  [/(\d[\d.]*)\s*(%|percent)\s+of\b/gi, "$1/100*"],
];

/** The sum in a question that is nothing but one ("What is 12 × (3 + 4)?"), with + - * / ^ ( ); null for any other text. */
export function arithmeticIn(text: string): string | null {
  let sum = text
    .trim()
    .replace(ASKING, "")
    .replace(/[\s?=.!]+$/, "");
  for (const [words, sign] of WORDS) sum = sum.replaceAll(words, sign);
  if (!/^[\d\s.+\-*/%^()]{3,200}$/.test(sum)) return null;
  return /\d\s*\)?\s*[+\-*/%^]\s*\(*\s*-?[\d.]/.test(sum)
    ? sum
        .replaceAll(/\s*([+\-*/%^])\s*/g, " $1 ")
        .replaceAll(/\s+/g, " ")
        .trim()
    : null;
}

/** The number that a calculator gave: the result itself, or the last number among the members of an object. */
export function numberIn(output: JsonValue): number | null {
  if (typeof output === "number") return output;
  if (typeof output === "string") {
    const parsed = parseJson(output.slice(Math.max(0, output.search(/[[{]/))));
    if (parsed.ok && typeof parsed.value === "object") return numberIn(parsed.value);
    const numbers = output.match(/-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/gi);
    return numbers === null ? null : Number(numbers.at(-1));
  }
  if (!isJsonObject(output)) return null;
  return Object.values(output).reduce<number | null>(
    (last, member) => (typeof member === "number" ? member : last),
    null,
  );
}
