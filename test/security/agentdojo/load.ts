import { readFileSync } from "node:fs";
import type { JsonObject, JsonValue } from "../../../src/core/json.ts";
import type { SuiteTool, TracedCall } from "./replay.ts";

interface UserTask {
  readonly id: string;
  readonly prompt: string;
  /** Places of an injection that the task reads. */
  readonly vectors: readonly string[];
  readonly calls: readonly TracedCall[];
}
interface InjectionTask {
  readonly id: string;
  readonly text: string;
  readonly calls: readonly TracedCall[];
}
type Fixed = { readonly args?: JsonObject; readonly result?: JsonValue };

export interface Suite {
  readonly suite: string;
  readonly tools: readonly SuiteTool[];
  readonly vectors: Readonly<Record<string, { readonly default: string; readonly trim: readonly [number, number] }>>;
  readonly user_tasks: readonly UserTask[];
  readonly injection_tasks: readonly InjectionTask[];
  /** `<user task>/<injection task>` to calls that find something else because of the injection. */
  readonly overrides: Readonly<Record<string, Readonly<Record<string, Fixed>>>>;
}

/** A user's task with an injection in what it reads, and the attacker's calls. */
export interface Case {
  readonly user: UserTask;
  readonly trace: readonly TracedCall[];
  readonly attack: readonly TracedCall[];
}

export function loadSuites(): readonly Suite[] {
  return ["workspace", "banking"].map(
    (name) => JSON.parse(readFileSync(new URL(`./${name}.json`, import.meta.url), "utf8")) as Suite,
  );
}

/** A user's calls with what their tools gave: clean, or with an injection in it. */
export function traceOf(suite: Suite, user: UserTask, injection: InjectionTask | null = null): readonly TracedCall[] {
  const fill = (text: string): string => filled(suite, user, injection, text);
  const fixed = injection === null ? {} : (suite.overrides[`${user.id}/${injection.id}`] ?? {});
  return user.calls.map((call, i) => ({
    tool: call.tool,
    args: fixed[i]?.args ?? (mapped(call.args, fill) as JsonObject),
    result: fixed[i]?.result ?? mapped(call.result, fill),
    tainted: injection !== null && user.vectors.some((id) => JSON.stringify(call.result).includes(`⟦${id}⟧`)),
  }));
}

export function casesOf(suite: Suite): readonly Case[] {
  return suite.user_tasks.flatMap((user) =>
    suite.injection_tasks.map((injection) => ({
      user,
      trace: traceOf(suite, user, injection),
      attack: injection.calls,
    })),
  );
}

/** A marker becomes its harmless text, or the attack's where the task reads that place; `trim` as the YAML fold does. */
function filled(suite: Suite, user: UserTask, injection: InjectionTask | null, text: string): string {
  return text.replaceAll(/([ \t]*)⟦(\w+)⟧([ \t]*)/g, (whole, before: string, id: string, after: string) => {
    const vector = suite.vectors[id];
    if (vector === undefined) return whole;
    if (injection === null || !user.vectors.includes(id)) return before + vector.default + after;
    const [left, right] = vector.trim;
    return `${before.slice(0, before.length - left)}\n\n${injection.text}\n\n${after.slice(right)}`;
  });
}

function mapped(value: JsonValue, map: (text: string) => string): JsonValue {
  if (typeof value === "string") return map(value);
  if (Array.isArray(value)) return value.map((item: JsonValue) => mapped(item, map));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, mapped(member, map)]));
}
