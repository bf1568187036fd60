import { PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import type { JournalEvent, RunEnded } from "../core/journal-event.ts";
import { limits } from "../core/limits.ts";
import { blobScopeOf } from "../core/run-head.ts";
import type { RunState } from "../core/run-state.ts";
import { CodeScope, timeOf, type CodeSpan } from "./code-scope.ts";
import type { EngineDeps } from "./deps.ts";
import { effectsOf } from "./ended-sums.ts";
import { lightRunnable } from "./light-runnable.ts";
import { OwnedJournal } from "./journal.ts";
import { loadRun } from "./load-run.ts";
import { startRun } from "./start-run.ts";
import { Values } from "./values.ts";
import { WorkerSession } from "./worker-session.ts";

export interface LightRunOptions {
  readonly tenant: string;
  readonly principal: string;
}

/** Light runs of one app, under a session of their own. */
export class LightRuns {
  readonly #deps: EngineDeps;
  readonly #running = new Set<Promise<unknown>>();
  #session: Promise<WorkerSession> | null = null;

  constructor(deps: EngineDeps) {
    this.#deps = deps;
  }

  /**
   * Runs code as a light run: its journal begins before the code does, and ends with it. What goes wrong with the journal
   * is told to `onTrouble` and does not touch the code.
   */
  run<T>(
    span: CodeSpan,
    args: readonly unknown[],
    code: () => T,
    options: LightRunOptions & { readonly onTrouble: (error: unknown) => void },
  ): Promise<Awaited<T>> {
    const running = this.#run(span, args, code, options);
    const settled = running.then(
      () => undefined,
      () => undefined,
    );
    this.#running.add(settled);
    void settled.then(() => this.#running.delete(settled));
    return running;
  }

  /** Waits for the code that runs, at most `withinMs`, then gives the session back: what still runs is left to others. */
  async close(withinMs: number = limits.drainMs): Promise<void> {
    if (this.#running.size > 0) {
      let cancel = (): void => undefined;
      const late = new Promise<void>((resolve) => {
        cancel = this.#deps.clock.setTimer(withinMs, resolve);
      });
      await Promise.race([Promise.all(this.#running), late]);
      cancel();
    }
    const session = this.#session;
    this.#session = null;
    if (session !== null) await session.then((opened) => opened.close()).catch(() => undefined);
  }

  async #run<T>(
    span: CodeSpan,
    args: readonly unknown[],
    code: () => T,
    options: LightRunOptions & { readonly onTrouble: (error: unknown) => void },
  ): Promise<Awaited<T>> {
    const ref = { tenant: options.tenant, runId: this.#deps.entropy.id() };
    const values = new Values(this.#deps, ref, blobScopeOf(ref, undefined));
    const scope = new CodeScope({ ref, callId: "t0", attempt: 1, values, ...timeOf(this.#deps.clock) });
    const journal = await this.#begin(ref, span, options).catch((error: unknown) => {
      options.onTrouble(error);
      return null;
    });
    const outcome = await scope
      .run(() => scope.traced(span, args, null, code))
      .then(
        (value) => ({ ok: true, value }) as const,
        (error: unknown) => ({ ok: false, error }) as const,
      );
    if (journal !== null) await this.#end(journal, scope).catch(options.onTrouble);
    if (outcome.ok) return outcome.value;
    throw outcome.error;
  }

  async #begin(ref: RunRef, span: CodeSpan, { principal }: LightRunOptions): Promise<OwnedJournal> {
    if (this.#running.size > limits.lightRuns) {
      throw new PawlError(
        "OVERLOADED",
        `${limits.lightRuns} traced functions run at once; "${span.name}" is not traced.`,
      );
    }
    const { store, clock, entropy, build } = this.#deps;
    this.#session ??= WorkerSession.open(store, clock, entropy.id(), `trace-${process.pid}`).catch((error: unknown) => {
      this.#session = null;
      throw error;
    });
    const session = await this.#session;
    if (session.dead.aborted) {
      this.#session = null;
      throw new PawlError("OWNER_LOST", "the session of traced functions died; the next one opens another.");
    }
    const worker = `trace-${process.pid}`;
    const claimed: JournalEvent = { type: "run.claimed", fence: 1, session: session.id, worker, build };
    await startRun(this.#deps, {
      ref,
      runnable: lightRunnable,
      input: { name: span.name },
      principal,
      messageId: ref.runId,
      tags: span.tags,
      title: span.name,
      further: () => [claimed],
    });
    const loaded = await loadRun(store, ref);
    if (loaded === null) throw new PawlError("INTERNAL", `run "${ref.runId}" is gone right after its start.`);
    return new OwnedJournal(this.#deps, session, ref, loaded);
  }

  async #end(journal: OwnedJournal, scope: CodeScope): Promise<void> {
    const groups = await scope.groups();
    const now = this.#deps.clock.nowMs();
    for (const group of groups.slice(0, -1)) await journal.append(group, now, () => group);
    const last = groups.at(-1) ?? [];
    const first = groups[0]?.[0];
    const ended = (state: RunState): readonly JournalEvent[] => [...last, endOf(state, first)];
    await journal.append(ended(journal.state), now, ended);
  }
}

function endOf(state: RunState, span: (JournalEvent & { readonly type: "span.recorded" }) | undefined): RunEnded {
  const error = span?.error;
  return {
    type: "run.ended",
    status: error === undefined ? "completed" : "failed",
    valueRef: span?.outputRef ?? { inline: null },
    ...(error !== undefined && { error }),
    effects: effectsOf(state),
    totals: state.totals,
  };
}
