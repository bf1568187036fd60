import type { Effect, EffectStatus } from "./effect.ts";
import type { ErrorRecord } from "./errors.ts";
import type { RunRef } from "./id.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import type { Message } from "./message.ts";
import type { RunStatus } from "./run-outcome.ts";
import type { Page } from "./store-contract.ts";
import type { NanoUsd, Usage } from "./usage.ts";

// A trace is a reading of the journals of one run tree: a root run and its children. Nothing here is a fact of its own:
// the index can be deleted and rebuilt from the journals.

/**
 * What a span stands for. `run`: one run of the tree. `turn`: one go of it. `model`, `tool`, `step`, `child`, `ask`, `wait`:
 * one durable call over all its attempts; below a `child` is the child's `run`. `wait` is also a wait for budget. `attempt`:
 * one attempt of a call that took more than one. `code`: a span that user code recorded. `park`: from run.parked to the next
 * claim. `blocked`: from run.blocked until a person says how to go on. Points in time (start = end): `guard`, `compaction`,
 * `plan`, `takeover`, and `message`, which is whatever came from outside: steering, a signal, pause, resume, cancel, top-up.
 */
export type SpanKind =
  | "run"
  | "turn"
  | "model"
  | "attempt"
  | "tool"
  | "step"
  | "child"
  | "ask"
  | "wait"
  | "code"
  | "guard"
  | "compaction"
  | "plan"
  | "message"
  | "takeover"
  | "park"
  | "blocked";

/** `unknown`: an effect whose outcome nobody knows. `refused`: it never started. `waiting`: it waits for a person or money. */
export type SpanStatus = "open" | "waiting" | "ok" | "error" | "unknown" | "refused" | "cancelled";

/** One span. Ids are computed from run and call, so every reading of the same journal gives the same ids. */
export interface Span {
  /** 32 hex digits, the same for the whole tree: of the root's `traceparent`, else from tenant and root run. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  readonly parentSpanId: string | null;
  readonly runId: string;
  readonly callId: string | null;
  /** Seq of the event that opened it, and of the one that closed it (null while open). */
  readonly seq: number;
  readonly endSeq: number | null;
  readonly kind: SpanKind;
  /** For people: the model route, `tool`, the step's name, the child's runnable … */
  readonly name: string;
  readonly status: SpanStatus;
  readonly error: ErrorRecord | null;
  /** ms since 1970. */
  readonly startedAt: number;
  readonly endedAt: number | null;
  /**
   * What this span itself was billed; null where nothing is billed. Every bill is on one span only, so all spans' bills
   * add up to the run's totals: on the call's own where its first attempt answered, else on each `attempt`.
   */
  readonly bill: Bill | null;
  /** Small facts by kind (model asked and answered, finish, ttftMs, version, effect, key, verdict, attempt, cacheHit …). */
  readonly detail: JsonObject;
}

/** The bill of one attempt. */
export interface Bill {
  readonly usage: Usage;
  /** null = unpriced, never 0. */
  readonly costNanoUsd: NanoUsd | null;
  readonly priceSource: string | null;
  /** Usage was not told; the worst case is charged. */
  readonly assumed: boolean;
  /** A fork copied the call: the original paid for it, and no sum contains it. */
  readonly inherited: boolean;
}

/** Sums over a span and everything below it. */
export interface SpanSums {
  readonly spans: number;
  readonly errors: number;
  readonly modelCalls: number;
  readonly toolCalls: number;
  readonly usage: Usage;
  readonly costNanoUsd: NanoUsd;
  readonly unpricedCalls: number;
  /** Latest end below; null while something below is open. */
  readonly endedAt: number | null;
}

/** A span in its place of the tree, in order of depth-first reading. */
export interface SpanRow extends Span {
  /** Place in the whole tree's depth-first order, from 0. The rows below it are the next `subtree.spans - 1`. */
  readonly position: number;
  readonly depth: number;
  readonly subtree: SpanSums;
}

/** A call that stands out in a whole tree. */
export interface SpanMark {
  readonly spanId: string;
  /** Its row's place. */
  readonly position: number;
  readonly kind: SpanKind;
  readonly name: string;
  /** How long it worked: without the time in which its run was parked. */
  readonly ms: number;
  /** Of it and what is below it. */
  readonly costNanoUsd: NanoUsd;
  readonly tokens: number;
}

/** ms since 1970; `endedAt` null while it goes on. */
export interface Stretch {
  readonly startedAt: number;
  readonly endedAt: number | null;
}

export interface SpanWindow {
  readonly rows: readonly SpanRow[];
  /** Spans in the whole tree. */
  readonly total: number;
  /** The tree's time axis, ms since 1970. `endedAt` null while the root runs. */
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** Seq up to which each run of the tree was read, at most 100 runs. */
  readonly readTo: { readonly [runId: string]: number };
  /** Of the whole tree, by tokens where nothing cost money; null where no call cost anything, or none has ended. */
  readonly costliest: SpanMark | null;
  readonly slowest: SpanMark | null;
  /** When every open run of the tree was parked or blocked: the 20 longest, in order of time. */
  readonly waits: readonly Stretch[];
}

