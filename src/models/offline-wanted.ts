import { stemsOf } from "./offline-words.ts";

/** What kind of thing must stand in an answer, and how surely a sentence without it is none. */
export interface Wanted {
  readonly kind: string;
  /** Added to the coverage of a sentence that has it not. */
  readonly penalty: number;
  readonly isIn: (sentence: string) => boolean;
  /** Words that only say what kind is wanted: "money" need not stand beside `300 EUR`. */
  readonly isNamedBy: (word: string) => boolean;
}

const NUMBER_WORDS =
  "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fourteen|fifteen|eighteen|twenty|thirty|forty|fifty|sixty|ninety|hundred|thousand|half|several|once|twice|dozen";
/** `40 kg`, `40kg`, `two hours`, `an extra week` */
const AMOUNT = `(?:\\p{N}[\\p{N}.,_]*[\\s-]*|(?:an?|${NUMBER_WORDS})[\\s-]+)(?:(?:working|business|full|more|extra|calendar)\\s+)?`;
const withUnit = (units: string): RegExp => new RegExp(`(?<![\\p{L}])${AMOUNT}(?:${units})(?![\\p{L}])`, "iu");
const TIMES =
  "ms|milliseconds?|s|secs?|seconds?|min|minutes?|h|hours?|days?|nights?|weeks?|weekends?|months?|quarters?|seasons?|years?";
const MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december";
const DAYS = "(?:mon|tues|wednes|thurs|fri|satur|sun)days?";
const ROLE =
  /\b(team|lead|leader|manager|engineer|officer|technician|installer|author|owner|committee|members?|persons?|people|chair\w*|treasurer|electrician|plumber|dealer|supplier|director|head|keeper|master|reviewer|doctor|everyone|everybody|anyone|anybody|nobody|somebody|you|we|he|she|they)\b/gi;

/** First name and family name, not at the start of the sentence. */
const PROPER_NAME = /\p{L}[^.!?]*\s\p{Lu}\p{Ll}+ \p{Lu}\p{Ll}+/u;

const STRICT = -0.45;
const LENIENT = -0.15;

