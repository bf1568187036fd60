import type { Effect } from "../../core/effect.ts";
import { PawlError } from "../../core/errors.ts";
import { defaultTenant, type RunRef } from "../../core/id.ts";
import type { ModelEndpoint, ModelPart, ModelSource } from "../../core/model-contract.ts";
import { limits } from "../../core/limits.ts";
import type { Reconciled } from "../../core/tool-contract.ts";
import { tokensOf } from "../../core/usage.ts";
import type { Audit, AuditedRun } from "./audit.ts";
import { callPlaceOf, placeOf } from "./place.ts";
import type { Schedule, SimProcess } from "./schedule.ts";

/** A takeover is no earlier than half a session's time-out after the last look, and the grace a whole one more. */
const PAUSE_AT_EFFECT_MS = limits.sessionDeadMs + limits.effectBeatAgeMs - 1_000;

/** One call as the world outside sees it: counted by what arrived there, not by what the engine says. */
export interface WorldEffect extends RunRef {
  readonly callId: string;
  readonly name: string;
  readonly effect: Effect;
  readonly key: string;
  /** How often it was done. */
  acted: number;
  /** Requests that could be lost: bounded, so that a tool's own retries can succeed. */
  risks: number;
  value: unknown;
  /** Fence of the owner that the newest answer reached in time; 0 = none. */
  answeredIn: number;
}

export interface EffectRequest extends RunRef {
  readonly kind: "tool" | "step";
  readonly callId: string;
  readonly name: string;
  readonly effect: Effect;
  readonly key: string;
  readonly attempt: number;
  readonly attemptsMax: number;
  readonly timeLimitMs: number;
  /** Of what an approval lets run: a tool's arguments, a step's name and place. */
  readonly argsHash?: string;
  readonly signal: AbortSignal;
}

/**
 * What tools, steps and models touch. It is no part of the engine: it counts what was done by call and by key, does an
 * idempotent thing once per key as a receiver must, and can be asked what became of a call.
 */
export class OutsideWorld {
  readonly effects: Map<string, WorldEffect> = new Map();
  /** Tokens that providers billed, by `placeOf` the run. */
  readonly billedTokens: Map<string, number> = new Map();
  readonly #schedule: Schedule;
  readonly #audit: Audit;
  readonly #keys = new Map<string, string>();

  constructor(schedule: Schedule, audit: Audit) {
    this.#schedule = schedule;
    this.#audit = audit;
    audit.listen((run, event) => {
      if (event.type === "effect.unknown") this.#checkUnknown(run, event.callId);
    });
  }

