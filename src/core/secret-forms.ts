import { PawlError } from "./errors.ts";
import { limits } from "./limits.ts";
import type { RedactionRule } from "./redact.ts";

/** Encoded forms shorter than this would be met by accident. */
const FORM_CHARS_MIN = 7;
const JSON_DEPTH = 4;

/**
 * A known secret as it may stand in a text: as it is, escaped in JSON that is in JSON, percent-encoded, in hex, and in
 * base64 and base64url at each of the three places where it may begin inside longer encoded data. In lower case: they are
 * looked for in either.
 */
export function formsOf(secret: string): readonly string[] {
  const plain = secret.toWellFormed();
  const bytes = Buffer.from(plain);
  const json = JSON.stringify(plain).slice(1, -1);
  const ascii = json.replaceAll(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const url = encodeURIComponent(plain);
  const strict = url.replaceAll(/[!'()*]/g, (one) => percent(Buffer.from(one)));
  const encoded = [
    ...[json, ascii, json.replaceAll("/", "\\/")].flatMap((text) => escaped(text)),
    ...[url, strict].flatMap((text) => [text, text.replaceAll("%20", "+"), text.replaceAll("%", "%25")]),
    encodeURI(plain),
    percent(bytes),
    bytes.toString("hex"),
    ...[0, 1, 2].flatMap((before) => base64At(bytes, before)),
  ];
  const long = encoded.filter((form) => form.length >= FORM_CHARS_MIN);
  return [...new Set([secret, plain, ...long].map((form) => form.toLowerCase()))];
}

/** A model's arguments are JSON in JSON, and what they quote may be once more. */
function escaped(json: string): readonly string[] {
  const forms = [json];
  for (let depth = 1; depth < JSON_DEPTH; depth++) forms.push(JSON.stringify(forms.at(-1)).slice(1, -1));
  return forms;
}

function percent(bytes: Uint8Array): string {
  return [...bytes].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
}

/** The characters that depend on the secret alone where `before` bytes of something else go before it. */
function base64At(bytes: Uint8Array, before: number): readonly string[] {
  const whole = Buffer.concat([Buffer.alloc(before), bytes]);
  const from = Math.ceil((before * 8) / 6);
  const to = Math.floor((whole.length * 8) / 6);
  return (["base64", "base64url"] as const).map((encoding) => whole.toString(encoding).slice(from, to));
}

/** Known secrets by their forms: what finds them, and how much of one a text may end with. */
export class SecretForms {
  /** Longest first: of two that begin alike the longer one is taken whole. */
  readonly #forms: readonly string[];
  readonly #byFirst = new Map<string, string[]>();

  /** @throws OPTION_INVALID  one is too short to be told from ordinary text */
  constructor(secrets: Iterable<string>) {
    const forms = [...secrets].flatMap((secret) => formsOf(checkSecret(secret)));
    this.#forms = [...new Set(forms)].sort((a, b) => b.length - a.length);
    for (const form of this.#forms) {
      const first = form.slice(0, 1);
      this.#byFirst.set(first, [...(this.#byFirst.get(first) ?? []), form]);
    }
  }

  /** null where there is no secret. */
  rule(): RedactionRule | null {
    if (this.#forms.length === 0) return null;
    const escaped = this.#forms.map((form) => form.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`));
    return { name: "secret", pattern: new RegExp(escaped.join("|"), "gi") };
  }

  /** Characters at the end of a text that may be the beginning of a secret; 0 = none. */
  openAtEnd(text: string): number {
    const tail = text.slice(-(this.#forms[0]?.length ?? 0)).toLowerCase();
    for (let at = 0; at < tail.length; at++) {
      const rest = tail.slice(at);
      if (this.#byFirst.get(rest.slice(0, 1))?.some((form) => form.startsWith(rest)) === true) return rest.length;
    }
    return 0;
  }
}

/** @throws OPTION_INVALID */
export function checkSecret(secret: string): string {
  if (typeof secret === "string" && secret.length >= limits.secretCharsMin && secret.length <= limits.secretCharsMax)
    return secret;
  const got = typeof secret === "string" ? `one of ${secret.length} characters` : `a value of type ${typeof secret}`;
  throw new PawlError(
    "OPTION_INVALID",
    `a secret is a text of ${limits.secretCharsMin} to ${limits.secretCharsMax} characters; got ${got}. A shorter one cannot be told from ordinary text.`,
  );
}

const NAME = /^[a-z][a-z0-9-]{0,39}$/;

/**
 * Refuses a rule that could take longer than linear time: a repetition without an upper bound, or bounded ones inside one
 * another that multiply.
 * @throws OPTION_INVALID
 */
export function checkRule({ name, pattern }: RedactionRule): void {
  const refuse = (why: string): never => {
    throw new PawlError("OPTION_INVALID", `redaction rule "${name}": ${why}`);
  };
  if (!NAME.test(name)) refuse("a name is lower case letters, digits and hyphens, at most 40.");
  if (!(pattern instanceof RegExp)) refuse("its pattern is not a RegExp.");
  const { source } = pattern;
  if (/\\(?:[1-9]|k<)/.test(source.replaceAll("\\\\", ""))) refuse("a back reference can take for ever. Leave it out.");
  const most = repeatsIn(source);
  if (most === Infinity)
    refuse(
      `/${source.slice(0, 80)}/ repeats without an upper bound. Write {1,200} instead of +, {0,200} instead of *.`,
    );
  if (most > limits.ruleRepeats)
    refuse(`/${source.slice(0, 80)}/ repeats up to ${most} times; at most ${limits.ruleRepeats} are allowed.`);
}

/** How often the innermost atom of a pattern may be repeated at most: bounds of nested repetitions multiplied. */
function repeatsIn(source: string): number {
  const open: number[] = [1];
  let last = 1;
  let most = 1;
  for (let at = 0; at < source.length; at++) {
    const char = source[at];
    const bound = boundAt(source, at);
    if (bound !== null) {
      last *= bound.max;
      open[open.length - 1] = Math.max(open.at(-1) ?? 1, last);
      most = Math.max(most, last);
      at += bound.length - 1;
    } else if (char === "(") {
      open.push(1);
      if (source[at + 1] === "?") at += 1;
    } else if (char === ")") {
      last = open.pop() ?? 1;
      open[open.length - 1] = Math.max(open.at(-1) ?? 1, last);
    } else {
      if (char === "\\") at += 1;
      if (char === "[") at = endOfClass(source, at);
      last = 1;
    }
  }
  return most;
}

function boundAt(source: string, at: number): { readonly max: number; readonly length: number } | null {
  const char = source[at];
  if (char === "*" || char === "+") return { max: Infinity, length: 1 };
  if (char === "?") return { max: 1, length: 1 };
  const braces = char === "{" ? /^\{(\d{1,9})(?:(,)(\d{0,9}))?\}/.exec(source.slice(at, at + 24)) : null;
  if (braces === null) return null;
  const [whole, least = "0", comma, top = ""] = braces;
  const max = comma === undefined ? Number(least) : top === "" ? Infinity : Number(top);
  return { max: Math.max(1, max), length: whole.length };
}

function endOfClass(source: string, from: number): number {
  for (let at = from + 1; at < source.length; at++) {
    if (source[at] === "\\") at += 1;
    else if (source[at] === "]") return at;
  }
  return source.length;
}
