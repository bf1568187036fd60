import { PawlError } from "../core/errors.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import type { ToolCalled } from "../core/tool-event.ts";
import { isJsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Gate } from "../core/policy.ts";
import type { Store } from "../core/store-contract.ts";
import { batchesAfter } from "./load-run.ts";
import { unknownRun } from "./outbox.ts";

/** A call whose confidence was measured, and what it turned out to be. */
export interface GatedCall extends Gate {
  readonly runId: string;
  readonly callId: string;
  readonly tool: string;
  /**
   * `right`: approved as it was, or auto-approved, returned, and nobody said otherwise. `wrong`: rejected, approved with
   * other arguments, or called wrong by a person. `open`: nobody decided, or it failed.
   */
  readonly outcome: "right" | "wrong" | "open";
}

/** What a threshold would have done to the calls whose outcome is known. */
export interface ThresholdRates {
  readonly threshold: number;
  /** Share of the wrong calls that it lets pass; null where none was wrong. */
  readonly falseAllow: number | null;
  /** Share of the right calls that it asks about; null where none was right. */
  readonly falseAsk: number | null;
}

/** The measurements of one tool, held against their outcomes. */
export interface Calibration {
  readonly tool: string;
  readonly right: number;
  readonly wrong: number;
  readonly open: number;
  /** In force at the newest call. */
  readonly threshold: number;
  readonly rates: readonly ThresholdRates[];
  /** The lowest threshold with at most `falseAllowMax`; null where too few outcomes are known. */
  readonly suggested: number | null;
}

const STEPS = 20;
/** Fewer known outcomes than this, or none of one kind, suggest nothing. */
const KNOWN_MIN = 20;
/** Share of the wrong calls that a suggested threshold may let pass. */
export const falseAllowMax = 0.05;

/** Holds measurements against outcomes, for each tool. Calls without a score count in nothing but `open`. */
export function calibrate(calls: readonly GatedCall[]): readonly Calibration[] {
  return [...Map.groupBy(calls, ({ tool }) => tool)].map(([tool, its]) => {
    const known = its.filter((call) => call.score !== null && call.outcome !== "open");
    const [right, wrong] = (["right", "wrong"] as const).map((kind) =>
      known.flatMap(({ outcome, score }) => (outcome === kind && score !== null ? [score] : [])),
    ) as [number[], number[]];
    const rates = Array.from({ length: STEPS }, (_, i): ThresholdRates => {
      const threshold = (i + 1) / STEPS;
      return {
        threshold,
        falseAllow: share(wrong, (score) => score >= threshold),
        falseAsk: share(right, (score) => score < threshold),
      };
    });
    const isEnough = known.length >= KNOWN_MIN && right.length > 0 && wrong.length > 0;
    const found = rates.find(({ falseAllow }) => falseAllow !== null && falseAllow <= falseAllowMax);
    return {
      tool,
      right: right.length,
      wrong: wrong.length,
      open: its.length - known.length,
      threshold: its[0]?.threshold ?? 0,
      rates,
      suggested: isEnough ? (found?.threshold ?? null) : null,
    };
  });
}

function share(scores: readonly number[], is: (score: number) => boolean): number | null {
  return scores.length === 0 ? null : scores.filter(is).length / scores.length;
}

/** Measured calls of a tenant's newest runs, newest run first, with what people said of them later. */
export async function gatedCalls(store: Store, tenant: string, runsMax: number): Promise<readonly GatedCall[]> {
  const found: GatedCall[] = [];
  let cursor: string | null = null;
  let left = Math.min(runsMax, limits.calibrationRuns);
  do {
    const page = await store.list(tenant, { children: true }, cursor, Math.min(left, limits.reviewPage));
    for (const { runId, seq } of page.items) {
      left--;
      if (seq <= limits.calibrationEvents) found.push(...(await ofRun(store, tenant, runId)));
    }
    ({ cursor } = page);
  } while (cursor !== null && left > 0);
  return found;
}

/** What was measured in a tenant's newest runs, for one tool or all: rates by threshold, and the newest calls. */
export async function confidenceOf(
  store: Store,
  tenant: string,
  { tool, runs = 100 }: { readonly tool?: string; readonly runs?: number } = {},
): Promise<{ readonly tools: readonly Calibration[]; readonly calls: readonly GatedCall[] }> {
  const found = await gatedCalls(store, tenant, runs);
  const calls = found.filter((call) => tool === undefined || call.tool === tool);
  return { tools: calibrate(calls), calls: calls.slice(0, limits.gatedCallsShown) };
}

async function ofRun(store: Store, tenant: string, runId: string): Promise<readonly GatedCall[]> {
  const events: JournalEvent[] = [];
  for await (const { events: some } of batchesAfter(store, { tenant, runId }, 0)) events.push(...some);
  const called = events.filter((event) => event.type === "tool.called" && event.verdict.gate !== undefined);
  return Promise.all(
    (called as ToolCalled[]).map(async (call): Promise<GatedCall> => {
      const said = await store.getRecord(tenant, keyOf(runId, call.callId));
      const judged = said !== null && isJsonObject(said.value) ? said.value["outcome"] : null;
      const outcome = judged === "right" || judged === "wrong" ? judged : outcomeOf(call, events);
      return { ...(call.verdict.gate as Gate), runId, callId: call.callId, tool: call.tool, outcome };
    }),
  );
}

function outcomeOf({ callId, argsHash, verdict }: ToolCalled, events: readonly JournalEvent[]): GatedCall["outcome"] {
  for (const event of events) {
    if (event.type === "approval.decided" && event.approvalId.endsWith(`:${callId}`) && event.expired !== true)
      return event.decision === "approve" && event.argsHash === argsHash ? "right" : "wrong";
    if (verdict.decision === "allow" && event.type === "tool.returned" && event.callId === callId) return "right";
  }
  return "open";
}

/**
 * A person says later whether a measured call was right: a record beside the journal, as its run may have ended.
 * @throws RUN_UNKNOWN
 * @throws OPTION_INVALID  the run has no such call, or nothing was measured of it
 */
export async function judgeCall(
  store: Store,
  call: { readonly tenant: string; readonly runId: string; readonly callId: string },
  said: { readonly outcome: "right" | "wrong"; readonly by: string; readonly at: number },
): Promise<void> {
  const { tenant, runId, callId } = call;
  if ((await store.readHead({ tenant, runId })) === null) throw unknownRun({ tenant, runId });
  const known = await ofRun(store, tenant, runId);
  if (!known.some((one) => one.callId === callId))
    throw new PawlError(
      "OPTION_INVALID",
      `run "${runId}" has no call "${callId}" of which confidence was measured. It has: ${known.map((one) => one.callId).join(", ") || "none"}.`,
    );
  await store.putRecord(tenant, keyOf(runId, callId), { ...said }, {}, limits.calibrationMs);
}

function keyOf(runId: string, callId: string): string {
  return `outcome/${runId}:${callId}`;
}
