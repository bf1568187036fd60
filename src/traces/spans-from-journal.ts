import { PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import { isOwner, type Batch, type JournalEvent, type RunEnded, type RunStarted } from "../core/journal-event.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { rootRunIdOf } from "../core/id.ts";
import type { RunStatus } from "../core/run-outcome.ts";
import { statusOfWaits } from "../core/run-waits.ts";
import { parseTraceparent, spanIdOf, traceIdOf } from "../core/trace-ids.ts";
import type { Span, SpanStatus } from "../core/trace-contract.ts";
import { readActionEvent } from "./action-spans.ts";
import { budgetKey, callKey, type CallPlace } from "./call-place.ts";
import { readModelEvent } from "./model-spans.ts";
import { leftOpen, SpanBoard, type OpenSpan, type Place } from "./span-board.ts";
import { readCodeSpan } from "./code-spans.ts";
import { pointOf } from "./run-points.ts";
import type { SpanFold, TracedRun } from "./span-fold.ts";
import { readWaitingEvent, spanStatusOf, type AsksById } from "./waiting-spans.ts";

/** Rises when saved folds change their shape or spans their meaning: what is older must be read again from the journal. */
export const spanFoldVersion = 2;

/** Who runs it, and when it was last heard of. */
interface Owner {
  readonly session: string | null;
  readonly worker: string;
  readonly fence: number;
  readonly heardAt: number;
  readonly isPaused: boolean;
}
interface Saved {
  readonly version: number;
  readonly seq: number;
  readonly run: TracedRun | null;
  readonly owner: Owner;
  readonly open: readonly OpenSpan[];
  readonly asks: readonly (readonly [string, string])[];
}

const RUN = "run";
const TURN = "turn";
const IN_FLIGHT_SHOWN = 20;
const noOwner: Owner = { session: null, worker: "", fence: 0, heardAt: 0, isPaused: false };
const wakes: readonly JournalEvent["type"][] = [
  "approval.decided",
  "effect.resolved",
  "child.ended",
  "signal.received",
  "budget.raised",
  "cancel.requested",
  "run.unblocked",
];

/**
 * Begins, or with `saved` goes on, to read a run's journal into spans.
 * @param saved what `save()` gave; one of another version is ignored, and reading begins at the journal's start: see `seq`
 */
export function spanFold(ref: RunRef, saved: JsonValue | null = null): SpanFold {
  const known = saved as unknown as Saved | null;
  return new JournalSpans(ref, known?.version === spanFoldVersion ? known : null);
}

class JournalSpans implements SpanFold {
  readonly #ref: RunRef;
  #seq: number;
  #run: TracedRun | null;
  #owner: Owner;
  #board: SpanBoard;
  readonly #asks: AsksById;

  constructor(ref: RunRef, saved: Saved | null) {
    this.#ref = ref;
    this.#seq = saved?.seq ?? 0;
    this.#run = saved?.run ?? null;
    this.#owner = saved?.owner ?? noOwner;
    this.#board = new SpanBoard(ref, saved?.run?.traceId ?? "", saved?.open);
    this.#asks = new Map(saved?.asks);
  }

  get seq(): number {
    return this.#seq;
  }

  get run(): TracedRun | null {
    return this.#run;
  }

  save(): JsonValue {
    const saved: Saved = {
      version: spanFoldVersion,
      seq: this.#seq,
      run: this.#run,
      owner: this.#owner,
      open: this.#board.open,
      asks: [...this.#asks],
    };
    return JSON.parse(JSON.stringify(saved)) as JsonValue;
  }

  read(batch: Batch): readonly Span[] {
    if (batch.firstSeq > this.#seq + 1) {
      throw new PawlError(
        "JOURNAL_CORRUPT",
        `batch ${batch.firstSeq} of run "${this.#ref.runId}" follows seq ${this.#seq}. Read the batches in order.`,
      );
    }
    let seq = batch.firstSeq;
    for (const event of batch.events) {
      if (seq > this.#seq) {
        // of a call that begins or ends with the event: its span is there only behind it, or only before
        const key = "callId" in event ? callKey(event.callId) : RUN;
        const isTold = this.#board.tellRemoved(key, event);
        this.#readEvent(event, { seq, at: batch.at }, batch);
        if (!isTold) this.#board.tellRemoved(key, event);
        this.#woken(event.type);
        this.#seq = seq;
      }
      seq++;
    }
    if (isOwner(batch.by)) this.#owner = { ...this.#owner, heardAt: batch.at };
    return this.#board.take();
  }

  #readEvent(event: JournalEvent, place: Place, batch: Batch): void {
    if (event.type === "run.started") {
      this.#begin(event, place);
      return;
    }
    const run = this.#run;
    if (run === null)
      throw new PawlError("JOURNAL_CORRUPT", `the journal of run "${this.#ref.runId}" begins with "${event.type}".`);
    switch (event.type) {
      case "model.called":
      case "model.attempted":
      case "model.answered":
      case "model.failed":
        readModelEvent(event, this.#callPlace(event.callId, place, run));
        return;
      case "tool.called":
      case "tool.started":
      case "tool.returned":
      case "tool.failed":
      case "tool.refused":
      case "effect.unknown":
      case "effect.resolved":
      case "step.called":
      case "step.started":
      case "step.returned":
      case "step.failed":
        readActionEvent(event, this.#callPlace(event.callId, place, run));
        return;
      case "approval.asked":
      case "approval.voted":
      case "approval.decided":
      case "wait.started":
      case "wait.ended":
      case "child.called":
      case "child.ended":
      case "budget.refused":
        readWaitingEvent(event, this.#callPlace("callId" in event ? event.callId : null, place, run), this.#asks);
        return;
      default:
        this.#readRunEvent(event, place, "principal" in batch.by ? batch.by.principal : null);
    }
  }

  #begin(event: RunStarted, place: Place): void {
    const ref = this.#ref;
    const { parent } = event;
    const remote = parent === undefined ? parseTraceparent(event.traceparent) : null;
    const run: TracedRun = {
      tenant: ref.tenant,
      runId: ref.runId,
      rootRunId: rootRunIdOf(ref.runId),
      traceId: traceIdOf(ref, event.traceparent),
      spanId: spanIdOf(ref, RUN),
      parent: parent === undefined ? null : { runId: parent.runId, callId: parent.callId },
      remoteParentSpanId: remote?.spanId ?? null,
      runnable: event.runnable,
      version: event.version,
      principal: event.principal,
      threadId: event.threadId ?? null,
      tags: event.tags ?? [],
      title: event.title ?? "",
      status: "queued",
      startedAt: place.at,
      endedAt: null,
      turns: 0,
      forkedFrom: event.forkedFrom?.runId ?? null,
    };
    this.#run = run;
    this.#board = new SpanBoard(ref, run.traceId);
    const above = parent === undefined ? null : { tenant: ref.tenant, runId: parent.runId };
    this.#board.begin(RUN, place, {
      kind: "run",
      name: event.runnable,
      parent: above === null || parent === undefined ? null : spanIdOf(above, callKey(parent.callId)),
      detail: runDetail(event, remote?.spanId ?? null),
    });
  }

  /** What a call's event is read with. What a budget held back goes on with the call's next event. */
  #callPlace(callId: string | null, place: Place, run: TracedRun): CallPlace {
    if (callId !== null && this.#board.get(budgetKey(callId)) !== undefined)
      this.#board.end(budgetKey(callId), place, { status: "ok" });
    const turnSpanId = callId === null ? run.spanId : this.#turnSpan(place, run);
    return { board: this.#board, place, agent: run.runnable, turnSpanId };
  }

  /** A turn begins with its first call. */
  #turnSpan(place: Place, run: TracedRun): string {
    const open = this.#board.get(TURN);
    if (open !== undefined) return open.span.spanId;
    const turn = run.turns + 1;
    const draft = { kind: "turn", name: `turn ${turn}`, detail: { turn }, idKey: `turn:${turn}` } as const;
    return this.#board.beginBelow(RUN, TURN, place, draft);
  }

  /** Where a span of no call belongs: the open turn, else the run. */
  #here(): string | null {
    return this.#board.get(TURN)?.span.spanId ?? this.#run?.spanId ?? null;
  }

  #readRunEvent(event: JournalEvent, place: Place, by: string | null): void {
    switch (event.type) {
      case "run.claimed":
        this.#claimed(event, place);
        return;
      case "run.parked": {
        const waits = event.waits.map(({ key, kind }) => ({ key, kind }));
        const isAsking = event.waits.some(({ kind }) => kind === "approval" || kind === "budget" || kind === "unknown");
        const detail = { waits, dueAt: event.dueAt };
        this.#begins("park", place, { name: "parked", status: isAsking ? "waiting" : "open", detail });
        this.#let(statusOfWaits(event.waits));
        return;
      }
      case "run.released":
        this.#let("queued");
        return;
      case "run.blocked": {
        const { code, detail: message } = event;
        this.#begins("blocked", place, { name: code, status: "waiting", detail: { code, message } });
        this.#let("blocked");
        return;
      }
      case "span.recorded":
        readCodeSpan(event, { board: this.#board, place, turnSpanId: this.#here() });
        return;
      case "run.unblocked":
        this.#board.end("blocked", place, { status: "ok", detail: { action: event.action, by } });
        return;
      case "turn.ended":
        this.#turnEnds(place, "ok");
        this.#run = this.#run && { ...this.#run, turns: event.turn };
        return;
      case "run.ended":
        this.#ended(event, place);
        return;
      case "budget.raised":
        for (const { key } of this.#board.open)
          if (key.startsWith("budget:")) this.#board.end(key, place, { status: "ok", detail: { raisedBy: by } });
        break;
      case "budget.overrun":
        this.#board.change(callKey(event.callId), { detail: { overrun: { ...event.by } } });
        return;
      case "run.paused":
        this.#paused(true);
        break;
      case "run.resumed":
        if (event.contextRefs === undefined) this.#paused(false);
        else if (this.#run !== null && this.#run.forkedFrom !== null) this.#beginsFork(this.#run, place.at);
        break;
      default:
    }
    this.#pointOf(event, place, by);
  }

  /** What was copied keeps its times; the fork itself begins when it may be claimed. */
  #beginsFork(run: TracedRun, startedAt: number): void {
    this.#run = { ...run, startedAt };
    this.#board.change(RUN, { startedAt });
  }

  #pointOf(event: JournalEvent, place: Place, by: string | null): void {
    const point = pointOf(event, by);
    if (point === null) return;
    const { callId, ...draft } = point;
    const call = callId === undefined ? undefined : this.#board.get(callKey(callId));
    // what the owner noted belongs to its turn, also where the turn begins with it
    const turn = callId === undefined || this.#run === null ? this.#here() : this.#turnSpan(place, this.#run);
    const parent = call?.span.spanId ?? turn;
    this.#board.point(place, { ...draft, parent, ...(callId !== undefined && { callId }) });
  }

  #begins(
    kind: "park" | "blocked",
    place: Place,
    draft: { readonly name: string; readonly status: SpanStatus; readonly detail: JsonObject },
  ): void {
    const turn = this.#board.get(TURN) === undefined ? RUN : TURN;
    this.#board.beginBelow(turn, kind, place, { ...draft, kind, idKey: `seq:${place.seq}` });
  }

  /** Nobody owns the run any more, and it was given up in good order. */
  #let(status: RunStatus): void {
    const { isPaused } = this.#owner;
    this.#owner = { ...this.#owner, session: null };
    this.#become(isPaused && status !== "blocked" ? "paused" : status);
  }

  #become(status: RunStatus): void {
    if (this.#run !== null && this.#run.status !== status) this.#run = { ...this.#run, status };
  }

  #paused(isPaused: boolean): void {
    this.#owner = { ...this.#owner, isPaused };
    if (this.#owner.session === null && this.#run?.status !== "blocked") this.#become(isPaused ? "paused" : "queued");
  }

  /** What came from outside wakes a run that nobody owns. */
  #woken(type: JournalEvent["type"]): void {
    if (type === "cancel.requested") this.#owner = { ...this.#owner, isPaused: false };
    const status = this.#run?.status;
    const isFree = type === "cancel.requested" || type === "run.unblocked" || status !== "blocked";
    if (this.#owner.session === null && wakes.includes(type) && isFree && !this.#owner.isPaused) this.#become("queued");
  }

  #claimed(event: JournalEvent & { readonly type: "run.claimed" }, place: Place): void {
    this.#board.end("park", place, { status: "ok" });
    const { session, worker, fence } = event;
    const before = this.#owner;
    if (before.session !== null) this.#tookOver(before, { ...before, session, worker, fence }, place);
    this.#owner = { ...before, session, worker, fence, heardAt: place.at };
    this.#become("running");
    this.#board.change(RUN, { detail: { worker, fence, build: event.build } });
  }

  #tookOver(died: Owner, owner: Owner, place: Place): void {
    const inFlight = this.#board.open.filter((open) => open.isInFlight);
    const shown = inFlight.slice(0, IN_FLIGHT_SHOWN).map(({ span, effect }) => ({
      callId: span.callId,
      kind: span.kind,
      name: span.name,
      effect,
    }));
    const detail = {
      died: { worker: died.worker, session: died.session, fence: died.fence },
      by: { worker: owner.worker, session: owner.session, fence: owner.fence },
      afterMs: Math.max(0, place.at - died.heardAt),
      inFlight: shown,
      inFlightCount: inFlight.length,
    };
    const name = `worker ${died.worker} died, ${owner.worker} took over`;
    this.#board.point(place, { kind: "takeover", name, parent: this.#here(), detail });
  }

  /** What a person may still resolve stays open; everything else of the turn is over. */
  #turnEnds(place: Place, status: SpanStatus): void {
    const keep = status === "ok";
    for (const open of this.#board.open) {
      if (open.key === RUN || open.key === TURN || (keep && open.span.status === "unknown")) continue;
      if (open.key === "park" || open.key === "blocked") this.#board.end(open.key, place, { status: "ok" });
      else this.#board.end(open.key, place, leftOpen(open));
    }
    this.#asks.clear();
    this.#board.end(TURN, place, { status });
  }

  #ended(event: RunEnded, place: Place): void {
    const status = spanStatusOf(event.status);
    this.#turnEnds(place, status === "ok" ? "ok" : status);
    for (const open of this.#board.open) if (open.key !== RUN) this.#board.end(open.key, place, leftOpen(open));
    const { stopReason, reason, effects, totals } = event;
    const detail = {
      status: event.status,
      effects: { ...effects },
      totals: totals as unknown as JsonObject,
      ...(stopReason && { stopReason }),
      ...(reason !== undefined && { reason }),
    };
    this.#board.end(RUN, place, { status, error: event.error ?? null, detail });
    this.#owner = { ...this.#owner, session: null };
    this.#run = this.#run && { ...this.#run, status: event.status, endedAt: place.at };
  }
}

function runDetail(event: RunStarted, remoteParentSpanId: string | null): JsonObject {
  const { version, lane, principal, threadId, tags, title, forkedFrom, parent } = event;
  return {
    version,
    lane,
    principal,
    ...(threadId !== undefined && { threadId }),
    ...(tags !== undefined && { tags }),
    ...(title !== undefined && { title }),
    ...(forkedFrom !== undefined && { forkedFrom: { runId: forkedFrom.runId, seq: forkedFrom.seq } }),
    ...(parent !== undefined && { parentRunId: parent.runId }),
    ...(remoteParentSpanId !== null && { remoteParentSpanId }),
  };
}
