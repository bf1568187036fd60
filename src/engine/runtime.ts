import { checkLimits, type BudgetScope } from "../core/budget.ts";
import { checkBudgets } from "../core/budget-rules.ts";
import { PawlError } from "../core/errors.ts";
import { checkGuard } from "../core/guard-rules.ts";
import { checkId, rootRunIdOf, type RunRef } from "../core/id.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import { KnownTenants } from "../core/known-tenants.ts";
import type { RunHead } from "../core/run-head.ts";
import type { Runnable } from "../core/runnable.ts";
import type { Page, RunFilter, Store } from "../core/store-contract.ts";
import { Budgets } from "./budgets.ts";
import type { CodeSpan } from "./code-scope.ts";
import { combinedHooks } from "./combined-hooks.ts";
import { budgetHooks } from "./declared-budgets.ts";
import { deleteRun, deleteThread, type Deleted } from "./deletion.ts";
import type { EngineDeps, EngineHooks } from "./deps.ts";
import { forkRun, type ForkOptions } from "./fork.ts";
import { JobQueue } from "./job-queue.ts";
import { LightRuns } from "./light-run.ts";
import { unknownRun } from "./outbox.ts";
import { checkRoom, outsideAppend, type OutsideResult } from "./outside.ts";
import type { PawlOptions } from "./pawl-options.ts";
import { People } from "./people.ts";
import { redactionOf } from "./redaction.ts";
import { checkRetention } from "./retention.ts";
import { loadSources, refuseUnsafe, registryOf, type Registry } from "./registry.ts";
import { checkReviewLinks } from "./review-links.ts";
import { Run } from "./run-handle.ts";
import { startRun, type RunStart } from "./start-run.ts";
import { takeoverEvents } from "./person-turn.ts";
import { systemClock, systemEntropy } from "./system-clock.ts";
import { appClosed, appOpened } from "./traceable.ts";
import { startInThread } from "./start-in-thread.ts";
import { checkedInput, checkTags, checkTaskSet, plain, type StartOptions } from "./start-options.ts";
import { Worker } from "./worker.ts";
import { checkToolRules } from "./tool-access.ts";
import { rateHooks } from "./tool-rates.ts";
import { Tools } from "./tools.ts";
import { Values } from "./values.ts";

/** Who says something to a run, and the id by which a repeat is recognised. */
export interface Saying {
  readonly tenant?: string;
  readonly by?: string;
  readonly messageId?: string;
}

const TENANT = "default";

/** The runtime: starts runs, executes them, and lets people and programs talk to them. */
export class Pawl {
  readonly store: Store;
  readonly registry: Registry;
  readonly approvals: People;
  readonly #deps: EngineDeps;
  readonly #options: PawlOptions;
  #hooks: EngineHooks;
  #worker: Worker | null = null;
  #opened: Promise<void> | null = null;
  readonly #lightRuns: LightRuns;
  readonly #tenants: KnownTenants;

  constructor(options: PawlOptions) {
    this.#options = options;
    this.store = options.store;
    this.registry = registryOf(options.agents);
    checkBudgets(options.budgets ?? []);
    const counted = combinedHooks(budgetHooks(options.budgets ?? []), rateHooks(this.registry));
    this.#hooks = combinedHooks(options.hooks ?? {}, counted);
    const hooks = (): EngineHooks => this.#hooks;
    this.#deps = {
      store: options.store,
      clock: options.clock ?? systemClock,
      entropy: options.entropy ?? systemEntropy,
      models: options.models,
      registry: this.registry,
      build: options.build ?? "dev",
      redaction: redactionOf(options),
      guard: checkGuard(options.guard ?? {}),
      ...(options.secrets && { secrets: options.secrets }),
      ...(options.queue && {
        queue: new JobQueue(options.queue, options.clock ?? systemClock, (error) =>
          // what was not put in is found by a sweep
          options.onWorkerEvent?.({ type: "failed", ref: null, error }),
        ),
      }),
      ...(options.retention && { retention: checkRetention(options.retention) }),
      ...(options.tools && { toolRules: checkToolRules(options.tools) }),
      ...(options.reviewLinks && { reviewLinks: checkReviewLinks(options.reviewLinks) }),
      get hooks() {
        return hooks();
      },
    };
    refuseUnsafe(options.store, this.registry);
    this.approvals = new People(this.#deps, TENANT);
    this.#lightRuns = new LightRuns(this.#deps);
    this.#tenants = new KnownTenants(options.store);
  }

