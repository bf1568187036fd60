import { leftOf } from "../core/budget.ts";
import { seededRandom, type Clock } from "../core/clock.ts";
import type { ErrorCode } from "../core/error-table.ts";
import { PawlError } from "../core/errors.ts";
import { rootRunIdOf, type RunRef } from "../core/id.ts";
import type { WaitFor } from "../core/journal-event.ts";
import { toJson, type JsonValue } from "../core/json.ts";
import type { Ref } from "../core/label.ts";
import { limits } from "../core/limits.ts";
import type {
  AskOutcome,
  AskSpec,
  ChildOutcome,
  ChildSpec,
  ModelCallSpec,
  ModelOutcome,
  Note,
  RunInfo,
  SignalOutcome,
  StepContext,
  StepOptions,
  StoredRef,
  ToolCallSpec,
  ToolOutcome,
  TurnContext,
} from "../core/runnable.ts";
import { checkApprovers } from "../core/policy.ts";
import type { RunState } from "../core/run-state.ts";
import type { ToolDefinition } from "../core/tool-contract.ts";
import { unreachable } from "./approval-rules.ts";
import type { Registry } from "./registry.ts";
import type { Values } from "./values.ts";

export type StepBody = (step: StepContext) => unknown;

/** What a body asked for, in the order in which it asked. */
export type Request =
  | { readonly kind: "model"; readonly spec: ModelCallSpec }
  | { readonly kind: "tool"; readonly spec: ToolCallSpec }
  | { readonly kind: "step"; readonly name: string; readonly options: StepOptions; readonly body: StepBody }
  | { readonly kind: "child"; readonly spec: ChildSpec }
  | { readonly kind: "ask"; readonly spec: AskSpec }
  | { readonly kind: "wait"; readonly wait: Exclude<WaitFor, { readonly kind: "budget" }> }
  | { readonly kind: "note"; readonly note: Note };

/** A request with its place in the turn and the promise that the body holds. */
export interface LiveCall {
  readonly callId: string;
  readonly request: Request;
  settle(value: unknown): void;
  fail(error: Error): void;
}

export interface ScopeOptions {
  readonly ref: RunRef;
  readonly state: RunState;
  readonly definition: JsonValue | null;
  readonly input: JsonValue;
  readonly values: Values;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Id of the `ordinal`th call of a turn: its identity on replay. */
export function callIdOf(turn: number, ordinal: number): string {
  return `t${turn}-${ordinal}`;
}

/** One turn's context: numbers the body's requests and hands them to the executor. Touches no store but to read. */
export class TurnScope implements TurnContext {
  readonly run: RunInfo;
  readonly input: JsonValue;
  readonly state: RunState;
  readonly definition: JsonValue | null;
  readonly limits: RunState["started"]["limits"];
  readonly signal: AbortSignal;
  readonly #options: ScopeOptions;
  readonly #random: () => number;
  readonly #requested: LiveCall[] = [];
  #ordinal = 0;
  #asks = 0;
  #nowMs: number;
  #isRevoked = false;
  #reading: Promise<unknown> = Promise.resolve();
  #readsOpen = 0;

  constructor(options: ScopeOptions) {
    const { state, ref } = options;
    this.#options = options;
    this.state = state;
    this.input = options.input;
    this.definition = options.definition;
    this.limits = state.started.limits;
    this.signal = options.signal;
    this.run = {
      tenant: ref.tenant,
      runId: ref.runId,
      rootRunId: rootRunIdOf(ref.runId),
      threadId: state.started.threadId ?? null,
      principal: state.started.principal,
      depth: state.started.parent?.depth ?? 0,
      turn: state.turn,
      tags: state.started.tags ?? [],
    };
    this.#nowMs = state.turnStartAt;
    this.#random = seededRandom(state.started.seed + state.turn * 7919);
  }

  // ---- for the executor

  /** Requests made since the last take, in order. */
  take(): readonly LiveCall[] {
    return this.#requested.splice(0);
  }

  /** Requests that were taken and could not be recorded yet: they are taken again. */
  giveBack(calls: readonly LiveCall[]): void {
    this.#requested.unshift(...calls);
  }

  factAt(at: number): void {
    this.#nowMs = at;
  }

  /** Lets the body run until it waits for the executor: what is runnable, and reads that it asked for. */
  async drain(): Promise<void> {
    await this.#options.clock.drain();
    while (this.#readsOpen > 0) {
      await this.#reading;
      await this.#options.clock.drain();
    }
  }

  /** From here on nothing of this context settles, and new calls are refused. */
  revoke(): void {
    this.#isRevoked = true;
    this.#requested.length = 0;
  }

  // ---- for the body

  now(): number {
    return this.#nowMs;
  }

  random(): number {
    return this.#random();
  }

  left(): { readonly tokens: number | null; readonly costNanoUsd: number | null; readonly calls: number | null } {
    return leftOf(this.state.caps, this.state.totals, Object.values(this.state.reserved));
  }

  model(spec: ModelCallSpec): Promise<ModelOutcome> {
    return this.#request({ kind: "model", spec });
  }

