import { PawlError } from "./errors.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { isJsonObject } from "./json.ts";
import type { NamedText } from "./named-text.ts";
import { allowed, strictest, type Verdict } from "./policy.ts";
import { leavesOf, type Leaf, type Origin, type TrustedFacts } from "./provenance.ts";
import type { Isolation } from "./sandbox-contract.ts";
import type { Sink, ToolDefinition } from "./tool-contract.ts";

/**
 * How much the runtime lets pass without a person once untrusted data was read. `observe` records what `standard` would
 * say and stops nothing; `strict` asks before everything that cannot be taken back.
 */
export const profiles = ["strict", "standard", "observe"] as const;
export type GuardProfile = (typeof profiles)[number];

/** What an agent says of its own guard. */
export interface AgentGuard {
  /** The stricter of this and the runtime's holds; default the runtime's. */
  readonly profile?: GuardProfile;
  /**
   * `plan`: before anything is read, a model that sees only what people said names the tools that their task needs, besides
   * those that do not act; where the start fixes a set too, what is in both. Any other call is refused.
   */
  readonly intent?: "plan";
}

/** The strictest of what is asked for; `standard` where nobody asks. */
export function strictestProfile(asked: readonly (GuardProfile | undefined)[]): GuardProfile {
  return profiles.find((one) => asked.includes(one)) ?? "standard";
}

/** What a call is judged by. Everything in it is recorded or declared: the same call gets the same verdict. */
export interface GuardScene {
  readonly profile: GuardProfile;
  /** Tools that this task may use, by name; null = nobody fixed a set. */
  readonly taskSet: ReadonlySet<string> | null;
  /** Has the run, or whoever handed it its task, read untrusted data? */
  readonly isTainted: boolean;
  /** Has it been given what only those may see whom the prompt names? */
  readonly isConfidential?: boolean;
  /** Texts of people: the goal, later messages, what they edited. */
  readonly prompt: Pick<NamedText, "names">;
  readonly developer: Pick<NamedText, "names">;
  /** Empty where nobody fixed a set: then an attacker would choose among trusted values. */
  readonly facts: TrustedFacts | null;
}

export interface GuardedCall {
  readonly tool: Pick<ToolDefinition, "name" | "effect" | "flow" | "inputSchema">;
  readonly args: JsonValue;
}

/** An argument that steers, and where its value came from. */
export interface ArgumentOrigin {
  readonly path: string;
  readonly value: string | number | boolean;
  readonly sink: Sink | "undeclared";
  readonly origin: Origin;
}

export interface GuardFinding {
  readonly verdict: Verdict;
  /** Of every argument that steers. Of one that nothing vouches for the origin is `model`, until somebody looks closer. */
  readonly origins: readonly ArgumentOrigin[];
}

/** What is done and when; all other sinks say where, to whom and how much. */
const harmless: ReadonlySet<Sink> = new Set(["content", "time"]);

const vouching: ReadonlySet<Origin["source"]> = new Set(["prompt", "developer", "fixed"]);

/** Judges a call before it starts: the task's set, then where each steering argument came from, then what cannot be undone. */
export function guardCall(call: GuardedCall, scene: GuardScene): GuardFinding {
  const { tool } = call;
  const isOutside = scene.taskSet !== null && !scene.taskSet.has(tool.name);
  const isActing = acts(tool);
  const origins = isActing
    ? steering(call).map((argument) => ({ ...argument, origin: originOf(argument, tool, scene) }))
    : [];
  if (isOutside) return judged(scene, origins, [verdict("refuse", "task-set", `this task may not use ${tool.name}`)]);
  if (!isActing) return { verdict: allowed, origins };
  const verdicts = scene.isTainted ? [...unvouched(origins), ...irreversible(tool, scene)] : [];
  if (scene.isConfidential === true) verdicts.push(...leaking(origins));
  return judged(scene, origins, verdicts);
}

