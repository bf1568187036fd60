import { AssertionError } from "node:assert";
import { isDeepStrictEqual } from "node:util";
import { leftOf } from "../core/budget.ts";
import { errorText } from "../core/json.ts";
import { decodeBatches } from "../core/journal-codec.ts";
import type { Batch } from "../core/journal-event.ts";
import { firstState, foldBatch } from "../core/run-fold.ts";
import { nextHead, type RunHead } from "../core/run-head.ts";
import type { RunState } from "../core/run-state.ts";
import type { Store } from "../core/store-contract.ts";
import { bodyScope } from "../engine/code-scope.ts";
import type { EngineDeps } from "../engine/deps.ts";
import { loadRun } from "../engine/load-run.ts";
import { replayTurn } from "../engine/replay.ts";
import { TurnScope, type LiveCall } from "../engine/turn-scope.ts";
import { Values } from "../engine/values.ts";
import { RunHistory } from "./simulation/call-history.ts";

export interface RunCheckOptions {
  readonly tenant?: string;
  /** Run each body again at every place of its journal; default true. False for code that must run once in a test. */
  readonly replay?: boolean;
}

const RUNS_PER_PAGE = 100;

/**
 * Checks every run of a tenant, whatever became of it: its journal is whole; its head, its state and its snapshot are
 * folds of it; each call has one outcome, begun in the allowed order; nothing passed its budget; and its code, run again
 * after every append, asks for what the journal has.
 * @throws AssertionError with one line per broken claim
 */
export async function checkRuns(app: { readonly deps: EngineDeps }, options: RunCheckOptions = {}): Promise<void> {
  const { deps } = app;
  const problems: string[] = [];
  for (const head of await allRuns(deps.store, options.tenant ?? "default")) {
    const found = await problemsOf(deps, head, options.replay ?? true).catch((error: unknown) => [errorText(error)]);
    problems.push(...found.map((problem) => `${head.runId}: ${problem}`));
  }
  if (problems.length > 0) throw new AssertionError({ message: problems.join("\n") });
}

async function allRuns(store: Store, tenant: string): Promise<readonly RunHead[]> {
  const heads: RunHead[] = [];
  let cursor: string | null = null;
  do {
    const page = await store.list(tenant, { children: true }, cursor, RUNS_PER_PAGE);
    heads.push(...page.items);
    cursor = page.cursor;
  } while (cursor !== null);
  return heads;
}

async function problemsOf(deps: EngineDeps, head: RunHead, replays: boolean): Promise<readonly string[]> {
  const ref = { tenant: head.tenant, runId: head.runId };
  const lines = await deps.store.readEvents(ref, 0, Infinity);
  const { batches } = decodeBatches(lines, { seq: 0, hash: "" });
  const problems: string[] = historyProblems(batches);
  let state: RunState | null = null;
  let folded: RunHead | null = null;
  for (const [i, batch] of batches.entries()) {
    const hash = batches[i + 1]?.prevHash ?? head.lastHash;
    state = state === null ? firstState(batch, hash) : foldBatch(state, batch, hash);
    const encoded = { id: batch.id, firstSeq: batch.firstSeq, lastSeq: state.seq, line: lines[i] ?? "", hash };
    folded = { ...nextHead(folded, ref, encoded, batch), marks: head.marks };
    if (replays) problems.push(...(await replayProblems(deps, folded, state)));
    problems.push(...budgetProblems(state, batches));
  }
  if (state === null) return ["it has no events"];
  const loaded = await loadRun(deps.store, ref);
  if (!isSame(loaded?.state, state)) problems.push("the fold by snapshot is not the fold from the start");
  if (!isSame(folded, head)) problems.push("its head is not the fold of its events");
  if (!isSame(state.totals, head.totals)) problems.push("head and state have different totals");
  return problems;
}

function historyProblems(batches: readonly Batch[]): string[] {
  const history = new RunHistory();
  const problems: string[] = [];
  for (const batch of batches) {
    for (const [i, event] of batch.events.entries()) {
      const broken = history.read(event);
      if (broken !== null) problems.push(`seq ${batch.firstSeq + i}: ${broken}`);
    }
  }
  return problems;
}

function budgetProblems(state: RunState, batches: readonly Batch[]): readonly string[] {
  const isExcused = batches.some((batch) => batch.events.some((event) => event.type === "budget.overrun"));
  if (isExcused) return [];
  const left = leftOf(state.caps, state.totals, Object.values(state.reserved));
  return Object.entries(left).flatMap(([scope, amount]) =>
    typeof amount === "number" && amount < 0 ? [`seq ${state.seq}: ${scope} are over budget (${amount} left)`] : [],
  );
}

/** What a worker that took the run over at this place would find: the body asks for what is recorded, in its order. */
async function replayProblems(deps: EngineDeps, head: RunHead, state: RunState): Promise<readonly string[]> {
  if (state.log.length === 0 || state.ended !== null) return [];
  const ref = { tenant: head.tenant, runId: head.runId };
  const { registry, clock } = deps;
  const values = new Values(deps, ref, head.blobScope);
  const { inputRef, pins } = state.started;
  const before = state.turnBase ?? state;
  const scope = new TurnScope({
    ref,
    state: before,
    definition: pins.agent === undefined ? null : await values.read(pins.agent),
    input: await values.read(inputRef),
    values,
    registry,
    clock,
    signal: new AbortController().signal,
  });
  const turnState = before.turnStateRef === null ? null : await values.read(before.turnStateRef);
  const live = new Map<string, LiveCall>();
  const runnable = registry.runnable(head.runnable);
  bodyScope(scope, values)
    .run(() => runnable.turn(scope, turnState))
    .catch(() => undefined);
  try {
    await replayTurn(state, { scope, live }, values);
    return [];
  } catch (error) {
    return [`replayed at seq ${state.seq}: ${errorText(error)}`];
  } finally {
    scope.revoke();
  }
}

/** Equal as JSON: a store gives back no `undefined` members. */
function isSame(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(plain(a), plain(b));
}

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null)) as unknown;
}
