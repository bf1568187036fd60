import type { ErrorCode } from "../core/error-table.ts";
import { errorRecord, type ErrorRecord } from "../core/errors.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import type { JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { AssistantPart, Message, ToolResultPart } from "../core/message.ts";
import { redactor, secretRules, type RedactionCounts, type RedactOptions, type Redactor } from "../core/redact.ts";
import { checkRule, checkSecret, SecretForms } from "../core/secret-forms.ts";
import { HeldText } from "./held-text.ts";

/** What an app removes before it stores: one cleaner for each tenant, since a tenant's secrets are its own. */
export class Redaction {
  readonly options: RedactOptions;
  readonly #cleaners = new Map<string, Cleaner>();

  /** @throws OPTION_INVALID  a rule may be slow, or a secret is too short */
  constructor(options: RedactOptions) {
    for (const rule of options.rules ?? []) checkRule(rule);
    for (const secret of options.secrets ?? []) checkSecret(secret);
    this.options = options;
  }

  of(tenant: string): Cleaner {
    const cleaner = this.#cleaners.get(tenant) ?? new Cleaner(this.options);
    this.#cleaners.delete(tenant);
    this.#cleaners.set(tenant, cleaner);
    const [oldest] = this.#cleaners.keys();
    if (this.#cleaners.size > limits.secretTenants && oldest !== undefined) this.#cleaners.delete(oldest);
    return cleaner;
  }
}

/** Secrets that tools are given are taken out of what is stored, whatever else is. */
export function redactionOf({
  redact,
  secrets,
}: {
  readonly redact?: RedactOptions;
  readonly secrets?: unknown;
}): Redaction | null {
  return redact === undefined && secrets === undefined ? null : new Redaction(redact ?? { rules: [] });
}

const none: RedactionCounts = {};
const TEXTS_MAX = 64;

/** Takes secrets out of values before they become refs, hashes and events. What it gave comes out of it unchanged. */
export class Cleaner {
  readonly #options: RedactOptions;
  /** Of ctx.secret, oldest first. */
  readonly #told = new Set<string>();
  #forms: SecretForms;
  #whole: Redactor;
  #known: Redactor;
  /** What it gave, and how much was removed for it: by identity; of texts the last that it changed. */
  #given = new WeakMap<object, RedactionCounts>();
  readonly #texts = new Map<string, RedactionCounts>();

