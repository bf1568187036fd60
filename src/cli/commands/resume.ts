import { PawlError } from "../../core/errors.ts";
import { checkId, rootRunIdOf } from "../../core/id.ts";
import { isEnd } from "../../core/run-outcome.ts";
import type { RunHead } from "../../core/run-head.ts";
import type { Pawl } from "../../engine/runtime.ts";
import { citationVerdict } from "../citation-verdict.ts";
import { followRun } from "../follow-run.ts";
import { builtinOf, workerFor } from "../foreground.ts";
import { pasteable } from "../pasteable.ts";
import { openApp, type Place } from "../place.ts";
import { researchName } from "../research-agent.ts";
import { tell } from "../terminal.ts";
import { resumeAtServer } from "./tell.ts";

export interface ResumeOptions extends Place {
  readonly yes?: boolean;
}

/** `pawl resume RUN_ID`: goes on with a run that is paused, waits for an answer, or lost its worker. */
export async function resume(runId: string, options: ResumeOptions): Promise<number> {
  checkId("run id", rootRunIdOf(runId));
  if (options.server !== undefined) return resumeAtServer(runId, options);
  const { app, tenant, builtin, storeFailed } = await openApp(options, {
    mustExist: true,
    worker: workerFor(runId),
    builtin: (at) => builtinOf({ tenant: at.tenant, runId: rootRunIdOf(runId) }, at),
  });
  try {
    const run = app.run(runId, tenant);
    const head = await run.head();
    await letGo(app, head, options);
    const isResearch = head.runnable === researchName && builtin !== null;
    return await followRun({
      app,
      run,
      place: options,
      storeFailed,
      after: head.seq,
      ask: { yes: options.yes === true, json: options.json === true },
      ...(isResearch && { verdictOn: (answer: string) => citationVerdict(run, answer) }),
    });
  } finally {
    await app.close();
  }
}

/** Takes away what a person put in the run's way, and says what else is. */
async function letGo(app: Pawl, head: RunHead, options: ResumeOptions): Promise<void> {
  const { runId, tenant, status, lane, runnable, session } = head;
  if (isEnd(status)) return tell(options, `run ${runId} has ended`);
  if (app.registry.ofLane(lane, runnable) === null) {
    throw new PawlError(
      "RUNNABLE_MISSING",
      `run "${runId}" runs "${runnable}", which is not known here. Go to the folder of its pawl.config.ts, or name that with --config.`,
    );
  }
  if (head.paused) await app.resume(runId, { tenant });
  const owner = session === null ? null : await app.store.session(session);
  if (owner !== null && !owner.dead) {
    tell(
      options,
      `run ${runId} belongs to ${owner.worker}: following it. Should that be gone, it is taken over after 6 s.`,
    );
  } else if (status === "awaiting_signal" || status === "sleeping" || status === "awaiting_child") {
    tell(options, `run ${runId} is ${status.replaceAll("_", " ")}: see ${pasteable(options, "show", runId)}`);
  }
}
