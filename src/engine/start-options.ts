import type { RunLimits } from "../core/budget.ts";
import { PawlError } from "../core/errors.ts";
import { acts } from "../core/guard-rules.ts";
import { toJson, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Runnable } from "../core/runnable.ts";
import type { ToolDefinition } from "../core/tool-contract.ts";
import type { OnBusy } from "./thread.ts";

export interface StartOptions {
  readonly input: unknown;
  /** Default: a new id. Starting the same id with the same input gives the same run. */
  readonly runId?: string;
  readonly tenant?: string;
  readonly principal?: string;
  /** Roles of the principal, for grants to roles. */
  readonly roles?: readonly string[];
  readonly threadId?: string;
  /** With a thread that has an active run; default `enqueue`. */
  readonly onBusy?: OnBusy;
  readonly limits?: RunLimits;
  /** Tools that this task may use, by name; a call of any other is refused. Default: all that the agent has. */
  readonly tools?: readonly string[];
  readonly tags?: readonly string[];
  readonly traceparent?: string;
  /** By which the journal names the request that started it; default the run's id. */
  readonly messageId?: string;
}

/** @throws OPTION_INVALID */
export function checkTags(tags: readonly string[]): void {
  if (tags.length <= limits.tags && tags.every((tag) => tag.length <= limits.tagChars)) return;
  throw new PawlError(
    "OPTION_INVALID",
    `a run has at most ${limits.tags} tags of ${limits.tagChars} characters; got ${tags.length}.`,
  );
}

/** @throws INPUT_INVALID */
export function plain(value: unknown): JsonValue {
  const json = toJson(value);
  if (json.ok) return json.value;
  throw new PawlError("INPUT_INVALID", `the value has ${json.found} at ${json.path}, which is not JSON.`);
}

/** @throws INPUT_INVALID */
export function checkedInput(runnable: Runnable, input: unknown): JsonValue {
  const value = plain(input);
  const parsed = runnable.parseInput(value);
  if (parsed.ok) return value;
  const issues = parsed.issues.map((issue) => `${issue.path || "(whole)"}: ${issue.message}`).join("; ");
  throw new PawlError("INPUT_INVALID", `the input does not fit "${runnable.name}": ${issues}.`);
}

/** Every tool that a run could call, its children's too, by name; of two with one name the one that acts. */
export function toolsWithin(runnable: Pick<Runnable, "tools" | "uses">): ReadonlyMap<string, ToolDefinition> {
  const known = new Map<string, ToolDefinition>();
  const seen = new Set<unknown>();
  for (const queue = [runnable]; queue.length > 0;) {
    const next = queue.pop();
    if (next === undefined || seen.has(next)) continue;
    seen.add(next);
    for (const tool of next.tools) if (!known.has(tool.name) || acts(tool)) known.set(tool.name, tool);
    queue.push(...next.uses);
  }
  return known;
}

/** @throws OPTION_INVALID where a name is of no tool that a run of it could call */
export function checkTaskSet(runnable: Runnable, tools: readonly string[]): readonly string[] {
  const known = toolsWithin(runnable);
  const unknown = tools.filter((name) => !known.has(name));
  if (unknown.length === 0) return [...new Set(tools)];
  throw new PawlError(
    "OPTION_INVALID",
    `"${runnable.name}" has no tool ${unknown.map((name) => `"${name}"`).join(", ")}. It has: ${[...known.keys()].join(", ") || "none"}.`,
  );
}