/** Does a call of it act outside, or carry its arguments there? */
export function acts(tool: GuardedCall["tool"]): boolean {
  return tool.effect !== "pure" || tool.flow?.egress === true;
}

function judged(scene: GuardScene, origins: readonly ArgumentOrigin[], verdicts: readonly Verdict[]): GuardFinding {
  const strict = strictest(verdicts);
  if (scene.profile !== "observe" || strict.decision === "allow") return { verdict: strict, origins };
  const rules = strict.rules.map((rule) => `observe:${rule}`);
  return { verdict: { ...strict, decision: "allow", rules }, origins };
}

function verdict(decision: Verdict["decision"], rule: string, reason: string): Verdict {
  return { decision, rules: [`guard.${rule}`], reason };
}

function* unvouched(origins: readonly ArgumentOrigin[]): Generator<Verdict> {
  for (const { path, origin, sink } of origins)
    if (origin.source === "model" || origin.source === "untrusted")
      yield verdict(
        "ask",
        "provenance",
        `${path} (${sink}) is a value that nobody vouches for: untrusted data was read before it was written`,
      );
}

/** Where confidential data may go is what people said, whatever a trusted field says. */
function* leaking(origins: readonly ArgumentOrigin[]): Generator<Verdict> {
  for (const { path, origin, sink } of origins)
    if ((sink === "destination" || sink === "undeclared") && !vouching.has(origin.source))
      yield verdict("ask", "confidential", `confidential data was read, and nobody named ${path} as a place for it`);
}

function* irreversible({ name, flow, effect }: GuardedCall["tool"], { profile }: GuardScene): Generator<Verdict> {
  const isStrict = profile === "strict" && effect !== "pure" && flow?.reversible !== true;
  if (isStrict || flow?.askWhenTainted === true)
    yield verdict("ask", "irreversible", `${name} cannot be taken back, and untrusted data was read`);
}

type Steering = Omit<ArgumentOrigin, "origin">;

function steering({ tool, args }: GuardedCall): readonly Steering[] {
  const declared = tool.flow?.sinks;
  return leavesOf(args).flatMap(({ path, value }: Leaf) => {
    const sink = declared === undefined ? "undeclared" : sinkOf(declared, path);
    return sink === null || value === "" || (sink !== "undeclared" && harmless.has(sink))
      ? []
      : [{ path, value, sink }];
  });
}

/** A sink named for an argument holds for everything inside of it; the longest name that fits wins. */
/** What the argument at a path steers; null = nothing that was declared. */
export function sinkOf(declared: Readonly<Record<string, Sink>>, path: string): Sink | null {
  for (let at = path; at !== "";) {
    if (Object.hasOwn(declared, at)) return declared[at] ?? null;
    const cut = Math.max(at.lastIndexOf("."), at.endsWith("[]") ? at.length - 2 : -1);
    at = cut < 0 ? "" : at.slice(0, cut);
  }
  return null;
}

function originOf({ path, value, sink }: Steering, tool: GuardedCall["tool"], scene: GuardScene): Origin {
  if (typeof value === "boolean" || isOwnWord(tool.inputSchema, path, value)) return { source: "fixed" };
  if (scene.prompt.names(value)) return { source: "prompt" };
  if (scene.developer.names(value)) return { source: "developer" };
  const fact = scene.facts?.find(value) ?? null;
  if (fact === null || (!fact.isPicked && needsPick(tool, sink))) return { source: "model" };
  return { source: "trusted", callId: fact.callId, tool: fact.tool, path: fact.path };
}

/** Which of many things a call ends for ever is a choice: a trusted value that nobody picked out does not make it. */
function needsPick(tool: GuardedCall["tool"], sink: Steering["sink"]): boolean {
  return sink === "undeclared" || (sink === "target" && tool.flow?.reversible === false);
}

/** Is the value one of the words that the schema itself lists there? */
function isOwnWord(schema: JsonObject, path: string, value: string | number): boolean {
  let at: JsonValue | undefined = schema;
  for (const step of path.split(/\.|(?=\[\])/)) at = memberOf(resolved(at, schema), step, schema);
  return alternatives(resolved(at, schema), schema).some((one) => {
    if (!isJsonObject(one)) return false;
    return one.const === value || (Array.isArray(one.enum) && one.enum.includes(value));
  });
}