  constructor(options: RedactOptions) {
    this.#options = options;
    ({ forms: this.#forms, whole: this.#whole, known: this.#known } = this.#make());
  }

  /** Another value to look for, from now on. @throws OPTION_INVALID */
  tell(secret: string): void {
    checkSecret(secret);
    if (this.#told.has(secret)) return;
    this.#told.add(secret);
    const [oldest] = this.#told;
    if (this.#told.size > limits.secretsKnown && oldest !== undefined) this.#told.delete(oldest);
    ({ forms: this.#forms, whole: this.#whole, known: this.#known } = this.#make());
    this.#given = new WeakMap();
    this.#texts.clear();
  }

  text(text: string, counts: RedactionCounts = {}): string {
    return this.#whole.text(text, "", counts);
  }

  json<T extends JsonValue>(value: T): T {
    return this.#once(value, (counts) => this.#whole.json(value, counts)) as T;
  }

  /** Of what names and numbers things as well (an agent's definition, a list of tools): known secrets, and no patterns. */
  structure(value: JsonValue): JsonValue {
    return this.#once(value, (counts) => this.#known.json(value, counts));
  }

  /** A message, or several: what is said in it, not what it is made of. */
  messages(value: JsonValue): JsonValue {
    return this.#once(value, (counts) => {
      if (Array.isArray(value)) return value.map((one: JsonValue) => this.#message(one, counts));
      return this.#message(value, counts);
    });
  }

  /** What was removed from a value that this cleaner gave: told once, so that it is counted once. */
  takeCounts(value: JsonValue): RedactionCounts | undefined {
    if (typeof value === "string") {
      const counts = this.#texts.get(value);
      this.#texts.delete(value);
      return counts;
    }
    if (typeof value !== "object" || value === null) return undefined;
    const counts = this.#given.get(value);
    if (counts === undefined || counts === none) return undefined;
    this.#given.set(value, none);
    return counts;
  }

  /** The texts that events hold beside their refs. */
  events<E extends JournalEvent>(events: readonly E[]): readonly E[] {
    const out = events.map((event) => this.#event(event));
    return out.every((event, i) => event === events[i]) ? events : out;
  }

  /** The record of what was thrown, cleaned before it is cut. */
  thrown(thrown: unknown, fallback: ErrorCode): ErrorRecord {
    const counts: RedactionCounts = {};
    const record = errorRecord(thrown, fallback, (text) => this.text(text, counts));
    if (Object.keys(counts).length > 0) this.#remember(record.message, counts);
    return record;
  }

  #error(error: ErrorRecord, counts: RedactionCounts): ErrorRecord {
    const message = this.#spoken(error.message, counts);
    const details = error.details === undefined ? undefined : this.#whole.json(error.details, counts);
    if (message === error.message && details === error.details) return error;
    return {
      ...error,
      message,
      ...(details !== undefined && { details: details as ErrorRecord["details"] }),
    } as ErrorRecord;
  }

  /** Live text that comes in pieces. */
  held(): HeldText {
    return new HeldText(this.#whole, this.#forms);
  }

  #make(): { readonly forms: SecretForms; readonly whole: Redactor; readonly known: Redactor } {
    const { rules = secretRules, secrets = [], hook } = this.#options;
    const forms = new SecretForms([...secrets, ...this.#told]);
    const rule = forms.rule();
    const first = rule === null ? [] : [rule];
    return { forms, whole: redactor([...first, ...rules], hook), known: redactor(first) };
  }

  #once(value: JsonValue, clean: (counts: RedactionCounts) => JsonValue): JsonValue {
    if (
      typeof value === "string"
        ? this.#texts.has(value)
        : typeof value === "object" && value !== null && this.#given.has(value)
    )
      return value;
    const counts: RedactionCounts = {};
    const out = clean(counts);
    const found = Object.keys(counts).length === 0 ? none : counts;
    if (typeof out === "object" && out !== null) this.#given.set(out, found);
    else if (found !== none && typeof out === "string") this.#remember(out, found);
    return out;
  }

  #remember(text: string, counts: RedactionCounts): void {
    this.#texts.set(text, counts);
    const [oldest] = this.#texts.keys();
    if (this.#texts.size > TEXTS_MAX && oldest !== undefined) this.#texts.delete(oldest);
  }

  #message(value: JsonValue, counts: RedactionCounts): JsonValue {
    const message = value as unknown as Message;
    const parts: readonly (AssistantPart | ToolResultPart)[] = message.content;
    const content = parts.map((part) => this.#part(part, counts));
    return content.every((part, i) => part === parts[i]) ? value : ({ ...message, content } as unknown as JsonValue);
  }

  #part(part: AssistantPart | ToolResultPart, counts: RedactionCounts): AssistantPart | ToolResultPart {
    const members = Object.entries(part) as (readonly [string, JsonValue])[];
    const after = members.map(
      ([name, value]) => [name, partIds.has(name) ? value : this.#whole.json(value, counts)] as const,
    );
    if (after.every(([, value], i) => value === members[i]?.[1])) return part;
    // what a provider signed no longer fits it
    return Object.fromEntries(after.filter(([name]) => name !== "providerMetadata")) as unknown as AssistantPart;
  }

  #event<E extends JournalEvent>(event: E): E {
    if (this.#given.has(event)) return event;
    const counts: RedactionCounts = {};
    const out: { [member: string]: unknown } = { ...event };
    for (const [name, value] of Object.entries(event)) {
      const clean = this.#member(name, value, counts);
      if (clean !== value) out[name] = clean;
    }
    const found = Object.keys(counts).length > 0;
    // it may have been cleaned before a tool was given the secret that is found now
    const before: unknown = Reflect.get(event, "redacted");
    if (found && before !== undefined) this.#add(counts, before as RedactionCounts);
    const given = found ? ({ ...out, redacted: counts } as unknown as E) : event;
    this.#given.set(given, none);
    return given;
  }

  #spoken(text: string, counts: RedactionCounts): string {
    const before = this.takeCounts(text);
    if (before === undefined) return this.text(text, counts);
    this.#add(counts, before);
    return text;
  }

  #add(counts: RedactionCounts, more: RedactionCounts): void {
    for (const [rule, count] of Object.entries(more)) counts[rule] = (counts[rule] ?? 0) + count;
  }

  #member(name: string, value: unknown, counts: RedactionCounts): unknown {
    if (typeof value === "string") return spoken.has(name) ? this.#spoken(value, counts) : value;
    if (typeof value !== "object" || value === null) return value;
    if (name === "error" || name === "invalid") return this.#error(value as ErrorRecord, counts);
    if (name === "items" || name === "provenance") return this.#whole.json(value as JsonValue, counts);
    if (name !== "verdict" && name !== "gate") return value;
    const said = value as { readonly reason?: string; readonly gate?: unknown };
    const reason = said.reason === undefined ? undefined : this.text(said.reason, counts);
    const gate = said.gate === undefined ? undefined : this.#member("gate", said.gate, counts);
    if (reason === said.reason && gate === said.gate) return value;
    return { ...said, ...(reason !== undefined && { reason }), ...(gate !== undefined && { gate }) };
  }
}

/** Members of a message's part that are Pawl's own. */
const partIds: ReadonlySet<string> = new Set(["type", "callId", "blob", "mediaType"]);

/** Members of events that people, programs and models write: the rest are ids, hashes, numbers and names. */
const spoken: ReadonlySet<string> = new Set(["title", "reason", "detail", "expected", "found", "question"]);
