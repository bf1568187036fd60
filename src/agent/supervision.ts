import { PawlError } from "../core/errors.ts";
import { acts, type AgentGuard } from "../core/guard-rules.ts";
import { isTurnTool } from "../core/runnable.ts";
import type { ToolDefinition } from "../core/tool-contract.ts";
import { toolsWithin } from "../engine/start-options.ts";

/**
 * The Rule of Two: who reads untrusted input, holds confidential data and acts outside does so under supervision, by a
 * person who is asked about the acting tool, or by an intent that is fixed before anything is read. Counted over the tools
 * of an agent and of all that it starts: its tree is one session.
 * @throws AGENT_UNSUPERVISED
 */
export function checkSupervised(
  { name, guard = {} }: { readonly name: string; readonly guard?: AgentGuard },
  own: readonly ToolDefinition[],
): void {
  const uses = own.flatMap((tool) => (isTurnTool(tool) ? tool.uses : []));
  const tools = [...toolsWithin({ tools: own, uses }).values()].filter((tool) => !isTurnTool(tool));
  const holding = tools.find(({ flow }) => flow?.audience === "confidential");
  if (guard.intent === "plan" || holding === undefined) return;
  const readers = tools.filter(({ trust }) => trust !== "trusted").sort((a, b) => Number(acts(a)) - Number(acts(b)));
  // what a tool answers to its own call tells it nothing that it could act on
  const readerFor = (acting: ToolDefinition) => readers.find((reader) => reader !== acting);
  const acting = tools.find((tool) => acts(tool) && !isSupervised(tool, guard) && readerFor(tool) !== undefined);
  const reading = acting === undefined ? undefined : readerFor(acting);
  if (acting === undefined || reading === undefined) return;
  throw new PawlError(
    "AGENT_UNSUPERVISED",
    `agent "${name}" reads untrusted input ("${reading.name}"), holds confidential data ("${holding.name}") and acts outside ("${acting.name}") with nobody to look. Give "${acting.name}" an approval or flow.askWhenTainted, or the agent guard: { intent: "plan" }, or split it into agents that have two of the three.`,
  );
}

function isSupervised({ asksApproval, effect, flow }: ToolDefinition, { profile }: AgentGuard): boolean {
  if (flow?.askWhenTainted === true || asksApproval === "always" || asksApproval === "by-rule") return true;
  return profile === "strict" && effect !== "pure" && flow?.reversible !== true;
}