/** Everything about one span that the list leaves out, read from the journal when asked for. */
export interface SpanDetail {
  readonly span: Span;
  readonly input: JsonValue;
  readonly output: JsonValue;
  /** Of a model call: what the model was sent, rebuilt from the journal. */
  readonly request: RebuiltRequest | null;
  readonly attempts: readonly Span[];
  readonly causes: readonly Cause[];
  /** Of a run: the calls that its outcome rests on. */
  readonly restsOn: readonly CallLink[];
  /** The journal's own events of this call, as recorded. */
  readonly events: readonly JsonObject[];
}

export interface RebuiltRequest {
  readonly system: string;
  readonly tools: JsonValue;
  readonly params: JsonObject;
  readonly messages: readonly PromptPiece[];
  readonly promptHash: string;
  /** True when the hash of what was rebuilt is the hash that was recorded before the request went out. */
  readonly isProved: boolean;
}

/** One message of a prompt, and what put it there. The results of one answer's calls are one message on the wire and a piece each here. */
export interface PromptPiece {
  readonly message: Message;
  /** Seq of the event that recorded it; null where it was added by the call itself. */
  readonly seq: number | null;
  readonly from: CallLink | null;
}

export interface CallLink {
  readonly runId: string;
  readonly callId: string;
  readonly spanId: string;
  readonly name: string;
}

/** Where words of an argument came from: the same words stood in an earlier value that the model had seen. */
export interface Cause {
  /** JSON pointer into the input. */
  readonly path: string;
  readonly start: number;
  readonly end: number;
  readonly from: CauseSource;
  /** The words around the place in the source, with the place itself. */
  readonly around: { readonly text: string; readonly start: number; readonly end: number };
}
export interface CauseSource {
  readonly kind: "goal" | "message" | "tool" | "model" | "person" | "child" | "summary" | "thread";
  readonly link: CallLink | null;
  readonly seq: number;
  readonly trusted: boolean;
}

export interface TraceFilter {
  readonly runnable?: string;
  readonly statuses?: readonly RunStatus[];
  readonly errorGroup?: string;
  readonly tool?: string;
  readonly model?: string;
  readonly principal?: string;
  readonly threadId?: string;
  readonly tag?: string;
  readonly minCostNanoUsd?: NanoUsd;
  readonly minDurationMs?: number;
  readonly minTokens?: number;
  readonly startedFrom?: number;
  readonly startedTo?: number;
  /** Words in inputs, outputs and tool payloads, in any language. */
  readonly text?: string;
  /** Default false: one line for each run tree. */
  readonly children?: boolean;
  readonly sort?: "started" | "cost" | "duration" | "tokens";
}

/** A run as the list of traces shows it; sums are over its tree. */
export interface TraceSummary {
  readonly runId: string;
  readonly rootRunId: string;
  readonly traceId: string;
  readonly runnable: string;
  readonly version: string;
  readonly status: RunStatus;
  readonly principal: string;
  readonly threadId: string | null;
  readonly tags: readonly string[];
  readonly title: string;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly turns: number;
  readonly sums: SpanSums;
  readonly error: ErrorRecord | null;
  readonly errorGroup: string | null;
  /** Where `text` was asked for: the words around the first hit. */
  readonly snippet: string | null;
}

export interface TracePage extends Page<TraceSummary> {
  /** Of a run with very much text only the beginning was searched: there may be more that have the words. */
  readonly partial?: true;
}

/** Failures of one kind: fingerprint by tool or model, error code and class, and place. */
export interface ErrorGroup {
  readonly id: string;
  readonly title: string;
  readonly code: string;
  readonly place: string;
  readonly count: number;
  readonly runs: number;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly costNanoUsd: NanoUsd;
  readonly samples: readonly string[];
}

export interface ErrorGroups {
  readonly items: readonly ErrorGroup[];
  /** A search by text came to its end before it had seen all runs, or all of a long one: there may be more failures. */
  readonly partial?: true;
}

/** `runId`: each run by itself. `rootRunId`: a request, which is a root run with every run below it. */
export type CostKey =
  | "day"
  | "runnable"
  | "model"
  | "tool"
  | "principal"
  | "threadId"
  | "tag"
  | "runId"
  | "rootRunId"
  | "tenant";
/** What the cost of one run is told apart by. */
export type RunCostKey = "turn" | "call" | "run" | "model" | "tool";

