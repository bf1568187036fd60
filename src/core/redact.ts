import { isJsonObject, type JsonValue } from "./json.ts";

/** A pattern whose every match is replaced by `[redacted:<name>]`. It is applied to one string at a time. */
export interface RedactionRule {
  readonly name: string;
  readonly pattern: RegExp;
}

/** What `pawl({ redact })` takes: applied before anything of a run is stored, sent to a model, or streamed. */
export interface RedactOptions {
  /** Default secretRules. Every repetition in a pattern has an upper bound, so that each is linear in the text. */
  readonly rules?: readonly RedactionRule[];
  /** Values that must never be stored: found as they are, and in base64, hex, percent-encoded and JSON-escaped form. */
  readonly secrets?: readonly string[];
  /** Sees a value once more where it becomes part of another: it leaves alone what it wrote itself. */
  readonly hook?: RedactionHook;
}

/** How often each rule removed something; `hook` counts strings that the hook changed. */
export type RedactionCounts = { [rule: string]: number };

/**
 * A last word on a string after the rules: another string, or null to remove it whole.
 * @param place where it stands: an attribute's name, or a JSON pointer
 */
export type RedactionHook = (text: string, place: string) => string | null;

export interface Redactor {
  /** True where the same text always comes out the same: there is no hook. */
  readonly isFixed: boolean;
  /** Adds what it removed to `counts`. */
  readonly text: (text: string, place: string, counts: RedactionCounts) => string;
  /** All strings of a value, member names too. The same value where nothing was removed. */
  readonly json: (value: JsonValue, counts: RedactionCounts) => JsonValue;
}

/** Credentials by their own marks. Each is linear in the text: no pattern nests a repetition. */
export const secretRules: readonly RedactionRule[] = [
  {
    name: "private-key",
    pattern: /-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{0,10000}(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?/g,
  },
  { name: "jwt", pattern: /\beyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{0,2000}/g },
  { name: "aws-key", pattern: /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g },
  { name: "github-token", pattern: /\b(?:gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{30,255})/g },
  { name: "slack-token", pattern: /\bxox[abeoprs]-[A-Za-z0-9-]{10,255}/g },
  { name: "google-key", pattern: /\bAIza[0-9A-Za-z_-]{35}/g },
  { name: "api-key", pattern: /\b(?:sk|pk|rk|pawl)[-_][A-Za-z0-9][A-Za-z0-9_-]{18,255}/g },
  { name: "bearer", pattern: /\b(?:Bearer|Basic)\s{1,4}[A-Za-z0-9+/._~=-]{16,4000}/gi },
  { name: "url-password", pattern: /(?<=\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:@/]{1,100}:)[^\s@/]{1,200}(?=@)/gi },
  {
    name: "secret-member",
    pattern:
      /(?<=["']?(?:api[-_]?key|password|passwd|secret|client[-_]?secret|access[-_]?token|refresh[-_]?token)["']?\s{0,3}[:=]\s{0,3}["']?)[^\s"',;}]{4,500}/gi,
  },
];

/** Numbers of people and cards, for those who need them: they meet many a number that is neither. */
export const personalRules: readonly RedactionRule[] = [
  { name: "email", pattern: /\b[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,4}\b/g },
  { name: "card", pattern: /\b(?:\d[ -]?){12,18}\d\b/g },
  { name: "iban", pattern: /\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b/g },
];

/** Pure but for what the hook does. Rules are applied in their order. */
export function redactor(rules: readonly RedactionRule[], hook?: RedactionHook): Redactor {
  const global = rules.map(({ name, pattern }) => ({ name, pattern: everywhere(pattern) }));
  const marks = new Set([...rules.map(({ name }) => name), "hook"].map((name) => `[redacted:${name}]`));
  const byRules = (given: string, counts: RedactionCounts): string => {
    let out = given;
    for (const { name, pattern } of global) {
      pattern.lastIndex = 0;
      if (!pattern.test(out)) continue;
      out = out.replace(pattern, (match: string, ...rest: readonly unknown[]) => {
        if (match === "" || isMarked(rest, match.length, marks)) return match;
        count(counts, name);
        return `[redacted:${name}]`;
      });
    }
    return out;
  };
  const text = (given: string, place: string, counts: RedactionCounts): string => {
    const out = byRules(given, counts);
    if (hook === undefined) return out;
    const last = hook(out, place);
    if (last !== out) count(counts, "hook");
    return last ?? "[redacted:hook]";
  };
  return {
    isFixed: hook === undefined,
    text,
    json: (value, counts) => redacted(value, "", (one, place) => text(one, place, counts)),
  };
}

const MARK = "[redacted:";
const MARK_CHARS_MAX = 60;

/** A match inside what an earlier pass put there: a text that was redacted comes out of a second pass as it is. */
function isMarked(rest: readonly unknown[], length: number, marks: ReadonlySet<string>): boolean {
  const isGrouped = typeof rest.at(-1) !== "string";
  const whole = rest.at(isGrouped ? -2 : -1);
  const at = rest.at(isGrouped ? -3 : -2);
  if (typeof whole !== "string" || typeof at !== "number") return false;
  const from = Math.max(0, at - MARK_CHARS_MAX);
  const near = whole.slice(from, at + MARK_CHARS_MAX);
  const begin = near.lastIndexOf(MARK, at - from);
  const end = near.indexOf("]", begin) + 1;
  return begin >= 0 && from + end >= at + length && marks.has(near.slice(begin, end));
}

function everywhere(pattern: RegExp): RegExp {
  return pattern.flags.includes("g") ? new RegExp(pattern) : new RegExp(pattern, `${pattern.flags}g`);
}

function count(counts: RedactionCounts, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

type Apply = (one: string, place: string) => string;

function redacted(value: JsonValue, place: string, text: Apply): JsonValue {
  if (typeof value === "string") return text(value, place);
  if (Array.isArray(value)) {
    const items: readonly JsonValue[] = value;
    const out: readonly JsonValue[] = items.map((item, i) => redacted(item, `${place}/${i}`, text));
    return out.every((item, i) => item === items[i]) ? items : out;
  }
  if (!isJsonObject(value)) return value;
  const members = Object.entries(value);
  const out = members.map(([name, member]) => {
    const at = `${place}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    return [text(name, `${at}#name`), redactedMember(name, member ?? null, at, text)] as const;
  });
  const isSame = out.every(([name, member], i) => name === members[i]?.[0] && member === members[i]?.[1]);
  return isSame ? value : Object.fromEntries(out);
}

/** A string is judged with its member's name before it as well: nothing in "hunter2" itself says that it is a password. */
function redactedMember(name: string, value: JsonValue, place: string, text: Apply): JsonValue {
  const out = redacted(value, place, text);
  if (typeof out !== "string" || out !== value) return out;
  const lead = `${name}: `;
  const judged = text(`${lead}${out}`, place);
  return judged === `${lead}${out}` || !judged.startsWith(lead) ? out : judged.slice(lead.length);
}
