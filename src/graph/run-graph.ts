import { PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { Ref } from "../core/label.ts";
import type { RunHead } from "../core/run-head.ts";
import type { EngineDeps } from "../engine/deps.ts";
import { batchesAfter, loadRun } from "../engine/load-run.ts";
import { unknownRun } from "../engine/outbox.ts";
import { Values } from "../engine/values.ts";
import { storedStateOf } from "./graph-run.ts";
import { readChannels } from "./graph-state.ts";
import { firstNodes, recordedPicture, type GraphPicture } from "./picture.ts";

/** A run of a graph: what it is, and which nodes ran in each superstep. */
export interface RunGraph {
  readonly picture: GraphPicture;
  readonly status: RunHead["status"];
  /** Nodes of each superstep, the one under way last; `at` is when it began. */
  readonly supersteps: readonly { readonly turn: number; readonly nodes: readonly string[]; readonly at: number }[];
}
/** The channels after so many supersteps, and the nodes that come then. */
export interface GraphStateAt {
  readonly turn: number;
  readonly turns: number;
  /** null = the run has only its input. */
  readonly state: JsonObject | null;
  readonly next: readonly string[];
}

type ReadDeps = Pick<EngineDeps, "store">;

/** @throws RUN_UNKNOWN, OPTION_INVALID for a run of what is no graph */
export async function readRunGraph(deps: ReadDeps, ref: RunRef): Promise<RunGraph> {
  const { head, values, picture, ends } = await graphRun(deps, ref);
  const supersteps = [{ turn: 0, nodes: firstNodes(picture), at: ends.startedAt }];
  for (const { turn, stateRef, at } of ends.turns) {
    const nodes = storedStateOf(await valueOf(values, stateRef))?.next ?? [];
    supersteps.push({ turn, nodes, at });
  }
  return { picture, status: head.status, supersteps };
}

/**
 * @param turn supersteps done; absent = as many as there are
 * @throws RUN_UNKNOWN, OPTION_INVALID, FORK_NOT_AT_TURN
 */
export async function readGraphState(deps: ReadDeps, ref: RunRef, turn?: number): Promise<GraphStateAt> {
  const { values, picture, ends } = await graphRun(deps, ref);
  const turns = ends.turns.length;
  const wanted = turn ?? turns;
  if (!Number.isSafeInteger(wanted) || wanted < 0 || wanted > turns)
    throw new PawlError(
      "FORK_NOT_AT_TURN",
      `run "${ref.runId}" has no state after ${wanted} supersteps. Choose 0 to ${turns}.`,
    );
  const end = ends.turns[wanted - 1];
  const stored = storedStateOf(await valueOf(values, end?.stateRef));
  if (stored === null) return { turn: wanted, turns, state: null, next: firstNodes(picture) };
  return {
    turn: wanted,
    turns,
    state: await readChannels(stored, (from) => values.read(from as Ref)),
    next: stored.next,
  };
}

function valueOf(values: Values, ref: Ref | undefined): Promise<JsonValue> {
  return ref === undefined ? Promise.resolve(null) : values.read(ref);
}

interface TurnEnd {
  readonly turn: number;
  readonly stateRef?: Ref;
  readonly at: number;
}

async function graphRun(deps: ReadDeps, ref: RunRef) {
  const loaded = await loadRun(deps.store, ref);
  if (loaded === null) throw unknownRun(ref);
  const { head, state } = loaded;
  const values = new Values({ store: deps.store, redaction: null }, ref, head.blobScope);
  const { pins, runnable } = state.started;
  const picture = recordedPicture(await valueOf(values, pins.agent));
  if (picture === null)
    throw new PawlError("OPTION_INVALID", `run "${ref.runId}" is one of "${runnable}", which is no graph.`);
  const turns: TurnEnd[] = [];
  for await (const { events, at } of batchesAfter(deps.store, ref, 0))
    for (const event of events) if (event.type === "turn.ended") turns.push({ ...event, at });
  return { head, values, picture, ends: { startedAt: state.startedAt, turns } };
}
