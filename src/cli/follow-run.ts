import { limits } from "../core/limits.ts";
import { PawlError } from "../core/errors.ts";
import { isEnd } from "../core/run-outcome.ts";
import type { RunSummary } from "../core/run-summary.ts";
import type { OpenAsk } from "../core/store-contract.ts";
import type { Pawl } from "../engine/runtime.ts";
import type { AnswerBasis, Run, RunResult } from "../engine/run-handle.ts";
import { askApproval, askEffect, type AskOptions } from "./ask-person.ts";
import { reportContent } from "./citation-verdict.ts";
import { exitCodeOfStatus, exitCodes } from "./exit-codes.ts";
import { countText, durationText, totalsText } from "./figures.ts";
import type { Desk } from "./desk.ts";
import { localDesk } from "./local-desk.ts";
import { onInterrupt, type Leaving } from "./interrupt.ts";
import { pasteable } from "./pasteable.ts";
import type { Place } from "./place.ts";
import { recoveryAt, recoveryText } from "./recovery.ts";
import { JsonView, TextView, type RunView } from "./run-view.ts";
import { openAsks, stuckChildren, whenStill } from "./standstill.ts";
import { paint, plain } from "./terminal.ts";

export interface Following {
  readonly app: Pawl;
  readonly run: Run;
  readonly place: Place;
  readonly storeFailed: AbortSignal;
  /** Events after this seq are shown; 0 = all. */
  readonly after: number;
  readonly ask: AskOptions;
  /** What is said under the final answer; null = nothing. */
  readonly verdictOn?: (answer: string) => Promise<string | null>;
}

export function viewOf(place: Place, runId: string): RunView {
  const command = (...words: readonly string[]): string => pasteable(place, ...words);
  return place.json === true ? new JsonView() : new TextView({ runId, nowMs: () => Date.now(), command });
}

/**
 * Shows a run until it ends or waits for somebody, and asks the person at the terminal what it waits for. Ctrl-C parks it.
 * @returns the exit code
 */
export async function followRun(following: Following): Promise<number> {
  const { app, run, place } = following;
  const view = viewOf(place, run.id);
  const interrupt = onInterrupt(() => {
    view.remark(
      `parking ${run.id}: what runs now is finished first (at most ${durationText(limits.drainMs)}). Ctrl-C again leaves at once.`,
    );
    return app.pause(run.id, "Ctrl-C", { tenant: run.ref.tenant });
  });
  try {
    const leave = AbortSignal.any([interrupt.leave, following.storeFailed]);
    const code = await untilSettled(following, view, leave);
    return code ?? (await left(following, view, leave));
  } finally {
    interrupt.stop();
    view.close();
  }
}

/** @returns null when this process was asked to leave */
async function untilSettled(following: Following, view: RunView, leave: AbortSignal): Promise<number | null> {
  const { app, run } = following;
  const desk = localDesk({ app, tenant: run.ref.tenant });
  let { after } = following;
  for (let isFirst = true; ; isFirst = false) {
    after = await watchRun(following, view, { after, leave, tellsRecovery: isFirst });
    if (leave.aborted) return null;
    const { status } = await run.head();
    const asks = isEnd(status) ? [] : await openAsks(app, run);
    const [stuck] = status === "awaiting_child" && asks.length === 0 ? await stuckChildren(app, run) : [];
    if (stuck !== undefined) return stands(following.place, { ...stuck, rootRunId: run.id }, view);
    if (asks.length === 0) {
      const result = await run.result();
      return concluded({ ...following, run: await run.head(), result }, view);
    }
    view.close();
    if (!(await everyQuestion({ ...following, desk }, asks, view)))
      return parked(following.place, { runId: run.id, asks }, view);
  }
}

/**
 * Shows a run until it ends, or it or one of its children waits for a person, or somebody wants to leave.
 * @returns seq of the last event that was shown
 */
