import { seededRandom } from "../../src/core/clock.ts";
import { encodeBatch, type EncodedBatch } from "../../src/core/journal-codec.ts";
import {
  lastSeqOf,
  type Batch,
  type JournalEvent,
  type RunStarted,
  type Writer,
} from "../../src/core/journal-event.ts";
import type { Ref } from "../../src/core/label.ts";
import { firstState, foldBatch } from "../../src/core/run-fold.ts";
import { nextHead, type RunHead } from "../../src/core/run-head.ts";
import { noTotals } from "../../src/core/run-totals.ts";
import type { RunState } from "../../src/core/run-state.ts";
import type { Usage } from "../../src/core/usage.ts";

/** One batch of a story with everything that follows from it. */
export interface Page {
  readonly batch: Batch;
  readonly encoded: EncodedBatch;
  readonly head: RunHead;
  readonly state: RunState;
}

const NOON = 1_760_000_000_000;
export const ref = { tenant: "acme", runId: "story" };

export function startedWith(more: Partial<RunStarted> = {}): RunStarted {
  return {
    type: "run.started",
    runnable: "agent",
    version: "1",
    lane: "agent@1",
    tenant: ref.tenant,
    principal: "ada",
    inputRef: { inline: "do it", label: { source: "trusted" } },
    inputHash: "00",
    limits: { tokens: 1_000_000, costUsd: 10, calls: 1_000 },
    pins: {},
    seed: 1,
    rootRunId: ref.runId,
    ...more,
  };
}

/** A journal under construction: each batch encoded, folded and with its head, as the engine does it. */
export class Journal {
  readonly pages: Page[] = [];
  #at = NOON;
  #messages = 0;

  constructor(started: RunStarted = startedWith()) {
    this.append({ principal: "ada", messageId: "start" }, [started]);
  }

  get state(): RunState {
    return this.#last.state;
  }

  get head(): RunHead {
    return this.#last.head;
  }

  get batches(): readonly Batch[] {
    return this.pages.map(({ batch }) => batch);
  }

  get at(): number {
    return this.#at;
  }

  owner(...events: readonly JournalEvent[]): this {
    return this.append({ fence: this.head.fence + (events[0]?.type === "run.claimed" ? 1 : 0) }, events);
  }

  outside(...events: readonly JournalEvent[]): this {
    return this.append({ principal: "ada", messageId: `m${++this.#messages}` }, events);
  }

  append(by: Writer, events: readonly JournalEvent[]): this {
    this.#at += 10;
    const before = this.pages.at(-1);
    const batch: Batch = {
      id: `b${this.pages.length}`,
      firstSeq: before === undefined ? 1 : lastSeqOf(before.batch) + 1,
      at: this.#at,
      format: 1,
      by,
      prevHash: before?.encoded.hash ?? "",
      events,
    };
    const encoded = encodeBatch(batch);
    const state = before === undefined ? firstState(batch, encoded.hash) : foldBatch(before.state, batch, encoded.hash);
    this.pages.push({ batch, encoded, state, head: nextHead(before?.head ?? null, ref, encoded, batch) });
    return this;
  }

  get #last(): Page {
    const page = this.pages.at(-1);
    if (page === undefined) throw new Error("a journal has its first batch");
    return page;
  }
}

export function claimed(fence: number): JournalEvent {
  return { type: "run.claimed", fence, session: `s${fence}`, worker: "w", build: "dev" };
}

export const usageOf = (inputTokens: number, outputTokens: number): Usage => ({
  inputTokens,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens,
  reasoningTokens: 0,
});

export function endedWith(head: RunHead, status: "completed" | "failed" = "completed"): JournalEvent {
  return {
    type: "run.ended",
    status,
    valueRef: { inline: null },
    effects: { done: 0, notStarted: 0, unknown: 0 },
    totals: head.totals ?? noTotals,
  };
}

/** A whole life of a run, of the kind an agent has: turns of model and tool calls, crashes, people, compactions, parks. */
export function storyOf(seed: number, turns: number): Journal {
  return new Storyteller(seed).tell(turns);
}

