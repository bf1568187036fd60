import { PawlError } from "../../core/errors.ts";
import { mermaidOf, recordedPicture, type GraphPicture } from "../../graph/picture.ts";
import type { GraphStateAt } from "../../graph/run-graph.ts";
import { configPath, loadConfig } from "../load-config.ts";
import type { Place } from "../place.ts";
import { connect } from "../connection.ts";
import { atDesk, toRead } from "../at-desk.ts";
import { paint, plain, say } from "../terminal.ts";
import { forkTurn } from "./tell.ts";

/** `pawl graph NAME`: its nodes and edges as Mermaid, for a page or an editor that draws it. */
export async function graphShow(name: string, options: Place): Promise<number> {
  const picture =
    options.server === undefined ? await pictureHere(name, options) : await connect(options).getGraph(name);
  if (options.json === true) say(JSON.stringify({ ...picture, mermaid: mermaidOf(picture) }));
  else say(mermaidOf(picture));
  return 0;
}

async function pictureHere(name: string, { config }: Place): Promise<GraphPicture> {
  const path = configPath(config);
  if (path === null)
    throw new PawlError(
      "CONFIG_INVALID",
      "there is no pawl.config.ts here, and graphs are code. Name one with --config.",
    );
  const { registry } = await loadConfig(path);
  const picture = recordedPicture(registry.runnable(name).definition);
  if (picture !== null) return picture;
  const graphs = registry.runnables.filter(({ definition }) => recordedPicture(definition) !== null);
  const names = graphs.map((one) => one.name).join(", ") || "none";
  throw new PawlError("OPTION_INVALID", `"${name}" is no graph. Graphs here: ${names}.`);
}

/** `pawl graph state RUN --turn N`: the channels after so many supersteps. */
export function graphState(runId: string, options: Place & { readonly turn?: string }): Promise<number> {
  const query = options.turn === undefined ? {} : { turn: forkTurn(options.turn) };
  return atDesk(
    options,
    async (desk) => {
      const at = await desk.getGraphState(runId, query);
      if (options.json === true) say(JSON.stringify(at));
      else showState(runId, at);
    },
    toRead,
  );
}

function showState(runId: string, at: GraphStateAt): void {
  const next = at.next.length === 0 ? "nothing" : at.next.join(", ");
  say(`${paint("bold", `${runId} after superstep ${at.turn} of ${at.turns}`)}  next: ${next}`);
  if (at.state === null) say(paint("dim", "  only its input"));
  for (const [name, value] of Object.entries(at.state ?? {})) {
    const size = Array.isArray(value) ? paint("dim", ` (${value.length})`) : "";
    say(`${paint("bold", name)}${size}`);
    for (const line of JSON.stringify(value, null, 2).split("\n")) say(`  ${plain(line)}`);
  }
}
