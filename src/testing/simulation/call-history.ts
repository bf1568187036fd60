import type { Effect } from "../../core/effect.ts";
import type { JournalEvent } from "../../core/journal-event.ts";

/** What a journal says about one call, kept by the simulator's own reading and not by the engine's fold. */
export interface CallHistory {
  readonly callId: string;
  readonly effect: Effect | null;
  /** Highest attempt whose start is durable. */
  attempt: number;
  /** Resolutions that permit another attempt. */
  notApplied: number;
  isUnknown: boolean;
  isSettled: boolean;
  approvalId: string | null;
  decision: string | null;
  /** Hash of the arguments that an approval lets run. */
  approvedHash: string | null;
}

/** The simulator's reading of one journal, event by event. */
export class RunHistory {
  readonly calls: Map<string, CallHistory> = new Map();
  readonly #approvals = new Map<string, CallHistory>();
  /** Seqs of outside events that ended a wait. */
  readonly #taken = new Set<number>();
  readonly #billed = new Set<string>();
  readonly #childrenEnded = new Set<string>();
  #isCancelled = false;
  #seq = 0;
  /** Up to here the run is a copy of another, without what permitted its attempts. */
  #copiedSeq = 0;
  isEnded = false;

  /** Reads one more event. @returns the claim that it breaks, null for none */
  read(event: JournalEvent): string | null {
    if (this.isEnded) return "nothing follows run.ended";
    this.#seq++;
    if (event.type === "run.started") this.#copiedSeq = event.forkedFrom?.seq ?? 0;
    if (event.type === "run.ended") this.isEnded = true;
    if (event.type === "cancel.requested") this.#isCancelled = true;
    return this.#readIntent(event) ?? this.#readStart(event) ?? this.#readOutcome(event) ?? this.#readOutside(event);
  }

  #readIntent(event: JournalEvent): string | null {
    switch (event.type) {
      case "tool.called":
      case "step.called":
        return this.#open(event.callId, event.effect);
      case "step.started":
        // one that was asked about is decided before it starts
        return event.attempt > 1 || this.calls.get(event.callId)?.attempt === 0
          ? null
          : this.#open(event.callId, event.effect);
      case "model.called":
        return event.attempt > 1 ? null : this.#open(event.callId, null);
      case "child.called":
      case "wait.started":
        return this.#open(event.callId, null);
      case "approval.asked": {
        if (this.#approvals.has(event.approvalId)) return "an approval is asked once";
        const broken = this.calls.has(event.callId) ? null : this.#open(event.callId, null);
        const call = this.calls.get(event.callId);
        if (call === undefined) return "an approval belongs to a call";
        call.approvalId = event.approvalId;
        this.#approvals.set(event.approvalId, call);
        return broken;
      }
      default:
        return null;
    }
  }

  #open(callId: string, effect: Effect | null): string | null {
    if (this.calls.has(callId)) return `a call is recorded once (${callId})`;
    this.calls.set(callId, {
      callId,
      effect,
      attempt: 0,
      notApplied: 0,
      isUnknown: false,
      isSettled: false,
      approvalId: null,
      decision: null,
      approvedHash: null,
    });
    return null;
  }

  #readStart(event: JournalEvent): string | null {
    if (event.type !== "tool.started" && event.type !== "step.started" && event.type !== "model.called") return null;
    const call = this.calls.get(event.callId);
    if (call === undefined) return `a call starts after it was decided (${event.callId})`;
    if (this.#isCancelled) return `nothing starts after a cancel (${event.callId})`;
    if (call.isSettled) return `a call that has its outcome starts no more (${event.callId})`;
    if (call.isUnknown) return `a call whose outcome is unknown starts no more (${event.callId})`;
    if (call.approvalId !== null && call.decision !== "approve")
      return `a call starts after its approval (${event.callId})`;
    if (event.attempt < call.attempt) return `attempts rise (${event.callId})`;
    const isGuarded = call.effect === "once" || call.effect === "reconcilable";
    if (isGuarded && this.#seq > this.#copiedSeq && event.attempt > call.notApplied + 1)
      return `a ${call.effect} call starts again only after a recorded resolution (${event.callId})`;
    call.attempt = event.attempt;
    return null;
  }

  #readOutcome(event: JournalEvent): string | null {
    switch (event.type) {
      case "tool.failed":
      case "step.failed":
        return event.retry === true ? null : this.#settle(event.callId);
      case "tool.returned":
      case "tool.refused":
      case "step.returned":
      case "model.failed":
        return this.#settle(event.callId);
      case "model.answered":
        return (
          this.#once(this.#billed, `${event.callId}:${event.attempt}`, "an attempt is billed once") ??
          this.#settle(event.callId)
        );
      case "model.attempted":
        if (event.beside === true) return null;
        return this.#once(this.#billed, `${event.callId}:${event.attempt}`, "an attempt is billed once");
      case "wait.ended": {
        const taken = event.bySeq === undefined ? null : this.#once(this.#taken, event.bySeq, "news is taken once");
        return this.#settle(event.callId) ?? taken;
      }
      case "effect.unknown":
        return this.#setUnknown(event.callId, true);
      case "effect.resolved": {
        const call = this.calls.get(event.callId);
        if (event.resolution === "not_applied" && call !== undefined) call.notApplied++;
        return this.#setUnknown(event.callId, false);
      }
      default:
        return null;
    }
  }

  #settle(callId: string): string | null {
    const call = this.calls.get(callId);
    if (call === undefined) return `an outcome belongs to a call (${callId})`;
    if (call.isSettled) return `a call has one outcome (${callId})`;
    call.isSettled = true;
    return null;
  }

  #setUnknown(callId: string, isUnknown: boolean): string | null {
    const call = this.calls.get(callId);
    if (call === undefined || call.attempt === 0) return `only a started call can be unknown (${callId})`;
    if (call.isSettled) return `a call with an outcome is not unknown (${callId})`;
    call.isUnknown = isUnknown;
    return null;
  }

  #readOutside(event: JournalEvent): string | null {
    switch (event.type) {
      case "approval.voted":
      case "approval.decided": {
        const call = this.#approvals.get(event.approvalId);
        if (call === undefined) return "a vote belongs to an approval that was asked";
        if (call.decision !== null) return `an approval decides once (${event.approvalId})`;
        if (event.type === "approval.decided") {
          call.decision = event.decision;
          call.approvedHash = event.argsHash;
        }
        return null;
      }
      case "child.ended":
        return this.#once(this.#childrenEnded, event.childRunId, "a child's end is told once");
      default:
        return null;
    }
  }

  #once<T>(known: Set<T>, value: T, claim: string): string | null {
    if (known.has(value)) return `${claim} (${String(value)})`;
    known.add(value);
    return null;
  }
}
