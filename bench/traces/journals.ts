import { encodeBatch } from "../../src/core/journal-codec.ts";
import { journalFormat, type JournalEvent, type RunStarted, type Writer } from "../../src/core/journal-event.ts";
import type { JsonValue } from "../../src/core/json.ts";
import { nextHead, type RunHead } from "../../src/core/run-head.ts";
import { noTotals } from "../../src/core/run-totals.ts";
import type { EndStatus } from "../../src/core/run-outcome.ts";
import { rootRunIdOf, type RunRef } from "../../src/core/id.ts";
import type { Store } from "../../src/core/store-contract.ts";

/** 2025-10-09, 8:53 in the morning. */
export const firstAt = 1_760_000_000_000;

/** Writes a run's journal into a store as the engine does it, without an engine: one batch for each call of `owner` or `outside`. */
export class WrittenRun {
  readonly ref: RunRef;
  readonly #store: Store;
  readonly #writer: Writer;
  head: RunHead | null = null;
  at: number;
  #messages = 0;

  constructor(store: Store, ref: RunRef, at: number = firstAt) {
    this.#store = store;
    this.ref = ref;
    this.at = at;
    this.#writer = { fence: 1 };
  }

  async start(more: Partial<RunStarted> = {}): Promise<this> {
    await this.outside({
      type: "run.started",
      runnable: "clerk",
      version: "1",
      lane: "clerk@1",
      tenant: this.ref.tenant,
      principal: "ada",
      inputRef: { inline: "do it" },
      inputHash: "00",
      limits: {},
      pins: {},
      seed: 1,
      rootRunId: rootRunIdOf(this.ref.runId),
      title: "do it",
      ...more,
    });
    return this.owner({ type: "run.claimed", fence: 1, session: "s1", worker: "w1", build: "b" });
  }

  owner(...events: readonly JournalEvent[]): Promise<this> {
    return this.#append(this.#writer, events);
  }

  outside(...events: readonly JournalEvent[]): Promise<this> {
    return this.#append({ principal: "ada", messageId: `m${++this.#messages}` }, events);
  }

  /** A turn: one answered model call, and one call of each tool. */
  async turn(
    turn: number,
    say: string,
    tools: readonly ToolUse[] = [],
    usage: Partial<typeof tokens> = {},
  ): Promise<this> {
    const callId = `t${turn}-m`;
    await this.owner(modelCalled(callId));
    const calls = tools.map((use, i) => toolCalled(use, `t${turn}-${i}`));
    await this.owner(modelAnswered(callId, say, usage), ...calls);
    for (const [i, use] of tools.entries()) await this.owner(...toolOutcome(use, `t${turn}-${i}`));
    return this.owner({ type: "turn.ended", turn });
  }

  end(
    status: EndStatus = "completed",
    value: JsonValue = "done",
    error?: { code: string; message: string },
  ): Promise<this> {
    return this.owner({
      type: "run.ended",
      status,
      valueRef: { inline: value },
      ...(error && { error }),
      effects: { done: 0, notStarted: 0, unknown: 0 },
      totals: noTotals,
    });
  }

  async #append(by: Writer, events: readonly JournalEvent[]): Promise<this> {
    const { head } = this;
    this.at += 10;
    const batch = {
      id: `b${(head?.seq ?? 0) + 1}-${this.ref.runId}`,
      firstSeq: (head?.seq ?? 0) + 1,
      at: this.at,
      format: journalFormat,
      by,
      prevHash: head?.lastHash ?? "",
      events,
    };
    const encoded = encodeBatch(batch);
    const next = nextHead(head, this.ref, encoded, batch);
    if (head === null) await this.#store.createRun(this.ref, { batch: encoded, head: next });
    else {
      const result = await this.#store.append(this.ref, { expectedSeq: head.seq, batch: encoded, head: next });
      if (result.type !== "ok") throw new Error(`append to "${this.ref.runId}": ${result.type}`);
    }
    this.head = next;
    return this;
  }
}

export interface ToolUse {
  readonly tool: string;
  readonly input?: JsonValue;
  readonly output?: JsonValue;
  readonly fails?: { readonly code: string; readonly message: string };
  readonly effect?: "pure" | "once";
}

const tokens = { inputTokens: 100, cachedInputTokens: 20, cacheWriteTokens: 0, outputTokens: 30, reasoningTokens: 10 };

export function modelCalled(callId: string): JournalEvent {
  return {
    type: "model.called",
    callId,
    attempt: 1,
    context: "main",
    route: "anthropic/claude-sonnet-4-5",
    endpoint: "anthropic/claude-sonnet-4-5",
    baseSeq: 0,
    drop: 0,
    add: [],
    promptHash: "00",
    inputTokens: 100,
    reservation: { tokens: 1_000, costNanoUsd: 1_000_000, calls: 0 },
  };
}

export function modelAnswered(callId: string, say: string, usage: Partial<typeof tokens> = {}): JournalEvent {
  return {
    type: "model.answered",
    callId,
    attempt: 1,
    endpoint: "anthropic/claude-sonnet-4-5",
    model: "claude-sonnet-4-5-20250929",
    context: "main",
    messageRef: { inline: { role: "assistant", content: [{ type: "text", text: say }] } },
    finish: "stop",
    usage: { ...tokens, ...usage },
    costNanoUsd: 1_000_000,
    priceSource: "genai-prices 2026-11-01",
    assumed: false,
    ttftMs: 120,
    ms: 900,
  };
}

export function toolCalled({ tool, input = null, effect = "pure" }: ToolUse, callId: string): JournalEvent {
  const verdict = { decision: "allow", rules: [] } as const;
  return {
    type: "tool.called",
    callId,
    tool,
    version: "2",
    argsRef: { inline: input },
    argsHash: "00",
    effect,
    key: `key-${callId}`,
    verdict,
  };
}

export function toolOutcome(
  { tool, output = null, fails, effect = "pure" }: ToolUse,
  callId: string,
): readonly JournalEvent[] {
  const started: readonly JournalEvent[] =
    effect === "pure" ? [] : [{ type: "tool.started", callId, attempt: 1, deadlineMs: 60_000 }];
  return fails === undefined
    ? [...started, { type: "tool.returned", callId, tool, attempt: 1, shownRef: { inline: output }, ms: 5 }]
    : [...started, { type: "tool.failed", callId, tool, attempt: 1, error: fails, applied: "no" }];
}
