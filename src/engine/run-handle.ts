import { PawlError, type ErrorRecord } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import type { EffectCounts } from "../core/effect.ts";
import type { JsonValue } from "../core/json.ts";
import type { RunEnded } from "../core/journal-event.ts";
import type { ReadSource } from "../core/label.ts";
import { limits } from "../core/limits.ts";
import type { RunHead } from "../core/run-head.ts";
import { isEnd, type RunStatus, type StopReason } from "../core/run-outcome.ts";
import { runChannel } from "../core/store-contract.ts";
import { usdOf, type Usage } from "../core/usage.ts";
import type { EngineDeps } from "./deps.ts";
import { batchesAfter } from "./load-run.ts";
import { unknownRun } from "./outbox.ts";
import { RunReader, type ReadEvent, type ReadOptions, type StreamEvent } from "./run-events.ts";
import { childAsks } from "./child-asks.ts";
import { runHintOf } from "./run-hints.ts";
import { Values } from "./values.ts";

interface ResultBase {
  readonly runId: string;
  readonly usage: Usage;
  /** In USD; children included. Attempts without a known price are counted in `unpricedCalls` instead. */
  readonly costUsd: number;
  readonly unpricedCalls: number;
}

/** What an answer rests on. */
export interface AnswerBasis {
  /** What the run had read when it answered, beside what people asked; at most 32. */
  readonly sources: readonly ReadSource[];
  /** Had it read anything that nobody vouches for? Then it may say what another wanted it to say. */
  readonly restsOnUntrusted: boolean;
  /** Places that the answer links to and neither people nor the developer named, where it rests on untrusted text. */
  readonly strangeLinks: readonly string[];
}

/** How a run stands when nothing more happens by itself: at its end, or waiting for a person or money. */
export type RunResult = ResultBase &
  (
    | ({ readonly status: "completed"; readonly output: JsonValue } & AnswerBasis)
    | ({
        readonly status: "stopped";
        readonly stopReason: StopReason;
        readonly output: JsonValue;
        readonly detail: string | null;
      } & AnswerBasis)
    | { readonly status: "failed"; readonly error: ErrorRecord }
    | { readonly status: "cancelled"; readonly reason: string; readonly effects: EffectCounts }
    | {
        readonly status: "awaiting_approval";
        /** Of the run and, where nothing else of its tree goes on, of its children. */
        readonly approvals: readonly string[];
        /** Call ids; of a child with its run id in front, as `run:call`. */
        readonly unknownEffects: readonly string[];
      }
    | { readonly status: "awaiting_budget" }
    | { readonly status: "paused" }
    | { readonly status: "blocked"; readonly error: ErrorRecord }
  );

const settled: readonly string[] = [
  "completed",
  "stopped",
  "failed",
  "cancelled",
  "awaiting_approval",
  "awaiting_budget",
  "paused",
  "blocked",
] satisfies RunStatus[];

/** True at the end, and where nothing goes on before a person or money comes. */
export function isSettled(status: string): boolean {
  return settled.includes(status);
}

/** A run as its user holds it. Holding it costs nothing: everything is read from the store. */
export class Run {
  readonly ref: RunRef;
  readonly #deps: Pick<EngineDeps, "store" | "clock">;

  constructor(deps: Pick<EngineDeps, "store" | "clock">, ref: RunRef) {
    this.#deps = deps;
    this.ref = ref;
  }

  get id(): string {
    return this.ref.runId;
  }

  /** @throws RUN_UNKNOWN */
  async head(): Promise<RunHead> {
    const head = await this.#deps.store.readHead(this.ref);
    if (head === null) throw unknownRun(this.ref);
    return head;
  }