interface Kind {
  readonly kind: string;
  readonly asks: RegExp;
  readonly penalty: number;
  readonly has: RegExp;
  readonly named?: RegExp;
}
/** The first that the question asks for counts. */
const KINDS: readonly Kind[] = [
  { kind: "phone", asks: /\b(tele)?phone number\b/i, penalty: STRICT, has: /\+?\p{N}[\p{N} ()/-]{5,}\p{N}/u },
  { kind: "address", asks: /\b(e-?mail|mail) address\b/i, penalty: STRICT, has: /\S@\S/ },
  {
    kind: "link",
    asks: /\b(url|web ?site|web address|link)\b/i,
    penalty: LENIENT,
    has: /https?:|www\.|\p{L}\.\p{L}{2,}/u,
  },
  {
    kind: "money",
    named: /^(money|costs?|prices?|fees?|pay|pays|paid|payment|salary|wages?|bonus|charged?|earn|spend|expensive)$/,
    asks: /\bhow much\b.*\b(cost|pay|paid|charged?|earn|money|spend)\b|\b(what|which)\b.*\b(cost|price|fee|salary|wage)\b|\bexpensive\b|\b(what|how (big|high|large))\b.*\b(bonus|reward|allowance|deposit)\b/i,
    penalty: STRICT,
    has: /[$€£¥]\s*\p{N}|\p{N}\s*(?:[$€£¥]|(?:eur|usd|gbp|chf|euros?|dollars?|pounds?|cents?|kr)(?!\p{L}))/iu,
  },
  {
    kind: "speed",
    named: /^(fast|speed)$/,
    asks: /\bhow fast (is|are|was|can|does|do (?!i\b|we\b|you\b))/i,
    penalty: STRICT,
    has: withUnit(`${TIMES}|km\\/h|knots?|mph|rpm|times|(?:\\p{L}+ )?(?:per|a|an|each) (?:second|minute|hour|day)`),
  },
  {
    kind: "duration",
    asks: /\bhow (long|soon|quickly|fast)\b|\bhow many (seconds|minutes|hours|days|weeks|months|years)\b/i,
    penalty: STRICT,
    has: new RegExp(`${withUnit(TIMES).source}|\\b(?:immediately|at once|for ?ever|permanently|until|end of)\\b`, "iu"),
  },
  {
    kind: "frequency",
    asks: /\bhow (often|frequently|regularly)\b/i,
    penalty: STRICT,
    has: /\b(every|each|once|twice|per|daily|weekly|monthly|yearly|annual(ly)?|always|never|times|a (day|week|month|year)|on \p{L}+days?)\b/iu,
  },
  {
    kind: "weight",
    named: /^(heavy|weights?|weigh|weighs)$/,
    asks: /\bhow heavy\b|\bhow much\b.*\bweighs?\b|\bwhat\b.*\bweight\b/i,
    penalty: STRICT,
    has: withUnit("kg|g|mg|t|tonnes?|tons?|kilos?|kilograms?|grams?|lbs?|pounds?|stone"),
  },
  {
    kind: "length",
    named: /^(tall|high|wide|deep|thick|height|width|depth|distance|length)$/,
    asks: /\bhow (tall|high|far|wide|deep|thick)\b|\bwhat\b.*\b(diameter|height|width|depth|distance)\b/i,
    penalty: STRICT,
    has: withUnit(
      "mm|cm|m|km|metres?|meters?|kilomet\\p{L}+|centimet\\p{L}+|millimet\\p{L}+|inch(?:es)?|ft|feet|miles?|°c?|degrees?|percent|%|bar|px|points?",
    ),
  },
  {
    kind: "sound",
    named: /^(loud|noisy|quiet|noise)$/,
    asks: /\bhow (loud|noisy|quiet)\b/i,
    penalty: STRICT,
    has: withUnit("db(?:\\(a\\))?|decibels?"),
  },
  {
    kind: "temperature",
    named: /^(hot|cold|warm|cool|temperatures?|coldest|hottest|warmest)$/,
    asks: /\bhow (hot|cold|warm|cool)\b|\bwhat\b.*\btemperatures?\b|\b(coldest|hottest)\b/i,
    penalty: STRICT,
    has: withUnit("°|°c|°f|degrees?|kelvin"),
  },
  {
    kind: "number",
    named: /^(maximum|minimum|highest|lowest|largest|smallest|limit|percentage|size)$/,
    asks: /\bhow (many|much|big|large|small|old)\b|\b(maximum|minimum|highest|lowest|largest|smallest|number of|percentage|limit)\b/i,
    penalty: STRICT,
    has: new RegExp(`\\p{N}|\\b(?:${NUMBER_WORDS})\\b`, "iu"),
  },
  {
    kind: "past",
    asks: /^\W*when (was|were|did)\b|\bwhat (year|date)\b|\bwhich year\b/i,
    penalty: STRICT,
    has: new RegExp(`\\b(?:1[5-9]|20)\\p{N}\\p{N}\\b|\\b(?:${MONTHS}|today|yesterday)\\b`, "iu"),
  },
  {
    kind: "time",
    asks: /(^|\band |\bby |\bsince |\buntil |\bfrom )\W*(when|what time|which (day|month))\b/i,
    penalty: LENIENT,
    has: new RegExp(
      `\\p{N}|\\b(?:${MONTHS}|${DAYS}|noon|midnight|spring|summer|autumn|winter|mornings?|evenings?|nights?|days?|weeks?|months?|years?|before|after|until|during|once|when|every|at the (?:start|end))\\b`,
      "iu",
    ),
  },
];

/** null where anything may answer. */
export function wantedBy(question: string): Wanted | null {
  if (/^\W*who (is|was|are|were) (the|our|your|its)\b/i.test(question)) {
    return { kind: "name", penalty: STRICT, isIn: (sentence) => PROPER_NAME.test(sentence), isNamedBy: () => false };
  }
  if (/^\W*(who|whose|whom)\b|\bby whom\b/i.test(question)) return personIn(question);
  const found = KINDS.find(({ asks }) => asks.test(question));
  if (found === undefined) return null;
  const { kind, penalty, has, named } = found;
  return { kind, penalty, isIn: (sentence) => has.test(sentence), isNamedBy: (word) => named?.test(word) === true };
}

/** A role that the question does not name itself, or a proper name. */
function personIn(question: string): Wanted {
  const asked = new Set(stemsOf(question));
  const isIn = (sentence: string): boolean =>
    PROPER_NAME.test(sentence) ||
    [...sentence.matchAll(ROLE)].some(([role]) => stemsOf(role).every((stem) => !asked.has(stem)));
  return { kind: "person", penalty: STRICT, isIn, isNamedBy: () => false };
}
