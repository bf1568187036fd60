import { AsyncLocalStorage } from "node:async_hooks";
import type { Clock } from "../core/clock.ts";
import type { ErrorRecord } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import type { SpanRecorded } from "../core/span-event.ts";
import { toJson, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { RunInfo } from "../core/runnable.ts";
import { spanIdOf } from "../core/trace-ids.ts";
import type { Values } from "./values.ts";

export interface CodeSpan {
  readonly name: string;
  readonly tags: readonly string[];
  /** Whether what goes in and comes out is recorded. */
  readonly content: boolean;
}

export interface CodeScopeOptions {
  readonly ref: RunRef;
  readonly callId: string;
  readonly attempt: number;
  nowMs(): number;
  /** Where what goes in and comes out is kept. */
  readonly values: Values;
  /** For lengths of time. */
  monotonicMs(): number;
}

/** Events of one batch that hold spans; their values are at most `limits.codeSpanInlineBytes` each. */
const SPANS_PER_GROUP = 24;
const PREVIEW_CHARS = 2_000;

interface Taken {
  readonly span: CodeSpan;
  readonly spanId: string;
  readonly parentSpanId: string | null;
  readonly startedAt: number;
  readonly sinceMs: number;
  readonly input: JsonValue | undefined;
  ended: { readonly ms: number; readonly output?: JsonValue; readonly error?: ErrorRecord } | null;
}

/** Collects the spans that user code makes while one attempt of a call runs, or one turn's body. */
export class CodeScope {
  readonly #on: CodeScopeOptions;
  readonly #taken: Taken[] = [];
  #dropped = 0;

  constructor(options: CodeScopeOptions) {
    this.#on = options;
  }

  /** Runs code whose `traceable` functions become spans of this scope. */
  run<T>(code: () => T): T {
    return here.run({ scope: this, parentSpanId: null }, code);
  }

  /** @internal one span, from its begin to its end */
  async traced<T>(
    span: CodeSpan,
    args: readonly unknown[],
    parentSpanId: string | null,
    code: () => T,
  ): Promise<Awaited<T>> {
    const taken = this.#begin(span, args, parentSpanId);
    const inner = { scope: this, parentSpanId: taken?.spanId ?? parentSpanId };
    try {
      const value = await here.run(inner, code);
      if (taken !== null) taken.ended = { ms: this.#since(taken), ...(span.content && { output: this.#kept(value) }) };
      return value;
    } catch (error) {
      if (taken !== null) taken.ended = { ms: this.#since(taken), error: this.#on.values.error(error, "BODY_THREW") };
      throw error;
    }
  }

  #begin(span: CodeSpan, args: readonly unknown[], parentSpanId: string | null): Taken | null {
    if (this.#taken.length >= limits.codeSpans) {
      this.#dropped++;
      return null;
    }
    const { ref, callId, attempt } = this.#on;
    const taken: Taken = {
      span,
      spanId: spanIdOf(ref, `code:${callId}:${attempt}:${this.#taken.length}`),
      parentSpanId,
      startedAt: this.#on.nowMs(),
      sinceMs: this.#on.monotonicMs(),
      input: span.content ? this.#kept(args.length === 1 ? args[0] : args) : undefined,
      ended: null,
    };
    this.#taken.push(taken);
    return taken;
  }

  #since({ sinceMs }: Taken): number {
    return Math.max(0, Math.round(this.#on.monotonicMs() - sinceMs));
  }

  /** A value as a trace keeps it: JSON where it is JSON, of a large one its beginning. */
  #kept(value: unknown): JsonValue {
    const json = toJson(value);
    if (!json.ok) return `(${json.found}: not recorded)`;
    const clean = this.#on.values.clean(json.value);
    const text = JSON.stringify(clean);
    if (text.length <= limits.codeSpanChars) return clean;
    return `${text.slice(0, PREVIEW_CHARS).toWellFormed()}… (${text.length} characters)`;
  }

  /** The spans as events, in groups that fit a batch, in the order in which they began. What has not ended is told so. */
  async groups(): Promise<readonly (readonly SpanRecorded[])[]> {
    const events: SpanRecorded[] = [];
    for (const taken of this.#taken) events.push(await this.#eventOf(taken, taken === this.#taken[0]));
    const groups: (readonly SpanRecorded[])[] = [];
    for (let from = 0; from < events.length; from += SPANS_PER_GROUP)
      groups.push(events.slice(from, from + SPANS_PER_GROUP));
    return groups;
  }

  async #eventOf(taken: Taken, isFirst: boolean): Promise<SpanRecorded> {
    const { span, spanId, parentSpanId, startedAt, input } = taken;
    const unended = { code: "CANCELLED", message: "it had not ended when its call did" };
    const ended: NonNullable<Taken["ended"]> = taken.ended ?? { ms: this.#since(taken), error: unended };
    const put = (value: JsonValue) =>
      this.#on.values.put(value, { source: "untrusted", origin: "code" }, limits.codeSpanInlineBytes);
    return {
      type: "span.recorded",
      callId: this.#on.callId,
      spanId,
      ...(parentSpanId !== null && { parentSpanId }),
      name: span.name,
      startedAt,
      ms: ended.ms,
      ...(span.tags.length > 0 && { tags: span.tags }),
      ...(input !== undefined && { inputRef: await put(input) }),
      ...(ended.output !== undefined && { outputRef: await put(ended.output) }),
      ...(ended.error !== undefined && { error: ended.error }),
      ...(isFirst && this.#dropped > 0 && { dropped: this.#dropped }),
    };
  }
}

interface Here {
  readonly scope: CodeScope;
  readonly parentSpanId: string | null;
}
const here = new AsyncLocalStorage<Here>();

/** The scope that the caller's code runs in; null outside of every run. */
export function codeHere(): Here | null {
  return here.getStore() ?? null;
}

export function timeOf(clock: Clock): Pick<CodeScopeOptions, "nowMs" | "monotonicMs"> {
  return { nowMs: () => clock.nowMs(), monotonicMs: () => clock.monotonicMs() };
}

/** The scope of a turn's body. Its time is that of the run, so that a body that runs again tells the same. */
export function bodyScope(scope: { readonly run: RunInfo; now(): number }, values: Values): CodeScope {
  const { tenant, runId, turn } = scope.run;
  const now = (): number => scope.now();
  return new CodeScope({
    ref: { tenant, runId },
    callId: `t${turn}`,
    attempt: 1,
    values,
    nowMs: now,
    monotonicMs: now,
  });
}
