import { randomUUID } from "node:crypto";
import { PawlError } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import type { RunSummary } from "../core/run-summary.ts";
import { splitApprovalId } from "../engine/approval-rules.ts";
import { isSettled } from "../engine/run-handle.ts";
import type { OnBusy } from "../engine/thread.ts";
import { connect } from "./connection.ts";
import { exitCodes } from "./exit-codes.ts";
import { concluded, everyQuestion, parked, viewOf, type Ask } from "./follow-run.ts";
import type { PawlClient } from "../client.ts";
import type { Place } from "./place.ts";
import type { RunView } from "./run-view.ts";
import { say, tell } from "./terminal.ts";

const RESULT_WAIT_MS = 10_000;

/** What is started of which agent. */
export interface Asked {
  readonly agent: string;
  readonly input: JsonValue;
  readonly onBusy: OnBusy;
  readonly tools: readonly string[] | null;
}

interface ServedOptions extends Place {
  readonly docs?: string;
  readonly model?: string;
  readonly yes?: boolean;
  readonly runId?: string;
  readonly thread?: string;
  readonly detach?: boolean;
}

/** `pawl run --server`: the gateway's worker executes it; Ctrl-C leaves it to that. @throws OPTION_INVALID */
export async function runAtServer({ onBusy, tools, ...asked }: Asked, options: ServedOptions): Promise<number> {
  for (const local of ["docs", "model"] as const) {
    if (options[local] === undefined) continue;
    throw new PawlError("OPTION_INVALID", `--${local} does not go with --server: the gateway has its own agents.`);
  }
  const { thread, runId } = options;
  const body = {
    ...asked,
    ...(runId !== undefined && { runId }),
    ...(thread !== undefined && { threadId: thread, onBusy }),
    ...(tools !== null && { tools }),
  };
  const started = await connect(options).startRun(body, { idempotencyKey: randomUUID() });
  if (options.detach === true) {
    say(options.json === true ? JSON.stringify({ runId: started.runId }) : `run ${started.runId}`);
    return exitCodes.ok;
  }
  tell(options, `run ${started.runId} (Ctrl-C leaves it to the server)`);
  return followAtServer(started.runId, options);
}

/** Shows a run until it ends or waits for somebody, and asks the person at the terminal. @returns the exit code */
async function followAtServer(runId: string, place: ServedOptions): Promise<number> {
  const client = connect(place);
  const view = viewOf(place, runId);
  const ask = { yes: place.yes === true, json: place.json === true };
  try {
    for (let lastSeq = 0; ;) {
      lastSeq = await watch(client, { runId, lastSeq }, view);
      const result = await client.getResult(runId, { waitMs: RESULT_WAIT_MS });
      const run = await client.getRun(runId);
      // somebody else was quicker, and it goes on
      if (!("usage" in result)) continue;
      if (result.status !== "awaiting_approval") return await concluded({ place, run, result }, view);
      const approvals = result.approvals.map((key) => ({ kind: "approval", key, runId }) as const);
      const asks: readonly Ask[] = [...approvals, ...result.unknownEffects.map((id) => unknownOf(run, id))];
      view.close();
      if (!(await everyQuestion({ desk: client, ask }, asks, view))) return parked(place, { runId, asks }, view);
    }
  } finally {
    view.close();
  }
}

/** @returns seq of the last event that was shown: of the end, or of a park that needs a person or money */
async function watch(
  client: PawlClient,
  { runId, lastSeq }: { readonly runId: string; readonly lastSeq: number },
  view: RunView,
): Promise<number> {
  let seq = lastSeq;
  for await (const item of client.events(runId, { lastSeq })) {
    view.show(item);
    if ("seq" in item) ({ seq } = item);
    const isStill = item.type === "run.parked" || item.type === "run.blocked";
    if (isStill && isSettled((await client.getResult(runId)).status)) break;
  }
  return seq;
}

/** A call of the run, or as `run:call` of a child. */
function unknownOf({ runId, waits }: Pick<RunSummary, "runId" | "waits">, id: string): Ask {
  const seq = waits.find(({ kind, key }) => kind === "unknown" && key === id)?.seq;
  const of = splitApprovalId(id.includes(":") ? id : `${runId}:${id}`);
  return { kind: "unknown", key: of.callId, runId: of.runId, ...(seq !== undefined && { seq }) };
}
