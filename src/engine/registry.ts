import { isGated } from "../core/confidence.ts";
import { PawlError } from "../core/errors.ts";
import { nameAtVersion } from "../core/id.ts";
import { nearest } from "../core/nearest.ts";
import type { Runnable } from "../core/runnable.ts";
import type { Store } from "../core/store-contract.ts";
import type { SourceEnv, ToolDefinition, ToolSource } from "../core/tool-contract.ts";
import { checkToolSchema } from "../core/tool-schema.ts";
import { lightRunnable } from "./light-runnable.ts";

/** The code that a process has: runnables by name, tools by name and version. */
export interface Registry {
  readonly runnables: readonly Runnable[];
  readonly lanes: readonly string[];
  /** Servers of tools that its runnables use. */
  readonly sources: readonly ToolSource[];
  /** @throws AGENT_UNKNOWN with the names there are and the nearest one */
  runnable(name: string): Runnable;
  /** The runnable that executes runs of a lane; null where this process has none. */
  ofLane(lane: string, name: string): Runnable | null;
  tool(name: string, version: string): ToolDefinition | null;
}

/** @throws AGENT_DUPLICATE, TOOL_DUPLICATE, SCHEMA_INVALID */
export function registryOf(roots: readonly Runnable[]): Registry {
  const byName = new Map<string, Runnable>();
  const tools = new Map<string, ToolDefinition>();
  const sources = new Set<ToolSource>();
  const add = (runnable: Runnable): void => {
    const known = byName.get(runnable.name);
    if (known === runnable) return;
    if (known !== undefined) {
      throw new PawlError(
        "AGENT_DUPLICATE",
        `two runnables are named "${runnable.name}". Give one of them another name.`,
      );
    }
    byName.set(runnable.name, runnable);
    const own = runnable.sources ?? [];
    for (const source of own) sources.add(source);
    for (const tool of runnable.tools) if (ofSource(own, tool.name, tool.version) === null) addTool(tools, tool);
    for (const child of runnable.uses) add(child);
    for (const tool of runnable.tools)
      if (isGated(tool) && tool.confidence.by === "reviewer") add(tool.confidence.reviewer);
  };
  for (const root of roots) add(root);
  const runnables = [...byName.values()];
  return {
    runnables,
    sources: [...sources],
    // light runs are no agent that anybody starts; what a dead process left of them, any worker ends
    lanes: [...new Set([...runnables.map((runnable) => runnable.lane), lightRunnable.lane])],
    runnable(name) {
      const found = name === lightRunnable.name ? lightRunnable : byName.get(name);
      if (found === undefined) throw unknownRunnable(name, [...byName.keys()]);
      return found;
    },
    ofLane: (lane, name) => {
      const found = name === lightRunnable.name ? lightRunnable : byName.get(name);
      return found?.lane === lane ? found : null;
    },
    tool: (name, version) => tools.get(nameAtVersion(name, version)) ?? ofSource([...sources], name, version),
  };
}

/** Asks the servers of tools that a runnable uses what they offer, unless that is known. @throws TOOLS_UNREACHABLE */
export async function loadSources(env: SourceEnv, { sources = [] }: Runnable): Promise<void> {
  await Promise.all(sources.map((source) => source.load(env)));
}

function ofSource(sources: readonly ToolSource[], name: string, version: string): ToolDefinition | null {
  for (const source of sources) {
    const found = source.tool(name, version);
    if (found !== null) return found;
  }
  return null;
}

function addTool(tools: Map<string, ToolDefinition>, tool: ToolDefinition): void {
  const id = nameAtVersion(tool.name, tool.version);
  checkToolSchema(`tool ${id}: inputSchema`, tool.inputSchema, { isForeign: tool.origin !== undefined });
  const known = tools.get(id);
  if (known !== undefined && known !== tool) {
    throw new PawlError("TOOL_DUPLICATE", `two tools are ${id}. Change the name or the version of one of them.`);
  }
  tools.set(id, tool);
}

function unknownRunnable(name: string, names: readonly string[]): PawlError {
  const near = nearest(name, names);
  const hint = near === null ? "" : ` Did you mean "${near}"?`;
  const list = names.length === 0 ? "none" : names.join(", ");
  return new PawlError("AGENT_UNKNOWN", `no agent or function "${name}" is registered. There is: ${list}.${hint}`);
}

/**
 * Asked again of an open store: one with a server knows only then what that keeps.
 * @throws STORE_DURABILITY  a store that may lose what it acknowledged is no place for tools that must not repeat
 */
export function refuseUnsafe(store: Store, registry: Registry): void {
  const { durability, lossAccepted } = store.capabilities;
  if (durability !== "window" || lossAccepted === true) return;
  const risky = registry.runnables.flatMap((runnable) =>
    runnable.tools.filter((tool) => tool.effect === "once" || tool.effect === "reconcilable").map((tool) => tool.name),
  );
  // what they will offer is not known yet
  risky.push(...registry.sources.map(({ name }) => `those of "${name}"`));
  if (risky.length === 0) return;
  throw new PawlError(
    "STORE_DURABILITY",
    `store "${store.capabilities.name}" may lose what it acknowledged last, and these tools must not repeat: ${[...new Set(risky)].join(", ")}. Make the store durable, or say { accept: "acknowledged writes may be lost" } in its options.`,
  );
}
