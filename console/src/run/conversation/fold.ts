import type { EndStatus, RunEvent } from "../../api/types.ts";
import type { Attempt, Entry, ModelEntry, SeamEntry } from "./entries.ts";
import {
  askedState,
  began,
  inlineOf,
  largeOf,
  partsOf,
  refusedEntry,
  stepEntry,
  toolEntry,
  type EventOf,
} from "./made-entries.ts";
import { noteOf } from "./notes.ts";

/**
 * A run's journal as a conversation. Events are applied in order of seq, each once; one that was seen is ignored, so that
 * a reader may begin again anywhere.
 */
export class ConversationFold {
  #entries: Entry[] = [];
  readonly #places = new Map<string, number>();
  /** The worker that has the run: a claim beside one is a takeover. */
  #owner: string | null = null;
  #ownerAt = 0;
  #seam: string | null = null;
  #seq = 0;

  get seq(): number {
    return this.#seq;
  }

  /** A new list each time; entries that did not change are the same objects. */
  entries(): readonly Entry[] {
    return [...this.#entries];
  }

  apply(event: RunEvent): void {
    if (event.seq <= this.#seq) return;
    this.#seq = event.seq;
    this.#read(event);
    if (event.type !== "run.claimed" && isOwnerEvent(event)) this.#ownerAt = event.at;
  }

  #lastSaid(): string | null {
    const last = this.#entries.findLast((entry) => entry.type === "model");
    return last?.parts.map((part) => (part.type === "text" ? part.text : "")).join("") ?? null;
  }

  #read(event: RunEvent): void {
    switch (event.type) {
      case "run.claimed":
        return this.#claimed(event);
      case "run.parked":
      case "run.released":
        this.#owner = null;
        return;
      case "model.called":
        return this.#modelCalled(event);
      case "model.attempted":
        return this.#modelAttempted(event);
      case "model.answered":
        return this.#modelAnswered(event);
      case "model.failed":
        return this.#change(event.callId, "model", { error: event.error, endedAt: event.at });
      case "turn.ended":
        return this.#add({ ...began(event, `turn-${event.turn}`), type: "turn-end", turn: event.turn });
      case "run.ended":
        this.#owner = null;
        this.#closeQuestions(event.status);
        return this.#add({
          ...began(event, "end"),
          type: "end",
          status: event.status,
          stopReason: event.stopReason ?? null,
          // what it said last stands right above
          output: event.status === "stopped" && event.output === this.#lastSaid() ? null : event.output,
          largeOutput: largeOf(event.valueRef, event.output),
          restsOn:
            event.valueRef.label?.source === "trusted"
              ? null
              : (event.sources ?? []).flatMap(({ from, isUntrusted }) => (isUntrusted ? [from] : [])),
          strangeLinks: event.strangeLinks ?? [],
          error: event.error ?? null,
          reason: event.reason ?? null,
          effects: event.effects,
          rejected: this.#entries.filter(isRejected).length,
          turns: this.#entries.filter(({ type }) => type === "turn-end").length,
        });
      default:
        return this.#readCall(event);
    }
  }

  #readCall(event: RunEvent): void {
    switch (event.type) {
      case "tool.called":
        return this.#add(toolEntry(event));
      case "tool.started":
        this.#repeated(event);
        return this.#change(event.callId, "tool", { status: "started", attempt: event.attempt });
      case "tool.returned":
        this.#settled(
          event.callId,
          event.via === "reconciled" ? `${event.tool}: asked the other side, not repeated` : null,
        );
        return this.#change(event.callId, "tool", {
          status: "done",
          output: event.output,
          largeOutput: largeOf(event.shownRef, event.output),
          hasOutput: true,
          endedAt: event.at,
          error: event.invalid ?? null,
          via: event.via ?? null,
        });
      case "tool.failed":
        if (event.retry === true) return this.#change(event.callId, "tool", { error: event.error });
        this.#settled(event.callId, null);
        return this.#change(event.callId, "tool", { status: "failed", error: event.error, endedAt: event.at });
      case "tool.refused":
        return this.#refused(event);
      case "tool.retracted":
        return this.#change(event.callId, "tool", { retracted: event.reason });
      case "effect.unknown":
        this.#settled(event.callId, `${this.#toolName(event.callId)}: nobody knows, a person is asked`);
        return this.#change(event.callId, "tool", { status: "unknown", why: event.reason });
      case "effect.resolved":
        return this.#change(event.callId, "tool", {
          status: event.resolution === "applied" ? "done" : "called",
          via: `${event.by} said: ${event.resolution === "applied" ? "it happened" : "it did not happen"}`,
          endedAt: event.resolution === "applied" ? event.at : null,
        });
      case "approval.asked":
      case "approval.voted":
      case "approval.decided":
        return this.#approval(event);
      default:
        return this.#readOther(event);
    }
  }

  #readOther(event: RunEvent): void {
    switch (event.type) {
      case "child.called":
        return this.#add({
          ...began(event, event.callId),
          type: "child",
          callId: event.callId,
          endedAt: null,
          childRunId: event.childRunId,
          runnable: event.runnable,
          status: null,
          costNanoUsd: null,
          error: null,
        });
      case "child.ended":
        return this.#change(event.callId, "child", {
          status: event.status,
          costNanoUsd: event.costNanoUsd,
          error: event.error ?? null,
          endedAt: event.at,
        });
      case "step.started":
        this.#stepRepeated(event);
        return this.#add(stepEntry(event));
      case "step.returned":
        this.#settled(event.callId, null);
        return this.#change(event.callId, "step", { endedAt: event.at });
      case "step.failed":
        if (event.retry === true) return undefined;
        return this.#change(event.callId, "step", { endedAt: event.at, error: event.error });
      case "wait.started":
        return this.#add({
          ...began(event, event.callId),
          type: "wait",
          callId: event.callId,
          endedAt: null,
          wait: event.wait,
        });
      case "wait.ended":
        return this.#change(event.callId, "wait", { endedAt: event.at });
      default: {
        if (event.type === "run.blocked") this.#owner = null;
        const note = noteOf(event);
        return note === null ? undefined : this.#add(note);
      }
    }
  }

  #add(entry: Entry): void {
    const place = this.#places.get(entry.id);
    if (place !== undefined) return;
    this.#places.set(entry.id, this.#entries.length);
    this.#entries.push(entry);
  }

  #find<T extends Entry["type"]>(id: string, type: T): Extract<Entry, { type: T }> | null {
    const entry = this.#entries[this.#places.get(id) ?? -1];
    return entry?.type === type ? (entry as Extract<Entry, { type: T }>) : null;
  }

  #change<T extends Entry["type"]>(id: string, type: T, change: Partial<Extract<Entry, { type: T }>>): void {
    const entry = this.#find(id, type);
    const place = this.#places.get(id);
    if (entry !== null && place !== undefined) this.#entries[place] = { ...entry, ...change };
  }

  #claimed(event: EventOf<"run.claimed">): void {
    if (this.#owner !== null) {
      const id = `seam-${event.seq}`;
      this.#seam = id;
      const open = this.#entries.flatMap((entry) => (isUnderWay(entry) ? [entry.id] : []));
      this.#add({
        ...began(event, id),
        type: "seam",
        from: this.#owner,
        to: event.worker,
        gapMs: Math.max(0, event.at - this.#ownerAt),
        open,
        outcomes: [],
      });
    }
    this.#owner = event.worker;
    this.#ownerAt = event.at;
  }

  /** A call that the seam found open is settled; `outcome` is said where something happened again, or could have. */
  #settled(callId: string, outcome: string | null): void {
    const seam = this.#seam === null ? null : this.#find(this.#seam, "seam");
    if (seam === null || !seam.open.includes(callId)) return;
    const change: Partial<SeamEntry> = {
      open: seam.open.filter((one) => one !== callId),
      outcomes: outcome === null ? seam.outcomes : [...seam.outcomes, outcome],
    };
    this.#change(seam.id, "seam", change);
  }

  #repeated(event: EventOf<"tool.started">): void {
    const tool = this.#find(event.callId, "tool");
    if (tool === null || tool.status !== "started") return;
    this.#settled(
      event.callId,
      tool.effect === "idempotent" ? `${tool.tool} repeated with the same key` : `${tool.tool} ran again`,
    );
  }

  #stepRepeated(event: EventOf<"step.started">): void {
    if (this.#find(event.callId, "step") !== null) this.#settled(event.callId, `${event.name} ran again`);
  }

  #toolName(callId: string): string {
    return this.#find(callId, "tool")?.tool ?? callId;
  }

  #modelCalled(event: EventOf<"model.called">): void {
    const reserved = { tokens: event.reservation.tokens, costNanoUsd: event.reservation.costNanoUsd };
    if (this.#find(event.callId, "model") !== null)
      return this.#change(event.callId, "model", { attempt: event.attempt, reserved });
    return this.#add({
      ...began(event, event.callId),
      type: "model",
      callId: event.callId,
      endedAt: null,
      route: event.route,
      model: null,
      person: null,
      attempt: event.attempt,
      attempts: [],
      parts: [],
      largeMessage: null,
      usage: null,
      costNanoUsd: null,
      inherited: false,
      finish: null,
      ttftMs: null,
      reserved,
      error: null,
    });
  }

  #modelAttempted(event: EventOf<"model.attempted">): void {
    const model = this.#find(event.callId, "model");
    if (model === null) return;
    if (event.error.code === "WORKER_LOST") this.#settled(event.callId, "the model was asked again");
    const { attempt, endpoint, error, costNanoUsd, assumed } = event;
    const one: Attempt = { attempt, endpoint, error, costNanoUsd, assumed };
    this.#change(event.callId, "model", { attempts: [...model.attempts, one], reserved: null });
  }

  #modelAnswered(event: EventOf<"model.answered">): void {
    this.#settled(event.callId, null);
    const change: Partial<ModelEntry> = {
      endedAt: event.at,
      model: event.model,
      person: event.person?.by ?? null,
      parts: partsOf(event.message),
      largeMessage: largeOf(event.messageRef, event.message),
      usage: event.usage,
      costNanoUsd: event.costNanoUsd,
      inherited: event.inherited === true,
      finish: event.finish,
      ttftMs: event.ttftMs,
      reserved: null,
    };
    this.#change(event.callId, "model", change);
  }

  #refused(event: EventOf<"tool.refused">): void {
    this.#settled(event.callId, null);
    if (this.#find(event.callId, "tool") === null) this.#add(refusedEntry(event));
    this.#change(event.callId, "tool", {
      status: "refused",
      output: event.output,
      largeOutput: largeOf(event.shownRef, event.output),
      hasOutput: true,
      endedAt: event.at,
      error: { code: event.code, message: "" },
    });
  }

  /** What was never decided, or decided and never begun, does not happen any more. */
  #closeQuestions(closedBy: EndStatus): void {
    for (const entry of this.#entries) {
      if (entry.type !== "tool" && entry.type !== "ask") continue;
      const isOpen = entry.approval !== null && entry.approval.decision === null;
      const approval = isOpen && entry.approval !== null ? { ...entry.approval, closedBy } : entry.approval;
      if (entry.type === "ask" && approval !== null) this.#change(entry.id, "ask", { approval });
      else if (entry.type === "tool" && (entry.status === "held" || entry.status === "called"))
        this.#change(entry.id, "tool", { approval, status: "never" });
    }
  }

  #approval(event: EventOf<"approval.asked" | "approval.voted" | "approval.decided">): void {
    const callId = event.approvalId.slice(event.approvalId.lastIndexOf(":") + 1);
    if (event.type === "approval.asked") {
      const approval = askedState(event);
      if (this.#find(callId, "tool") !== null) return this.#change(callId, "tool", { status: "held", approval });
      return this.#add({ ...began(event, callId), type: "ask", callId, endedAt: null, approval });
    }
    const entry = this.#find(callId, "tool") ?? this.#find(callId, "ask");
    if (entry === null || entry.approval === null) return undefined;
    if (event.type === "approval.voted") {
      if (event.editedArgsRef === undefined) return undefined;
      const approval = { ...entry.approval, isEdited: true };
      const edited = inlineOf(event.editedArgsRef);
      return entry.type === "tool" && edited !== undefined
        ? this.#change(callId, "tool", { approval, input: edited, asked: entry.asked ?? entry.input })
        : this.#change(callId, entry.type, { approval });
    }
    const approval = { ...entry.approval, decision: event.decision, by: event.by, reason: event.reason ?? null };
    if (entry.type === "ask") return this.#change(callId, "ask", { approval, endedAt: event.at });
    return this.#change(callId, "tool", { approval, status: event.decision === "reject" ? "refused" : "called" });
  }
}

function isRejected(entry: Entry): boolean {
  return entry.type === "tool" && entry.approval?.decision === "reject";
}

function isUnderWay(entry: Entry): boolean {
  if (entry.type === "tool") return entry.status === "started" && entry.endedAt === null;
  return (entry.type === "model" || entry.type === "step") && entry.endedAt === null;
}

/** Outside events say nothing about the worker being alive. */
function isOwnerEvent(event: RunEvent): boolean {
  return /^(model|tool|step|turn|plan|guard|wait|child\.called)/.test(event.type);
}
