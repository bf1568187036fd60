import assert from "node:assert/strict";
import type { ErrorCode } from "../../src/core/error-table.ts";
import { PawlError } from "../../src/core/errors.ts";
import { withoutFences } from "../../src/core/fence.ts";
import type { Message } from "../../src/core/message.ts";
import type { ModelSource } from "../../src/core/model-contract.ts";
import type { Runnable } from "../../src/core/runnable.ts";
import { seededRandom, type Entropy } from "../../src/core/clock.ts";
import type { ReadEvent } from "../../src/engine/run-events.ts";
import type { Run, RunResult } from "../../src/engine/run-handle.ts";
import { Pawl } from "../../src/engine/runtime.ts";
import type { PawlOptions } from "../../src/engine/pawl-options.ts";
import type { StartOptions } from "../../src/engine/start-options.ts";
import type { WorkerEvent } from "../../src/engine/worker.ts";
import { manualClock, type ManualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { checkRuns } from "../../src/testing/run-checks.ts";
import { transcriptProblem } from "../../src/testing/transcript-rules.ts";
import { scriptedModel, type Script, type ScriptedModel } from "../../src/testing/scripted-model.ts";

export interface StageOptions extends Partial<Omit<PawlOptions, "agents" | "models" | "clock" | "onWorkerEvent">> {
  readonly agents: readonly Runnable[];
  readonly script?: Script | { readonly [route: string]: Script };
  /** Instead of a script. */
  readonly models?: ModelSource;
  readonly clock?: ManualClock;
  /** Run every body again at every place of its journal; default true. */
  readonly replay?: boolean;
}

/** Several stages on one store stand for several processes: no id of one may be an id of another. */
let made = 0;

/** An app on a memory store under a manual clock, and what a test asks of it. */
export class Stage {
  readonly app: Pawl;
  readonly clock: ManualClock;
  readonly models: ScriptedModel;
  readonly workerEvents: WorkerEvent[] = [];
  readonly #replays: boolean;
  #runs = 0;

  constructor(options: StageOptions) {
    const { agents, script, models, clock, replay, ...rest } = options;
    this.clock = clock ?? manualClock();
    this.models = scriptedModel(script ?? [], { clock: this.clock });
    this.#replays = replay ?? true;
    this.app = new Pawl({
      store: memoryStore({ clock: this.clock }),
      entropy: entropyOf(++made),
      ...rest,
      agents,
      models: models ?? this.models,
      clock: this.clock,
      onWorkerEvent: (event) => this.workerEvents.push(event),
    });
  }

  /** Starts a run of the first agent and lets time pass until it stands still. */
  async play(input: unknown = "Do it.", options: Partial<StartOptions> = {}): Promise<Played> {
    const run = await this.start(input, options);
    return this.played(run);
  }

  start(input: unknown = "Do it.", options: Partial<StartOptions> = {}): Promise<Run> {
    const [runnable] = this.app.registry.runnables;
    assert.ok(runnable !== undefined);
    return this.app.start(runnable, { runId: `run-${++this.#runs}`, input, ...options });
  }

  async played(run: Run): Promise<Played> {
    const result = await this.clock.until(run.result());
    return { run, result, events: await this.events(run) };
  }

  async events(run: Run): Promise<readonly ReadEvent[]> {
    const events: ReadEvent[] = [];
    for await (const event of run.events()) events.push(event);
    return events;
  }

  /** What the models were asked, as messages, without the fences that are of each run. */
  get prompts(): readonly (readonly Message[])[] {
    return this.models.requests.map(({ request }) => withoutFences(request).messages);
  }

  async close(): Promise<void> {
    await this.clock.until(this.app.close());
  }

  async check(): Promise<void> {
    await checkRuns(this.app, { replay: this.#replays });
    for (const prompt of this.prompts) assert.equal(transcriptProblem(prompt), null, JSON.stringify(prompt, null, 1));
    const failed = this.workerEvents.filter((event) => event.type === "failed");
    assert.deepEqual(failed, [], "no claim failed");
  }
}

export interface Played {
  readonly run: Run;
  readonly result: RunResult;
  readonly events: readonly ReadEvent[];
}

/** Runs a test on a stage; afterwards every run is checked, and nothing is left behind. */
export async function onStage(options: StageOptions, act: (stage: Stage) => Promise<void>): Promise<void> {
  const stage = new Stage(options);
  try {
    await act(stage);
    await stage.check();
  } finally {
    await stage.close();
  }
  assert.equal(stage.clock.timers, 0, "a closed app leaves no timer behind");
}

export function entropyOf(seed: number): Entropy {
  const random = seededRandom(seed);
  let ids = 0;
  return { random, id: () => `id-${seed}-${++ids}` };
}

export function rejectsWith(code: ErrorCode, promise: Promise<unknown>): Promise<void> {
  return assert.rejects(promise, (error) => {
    assert.ok(PawlError.is(error), String(error));
    assert.equal(error.code, code, error.message);
    return true;
  });
}

export function ofType<T extends ReadEvent["type"]>(
  events: readonly ReadEvent[],
  type: T,
): readonly (ReadEvent & { readonly type: T })[] {
  return events.filter((event): event is ReadEvent & { readonly type: T } => event.type === type);
}