  /** The journal: what is there now, from `after` on. */
  async *events(options: ReadOptions = {}): AsyncGenerator<ReadEvent> {
    yield* (await this.#reader(options)).read();
  }

  /**
   * Journal events as they come, with live text between. Ends with the run, or when it waits for a person or money and
   * `untilParked` is set.
   */
  async *stream(options: ReadOptions & { readonly untilParked?: boolean } = {}): AsyncGenerator<StreamEvent> {
    const reader = await this.#reader(options);
    const isDone = async (): Promise<boolean> => options.untilParked === true && isSettled((await this.head()).status);
    yield* reader.follow(isDone, options.signal);
  }

  /** Resolves at the end, or at a park that needs a person or money: `status` says which. */
  async result(options: { readonly signal?: AbortSignal } = {}): Promise<RunResult> {
    const { signal } = options;
    let look = (): void => undefined;
    const stop = this.#deps.store.subscribe(runChannel(this.ref), (message) => {
      const hint = runHintOf(message);
      if (hint !== null && isSettled(hint.status)) look();
    });
    const onAbort = (): void => look();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      for (;;) {
        const told = Promise.withResolvers<void>();
        look = told.resolve;
        const head = await this.head();
        if (isSettled(head.status)) return await this.#resultOf(head);
        const asked = head.status === "awaiting_child" ? await childAsks(this.#deps.store, head) : null;
        if (asked !== null) return { ...baseOf(head), status: "awaiting_approval", ...asked };
        const cancelTimer = this.#deps.clock.setTimer(limits.pollMs, look);
        await told.promise;
        cancelTimer();
        signal?.throwIfAborted();
      }
    } finally {
      stop();
      signal?.removeEventListener("abort", onAbort);
    }
  }

  async #reader(options: ReadOptions): Promise<RunReader> {
    const head = await this.head();
    return new RunReader(this.#deps, this.ref, head.blobScope, { after: options.after ?? 0 });
  }

  async #resultOf(head: RunHead): Promise<RunResult> {
    const base = baseOf(head);
    if (isEnd(head.status)) return { ...base, ...(await this.#ending(head)) };
    switch (head.status) {
      case "awaiting_approval":
        return {
          ...base,
          status: head.status,
          approvals: keysOf(head, "approval"),
          unknownEffects: keysOf(head, "unknown"),
        };
      case "blocked":
        return {
          ...base,
          status: head.status,
          error: { code: head.blocked?.code ?? "INTERNAL", message: head.blocked?.detail ?? "" },
        };
      case "awaiting_budget":
      case "paused":
        return { ...base, status: head.status };
      default:
        throw new PawlError("INTERNAL", `run "${head.runId}" has no result in status ${head.status}.`);
    }
  }

  async #ending(head: RunHead) {
    const values = new Values({ store: this.#deps.store, redaction: null }, this.ref, head.blobScope);
    for await (const batch of batchesAfter(this.#deps.store, this.ref, head.seq - 1)) {
      const ended = batch.events.find((event) => event.type === "run.ended");
      if (ended?.type !== "run.ended") continue;
      const output = await values.read(ended.valueRef);
      switch (ended.status) {
        case "completed":
          return { status: ended.status, output, ...basisOf(ended) };
        case "stopped":
          return {
            status: ended.status,
            stopReason: ended.stopReason ?? "refused",
            output,
            detail: ended.reason ?? null,
            ...basisOf(ended),
          };
        case "failed":
          return { status: ended.status, error: ended.error ?? { code: "INTERNAL", message: "no error was recorded" } };
        case "cancelled":
          return { status: ended.status, reason: ended.reason ?? "cancelled", effects: ended.effects };
      }
    }
    throw new PawlError("JOURNAL_CORRUPT", `run "${head.runId}" has ended, but its journal has no run.ended.`);
  }
}

function basisOf({ sources = [], strangeLinks = [], valueRef }: RunEnded): AnswerBasis {
  return { sources, restsOnUntrusted: valueRef.label?.source !== "trusted", strangeLinks };
}

function baseOf({ runId, totals }: RunHead): ResultBase {
  const costUsd = usdOf(totals.costNanoUsd + totals.childCostNanoUsd);
  return { runId, usage: totals.usage, costUsd, unpricedCalls: totals.unpricedCalls };
}

function keysOf(head: RunHead, kind: "approval" | "unknown"): readonly string[] {
  return head.waits.filter((wait) => wait.kind === kind).map((wait) => wait.key);
}
