import { PawlError } from "../core/errors.ts";
import { nearest } from "../core/nearest.ts";
import { rootRunIdOf, type RunRef } from "../core/id.ts";
import type { ModelSource } from "../core/model-contract.ts";
import type { Runnable } from "../core/runnable.ts";
import type { Pawl } from "../engine/runtime.ts";
import type { PawlOptions } from "../engine/pawl-options.ts";
import { defaultRoute } from "../models.ts";
import type { DocumentSet } from "../tools.ts";
import { crashRun } from "./crash/crash-run.ts";
import { countText } from "./figures.ts";
import { LiveLine } from "./live-line.ts";
import type { Builtin, Premises } from "./place.ts";
import { earlierReport, researchAgent, researchName } from "./research-agent.ts";
import { researchTeam, teamName } from "./research-team.ts";
import { placeOfRun, type RunPlace } from "./run-places.ts";
import { plain } from "./terminal.ts";

// What a command needs that executes one run in the foreground.

/** A worker for one run and its children: other runs that wait in the same database are left alone. */
export function workerFor(runId: string): NonNullable<PawlOptions["worker"]> {
  return {
    name: `pawl process ${process.pid}`,
    only: (ref) => rootRunIdOf(ref.runId) === rootRunIdOf(runId),
  };
}

/** Code of a built-in agent, for a run that was given this. */
export async function builtinFor(place: RunPlace, at: Premises, model?: string): Promise<Builtin> {
  if (place.kind === "crash") return { runnable: crashRun(place), about: null };
  const line = new LiveLine();
  line.wait(`reading ${place.docs}`);
  const options = { model: model ?? defaultRoute(), cacheFolder: at.folder };
  const making = place.kind === "team" ? researchTeam(place.docs, options) : researchAgent(place, options);
  const { agent, documents } = await making.finally(() => line.clear());
  return { runnable: agent, about: documentsText(documents) };
}

/** The same for a run that exists; none where the configuration has its code. */
export async function builtinOf(ref: RunRef, at: Premises): Promise<Builtin | null> {
  const place = await placeOfRun(at.store, ref);
  return place === null ? null : builtinFor(place, at);
}

const SKIPS_SHOWN = 3;

function documentsText({ root, files, lines, skipped, skippedCount }: DocumentSet): string {
  const found = `${root}: ${countText(files, "document")}, ${countText(lines, "line")}`;
  if (skippedCount === 0) return found;
  const reports = skipped.filter(({ reason }) => reason === earlierReport).length;
  const others = skipped.filter(({ reason }) => reason !== earlierReport);
  const ofReports = reports === 0 ? [] : [`${countText(reports, "report")} of earlier runs`];
  const shown = others.slice(0, SKIPS_SHOWN).map(({ file, reason }) => `${plain(file)} (${reason})`);
  const rest = skippedCount > shown.length + reports ? [`${skippedCount - shown.length - reports} more`] : [];
  return `${found}; skipped: ${[...ofReports, ...shown, ...rest].join(", ")}`;
}

/** What stands behind a route, where its provider has something to say first. */
export function noticesOf(models: ModelSource, routes: readonly string[]): readonly string[] {
  return routes.flatMap((route) => {
    const next = models.next(route, [], 0);
    return next.type === "try" && next.endpoint.notice !== undefined ? [next.endpoint.notice] : [];
  });
}

/** @throws AGENT_UNKNOWN with every name there is, the built-in agent's too */
export function knownRunnable(app: Pawl, name: string): Runnable {
  const found = app.registry.runnables.find((one) => one.name === name);
  if (found !== undefined) return found;
  const names = [...new Set([...app.registry.runnables.map((one) => one.name), researchName, teamName])];
  const near = nearest(name, names);
  const hint = near === null ? "" : ` Did you mean "${near}"?`;
  throw new PawlError(
    "AGENT_UNKNOWN",
    `no agent or function "${name}". There is: ${names.join(", ")}.${hint} Your own come from pawl.config.ts.`,
  );
}

/** @throws OPTION_INVALID  options of the built-in agent were given for another one */
export async function refuseResearchOptions(
  agentName: string,
  options: { readonly docs?: string; readonly save?: boolean },
): Promise<null> {
  if (options.docs === undefined && options.save !== false) return null;
  throw new PawlError(
    "OPTION_INVALID",
    `--docs and --no-save belong to the built-in agent "${researchName}", and "${agentName}" is not it. Leave them out.`,
  );
}
