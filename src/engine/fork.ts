import type { ApprovalDecided } from "../core/approval-event.ts";
import { checkLimits, type RunLimits } from "../core/budget.ts";
import { PawlError } from "../core/errors.ts";
import { hashJson } from "../core/hash.ts";
import { nameAtVersion, type RunRef } from "../core/id.ts";
import { decodeBatch, encodeBatch } from "../core/journal-codec.ts";
import {
  journalFormat,
  lastSeqOf,
  type Batch,
  type JournalEvent,
  type RunStarted,
  type TurnEnded,
} from "../core/journal-event.ts";
import type { Ref } from "../core/label.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import type { Runnable, ValueShelf } from "../core/runnable.ts";
import { blobScopeOf, nextHead, type RunHead } from "../core/run-head.ts";
import type { EngineDeps } from "./deps.ts";
import { batchesAfter, loadRun } from "./load-run.ts";
import { unknownRun } from "./outbox.ts";
import { announce } from "./outside.ts";
import { Values } from "./values.ts";

export interface ForkOptions {
  /** The new run. */
  readonly runId: string;
  readonly principal: string;
  /** Turns of the original that the fork begins with; 0 = only its input. */
  readonly turn: number;
  /** Replace those of the original that they name. `turns` counts the copied ones. */
  readonly limits?: RunLimits;
  /** Sets members of the state after those turns, where its runnable allows it (a graph: channels). */
  readonly state?: JsonObject;
}

type ForkDeps = Pick<EngineDeps, "store" | "clock" | "entropy" | "redaction" | "registry">;

/**
 * Starts a new run from the first turns of another: the conversation, plan and results so far are copied, their costs marked
 * inherited; approvals, reservations, children and unknown effects are not. Repeating it with the same id goes on where
 * it stopped.
 * @throws RUN_UNKNOWN, FORK_NOT_AT_TURN, OPTION_INVALID, AGENT_UNKNOWN
 */
export async function forkRun(deps: ForkDeps, source: RunRef, options: ForkOptions): Promise<RunHead> {
  checkLimits(`fork of "${source.runId}"`, options.limits ?? {});
  const loaded = await loadRun(deps.store, source);
  if (loaded === null) throw unknownRun(source);
  const original = loaded.head;
  const ref = { tenant: source.tenant, runId: options.runId };
  const prefix = await prefixOf(deps, source, options.turn);
  const last = prefix.batches.at(-1);
  const { state } = options;
  const patchState = state === undefined ? null : patcherOf(deps, loaded.state.started.runnable, options.turn);
  const lastSeq = last === undefined ? 0 : lastSeqOf(last);
  const copier = new Copier(deps, ref, original, { ...options, lastSeq, patchState });
  for (const batch of prefix.batches) await copier.copy(batch);
  return copier.release(loaded.state.contextRefs);
}

type StatePatcher = NonNullable<Runnable["patchState"]>;

function patcherOf(deps: ForkDeps, name: string, turn: number): StatePatcher {
  const runnable = deps.registry.runnable(name);
  if (turn === 0)
    throw new PawlError(
      "OPTION_INVALID",
      "a fork at turn 0 has no state yet. Start a new run with another input, or fork after a later turn.",
    );
  if (runnable.patchState === undefined)
    throw new PawlError("OPTION_INVALID", `"${name}" is no graph: its state cannot be set. Fork without a state.`);
  return (...args) => runnable.patchState?.(...args) ?? Promise.resolve(args[0]);
}

interface Prefix {
  readonly batches: readonly Batch[];
}

async function prefixOf(deps: ForkDeps, source: RunRef, turn: number): Promise<Prefix> {
  const batches: Batch[] = [];
  let turns = 0;
  for await (const batch of batchesAfter(deps.store, source, 0)) {
    if (turn === 0) return { batches: [{ ...batch, events: batch.events.slice(0, 1) }] };
    const end = batch.events.findIndex((event) => event.type === "turn.ended" && event.turn === turn);
    turns += batch.events.filter((event) => event.type === "turn.ended").length;
    if (end >= 0) return { batches: [...batches, { ...batch, events: batch.events.slice(0, end + 1) }] };
    batches.push(batch);
  }
  throw new PawlError(
    "FORK_NOT_AT_TURN",
    `run "${source.runId}" has ended ${turns} turns; it cannot be forked after turn ${turn}. Choose 0 to ${turns}.`,
  );
}

/** What a fork takes over as it is; everything else keeps its place as a mark, so that seqs stay the same. */
const kept: readonly string[] = [
  "model.called",
  "model.attempted",
  "model.answered",
  "model.failed",
  "tool.called",
  "tool.returned",
  "tool.failed",
  "tool.refused",
  "tool.retracted",
  "context.compacted",
  "plan.updated",
  "task.planned",
  "message.received",
  "guard.flagged",
  "turn.ended",
  "step.called",
  "step.started",
  "step.returned",
  "step.failed",
];

interface CopyOptions {
  readonly lastSeq: number;
  /** Set where the fork's state is another than the original's. */
  readonly patchState: StatePatcher | null;
}