  /** What the engine's other entrances (gateway, CLI, tests) build on. */
  get deps(): EngineDeps {
    return this.#deps;
  }

  /** It is open, or opens now. */
  get isOpened(): boolean {
    return this.#opened !== null;
  }

  /** Its options let it execute runs in this process. */
  get hasWorker(): boolean {
    return this.#options.worker !== false;
  }

  /** Of the worker of this process; `none`: it has none, or is not open. */
  get workerState(): "none" | "alive" | "dead" {
    if (this.#worker === null) return "none";
    return this.#worker.isAlive ? "alive" : "dead";
  }

  /** Runs that this process executes now. */
  get executing(): number {
    return this.#worker?.active.length ?? 0;
  }

  /** The budgets that are declared: how they stand, and caps in place of theirs. */
  budgets(tenant: string = TENANT): Budgets {
    return new Budgets(this.#deps, tenant);
  }

  /** The tools of its agents: how they stand, what is granted and what was reviewed. */
  tools(tenant: string = TENANT): Tools {
    return new Tools(this.#deps, tenant);
  }

  people(tenant: string): People {
    return new People(this.#deps, tenant);
  }

  /**
   * Adds to the hooks of the options, before anything runs: a door brings rules of its own. An amount counts against the
   * shared scopes of both, the stricter verdict about a tool wins, and what only one of them sets is as it says.
   * @throws OPTION_INVALID  it is open: calls may have been made without them
   */
  addHooks(hooks: EngineHooks): void {
    if (this.isOpened) {
      throw new PawlError(
        "OPTION_INVALID",
        "hooks are added before the runtime is opened. Add them before open(), start() and listen(), or give them to pawl({ hooks }).",
      );
    }
    this.#hooks = combinedHooks(this.#hooks, hooks);
  }

  /** Another runtime of the same options but these: what a command changes of the one that a project configured. */
  variant(change: Partial<PawlOptions>): Pawl {
    return new Pawl({ ...this.#options, ...change });
  }

  /** Opens the store and starts the worker. Called by everything that needs it; may be called any number of times. */
  open(): Promise<void> {
    this.#opened ??= this.#open().catch((error: unknown) => {
      this.#opened = null;
      throw error;
    });
    return this.#opened;
  }

  /**
   * Starts a run, once per run id.
   * @throws AGENT_UNKNOWN, INPUT_INVALID, RUN_EXISTS_DIFFERENT, THREAD_BUSY, MODEL_KEY_MISSING, TOOLS_UNREACHABLE, AGENT_UNSUPERVISED
   */
  async start(runnable: Runnable | string, options: StartOptions): Promise<Run> {
    return (await this.startWithHead(runnable, options)).run;
  }

  /** As `start`, with the head as it was created or found: who shows it need not read it again. */
  async startWithHead(
    runnable: Runnable | string,
    options: StartOptions,
  ): Promise<{ readonly run: Run; readonly head: RunHead; readonly created: boolean }> {
    const known = this.registry.runnable(typeof runnable === "string" ? runnable : runnable.name);
    if (typeof runnable !== "string" && runnable !== known) {
      throw new PawlError(
        "AGENT_DUPLICATE",
        `another "${known.name}" is registered than the one given. Pass the registered one, or its name.`,
      );
    }
    for (const route of known.routes) this.#deps.models.check(route);
    checkTags(options.tags ?? []);
    checkLimits(`run of "${known.name}"`, options.limits ?? {});
    const input = checkedInput(known, options.input);
    const ref = refOf(options.tenant, options.runId ?? this.#deps.entropy.id());
    await this.open();
    if (this.#deps.retention !== undefined) await this.#tenants.note(ref.tenant);
    if (known.sources) await loadSources(this.#deps, known);
    known.checkStart?.();
    const start: RunStart = {
      ref,
      runnable: known,
      input,
      principal: options.principal ?? principalOf(),
      messageId: options.messageId ?? ref.runId,
      ...(options.limits && { limits: options.limits }),
      ...(options.tools && { task: { tools: checkTaskSet(known, options.tools) } }),
      ...(options.tags && { tags: options.tags }),
      ...(options.roles && { roles: options.roles }),
      ...(options.traceparent !== undefined && { traceparent: options.traceparent }),
    };
    const run = new Run(this.#deps, ref);
    if (options.threadId === undefined) return { run, ...(await startRun(this.#deps, start)) };
    const { created } = await startInThread(
      this.#deps,
      { ...start, threadId: options.threadId },
      options.onBusy ?? "enqueue",
    );
    // its thread has held it, and may have let it go
    return { run, head: await run.head(), created };
  }

  /** A run that exists or not: `head()` tells. */
  run(runId: string, tenant: string = TENANT): Run {
    return new Run(this.#deps, { tenant, runId });
  }

  async runs(
    filter: RunFilter = {},
    page: { readonly tenant?: string; readonly cursor?: string; readonly limit?: number } = {},
  ): Promise<Page<RunHead>> {
    await this.open();
    return this.store.list(page.tenant ?? TENANT, filter, page.cursor ?? null, page.limit ?? 50);
  }

  // ---- saying something to a run; each @throws RUN_UNKNOWN, RUN_ENDED

  /** @throws SIGNALS_TOO_MANY  limits.signalsPending wait to be waited for, and the run does not wait for this name now */
  async signal(runId: string, name: string, value: unknown, saying: Saying = {}): Promise<void> {
    await this.#say(runId, saying, async (head, values) => {
      checkRoom(head, name);
      return [{ type: "signal.received", name, valueRef: await values.put(plain(value), { source: "untrusted" }) }];
    });
  }

  /** Steers an agent: it reads the message at its next turn. */
  async message(runId: string, text: string, saying: Saying = {}): Promise<void> {
    await this.#say(runId, saying, async (head, values) => [
      { type: "message.received", valueRef: await values.put(text, { source: "trusted", origin: "prompt" }) },
    ]);
  }

  /**
   * Takes an agent's next turn over: its next request is answered with `text`, and no model is asked.
   * @throws ANSWER_PENDING, ANSWER_INVALID
   */
  async answer(runId: string, text: string, saying: Saying = {}): Promise<void> {
    const by = saying.by ?? principalOf();
    const ref = { tenant: saying.tenant ?? TENANT, runId };
    await this.#say(runId, { ...saying, by }, (head) => takeoverEvents(this.#deps, ref, head, { by, text }));
  }

  async cancel(runId: string, reason: string, saying: Saying = {}): Promise<void> {
    await this.#say(runId, saying, () => [{ type: "cancel.requested", reason }]);
  }

  async pause(runId: string, reason: string, saying: Saying = {}): Promise<void> {
    await this.#say(runId, saying, () => [{ type: "run.paused", reason }]);
  }

  async resume(runId: string, saying: Saying = {}): Promise<void> {
    await this.#say(runId, saying, () => [{ type: "run.resumed" }]);
  }

  /** Lets a task with a fixed set of tools use more of its agent's. */
  async allowTools(runId: string, tools: readonly string[], saying: Saying = {}): Promise<void> {
    await this.#say(runId, saying, (head) => [
      { type: "task.extended", tools: checkTaskSet(this.registry.runnable(head.runnable), tools) },
    ]);
  }

  /** Adds to a cap of the run's budget. */
  async raiseBudget(runId: string, scope: BudgetScope, amount: number, saying: Saying = {}): Promise<void> {
    if (!(amount > 0)) throw new PawlError("OPTION_INVALID", `a budget is raised by a positive amount, not ${amount}.`);
    await this.#say(runId, saying, () => [{ type: "budget.raised", scope, amount }]);
  }

  /** `retry` runs a blocked run again, `fail` ends it. @throws RUN_NOT_BLOCKED */
  async unblock(runId: string, action: "retry" | "fail", saying: Saying = {}): Promise<void> {
    await this.#say(runId, saying, (head) => {
      if (head.blocked === null)
        throw new PawlError("RUN_NOT_BLOCKED", `run "${runId}" is ${head.status}, not blocked.`);
      return [{ type: "run.unblocked", action }];
    });
  }

  /** A new run from the first turns of another. See forkRun. */
  async fork(
    runId: string,
    options: Pick<ForkOptions, "turn" | "limits" | "state"> & {
      readonly runId?: string;
      readonly by?: string;
      readonly tenant?: string;
    },
  ): Promise<Run> {
    await this.open();
    const ref = refOf(options.tenant, options.runId ?? this.#deps.entropy.id());
    await forkRun(
      this.#deps,
      { tenant: ref.tenant, runId },
      {
        runId: ref.runId,
        principal: options.by ?? principalOf(),
        turn: options.turn,
        ...(options.limits && { limits: options.limits }),
        ...(options.state && { state: options.state }),
      },
    );
    return new Run(this.#deps, ref);
  }

  /** Deletes an ended run with its children. See deleteRun. */
  async deleteRun(runId: string, tenant: string = TENANT): Promise<Deleted> {
    await this.open();
    return deleteRun(this.#deps, { tenant, runId });
  }

  /** Deletes a conversation with its runs. See deleteThread. */
  async deleteThread(threadId: string, tenant: string = TENANT): Promise<Deleted> {
    await this.open();
    return deleteThread(this.#deps, { tenant, threadId });
  }

  /** Runs code as a light run: what `traceable` does outside of every run. */
  async traced<T>(span: CodeSpan, args: readonly unknown[], code: () => T, tenant: string): Promise<Awaited<T>> {
    const onTrouble = (error: unknown): void => this.#options.onWorkerEvent?.({ type: "failed", ref: null, error });
    await this.open().catch(onTrouble);
    return this.#lightRuns.run(span, args, code, { tenant, principal: principalOf(), onTrouble });
  }

  /** Waits for traced code, drains the worker, then closes the store. Idempotent. */
  async close(drainMs?: number): Promise<void> {
    appClosed(this);
    await this.#lightRuns.close(drainMs);
    const worker = this.#worker;
    this.#worker = null;
    await worker?.stop(drainMs);
    await Promise.all(this.registry.sources.map((source) => source.close()));
    await this.#deps.queue?.close();
    await this.store.close();
    this.#opened = null;
  }

  async #open(): Promise<void> {
    await this.store.open();
    refuseUnsafe(this.store, this.registry);
    await this.#deps.queue?.open();
    appOpened(this);
    const { worker } = this.#options;
    if (worker === false || this.#worker !== null) return;
    const options = typeof worker === "object" ? worker : {};
    const { onWorkerEvent } = this.#options;
    this.#worker = new Worker(this.#deps, {
      ...options,
      name: options.name ?? `pid-${process.pid}`,
      ...(onWorkerEvent && { onEvent: onWorkerEvent }),
    });
    await this.#worker.start();
  }

  async #say(
    runId: string,
    saying: Saying,
    events: (head: RunHead, values: Values) => Promise<readonly JournalEvent[]> | readonly JournalEvent[],
  ): Promise<void> {
    await this.open();
    const ref = { tenant: saying.tenant ?? TENANT, runId };
    const writer = { principal: saying.by ?? principalOf(), messageId: saying.messageId ?? null };
    const result = await outsideAppend(this.#deps, ref, writer, (head) =>
      events(head, new Values(this.#deps, ref, head.blobScope)),
    );
    refuseEnded(ref, result);
  }
}

function refuseEnded(ref: RunRef, result: OutsideResult): void {
  if (result.type === "missing") throw unknownRun(ref);
  if (result.type === "ended")
    throw new PawlError("RUN_ENDED", `run "${ref.runId}" is ${result.head.status}: it takes no more messages.`);
}

function refOf(tenant: string = TENANT, runId: string): RunRef {
  checkId("tenant", tenant);
  checkId("runId", rootRunIdOf(runId));
  return { tenant, runId };
}

/** The person or program at this machine, where no credential says more. */
function principalOf(): string {
  return process.env["USER"] ?? process.env["USERNAME"] ?? "local";
}
