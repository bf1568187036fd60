import type { RunRef } from "../core/id.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import type { JsonValue } from "../core/json.ts";
import type { Ref } from "../core/label.ts";
import { folded, NamedText } from "../core/named-text.ts";
import { leavesOf, TrustedFacts } from "../core/provenance.ts";
import type { RunState } from "../core/run-state.ts";
import type { EngineDeps } from "./deps.ts";
import { batchesAfter } from "./load-run.ts";
import { patiently } from "./patience.ts";
import type { Values } from "./values.ts";

/** An untrusted text that the run was given. */
export interface ReadText {
  readonly callId: string;
  readonly tool: string;
  readonly text: string;
  holds(value: string | number): boolean;
  /** The words beside a value that it holds. */
  around(value: string | number): string;
}

interface Result {
  readonly callId: string;
  readonly tool: string;
  readonly version: string | null;
  readonly argsRef: Ref | null;
  readonly ref: Ref;
  readonly isUntrusted: boolean;
}

/** Untrusted texts that are searched, the newest; what is older has left every model's window. */
const TEXTS_MAX = 128;
const AROUND_CHARS = 80;
/** Shorter values stand in every text by chance: they must stand alone. */
const PART_CHARS = 4;

export interface RunReadingOptions {
  readonly deps: EngineDeps;
  readonly ref: RunRef;
  readonly values: Values;
  /** Aborted when this process may not own the run any more: then a store that cannot be reached is waited for no longer. */
  readonly dead: AbortSignal;
}

/** What a run's calls gave, read from its journal when a call is asked about: usual calls never come here. */
export class RunReading {
  readonly #deps: EngineDeps;
  readonly #ref: RunRef;
  readonly #dead: AbortSignal;
  readonly #values: Values;
  readonly #results = new Map<string, Result>();
  readonly #calls = new Map<string, JournalEvent & { readonly type: "tool.called" }>();
  readonly #texts = new Map<string, ReadText>();
  /** Arguments of calls, by where they were made. */
  readonly #written = new Map<number, Ref>();
  #seq = 0;

  constructor({ deps, ref, values, dead }: RunReadingOptions) {
    this.#deps = deps;
    this.#ref = ref;
    this.#values = values;
    this.#dead = dead;
  }

  /** What trusted fields said. */
  async facts(state: RunState, prompt: Pick<NamedText, "names">): Promise<TrustedFacts> {
    await this.#catchUp(state);
    const facts = new TrustedFacts(prompt);
    for (const { callId, tool: name, version, argsRef, ref } of this.#results.values()) {
      const tool = version === null ? null : this.#deps.registry.tool(name, version);
      if (tool === null || tool.trust === "untrusted" || argsRef === null) continue;
      const [args, result] = await Promise.all([this.#values.read(argsRef), this.#values.read(ref)]);
      facts.add({ callId, tool, args, result });
    }
    return facts;
  }

  /** What was passed to tools before anything untrusted was read. */
  async writtenBefore(state: RunState, seq: number): Promise<ReadonlySet<string>> {
    await this.#catchUp(state);
    const refs = [...this.#written].filter(([at]) => at < seq).map(([, ref]) => ref);
    const args = await Promise.all(refs.map((ref) => this.#values.read(ref)));
    return new Set(args.flatMap((one) => leavesOf(one)).map(({ value }) => folded(String(value))));
  }

  /** Oldest first. */
  async untrusted(state: RunState): Promise<readonly ReadText[]> {
    await this.#catchUp(state);
    const results = [...this.#results.values()].filter(({ isUntrusted }) => isUntrusted).slice(-TEXTS_MAX);
    return Promise.all(results.map((result) => this.#textOf(result)));
  }

  async #textOf(result: Result): Promise<ReadText> {
    const { callId, tool, ref } = result;
    const known = this.#texts.get(callId);
    if (known !== undefined) return known;
    const text = readText({ callId, tool }, await this.#values.read(ref));
    this.#texts.set(callId, text);
    return text;
  }

  /** What is durable, then what the current turn has recorded since. */
  async #catchUp({ calls }: RunState): Promise<void> {
    await patiently(this.#deps, this.#dead, async () => {
      for await (const batch of batchesAfter(this.#deps.store, this.#ref, this.#seq)) {
        for (const [i, event] of batch.events.entries()) this.#take(event, batch.firstSeq + i);
        this.#seq = batch.firstSeq + batch.events.length - 1;
      }
    });
    for (const { seq, intent, fact, news } of Object.values(calls)) {
      this.#take(intent, seq);
      if (fact !== null) this.#take(fact.event, fact.seq);
      if (news !== null) this.#take(news.event, news.seq);
    }
  }

  #take(event: JournalEvent, seq: number): void {
    if (event.type === "tool.called") {
      this.#calls.set(event.callId, event);
      this.#written.set(seq, event.argsRef);
    } else if (event.type === "child.ended") this.#keep(event.callId, event.childRunId, event.valueRef);
    else if (event.type === "signal.received") this.#keep(`signal:${event.name}`, event.name, event.valueRef);
    else if (event.type === "tool.returned" || (event.type === "tool.failed" && event.shownRef !== undefined)) {
      const whole = event.type === "tool.returned" ? (event.rawRef ?? event.shownRef) : event.shownRef;
      if (whole !== undefined) this.#keep(event.callId, event.tool, whole, event.shownRef?.label?.source);
    }
  }

  #keep(callId: string, tool: string, ref: Ref, source: string | undefined = ref.label?.source): void {
    const called = this.#calls.get(callId);
    this.#calls.delete(callId);
    if (this.#results.has(callId)) return;
    const { version = null, argsRef = null } = called ?? {};
    this.#results.set(callId, { callId, tool, version, argsRef, ref, isUntrusted: source !== "trusted" });
  }
}

function readText(from: Pick<ReadText, "callId" | "tool">, value: JsonValue): ReadText {
  const text = leavesOf(value)
    .map((leaf) => String(leaf.value))
    .join("\n");
  const whole = folded(text);
  const named = new NamedText([text]);
  return {
    ...from,
    text,
    holds: (wanted) => {
      const part = folded(String(wanted));
      return typeof wanted === "string" && part.length >= PART_CHARS ? whole.includes(part) : named.names(wanted);
    },
    around: (wanted) => {
      const lower = text.toLowerCase();
      const isSame = lower.length === text.length;
      const at = isSame ? lower.indexOf(String(wanted).toLowerCase()) : -1;
      const [inside, start] = at >= 0 ? [text, at] : [whole, whole.indexOf(folded(String(wanted)))];
      const end = Math.max(0, start) + String(wanted).length + AROUND_CHARS;
      return inside
        .slice(Math.max(0, start - AROUND_CHARS), end)
        .replaceAll(/\s+/g, " ")
        .trim()
        .toWellFormed();
    },
  };
}