export async function watchRun(
  { app, run }: Pick<Following, "app" | "run">,
  view: RunView,
  options: { readonly after: number; readonly leave: AbortSignal; readonly tellsRecovery: boolean },
): Promise<number> {
  const { leave, after: from } = options;
  const asked = new AbortController();
  const stopLooking = whenStill(app, run, {
    held: () => view.remark(paint("dim", "waiting for an earlier run of this thread to end (pawl runs shows it)")),
    byChild: () => asked.abort(),
  });
  let after = from;
  let { tellsRecovery } = options;
  try {
    if (from > 0) for await (const event of run.events()) if (event.seq <= from) view.recall(event);
    for await (const event of run.stream({
      after,
      untilParked: true,
      signal: AbortSignal.any([leave, asked.signal]),
    })) {
      if ("seq" in event) {
        after = event.seq;
        if (event.type === "run.claimed" && tellsRecovery) {
          tellsRecovery = false;
          await tellRecovery(app, run, event.seq, view);
        }
      }
      view.show(event);
    }
    return after;
  } finally {
    stopLooking();
  }
}

async function tellRecovery(app: Pawl, run: Run, claimSeq: number, view: RunView): Promise<void> {
  const recovery = await recoveryAt(app.store, run.ref, claimSeq);
  if (recovery !== null) view.remark(paint("bold", recoveryText(recovery)));
}

/**
 * Gives the run back. What was in flight is finished first, so that nothing has to be repeated.
 * @throws the store's error, where that is why
 */
async function left({ app, run, place }: Following, view: RunView, leave: AbortSignal): Promise<number> {
  view.close();
  const reason = leave.reason as Leaving | PawlError;
  await app.close(PawlError.is(reason) ? 0 : undefined);
  view.remark(`${run.id} is ${reason === "interrupted" ? "paused" : "given back"}.`);
  view.remark(`  ${pasteable(place, "resume", run.id)}`);
  if (PawlError.is(reason)) throw reason;
  return reason === "interrupted" ? exitCodes.parked : exitCodes.terminated;
}

/** @returns false when a question stays open */
export async function everyQuestion(
  { desk, ask, verdictOn }: Pick<Following, "ask" | "verdictOn"> & { readonly desk: Desk },
  asks: readonly Ask[],
  view: RunView,
): Promise<boolean> {
  for (const { kind, key, runId, seq } of asks) {
    if (kind === "unknown") {
      const { items } = await desk.listRunEffects(runId);
      const tool = items.find(({ callId }) => callId === key)?.tool ?? "the step";
      const call = { runId, callId: key, tool, ...(seq !== undefined && { seq }) };
      if ((await askEffect(desk, call, ask)) === "later") return false;
      continue;
    }
    const approval = await desk.getApproval(key);
    const report = reportContent(approval.tool, approval.input);
    const verdict = report === null ? null : ((await verdictOn?.(report)) ?? null);
    if (verdict !== null) view.remark(verdict);
    if ((await askApproval(desk, approval, ask)) === "later") return false;
  }
  return true;
}

export type Ask = Pick<OpenAsk, "kind" | "key" | "runId"> & { readonly seq?: number };

/** The run goes on when somebody says so: what it waits for, and the commands to paste. */
export function parked(
  place: Place,
  { runId, asks }: { readonly runId: string; readonly asks: readonly Ask[] },
  view: RunView,
): number {
  view.remark(paint("yellow", `${runId} waits for a person.`));
  for (const ask of asks) view.remark(`  ${decisionCommand(place, ask)}`);
  if (place.server === undefined) view.remark(`  ${pasteable(place, "resume", runId)}`);
  return exitCodes.parked;
}

/** To paste. What is said of an effect is about the unknown that is shown, and refused where there is a newer one. */
export function decisionCommand(place: Place, { kind, key, runId, seq }: Ask): string {
  if (kind === "approval") return `${pasteable(place, "approve", key)}  # or reject`;
  const which = seq === undefined ? [] : ["--seq", String(seq)];
  return `${pasteable(place, "resolve", runId, key, "happened", ...which)}  # or not-happened`;
}

const capWords: { readonly [unit: string]: readonly [flag: string, cap: string] } = {
  tokens: ["--tokens", "1000000"],
  nanoUsd: ["--usd", "10"],
  calls: ["--calls", "100"],
};

/** What of a run says how it stands. */
type Standing = Pick<
  RunSummary,
  "runId" | "rootRunId" | "status" | "waits" | "blocked" | "paused" | "totals" | "startedAt" | "updatedAt"
>;

