import { PawlError } from "../core/errors.ts";
import { hashJson } from "../core/hash.ts";
import { checkName } from "../core/id.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { allowed } from "../core/policy.ts";
import type { ChildOutcome, Runnable, TurnTool } from "../core/runnable.ts";
import type { Parsed } from "../core/tool-contract.ts";

type Parts = Pick<TurnTool, "name" | "description" | "inputSchema" | "parseInput" | "uses" | "inTurn"> & {
  /** Told apart from another of the same name, of which the version is a hash. */
  readonly of: string;
};

/** A tool that an agent's turn carries out itself. */
export function turnTool({ of, ...parts }: Parts): TurnTool {
  const { name, description, inputSchema, uses } = parts;
  const identity = { of, description, inputSchema, uses: uses.map((one) => one.name) };
  return {
    ...parts,
    name: checkName("tool name", name),
    version: hashJson(identity).slice(0, 16),
    effect: "pure",
    trust: "untrusted",
    capabilities: [],
    timeLimitMs: 1_000,
    attemptsMax: 1,
    shownCharsMax: limits.shownChars,
    concurrency: limits.toolConcurrency,
    parseOutput: (value) => ({ ok: true, value }),
    approval: () => allowed,
    execute: () => Promise.reject(new PawlError("INTERNAL", `${name} is carried out by the turn.`)),
  };
}

const tools = new WeakMap<Runnable, TurnTool>();

/** An agent, or any other runnable, as a tool: each call is a child run, and what it comes to is the result. */
export function asTool(runnable: Runnable): TurnTool {
  const known = tools.get(runnable);
  if (known !== undefined) return known;
  const { name, description, inputSchema } = runnable;
  const isOpen = inputSchema?.["type"] === "object";
  const made = turnTool({
    of: name,
    name,
    description: description === "" ? `Lets ${name} do a task and gives what it says.` : description,
    inputSchema: isOpen ? inputSchema : textSchema("input", "The task, complete in itself: nothing else is seen."),
    parseInput: (input) => (isOpen ? runnable.parseInput(input) : textInput("input", input)),
    uses: [runnable],
    inTurn: async (ctx, input) => {
      const child = await ctx.child({ runnable: name, input: isOpen ? input : textOf("input", input) });
      if (child.status === "completed") return { ok: true, value: child.value };
      return { ok: false, ...faultOf(name, child) };
    },
  });
  tools.set(runnable, made);
  return made;
}

/** Why a child run has no result, as a model or a person is told it. */
export function faultOf(name: string, child: ChildOutcome): { readonly code: string; readonly message: string } {
  const { status, stopReason, error } = child;
  const code = error?.code ?? (status === "cancelled" ? "CANCELLED" : "TOOL_FAILED");
  const why = error === null ? (stopReason ?? status) : `${error.code}: ${error.message}`;
  const best = child.value === null ? "" : ` Its best so far: ${JSON.stringify(child.value).slice(0, BEST_CHARS)}`;
  return { code, message: `${name} did not finish (${status}: ${why}).${best}`.toWellFormed() };
}

const BEST_CHARS = 2_000;

export function textSchema(name: string, description: string): JsonObject {
  return {
    type: "object",
    properties: { [name]: { type: "string", minLength: 1, description } },
    required: [name],
    additionalProperties: false,
  };
}

export function textOf(name: string, input: JsonValue): string {
  const text = (input as JsonObject)[name];
  if (typeof text === "string") return text;
  throw new PawlError("INTERNAL", `a checked input has no text "${name}".`);
}

export function textInput(name: string, input: JsonValue): Parsed {
  const text = typeof input === "object" && input !== null ? (input as JsonObject)[name] : undefined;
  if (typeof text === "string" && text.trim() !== "") return { ok: true, value: input };
  return { ok: false, issues: [{ path: name, message: "expected a text that is not empty" }] };
}
