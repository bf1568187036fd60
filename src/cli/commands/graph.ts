import { PawlError } from "../../core/errors.ts";
import { mermaidOf, recordedPicture, type GraphPicture } from "../../graph/picture.ts";
import { readGraphState, type GraphStateAt } from "../../graph/run-graph.ts";
import { configPath, loadConfig } from "../load-config.ts";
import { openToRead, type Place } from "../place.ts";
import { connect, type ServerOptions } from "../server/connection.ts";
import { paint, plain, say } from "../terminal.ts";
import { forkTurn } from "./tell.ts";

type GraphOptions = Place & ServerOptions;

/** `pawl graph NAME`: its nodes and edges as Mermaid, for a page or an editor that draws it. */
export async function graphShow(name: string, options: GraphOptions): Promise<number> {
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
export async function graphState(runId: string, options: GraphOptions & { readonly turn?: string }): Promise<number> {
  const turn = options.turn === undefined ? undefined : forkTurn(options.turn);
  const at = await stateOf(runId, turn, options);
  if (options.json === true) {
    say(JSON.stringify(at));
    return 0;
  }
  const next = at.next.length === 0 ? "nothing" : at.next.join(", ");
  say(`${paint("bold", `${runId} after superstep ${at.turn} of ${at.turns}`)}  next: ${next}`);
  if (at.state === null) say(paint("dim", "  only its input"));
  for (const [name, value] of Object.entries(at.state ?? {})) {
    const size = Array.isArray(value) ? paint("dim", ` (${value.length})`) : "";
    say(`${paint("bold", name)}${size}`);
    for (const line of JSON.stringify(value, null, 2).split("\n")) say(`  ${plain(line)}`);
  }
  return 0;
}

async function stateOf(runId: string, turn: number | undefined, options: GraphOptions): Promise<GraphStateAt> {
  const query = turn === undefined ? {} : { turn };
  if (options.server !== undefined) return connect(options).getGraphState(runId, query);
  const { app, tenant } = await openToRead(options);
  try {
    return await readGraphState(app.deps, { tenant, runId }, turn);
  } finally {
    await app.close();
  }
}