/** Commands that take a run on that stands still; at a gateway its worker goes on by itself. */
export function nextSteps(place: Place, { runId, rootRunId, status, waits, paused }: Standing): readonly string[] {
  const isServed = place.server !== undefined && !paused;
  const resume = isServed ? [] : [pasteable(place, "resume", rootRunId)];
  switch (status) {
    case "blocked":
      return [`${pasteable(place, "unblock", runId, "retry")}  # or fail`, ...resume];
    case "awaiting_budget": {
      const [budget, unit = ""] = waits.find(({ kind }) => kind === "budget")?.name?.split(" ") ?? [];
      // a shared budget: more for this run alone would not help it
      if (budget !== undefined)
        return [`${pasteable(place, "budgets", "set", budget, ...(capWords[unit] ?? []))}`, ...resume];
      return [`${pasteable(place, "raise", runId, "--tokens", "100000")}  # or --cost-usd 1, --calls 50`, ...resume];
    }
    case "awaiting_approval":
      return [
        ...waits.flatMap(({ kind, key, seq }) =>
          kind === "approval" || kind === "unknown" ? [decisionCommand(place, { kind, key, runId, seq })] : [],
        ),
        ...resume,
      ];
    case "awaiting_signal":
      return [
        ...waits.flatMap(({ kind, name }) =>
          kind === "signal" ? [pasteable(place, "signal", runId, name ?? "NAME")] : [],
        ),
        ...resume,
      ];
    default:
      return resume;
  }
}

interface Concluded extends Pick<Following, "place" | "verdictOn"> {
  readonly run: Standing;
  readonly result: RunResult;
}

/** What became of a run that has settled. @returns the exit code */
export async function concluded({ place, verdictOn, run, result }: Concluded, view: RunView): Promise<number> {
  switch (result.status) {
    case "completed":
    case "stopped":
      if (place.json !== true) await showAnswer(verdictOn, result.output, view);
      for (const line of basisLines(result)) view.remark(line);
      break;
    case "failed":
      view.remark(paint("red", `${result.error.code}: ${plain(result.error.message)}`));
      break;
    case "cancelled":
      view.remark(`cancelled: ${plain(result.reason)}`);
      break;
    default:
      return stands(place, run, view);
  }
  view.remark(endText(run, result));
  view.remark(paint("dim", pasteable(place, "show", run.runId)));
  return exitCodeOfStatus(run.status);
}

/** The run, or the child that it waits for, does not go on by itself: why, and the commands to paste. */
function stands(place: Place, run: Standing, view: RunView): number {
  const { blocked, runId, status } = run;
  if (blocked !== null) view.remark(paint("red", `${blocked.code}: ${plain(blocked.detail)}`));
  view.remark(paint("yellow", `${runId} is ${status.replaceAll("_", " ")}.`));
  for (const line of nextSteps(place, run)) view.remark(`  ${line}`);
  return exitCodeOfStatus(status);
}

async function showAnswer(verdictOn: Following["verdictOn"], output: unknown, view: RunView): Promise<void> {
  const text = plain(typeof output === "string" ? output : JSON.stringify(output, null, 2)).trim();
  if (text !== "" && text !== "null" && text !== view.lastText) view.remark(`\n${text}`);
  const verdict = (await verdictOn?.(text)) ?? null;
  if (verdict !== null) view.remark(verdict);
}

/** What the answer rests on, where somebody else may have written it. */
export function basisLines({ sources, restsOnUntrusted, strangeLinks }: AnswerBasis): readonly string[] {
  if (!restsOnUntrusted) return [];
  const read = sources.filter(({ isUntrusted }) => isUntrusted);
  const names = read.map(({ from, times }) => `${plain(from)}${times === 1 ? "" : ` ×${times}`}`).join(", ");
  const places = strangeLinks.map((link) => `links to a place that nobody named: ${plain(link)}`);
  return [`rests on untrusted text${names === "" ? "" : ` (${names})`}`, ...places].map((line) =>
    paint("yellow", line),
  );
}

function endText({ totals, status, startedAt, updatedAt }: Standing, result: RunResult): string {
  const why =
    result.status === "stopped"
      ? ` (${result.stopReason}${result.detail === null ? "" : `: ${plain(result.detail)}`})`
      : "";
  const calls = `${countText(totals.modelCalls, "model call")}, ${countText(totals.toolCalls, "tool call")}`;
  const colour = status === "completed" ? "green" : "red";
  return `${paint(colour, status)}${why} · ${totalsText(totals)} · ${calls} · ${durationText(updatedAt - startedAt)}`;
}
