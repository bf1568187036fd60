import { PawlError } from "../core/errors.ts";
import type { ToolDefinition } from "../core/tool-contract.ts";
import { covers } from "../core/tool-grants.ts";
import type { Desk } from "./desk.ts";
import { patiently } from "./patience.ts";
import { mayNow, refusalNow } from "./tool-access.ts";
import { freshView, knownView, toolView, toolViewNow } from "./tool-view.ts";

/** Why a call may not start, by hooks, reviews and grants of this moment; null where it may. */
export async function refusalAtStart(desk: Desk, tool: ToolDefinition): Promise<string | null> {
  const { deps, ref } = desk;
  const verdict = deps.hooks.beforeTool?.({ ref, tool: tool.name, version: tool.version });
  if (verdict?.decision === "refuse") return verdict.reason ?? verdict.rules.join(", ");
  // no await where it is fresh: a quick call is answered in the batch that records it
  const known = reaches(tool) ? null : freshView(deps, ref.tenant);
  const view = known ?? (await patiently(deps, desk.right.dead, () => toolViewNow(deps, ref.tenant)));
  return refusalNow(tool, desk.state().started, view, deps);
}

/** Its calls get further than this process: what holds for it is read from the store at each start. */
function reaches({ effect, capabilities, origin }: ToolDefinition): boolean {
  return effect !== "pure" || capabilities.length > 0 || origin !== undefined;
}

/** What `ctx.may` answers, of a call that was let through. */
export function mayCall(desk: Desk, tool: ToolDefinition, capability: string): boolean {
  const { deps, ref } = desk;
  return mayNow(tool, capability, desk.state().started, knownView(deps.store, ref.tenant), deps);
}

/** A secret's value is looked for in all that is recorded, from before the tool has it. */
export async function secretFor(desk: Desk, tool: ToolDefinition, name: string): Promise<string> {
  const wanted = `secret:${name}`;
  const { deps, ref, right } = desk;
  const view = await patiently(deps, right.dead, () => toolView(deps, ref.tenant));
  if (!mayNow(tool, wanted, desk.state().started, view, deps)) {
    const next = tool.capabilities.some((own) => covers(own, wanted))
      ? `Grant it with: pawl tools grant ${tool.name} ${wanted}`
      : `Add "${wanted}" to its capabilities.`;
    throw new PawlError("TOOL_REFUSED", `${tool.name} may not have secret "${name}". ${next}`);
  }
  const value = await desk.deps.secrets?.(name, { ...desk.ref, tool: tool.name });
  if (value === undefined || value === null) {
    throw new PawlError(
      "SECRET_UNKNOWN",
      `${tool.name} asked for secret "${name}", and there is none. Let pawl({ secrets }) return its value.`,
    );
  }
  desk.values.cleaner?.tell(value);
  return value;
}
