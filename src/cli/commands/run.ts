import { withModel } from "../../agent/with-model.ts";
import { PawlError } from "../../core/errors.ts";
import type { JsonValue } from "../../core/json.ts";
import type { OnBusy } from "../../engine/thread.ts";
import { citationVerdict } from "../citation-verdict.ts";
import { followRun } from "../follow-run.ts";
import { builtinFor, knownRunnable, noticesOf, refuseResearchOptions, workerFor } from "../foreground.ts";
import { runAtServer } from "../server-run.ts";
import { openApp, type Builtin, type Place, type Premises } from "../place.ts";
import { docsFolder, reportsFolder, researchName } from "../research-agent.ts";
import { teamName } from "../research-team.ts";
import { newRunId } from "../run-id.ts";
import { placeOfRun, rememberPlace, type RunPlace } from "../run-places.ts";
import { say, tell } from "../terminal.ts";
import { goesOn, jsonOf } from "./tell.ts";

export interface RunOptions extends Place {
  readonly docs?: string;
  readonly model?: string;
  readonly runId?: string;
  readonly thread?: string;
  readonly onBusy?: string;
  readonly input?: string;
  readonly tools?: string;
  readonly yes?: boolean;
  /** commander's form of --no-save; default true. */
  readonly save?: boolean;
  readonly detach?: boolean;
}

/** `pawl run AGENT "goal"`: starts a run and shows it until it ends or waits for somebody. */
export async function run(agentName: string, goal: string | undefined, options: RunOptions): Promise<number> {
  const input = inputOf(agentName, goal, options);
  const onBusy = onBusyOf(options.onBusy);
  const tools = options.tools === undefined ? null : namesIn(options.tools);
  if (options.server !== undefined) return runAtServer({ agent: agentName, input, onBusy, tools }, options);
  const runId = options.runId ?? newRunId(agentName);
  const opened = await openApp(options, {
    worker: options.detach === true ? false : workerFor(runId),
    callsModels: true,
    builtin: (at) => builtinNamed(agentName, { runId, options, at }),
    adapt: (one) => (options.model !== undefined && one.name === agentName ? withModel(one, options.model) : one),
  });
  try {
    const { app, tenant, builtin, storeFailed } = opened;
    const runnable = knownRunnable(app, agentName);
    for (const line of noticesOf(app.deps.models, runnable.routes)) tell(options, line);
    const before = await app.store.readHead({ tenant, runId });
    const threadId = options.thread;
    const started = await app.start(runnable, {
      input,
      runId,
      tenant,
      ...(tools !== null && { tools }),
      ...(threadId !== undefined && { threadId, onBusy }),
    });
    if (options.detach === true) return detached(options, runId);
    tellStart(options, { runId, builtin, isNew: before === null });
    return await followRun({
      app,
      run: started,
      place: options,
      storeFailed,
      after: options.json === true ? 0 : (before?.seq ?? 0),
      ask: { yes: options.yes === true, json: options.json === true },
      ...(builtin !== null &&
        agentName === researchName && { verdictOn: (answer: string) => citationVerdict(started, answer) }),
    });
  } finally {
    await opened.app.close();
  }
}

function namesIn(list: string): readonly string[] {
  return list.split(",").flatMap((name) => (name.trim() === "" ? [] : [name.trim()]));
}

/** The run is in the database: whoever executes it there. */
function detached(place: Place, runId: string): number {
  say(place.json === true ? JSON.stringify({ runId }) : `run ${runId}`);
  tell(place, `  ${goesOn(place, runId)}`);
  return 0;
}

function tellStart(
  place: Place,
  { runId, builtin, isNew }: { readonly runId: string; readonly builtin: Builtin | null; readonly isNew: boolean },
): void {
  if (builtin !== null && builtin.about !== null) tell(place, builtin.about);
  tell(place, isNew ? `run ${runId} (Ctrl-C parks it)` : `run ${runId} exists: this is what becomes of it`);
}

function inputOf(agentName: string, goal: string | undefined, options: RunOptions): JsonValue {
  if (goal !== undefined && options.input !== undefined) {
    throw new PawlError("OPTION_INVALID", `run takes a goal or --input, not both. Leave one out.`);
  }
  if (goal !== undefined) return goal;
  if (options.input === undefined) {
    throw new PawlError(
      "OPTION_INVALID",
      `run "${agentName}" has no goal. Add it: pawl run ${agentName} "what to do", or --input JSON.`,
    );
  }
  return jsonOf("--input", options.input);
}

function onBusyOf(given: string | undefined): OnBusy {
  if (given === undefined || given === "enqueue" || given === "reject" || given === "interrupt")
    return given ?? "enqueue";
  throw new PawlError("OPTION_INVALID", `--on-busy is "${given}". It is enqueue, reject or interrupt.`);
}

interface Wanted {
  readonly runId: string;
  readonly options: RunOptions;
  readonly at: Premises;
}

/** The built-in agent, unless the configuration has one of its name. */
async function builtinNamed(agentName: string, { runId, options, at }: Wanted): Promise<Builtin | null> {
  if ((agentName !== researchName && agentName !== teamName) || at.names.includes(agentName)) {
    return refuseResearchOptions(agentName, options);
  }
  const ref = { tenant: at.tenant, runId };
  const docs = docsFolder(options.docs);
  const wanted: RunPlace =
    agentName === teamName
      ? { kind: "team", docs }
      : { kind: "research", docs, reports: options.save === false ? null : reportsFolder() };
  await rememberPlace(at.store, ref, wanted);
  return builtinFor((await placeOfRun(at.store, ref)) ?? wanted, at, options.model);
}