class Copier {
  readonly #deps: ForkDeps;
  readonly #ref: RunRef;
  readonly #original: RunHead;
  readonly #options: ForkOptions;
  readonly #from: Values;
  readonly #to: Values;
  /** Of what was not stored before. */
  readonly #clean: Values;
  /** Of the batches that this fork writes: whoever repeats it writes the same ones. */
  readonly #identity: string;
  readonly #lastSeq: number;
  readonly #patchState: StatePatcher | null;
  #head: RunHead | null = null;
  #seq = 0;

  /** @param lastSeq where the copied prefix ends */
  constructor(deps: ForkDeps, ref: RunRef, original: RunHead, options: ForkOptions & CopyOptions) {
    this.#lastSeq = options.lastSeq;
    this.#patchState = options.patchState;
    this.#deps = deps;
    this.#ref = ref;
    this.#original = original;
    this.#options = options;
    // what is copied was stored before, and is the same in the copy
    const unchanged = { store: deps.store, redaction: null };
    this.#from = new Values(unchanged, { tenant: original.tenant, runId: original.runId }, original.blobScope);
    this.#to = new Values(unchanged, ref, blobScopeOf(ref, undefined));
    this.#clean = new Values(deps, ref, blobScopeOf(ref, undefined));
    const { turn, principal: by, limits, state } = options;
    this.#identity = hashJson({
      from: original.runId,
      to: ref.runId,
      turn,
      by,
      ...(limits && { limits: { ...limits } }),
      ...(state && { state }),
    });
  }

  async copy(batch: Batch): Promise<void> {
    const events: JournalEvent[] = [];
    for (const event of batch.events) events.push(await this.#copied(event));
    await this.#append(events, batch.at);
  }

  /** The copy is whole: the run may be claimed. @param thread what the original was given by its thread */
  async release(thread: readonly Ref[]): Promise<RunHead> {
    const contextRefs = (await this.#withBlobs(thread as unknown as JsonValue)) as unknown as readonly Ref[];
    const head = await this.#append([{ type: "run.resumed", contextRefs }], this.#deps.clock.nowMs());
    announce(this.#deps, this.#ref, head);
    return head;
  }

  async #append(events: readonly JournalEvent[], at: number): Promise<RunHead> {
    const before = this.#head;
    const firstSeq = this.#seq + 1;
    const batch: Batch = {
      id: `fork-${firstSeq}-${this.#identity}`,
      firstSeq,
      at,
      format: journalFormat,
      by: { principal: this.#options.principal, messageId: `fork:${this.#original.runId}:${firstSeq}` },
      prevHash: before?.lastHash ?? "",
      events,
    };
    const encoded = encodeBatch(batch);
    const head = nextHead(before, this.#ref, encoded, batch);
    if (before === null) await this.#create(encoded, head);
    else await this.#extend(encoded, head, firstSeq);
    this.#head = head;
    this.#seq = head.seq;
    return head;
  }

  async #create(batch: ReturnType<typeof encodeBatch>, head: RunHead): Promise<void> {
    const result = await this.#deps.store.createRun(this.#ref, { batch, head });
    if (result.type === "created") return;
    const [line] = await this.#deps.store.readEvents(this.#ref, 0, 1);
    if (line === undefined || decodeBatch(line).batch.id !== batch.id) {
      throw new PawlError(
        "RUN_EXISTS_DIFFERENT",
        `run "${this.#ref.runId}" exists and is not this fork of "${this.#original.runId}" by the same person. Choose another run id.`,
      );
    }
  }

  async #extend(batch: ReturnType<typeof encodeBatch>, head: RunHead, firstSeq: number): Promise<void> {
    const result = await this.#deps.store.append(this.#ref, { expectedSeq: firstSeq - 1, batch, head });
    if (result.type === "conflict" || result.type === "ended") {
      throw new PawlError(
        "JOURNAL_CONFLICT",
        `run "${this.#ref.runId}" was written by somebody else while it was forked. Choose another run id.`,
      );
    }
  }

  async #copied(event: JournalEvent): Promise<JournalEvent> {
    if (event.type === "run.started") return this.#started(event);
    if (!kept.includes(event.type))
      return { type: "guard.flagged", callId: "fork", rule: "fork", action: `inherited ${event.type}` };
    const { reservationId: _id, ...plain } = (await this.#withBlobs(event as unknown as JsonObject)) as JsonObject;
    const isBilled =
      event.type === "model.attempted" ||
      event.type === "model.answered" ||
      event.type === "tool.called" ||
      event.type === "tool.returned";
    const copied = { ...plain, ...(isBilled && { inherited: true }) } as unknown as JournalEvent;
    return copied.type === "turn.ended" && copied.turn === this.#options.turn ? this.#patched(copied) : copied;
  }

  /** The end of the fork's last turn, with the state that was asked for. */
  async #patched(event: TurnEnded): Promise<TurnEnded> {
    const { state } = this.#options;
    if (this.#patchState === null || state === undefined) return event;
    const shelf: ValueShelf = {
      read: (ref) => this.#to.read(ref),
      put: (value) => this.#clean.put(value, undefined, 0),
    };
    const before = event.stateRef === undefined ? null : await this.#to.read(event.stateRef);
    return { ...event, stateRef: await this.#clean.put(await this.#patchState(before, state, shelf)) };
  }

  async #started(event: RunStarted): Promise<RunStarted> {
    const {
      parent: _parent,
      threadId: _thread,
      blobScope: _scope,
      traceparent: _trace,
      roles: _roles,
      ...rest
    } = event;
    const plain = (await this.#withBlobs(rest as unknown as JsonObject)) as unknown as RunStarted;
    const { state } = this.#options;
    const stateRef = state === undefined ? {} : { stateRef: await this.#clean.put(state) };
    const forkedFrom = { runId: this.#original.runId, seq: this.#lastSeq, ...stateRef };
    return {
      ...plain,
      limits: { ...plain.limits, ...this.#options.limits },
      rootRunId: this.#options.runId,
      principal: this.#options.principal,
      forkedFrom,
      heldByThread: true,
    };
  }

  /** A copy in which every blob that a ref names is also in the fork's own scope. */
  async #withBlobs(value: JsonValue): Promise<JsonValue> {
    if (Array.isArray(value)) return Promise.all(value.map((item: JsonValue) => this.#withBlobs(item)));
    if (!isJsonObject(value)) return value;
    if (typeof value["blob"] === "string" && typeof value["bytes"] === "number") {
      const ref = value as unknown as Ref;
      // a blob stays one, however small: what it is known by is its hash
      return (await this.#to.put(await this.#from.read(ref), ref.label, 0)) as unknown as JsonValue;
    }
    const members = await Promise.all(
      Object.entries(value).map(async ([key, member]) => [key, await this.#withBlobs(member)] as const),
    );
    return Object.fromEntries(members);
  }
}

/** What the original did after the fork's place: a fork's identical call gets the recorded result, nothing happens twice. */
export interface ForkMemory {
  readonly sourceRunId: string;
  recall(
    tool: string,
    version: string,
    argsHash: string,
  ): { readonly value: JsonValue; readonly shown: JsonValue } | null;
  /** What its step of this name and place gave, as text for a person; null where it has none that returned. */
  stepAt(callId: string, name: string): string | null;
}

/** Of a value that a person is shown in a question. */
const STEP_TEXT_CHARS = 200;

/** @returns null for a run that is no fork */
export async function forkMemoryOf(
  deps: Pick<EngineDeps, "store">,
  tenant: string,
  started: RunStarted,
): Promise<ForkMemory | null> {
  if (started.forkedFrom === undefined) return null;
  const source = { tenant, runId: started.forkedFrom.runId };
  const head = await deps.store.readHead(source);
  const results = new Map<string, { readonly value: JsonValue; readonly shown: JsonValue }>();
  if (head === null) return { sourceRunId: source.runId, recall: () => null, stepAt: () => null };
  const values = new Values({ store: deps.store, redaction: null }, source, head.blobScope);
  const open = new Map<string, string>();
  const steps = new Map<string, { readonly name: string; text: string | null }>();
  for await (const batch of batchesAfter(deps.store, source, 0)) {
    for (const event of batch.events) {
      if (event.type === "tool.called" && event.effect !== "pure")
        open.set(event.callId, callIdentity(event.tool, event.version, event.argsHash));
      if (event.type === "step.called" || event.type === "step.started")
        steps.set(event.callId, { name: event.name, text: null });
      const step = event.type === "step.returned" ? steps.get(event.callId) : undefined;
      if (event.type === "step.returned" && step !== undefined) step.text = await stepText(event.valueRef, values);
      if (event.type === "approval.decided") withArgsAsApproved(open, event);
      const identity = event.type === "tool.returned" ? open.get(event.callId) : undefined;
      if (event.type !== "tool.returned" || identity === undefined) continue;
      const shown = await values.read(event.shownRef);
      results.set(identity, { shown, value: event.rawRef === undefined ? shown : await values.read(event.rawRef) });
    }
  }
  return {
    sourceRunId: source.runId,
    recall: (tool, version, argsHash) => results.get(callIdentity(tool, version, argsHash)) ?? null,
    stepAt: (callId, name) => {
      const step = steps.get(callId);
      return step?.name === name ? step.text : null;
    },
  };
}

async function stepText(ref: Ref, values: Values): Promise<string> {
  const text = JSON.stringify(await values.read(ref));
  return (text.length > STEP_TEXT_CHARS ? `${text.slice(0, STEP_TEXT_CHARS)}…` : text).toWellFormed();
}

/** A call that a person edited gave the result of other arguments than those that were asked about. */
function withArgsAsApproved(open: Map<string, string>, { approvalId, argsHash }: ApprovalDecided): void {
  const callId = approvalId.slice(approvalId.lastIndexOf(":") + 1);
  const asked = open.get(callId);
  if (asked !== undefined) open.set(callId, `${asked.slice(0, asked.lastIndexOf(" "))} ${argsHash}`);
}

function callIdentity(tool: string, version: string, argsHash: string): string {
  return `${nameAtVersion(tool, version)} ${argsHash}`;
}