  tool(spec: ToolCallSpec): Promise<ToolOutcome> {
    checkApprovers(`run "${this.run.runId}": ask`, spec.ask ?? {});
    const args = plain("TOOL_INPUT_INVALID", `the input of ${spec.tool.name}`, spec.args);
    const outcome = this.#request<ToolOutcome>({ kind: "tool", spec: { ...spec, args } });
    return spec.verdict.decision === "ask" && spec.refusal === undefined ? this.#counted(outcome) : outcome;
  }

  step<T extends JsonValue>(
    name: string,
    options: StepOptions,
    body: (step: StepContext) => Promise<T> | T,
  ): Promise<T> {
    return this.#request({ kind: "step", name, options, body });
  }

  child(spec: ChildSpec): Promise<ChildOutcome> {
    this.#options.registry.runnable(spec.runnable);
    if (this.run.depth >= limits.childDepth) {
      throw new PawlError(
        "CHILD_TOO_DEEP",
        `run "${this.run.runId}" is ${this.run.depth} levels deep; children end at ${limits.childDepth}. Let an ancestor do the work.`,
      );
    }
    const input = plain("INPUT_INVALID", `the input of ${spec.runnable}`, spec.input);
    return this.#request({ kind: "child", spec: { ...spec, input } });
  }

  ask(spec: AskSpec): Promise<AskOutcome> {
    checkApprovers(`run "${this.run.runId}": ask`, spec);
    const never = unreachable(spec, this.run.principal);
    if (never !== null) return rejected(never);
    return this.#asking() ?? this.#counted(this.#request<AskOutcome>({ kind: "ask", spec }));
  }

  sleep(delayMs: number): Promise<void> {
    return this.#request({ kind: "wait", wait: { kind: "timer", dueAt: this.#nowMs + Math.max(0, delayMs) } });
  }

  waitForSignal(name: string, options?: { readonly withinMs?: number }): Promise<SignalOutcome> {
    const due = options?.withinMs === undefined ? {} : { dueAt: this.#nowMs + options.withinMs };
    const wait = { kind: "signal", name, ...due } as const;
    return this.#asking() ?? this.#counted(this.#request<SignalOutcome>({ kind: "wait", wait }));
  }

  note(note: Note): void {
    if (this.#isRevoked) return;
    this.#push({ kind: "note", note }, { settle: () => undefined, fail: () => undefined });
  }

  read(ref: StoredRef): Promise<JsonValue> {
    return "inline" in ref ? Promise.resolve(ref.inline) : this.#shelved((values) => values.read(ref));
  }

  put(value: JsonValue): Promise<Ref> {
    return this.#shelved((values) => values.put(value, undefined, 0));
  }

  /** One after the other: what the body does next does not depend on which of two came first. */
  #shelved<T>(act: (values: Values) => Promise<T>): Promise<T> {
    this.#readsOpen++;
    const done = this.#reading.then(() => act(this.#options.values));
    this.#reading = done
      .catch(() => undefined)
      .finally(() => {
        this.#readsOpen--;
      });
    return done;
  }

  toolOf(name: string): ToolDefinition | null {
    const version = this.state.started.pins.tools?.[name];
    return version === undefined ? null : this.#options.registry.tool(name, version);
  }

  /** Each open question and awaited signal is on the run's head, where outside writers find it: they are bounded. */
  #asking(): Promise<never> | null {
    if (this.#asks < limits.headWaits) return null;
    const many = `run "${this.run.runId}" waits for ${limits.headWaits} answers and signals at once. Await some of them before you ask for more.`;
    return rejected(new PawlError("ASKS_TOO_MANY", many));
  }

  #counted<T>(outcome: Promise<T>): Promise<T> {
    this.#asks++;
    const settled = (): void => {
      this.#asks--;
    };
    outcome.then(settled, settled);
    return outcome;
  }

  #request<T>(request: Request): Promise<T> {
    if (this.#isRevoked) {
      const late = `run "${this.run.runId}": a context was used after its turn. Await every call inside the turn.`;
      return rejected(new PawlError("CONTEXT_REVOKED", late));
    }
    if (this.#ordinal >= limits.callsPerTurn) {
      throw new PawlError(
        "CALLS_TOO_MANY",
        `a turn of run "${this.run.runId}" asked for more than ${limits.callsPerTurn} calls. Split it into turns.`,
      );
    }
    const promise = new Promise<T>((resolve, reject) => {
      this.#push(request, {
        settle: (value) => {
          if (!this.#isRevoked) resolve(value as T);
        },
        fail: (error) => {
          if (!this.#isRevoked) reject(error);
        },
      });
    });
    promise.catch(() => undefined);
    return promise;
  }

  #push(request: Request, hands: Pick<LiveCall, "settle" | "fail">): void {
    const callId = callIdOf(this.state.turn, this.#ordinal++);
    this.#requested.push({ callId, request, ...hands });
  }
}

/** What the journal can hold of a value that code gives, as it will be read back: hashed, recorded and run as the same. */
function plain(code: ErrorCode, what: string, value: unknown): JsonValue {
  const json = toJson(value);
  if (json.ok) return json.value;
  throw new PawlError(code, `${what} has ${json.found} at ${json.path}, which is not JSON. Give plain data.`);
}

function rejected(error: PawlError): Promise<never> {
  const promise = Promise.reject<never>(error);
  promise.catch(() => undefined);
  return promise;
}