/** Which bills are summed: days in UTC, `from` and `to` with theirs; those of one agent, endpoint, tool, user, thread. */
export interface CostQuery {
  readonly by: CostKey;
  readonly from?: number;
  readonly to?: number;
  readonly limit?: number;
  readonly agent?: string;
  readonly model?: string;
  readonly tool?: string;
  readonly user?: string;
  readonly thread?: string;
}

/** Sums of bills, each counted once. */
export interface CostSums {
  readonly calls: number;
  readonly usage: Usage;
  readonly costNanoUsd: NanoUsd;
  readonly unpricedCalls: number;
  readonly assumedCalls: number;
}
/** What one key cost. A call is `RUN:CALL`, a turn `RUN:NUMBER`; `(others)` is what there was no row for. */
export interface CostRow extends CostSums {
  readonly key: string;
}
/** What a run cost with the runs below it. */
export interface RunCosts {
  /** The dearest first; they add up to `total`. */
  readonly items: readonly CostRow[];
  /** The sum over the tree below the run. */
  readonly total: CostSums;
  /** What the original of a fork paid for what was copied; in no other sum. */
  readonly inherited: CostSums;
}

/** One outside action of any run: the ledger of effects, over all runs of a tenant. Calls without an effect are not in it. */
export interface EffectRow {
  readonly runId: string;
  readonly rootRunId: string;
  readonly callId: string;
  readonly spanId: string;
  readonly tool: string;
  readonly version: string;
  readonly effect: Effect;
  readonly status: EffectStatus;
  /** The same for all attempts: what the receiver deduplicates by. */
  readonly key: string;
  /** Who decided about it; null = nobody was asked, or nobody has answered. */
  readonly approver: string | null;
  /** For whom the run acts. */
  readonly principal: string;
  /** The arguments as JSON, at most 400 characters of it; after an edit, the edited ones. */
  readonly input: string;
  readonly attempts: number;
  readonly calledAt: number;
  /** When the last event about it was written. */
  readonly changedAt: number;
}

export interface EffectFilter {
  readonly statuses?: readonly EffectStatus[];
  readonly tool?: string;
  readonly runId?: string;
  readonly principal?: string;
}

export interface TraceIndexSize {
  readonly bytes: number;
  readonly runs: number;
  readonly spans: number;
  /** Runs whose journal is ahead of the index, counted up to 1,000; null = not known. */
  readonly behind: number | null;
  /** Runs whose journal was refused (damaged, or of a newer format): they are skipped, and tried again when they grow. */
  readonly refused: number;
}

/** How far a reading of all journals is. */
export interface TraceProgress {
  readonly runs: number;
  readonly spans: number;
  readonly refused: number;
}

/** The searchable reading of all journals. Its own file; a cache, never truth. */
export interface TraceIndex {
  /** Opens the file. A file of an older format is replaced by an empty one. */
  open(): Promise<void>;
  close(): Promise<void>;
  /** Reads what the journals have and the index has not. Resolves when nothing is behind, or when `signal` aborts. */
  catchUp(signal?: AbortSignal): Promise<TraceProgress>;
  /** Keeps the index up to date until `signal` aborts. One process does it at a time; others wait for their turn. */
  follow(signal: AbortSignal): Promise<void>;
  /** Begins anew and reads every run of every tenant that was ever indexed, and whatever `dirty` offers. */
  rebuild(told?: (progress: TraceProgress) => void, signal?: AbortSignal): Promise<TraceProgress>;
  /**
   * Newest first, or by `sort`, largest first. A page may be short or empty and still have a cursor: what one call looks at
   * is bounded, so that none takes long. With `children`, `text` finds the runs whose own values have the words.
   * @throws CURSOR_INVALID
   */
  list(tenant: string, filter: TraceFilter, cursor: string | null, limit: number): Promise<TracePage>;
  /**
   * Rows `from` to `from + limit` of a run's tree, brought up to date first. A child's id gives the child's own tree.
   * @throws RUN_UNKNOWN, RUN_DELETED
   */
  spans(ref: RunRef, window: { readonly from: number; readonly limit: number }): Promise<SpanWindow>;
  /** @throws RUN_UNKNOWN, RUN_DELETED, SPAN_UNKNOWN */
  span(ref: RunRef, spanId: string): Promise<SpanDetail>;
  errorGroups(tenant: string, filter: TraceFilter, limit: number): Promise<ErrorGroups>;
  costs(tenant: string, query: CostQuery): Promise<readonly CostRow[]>;
  /** What a run and those below it cost, brought up to date first. @throws RUN_UNKNOWN, RUN_DELETED */
  runCosts(ref: RunRef, query: { readonly by: RunCostKey; readonly limit?: number }): Promise<RunCosts>;
  /** Newest first. @throws CURSOR_INVALID */
  effects(tenant: string, filter: EffectFilter, cursor: string | null, limit: number): Promise<Page<EffectRow>>;
  size(): Promise<TraceIndexSize>;
}