  /** A process asks for an effect; `code` is what it does, at once and without waiting for anything. */
  act(process: SimProcess, request: EffectRequest, code: () => Promise<unknown>): Promise<unknown> {
    this.#checkStart(process, request);
    const untilMs = this.#schedule.timeMs + request.timeLimitMs;
    const send = () => this.#send(process, request, untilMs, code);
    if (!this.#schedule.dice.roll("pause-at-effect", true)) return send();
    // who stands still for longer than the call may take acts in the window that the docs state
    const pauseMs = this.#schedule.random() * Math.min(PAUSE_AT_EFFECT_MS, request.timeLimitMs);
    return this.#schedule.pause(process, pauseMs).then(send);
  }

  #send(process: SimProcess, request: EffectRequest, untilMs: number, code: () => Promise<unknown>): Promise<unknown> {
    const known = this.#effectOf(request);
    const mayLose = request.effect === "once" || known.risks < request.attemptsMax - 1;
    if (mayLose) known.risks++;
    const answer = this.#schedule.send(process, {
      label: labelOf(request),
      kind: "effect",
      mayLose,
      mayBeSilent: true,
      // a person who is asked about a once call is slower than any request
      mayBeLate: request.effect !== "once",
      lost: () => new Error("the connection was lost"),
      untilMs,
      signal: request.signal,
      apply: () => this.#doIt(known, code),
    });
    return answer.then((value) => {
      const run = this.#audit.run(request);
      if (!request.signal.aborted && run?.owner === process) known.answeredIn = run.head.fence;
      return value;
    });
  }

  /** At the end: an answer that reached an owner is in the journal, if that owner wrote the end. */
  checkAnswered(): void {
    for (const known of this.effects.values()) {
      const run = this.#audit.run(known);
      if (run === undefined || known.answeredIn !== run.head.fence) continue;
      const call = run.history.calls.get(known.callId);
      // a pure call may have been done before its record, which something from outside then came before
      if (call === undefined && known.effect === "pure") continue;
      if (call?.isSettled !== true)
        this.#audit.fail(`${where(known)}: an answer that reached the owner is recorded before the end`);
    }
  }

  /** A process asks what became of a call. */
  ask(process: SimProcess, request: EffectRequest): Promise<Reconciled> {
    const known = this.#effectOf(request);
    return this.#schedule.send(process, {
      label: `reconcile ${callPlaceOf(request)}`,
      kind: "effect",
      mayLose: true,
      lost: () => new Error("the connection was lost"),
      signal: request.signal,
      apply: async () => {
        // a question that was given up may arrive whenever it likes: nobody acts on its answer
        if (!request.signal.aborted && this.#schedule.inFlight(labelOf(request)) > 0)
          this.#audit.fail(`${where(request)}: the remote is asked only when no attempt can act any more`);
        return known.acted > 0 ? { happened: true, result: known.value } : { happened: false };
      },
    });
  }

  /** What a diligent person finds out about a call of unknown outcome; null while an attempt may still act. */
  truthOf(ref: RunRef, callId: string): { readonly happened: boolean; readonly value: unknown } | null {
    const known = this.effects.get(callPlaceOf({ ...ref, callId }));
    if (known === undefined) return { happened: false, value: null };
    if (this.#schedule.inFlight(labelOf(known)) > 0) return null;
    return { happened: known.acted > 0, value: known.value };
  }

  /** The same source of models, each attempt a request of the schedule. */
  models(process: SimProcess, source: ModelSource): ModelSource {
    return {
      check: (route) => source.check(route),
      next: (route, failed, random) => {
        const next = source.next(route, failed, random);
        return next.type === "try"
          ? { ...next, endpoint: this.#endpoint(process, next.endpoint, failed.length) }
          : next;
      },
    };
  }

  #endpoint(process: SimProcess, endpoint: ModelEndpoint, failures: number): ModelEndpoint {
    const { name, provider, model, price, contextTokens } = endpoint;
    const ask = async (
      request: Parameters<ModelEndpoint["generate"]>[0],
      options: Parameters<ModelEndpoint["generate"]>[1],
    ) => {
      const [runId = "", callId = ""] = options.requestId.split(":");
      const ref = { tenant: options.tenant ?? defaultTenant, runId };
      this.#checkOwner(process, { ...ref, callId });
      return this.#schedule.send(process, {
        label: `model ${callPlaceOf({ ...ref, callId })}`,
        kind: "effect",
        mayLose: failures === 0,
        lost: () => new PawlError("MODEL_BROKEN_STREAM", "the connection was lost"),
        signal: options.signal,
        apply: async () => {
          const parts: ModelPart[] = [];
          for await (const part of endpoint.generate(request, options)) parts.push(part);
          this.#bill(placeOf(ref), parts);
          return parts;
        },
      });
    };
    return {
      name,
      provider,
      model,
      price,
      contextTokens,
      countTokens: (request) => endpoint.countTokens(request),
      generate: async function* (request, options) {
        yield* await ask(request, options);
      },
    };
  }

  #bill(place: string, parts: readonly ModelPart[]): void {
    const tokens = parts.reduce(
      (sum, part) => sum + (part.type === "finish" && part.usage !== null ? tokensOf(part.usage) : 0),
      0,
    );
    this.billedTokens.set(place, (this.billedTokens.get(place) ?? 0) + tokens);
  }

  async #doIt(known: WorldEffect, code: () => Promise<unknown>): Promise<unknown> {
    if (known.effect === "idempotent" && known.acted > 0) return known.value;
    const value = await code();
    known.acted++;
    known.value = value;
    if (known.effect === "once" && known.acted > 1)
      this.#audit.fail(`${where(known)}: once happens once, where people say what is true (${known.acted} times)`);
    if (known.effect === "reconcilable" && known.acted > 1)
      this.#audit.fail(`${where(known)}: what the remote says happened is not done again`);
    return value;
  }

  #effectOf(request: EffectRequest): WorldEffect {
    const { tenant, runId, callId, name, effect, key } = request;
    const place = callPlaceOf(request);
    const holder = this.#keys.get(key) ?? place;
    this.#keys.set(key, holder);
    if (holder !== place) this.#audit.fail(`${place}: two calls have two keys (${key} is ${holder}'s)`);
    const known = this.effects.get(place) ?? {
      tenant,
      runId,
      callId,
      name,
      effect,
      key,
      acted: 0,
      risks: 0,
      value: null,
      answeredIn: 0,
    };
    this.effects.set(place, known);
    if (known.key !== key) this.#audit.fail(`${place}: a key never changes over attempts (${known.key}, then ${key})`);
    return known;
  }

  /** Nobody is asked about a call that may still act, but where a cancel stopped it in the middle. */
  #checkUnknown(run: AuditedRun, callId: string): void {
    const known = this.effects.get(callPlaceOf({ ...run.ref, callId }));
    if (known === undefined || run.state.cancel !== null || this.#schedule.inFlight(labelOf(known)) === 0) return;
    this.#audit.fail(`${where(known)}: a person is asked only when no attempt can act any more`);
  }

  #checkStart(process: SimProcess, request: EffectRequest): void {
    const { kind, effect, attempt } = request;
    if (kind === "tool" && effect === "pure") return;
    const call = this.#checkOwner(process, request);
    if (call === undefined || call.attempt < attempt)
      this.#audit.fail(`${where(request)}: an effect starts after its start is durable (attempt ${attempt})`);
    if (call?.isSettled === true)
      this.#audit.fail(`${where(request)}: what has its outcome in the journal is not done again`);
    const approved = call?.approvedHash ?? null;
    if (approved !== null && request.argsHash !== approved)
      this.#audit.fail(`${where(request)}: what runs is what was approved`);
    if (call?.isUnknown === true)
      this.#audit.fail(`${where(request)}: what is unknown is not done again without a decision`);
  }

  #checkOwner(process: SimProcess, call: RunRef & { readonly callId: string }) {
    const run = this.#audit.run(call);
    if (run === undefined || run.owner !== process || run.head.session === null)
      this.#audit.fail(`${callPlaceOf(call)}: only the owner touches the world (${process.name} does)`);
    return run?.history.calls.get(call.callId);
  }
}

function labelOf(request: RunRef & { readonly name: string; readonly callId: string }): string {
  return `${request.name} ${callPlaceOf(request)}`;
}

function where(request: RunRef & { readonly name: string; readonly callId: string }): string {
  return `${callPlaceOf(request)} (${request.name})`;
}