class Storyteller {
  readonly #random: () => number;
  readonly #journal = new Journal();
  #pending: JournalEvent[] = [];
  #calls = 0;
  #reservations: string[] = [];

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  tell(turns: number): Journal {
    this.#say(claimed(1));
    for (let turn = 0; turn < turns; turn++) this.#turn(turn);
    this.#flush();
    if (this.#chance(0.5)) this.#journal.owner(endedWith(this.#journal.head));
    return this.#journal;
  }

  #turn(turn: number): void {
    this.#calls = 0;
    if (this.#chance(0.2)) this.#flush().outside({ type: "message.received", valueRef: this.#value() });
    if (this.#chance(0.1)) this.#flush().outside({ type: "signal.received", name: "go", valueRef: this.#value() });
    if (this.#chance(0.1)) this.#flush().outside({ type: "budget.raised", scope: "tokens", amount: 1_000 });
    if (this.#chance(0.3)) this.#compact(turn);
    const asked = this.#model(turn);
    if (asked !== null) {
      const calls = Math.floor(this.#random() * 4);
      for (let index = 0; index < calls; index++) this.#tool(turn, asked, index);
      if (this.#chance(0.1)) this.#retract(turn, asked);
    }
    if (this.#chance(0.3))
      this.#say({ type: "plan.updated", callId: this.#id(turn), items: [{ id: "1", text: "step", status: "open" }] });
    if (this.#reservations.length > 0 && this.#chance(0.5))
      this.#say({ type: "budget.settled", ids: this.#reservations.splice(0) });
    this.#say({ type: "turn.ended", turn: turn + 1, ...(this.#chance(0.5) && { stateRef: this.#value() }) });
    if (this.#chance(0.2)) this.#crash();
    else if (this.#chance(0.25)) this.#park();
  }

  #model(turn: number): string | null {
    const callId = this.#id(turn);
    const { context } = this.#folded();
    const add = [...context.pending.map(({ seq }) => ({ seq })), { message: this.#value() }];
    const reservation = { tokens: 500, costNanoUsd: this.#chance(0.8) ? 900 : null, calls: 0 };
    for (let attempt = 1; attempt <= 3; attempt++) {
      const ledger = this.#chance(0.3) ? { reservationId: `story:${callId}:${attempt}` } : {};
      if (ledger.reservationId !== undefined) this.#reservations.push(ledger.reservationId);
      this.#say({
        type: "model.called",
        callId,
        attempt,
        context: "main",
        route: "m",
        endpoint: "m",
        baseSeq: context.baseSeq,
        drop: 0,
        add: attempt === 1 ? add : [],
        promptHash: "p",
        inputTokens: 100,
        reservation,
        ...(attempt === 1 && this.#chance(turn === 0 ? 1 : 0.1) && { systemRef: this.#value() }),
        ...ledger,
      });
      if (this.#chance(0.1)) this.#crash();
      const bill = { callId, attempt, endpoint: "m", costNanoUsd: 700, priceSource: "test", assumed: false };
      if (this.#chance(0.7)) {
        const messageRef = { inline: { role: "assistant", content: [{ type: "text", text: `answer ${turn}` }] } };
        this.#say({
          type: "model.answered",
          ...bill,
          usage: usageOf(100, 20),
          context: "main",
          messageRef,
          model: "m",
          finish: "stop",
          ttftMs: 1,
          ms: 2,
        });
        return callId;
      }
      this.#say({
        type: "model.attempted",
        ...bill,
        ...(this.#chance(0.5) && { usage: usageOf(90, 0) }),
        error: { code: "MODEL_UNAVAILABLE", message: "down" },
      });
    }
    this.#say({ type: "model.failed", callId, error: { code: "MODEL_UNAVAILABLE", message: "down" } });
    return null;
  }

  #tool(turn: number, modelCallId: string, index: number): void {
    const callId = this.#id(turn);
    const effect = this.#pick(["pure", "idempotent", "reconcilable", "once"] as const);
    const place = { callId, tool: this.#pick(["search", "send"]), part: `${modelCallId}-${index}` };
    const argsHash = String(Math.floor(this.#random() * 3));
    const asks = this.#chance(0.2);
    this.#say({
      type: "tool.called",
      callId,
      modelCallId,
      index,
      tool: place.tool,
      version: "1",
      argsRef: this.#value(),
      argsHash,
      effect,
      key: `story:${callId}`,
      verdict: { decision: asks ? "ask" : "allow", rules: [] },
    });
    if (asks && !this.#approved(callId)) {
      this.#say({ type: "tool.refused", ...place, code: "APPROVAL_REJECTED", shownRef: this.#value() });
      return;
    }
    if (effect !== "pure") this.#say({ type: "tool.started", callId, attempt: 1, deadlineMs: 1_000 });
    if (effect !== "pure" && this.#chance(0.2)) this.#crash();
    if (effect === "once" && this.#chance(0.3)) this.#unknown(callId);
    else if (this.#chance(0.2)) {
      const error = { code: "TOOL_FAILED", message: "no" };
      this.#say({ type: "tool.failed", ...place, attempt: 1, error, applied: "no", shownRef: this.#value() });
      return;
    }
    this.#say({
      type: "tool.returned",
      ...place,
      attempt: 1,
      shownRef: this.#value(),
      ms: 3,
      ...(this.#chance(0.2) && { costNanoUsd: 5 }),
    });
  }

  #approved(callId: string): boolean {
    const approvalId = `story:${callId}`;
    const isYes = this.#chance(0.7);
    this.#say({
      type: "approval.asked",
      approvalId,
      callId,
      actionHash: "a",
      question: "may I?",
      quorum: 1,
      expiresAt: null,
      default: "reject",
    });
    this.#park();
    const decision = isYes ? "approve" : "reject";
    this.#flush().outside(
      { type: "approval.voted", approvalId, vote: decision, shownHash: "a", from: "test" },
      { type: "approval.decided", approvalId, decision, argsHash: "a", by: "bob" },
    );
    this.#crash();
    return isYes;
  }

  #unknown(callId: string): void {
    this.#say({ type: "effect.unknown", callId, attempt: 1, reason: "lost" });
    this.#park();
    this.#flush().outside({ type: "effect.resolved", callId, resolution: "applied", by: "bob" });
    this.#crash();
  }

  #compact(turn: number): void {
    const { entries } = this.#folded().context;
    const [first, last] = [entries[0], entries[Math.floor(entries.length / 2)]];
    if (first === undefined || last === undefined || entries.length < 2) return;
    this.#say({
      type: "context.compacted",
      callId: this.#id(turn),
      fromSeq: first.seq,
      toSeq: last.seq,
      summaryRef: this.#value(),
      pinned: this.#chance(0.2) ? [first.seq] : [],
    });
  }

  #retract(turn: number, modelCallId: string): void {
    this.#say({
      type: "tool.retracted",
      callId: this.#id(turn),
      tool: "search",
      part: `${modelCallId}-0`,
      reason: "wrong",
    });
  }

  /** The next owner takes over: what runs now is lost. */
  #crash(): void {
    this.#flush().owner(claimed(this.#journal.head.fence + 1));
  }

  #park(): void {
    this.#say({ type: "run.parked", waits: [], dueAt: null });
    this.#crash();
  }

  #id(turn: number): string {
    return `t${turn}-${this.#calls++}`;
  }

  #value(): Ref {
    return {
      inline: `value ${Math.floor(this.#random() * 5)}`,
      label: { source: this.#chance(0.5) ? "trusted" : "untrusted" },
    };
  }

  #say(event: JournalEvent): void {
    this.#pending.push(event);
    if (this.#chance(0.4)) this.#flush();
  }

  #flush(): Journal {
    const events = this.#pending.splice(0);
    if (events.length > 0) this.#journal.owner(...events);
    return this.#journal;
  }

  #folded(): RunState {
    return this.#flush().state;
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #pick<T>(of: readonly [T, ...T[]]): T {
    return of[Math.floor(this.#random() * of.length)] ?? of[0];
  }
}