function memberOf(schema: JsonValue | undefined, step: string, root: JsonObject): JsonValue | undefined {
  for (const one of alternatives(schema, root)) {
    if (!isJsonObject(one)) continue;
    const { properties, items } = one;
    if (step === "[]" && items !== undefined) return items;
    if (isJsonObject(properties) && Object.hasOwn(properties, step)) return properties[step];
  }
  return undefined;
}

function alternatives(schema: JsonValue | undefined, root: JsonObject): readonly JsonValue[] {
  if (!isJsonObject(schema)) return [];
  const options = schema.anyOf ?? schema.oneOf;
  return Array.isArray(options) ? options.map((one: JsonValue) => resolved(one, root) ?? null) : [schema];
}

/** A reference inside of the schema, followed once: what refers on and on is no list of words. */
function resolved(schema: JsonValue | undefined, root: JsonObject): JsonValue | undefined {
  if (!isJsonObject(schema) || typeof schema.$ref !== "string") return schema;
  const match = /^#\/(\$defs|definitions)\/([^/]+)$/.exec(schema.$ref);
  const group = match?.[1] === undefined ? undefined : root[match[1]];
  return isJsonObject(group) && match?.[2] !== undefined ? group[match[2]] : undefined;
}

// ---- what an operator sets

/** A call as a rule of one's own sees it. */
export interface PolicyCall {
  readonly tenant: string;
  readonly principal: string;
  readonly runId: string;
  readonly runnable: string;
  readonly tool: string;
  readonly version: string;
  readonly args: JsonValue;
  /** What really keeps apart the code that the call runs; absent where it runs none. */
  readonly isolation?: readonly Isolation[];
  readonly isTainted: boolean;
  /** Of every argument that steers, once untrusted data was read. */
  readonly origins: readonly ArgumentOrigin[];
}
/** A rule as code. One that throws or takes longer than five seconds refuses the call. */
export type Policy = (call: PolicyCall) => Verdict | Promise<Verdict>;

export interface GuardOptions {
  readonly profile?: GuardProfile;
  /** Asked about every call; the strictest of all wins. */
  readonly policies?: readonly Policy[];
  /** Asked about each untrusted text that the run has read, once a call that acts is judged. */
  readonly detectors?: readonly Detector[];
}

/** What a detector says of a text: `ask` has a person asked before calls that act, `flag` is recorded and stops nothing. */
export interface Detection {
  readonly level: "none" | "flag" | "ask";
  /** In a word: `detector.<label>` is the rule. */
  readonly label?: string;
}
/**
 * Raises a verdict, never lowers one. One that throws or says nothing in two seconds is recorded and decides nothing: no
 * guarantee rests on it. It is asked once for each text, of which it sees the first 20,000 characters.
 */
export type Detector = (
  text: string,
  ctx: { readonly tenant: string; readonly runId: string; readonly tool: string; readonly callId: string },
) => Detection | Promise<Detection>;

const POLICIES_MAX = 32;

/** @throws OPTION_INVALID */
export function checkProfile(what: string, profile: GuardProfile | undefined): void {
  if (profile !== undefined && !profiles.includes(profile))
    throw new PawlError("OPTION_INVALID", `${what} is "${profile}". It is one of ${profiles.join(", ")}.`);
}

/** @throws OPTION_INVALID */
export function checkGuard(options: GuardOptions): GuardOptions {
  const { profile, policies = [], detectors = [] } = options;
  checkProfile("guard.profile", profile);
  for (const [name, rules] of Object.entries({ policies, detectors }))
    if (rules.length > POLICIES_MAX)
      throw new PawlError("OPTION_INVALID", `guard.${name} has ${rules.length}; at most ${POLICIES_MAX}.`);
  return options;
}
