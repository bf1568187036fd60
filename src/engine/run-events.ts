import type { RunRef } from "../core/id.ts";
import { decodeBatch } from "../core/journal-codec.ts";
import { lastSeqOf, type JournalEvent, type RunEvent } from "../core/journal-event.ts";
import type { Ref } from "../core/label.ts";
import { isJsonObject, parseJson, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { runChannel } from "../core/store-contract.ts";
import type { EngineDeps } from "./deps.ts";
import { runHintOf } from "./run-hints.ts";
import { Values } from "./values.ts";

/** An event with what its refs stand for, as a person or program wants to read it. */
export type ReadEvent = { readonly [E in RunEvent as E["type"]]: E & Added<E> }[RunEvent["type"]];
type Added<E> = E extends { readonly type: "tool.called" | "tool.started" }
  ? { readonly tool: string; readonly input: JsonValue }
  : E extends { readonly type: "tool.returned" | "tool.refused" }
    ? { readonly output: JsonValue }
    : E extends { readonly type: "approval.asked" }
      ? { readonly tool: string | null; readonly input: JsonValue }
      : E extends { readonly type: "model.answered" }
        ? { readonly message: JsonValue }
        : E extends { readonly type: "run.ended" }
          ? { readonly output: JsonValue }
          : unknown;

/** Live text of a call that is under way: may be lost, is dropped on a new attempt, never stored. */
export interface LiveDelta {
  readonly type: "text.delta" | "reasoning.delta" | "tool-input.delta";
  readonly callId: string;
  readonly attempt: number;
  /** Place among the deltas of the attempt, from 0: a gap tells that one was lost. */
  readonly i: number;
  readonly text: string;
}
export type StreamEvent = ReadEvent | LiveDelta;

export interface ReadOptions {
  /** Events after this seq; default 0, all. */
  readonly after?: number;
  readonly signal?: AbortSignal;
}

const QUEUE_MAX = 1_000;
/** A call and what follows from it are mostly this near to each other. */
const NEAR = 256;

/** Reads a run's journal, and follows it: subscribe, read after the cursor, deduplicate by seq, poll in case a hint is lost. */
export class RunReader {
  readonly #deps: Pick<EngineDeps, "store" | "clock">;
  readonly #ref: RunRef;
  readonly #values: Values;
  readonly #calls = new Map<string, { readonly tool: string; readonly argsRef: Ref }>();
  readonly #valueBytesMax: number;
  readonly #readBytes: number;
  #seq: number;
  /** Every call before the cursor is known. */
  #isWhole: boolean;

  /**
   * @param options.valueBytesMax a larger value is null in the events, whose ref names its blob; default: none is
   * @param options.readBytes asked of the store at once
   */
  constructor(
    deps: Pick<EngineDeps, "store" | "clock">,
    ref: RunRef,
    blobScope: string,
    options: { readonly after?: number; readonly valueBytesMax?: number; readonly readBytes?: number } = {},
  ) {
    this.#deps = deps;
    this.#ref = ref;
    this.#values = new Values({ store: deps.store, redaction: null }, ref, blobScope);
    this.#valueBytesMax = options.valueBytesMax ?? Number.POSITIVE_INFINITY;
    this.#readBytes = options.readBytes ?? limits.readBytes;
    this.#seq = options.after ?? 0;
    this.#isWhole = this.#seq === 0;
  }

  /** Last seq that was read. */
  get seq(): number {
    return this.#seq;
  }

  /** Everything after the cursor that is in the store now. */
  async *read(): AsyncGenerator<ReadEvent> {
    for (;;) {
      const lines = await this.#deps.store.readEvents(this.#ref, this.#seq, this.#readBytes);
      if (lines.length === 0) return;
      for (const line of lines) {
        const { batch } = decodeBatch(line);
        for (const [i, event] of batch.events.entries()) {
          const seq = batch.firstSeq + i;
          if (seq <= this.#seq) continue;
          yield await this.#enrich({ ...event, seq, at: batch.at, runId: this.#ref.runId });
        }
        this.#seq = lastSeqOf(batch);
      }
    }
  }

  /** Events as they come, with live deltas between; ends after run.ended or when `signal` aborts. */
  async *follow(isDone: () => Promise<boolean>, signal?: AbortSignal): AsyncGenerator<StreamEvent> {
    const deltas: LiveDelta[] = [];
    let wakeUp = (): void => undefined;
    let isAwake = true;
    let mustRead = true;
    const wake = (): void => {
      isAwake = true;
      wakeUp();
    };
    const stop = this.#deps.store.subscribe(runChannel(this.#ref), (message) => {
      const hint = runHintOf(message);
      const delta = hint === null ? deltaOf(message) : null;
      if (hint !== null && hint.seq > this.#seq) mustRead = true;
      if (delta !== null && deltas.length < QUEUE_MAX) deltas.push(delta);
      wake();
    });
    signal?.addEventListener("abort", wake, { once: true });
    try {
      while (signal?.aborted !== true) {
        isAwake = false;
        yield* deltas.splice(0);
        if (mustRead) {
          mustRead = false;
          // asked before reading: what made it so is then among the events
          const isLast = await isDone();
          for await (const event of this.read()) {
            yield event;
            if (event.type === "run.ended") return;
          }
          if (isLast) return;
        }
        if (isAwake || deltas.length > 0) continue;
        await new Promise<void>((resolve) => {
          const cancel = this.#deps.clock.setTimer(limits.pollMs * 2, () => {
            mustRead = true;
            resolve();
          });
          wakeUp = () => {
            cancel();
            resolve();
          };
        });
      }
    } finally {
      stop();
      signal?.removeEventListener("abort", wake);
    }
  }

  async #enrich(event: RunEvent): Promise<ReadEvent> {
    switch (event.type) {
      case "tool.called":
        this.#calls.set(event.callId, { tool: event.tool, argsRef: event.argsRef });
        return { ...event, input: await this.#value(event.argsRef) };
      case "tool.started": {
        const call = await this.#callOf(event.callId, event.seq);
        return {
          ...event,
          tool: call?.tool ?? "",
          input: call === null ? null : await this.#value(call.argsRef),
        };
      }
      case "approval.asked": {
        const call = await this.#callOf(event.callId, event.seq);
        return {
          ...event,
          tool: call?.tool ?? null,
          input: call === null ? null : await this.#value(call.argsRef),
        };
      }
      case "tool.returned":
      case "tool.refused":
        return { ...event, output: await this.#value(event.shownRef) };
      case "model.answered":
        return { ...event, message: await this.#value(event.messageRef) };
      case "run.ended":
        return { ...event, output: await this.#value(event.valueRef) };
      default:
        return event;
    }
  }

  async #value(ref: Ref): Promise<JsonValue> {
    return "blob" in ref && ref.bytes > this.#valueBytesMax ? null : this.#values.read(ref);
  }

  /** The call an event belongs to; found in the journal when reading began after it. */
  async #callOf(callId: string, beforeSeq: number) {
    const known = this.#calls.get(callId);
    if (known !== undefined || this.#isWhole) return known ?? null;
    await this.#findCalls(Math.max(0, beforeSeq - NEAR), beforeSeq);
    if (this.#calls.has(callId)) return this.#calls.get(callId) ?? null;
    await this.#findCalls(0, beforeSeq);
    this.#isWhole = true;
    return this.#calls.get(callId) ?? null;
  }

  async #findCalls(afterSeq: number, beforeSeq: number): Promise<void> {
    let seq = afterSeq;
    while (seq < beforeSeq) {
      const lines = await this.#deps.store.readEvents(this.#ref, seq, this.#readBytes);
      if (lines.length === 0) break;
      for (const line of lines) {
        const { batch } = decodeBatch(line);
        for (const event of batch.events) remember(this.#calls, event);
        seq = lastSeqOf(batch);
      }
    }
  }
}

function remember(calls: Map<string, { readonly tool: string; readonly argsRef: Ref }>, event: JournalEvent): void {
  if (event.type === "tool.called") calls.set(event.callId, { tool: event.tool, argsRef: event.argsRef });
}

function deltaOf(message: string): LiveDelta | null {
  const parsed = parseJson(message);
  if (!parsed.ok || !isJsonObject(parsed.value)) return null;
  const { callId, attempt, i, part } = parsed.value;
  if (typeof callId !== "string" || typeof attempt !== "number" || !isJsonObject(part ?? null)) return null;
  const { type, text } = part as { readonly type: LiveDelta["type"]; readonly text: string };
  return { type, callId, attempt, i: typeof i === "number" ? i : -1, text };
}
