import { checkLimits, type RunLimits } from "../core/budget.ts";
import { PawlError } from "../core/errors.ts";
import { checkProfile, type AgentGuard } from "../core/guard-rules.ts";
import { hashJson } from "../core/hash.ts";
import { checkName } from "../core/id.ts";
import { type JsonObject, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { isTurnTool, type Runnable } from "../core/runnable.ts";
import { sanitise, sanitiseJson } from "../core/sanitise.ts";
import { jsonSchemaOf, parseWith, type Schema } from "../core/schema.ts";
import { isToolSource, type Parsed, type ToolDefinition, type ToolSource } from "../core/tool-contract.ts";
import { agentTurn } from "./agent-loop.ts";
import { bestAnswer } from "./best-answer.ts";
import type { AgentCode, Grounding } from "./definition.ts";
import { planTool } from "./plan.ts";
import { checkSupervised } from "./supervision.ts";

export interface AgentOptions {
  readonly name: string;
  readonly description?: string;
  /** `provider/model`, or a route that the model source knows. */
  readonly model: string;
  readonly instructions: string;
  /** Tools, and servers of tools: what those offer when a run starts. */
  readonly tools?: readonly (ToolDefinition | ToolSource)[];
  readonly limits?: RunLimits;
  /** Schema of the input; default: a text. */
  readonly input?: Schema;
  /** Inputs to begin with, shown to people who start it. */
  readonly samples?: readonly JsonValue[];
  /** Schema of the final answer; it is parsed, checked and repaired. Default: text. */
  readonly output?: Schema;
  /** Offers a `plan` tool; the plan is kept through compaction. Default false. */
  readonly planning?: boolean;
  readonly maxOutputTokens?: number;
  readonly temperature?: number;
  readonly reasoning?: "low" | "medium" | "high";
  /** Estimated tokens of a prompt from which old turns are compacted; default 60,000. */
  readonly contextTokens?: number;
  readonly grounding?: Grounding;
  readonly guard?: AgentGuard;
}

/** An agent: instructions, a model route, tools and limits. */
export interface Agent extends Runnable {
  readonly definition: JsonObject;
}

const OUTPUT_TOKENS = 4_096;
const CONTEXT_TOKENS = 60_000;

/**
 * Defines an agent. Its version is the hash of its definition.
 * @throws NAME_INVALID, OPTION_INVALID, SCHEMA_INVALID, TOOL_DUPLICATE, AGENT_UNSUPERVISED
 */
export function agent(options: AgentOptions): Agent {
  const name = checkName("agent name", options.name);
  const sources = (options.tools ?? []).filter(isToolSource);
  check(options);
  checkSupervised(
    options,
    (options.tools ?? []).flatMap((one) => (isToolSource(one) ? [] : [one])),
  );
  const offered = offering(name, options);
  // what is known already is checked here, not at the first run
  if (sources.length === 0) offered();
  const { input, output } = options;
  const code: AgentCode = {
    parseOutput: output === undefined ? null : (value) => parseWith(`agent "${name}": output`, output, value),
    grounding: options.grounding ?? null,
  };
  return {
    name,
    get version() {
      return offered().version;
    },
    lane: `${name}@agent1`,
    description: options.description ?? "",
    inputSchema: input === undefined ? { type: "string", minLength: 1 } : jsonSchemaOf(`agent "${name}": input`, input),
    ...(options.samples && { samples: options.samples }),
    get definition() {
      return offered().definition;
    },
    get tools() {
      return offered().tools;
    },
    ...(sources.length > 0 && { sources, checkStart: () => checkSupervised(options, offered().tools) }),
    uses: [...new Set((options.tools ?? []).flatMap((one) => (!isToolSource(one) && isTurnTool(one) ? one.uses : [])))],
    routes: [options.model],
    limits: { turns: limits.turns, ...options.limits },
    parseInput: (value) => (input === undefined ? parseText(value) : parseWith(`agent "${name}": input`, input, value)),
    bestAnswer,
    turn: (ctx, state) => agentTurn(code, ctx, state),
  };
}

interface Offered {
  readonly tools: readonly ToolDefinition[];
  readonly definition: JsonObject;
  readonly version: string;
}

/** What an agent is, anew when a server of tools offers others than before. */
function offering(name: string, options: AgentOptions): () => Offered {
  const given = options.tools ?? [];
  let lists: readonly (readonly ToolDefinition[])[] = [];
  let made: Offered | null = null;
  return () => {
    const now = given.filter(isToolSource).map((source) => source.tools);
    if (made !== null && now.every((list, i) => list === lists[i])) return made;
    const tools = given.flatMap((one) => (isToolSource(one) ? one.tools : [one]));
    if (options.planning === true) tools.push(planTool);
    checkNames(name, tools);
    const definition = definitionOf(name, options, tools);
    made = { tools, definition, version: hashJson(definition).slice(0, 16) };
    lists = now;
    return made;
  };
}

function definitionOf(name: string, options: AgentOptions, tools: readonly ToolDefinition[]): JsonObject {
  const params = {
    maxOutputTokens: options.maxOutputTokens ?? OUTPUT_TOKENS,
    ...(options.temperature !== undefined && { temperature: options.temperature }),
    ...(options.reasoning !== undefined && { reasoning: options.reasoning }),
  };
  return {
    name,
    model: options.model,
    instructions: options.instructions,
    tools: tools.map(({ name: toolName, description, inputSchema }) => ({
      name: toolName,
      description: sanitise(description).text,
      inputSchema: sanitiseJson(inputSchema).value,
    })),
    toolVersions: Object.fromEntries(tools.map((tool) => [tool.name, tool.version])),
    params,
    contextTokens: options.contextTokens ?? CONTEXT_TOKENS,
    outputSchema: options.output === undefined ? null : jsonSchemaOf(`agent "${name}": output`, options.output),
    ...(options.guard && { guard: { ...options.guard } }),
  };
}

function checkNames(name: string, tools: readonly ToolDefinition[]): void {
  const seen = new Set<string>();
  for (const tool of tools) {
    if (seen.has(tool.name))
      throw new PawlError(
        "TOOL_DUPLICATE",
        `agent "${name}" has two tools named "${tool.name}". Rename one, or drop one.`,
      );
    seen.add(tool.name);
  }
}

function check({ name, ...options }: AgentOptions): void {
  if (options.instructions.trim() === "")
    throw new PawlError("OPTION_INVALID", `agent "${name}" has no instructions. Say in a sentence what it is for.`);
  if (options.model.trim() === "")
    throw new PawlError(
      "OPTION_INVALID",
      `agent "${name}" names no model. Use "provider/model", for example "anthropic/claude-sonnet-latest".`,
    );
  checkProfile(`agent "${name}": guard.profile`, options.guard?.profile);
  checkLimits(`agent "${name}"`, options.limits ?? {});
}

function parseText(value: JsonValue): Parsed {
  if (typeof value === "string" && value.trim() !== "") return { ok: true, value };
  const found = value === "" ? "an empty text" : JSON.stringify(value).slice(0, 60);
  return { ok: false, issues: [{ path: "", message: `expected a text; found ${found}` }] };
}
