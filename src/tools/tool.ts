import { type Effect, effects } from "../core/effect.ts";
import { PawlError } from "../core/errors.ts";
import { checkId, checkName } from "../core/id.ts";
import { errorText, isJsonObject, type JsonObject } from "../core/json.ts";
import { checkToolApprovers } from "../core/approver-rules.ts";
import type { GatedTool, Score } from "../core/confidence.ts";
import { limits } from "../core/limits.ts";
import { allowed, type Approvers, type Verdict } from "../core/policy.ts";
import { jsonSchemaOf, parseWith, type Schema, type SchemaInput, type SchemaOutput } from "../core/schema.ts";
import type { Runnable } from "../core/runnable.ts";
import {
  sinks,
  type CallScene,
  type Reconciled,
  type ToolCache,
  type ToolContext,
  type ToolCost,
  type ToolDefinition,
  type ToolFlow,
  type ToolRate,
} from "../core/tool-contract.ts";
import { nanoUsdOf } from "../core/usage.ts";

/** What a rule for approvals may answer; the reason is read by the person who is asked, and by the model. */
export type ApprovalAnswer = boolean | { readonly ask: boolean; readonly reason: string };
/** `always` and true ask a person before every call; `never`, false and absent ask nobody. The rule must be deterministic. */
export type ApprovalRule<Input> = boolean | "always" | "never" | ((input: Input, scene: CallScene) => ApprovalAnswer);

/**
 * How sure it is that a call is right, from 0 to 1: below `threshold` (default 0.8) a person is asked, else the call is
 * recorded as `auto_approved`. It is measured where nothing else asks: by the tool's own code, which may be run again; by
 * asking a model a yes-or-no question several times; or by another runnable, given `{ tool, version, input, goal }`.
 */
export type ConfidenceRule<Input> =
  | ((input: Input, scene: CallScene) => number | Score | Promise<number | Score>)
  | { readonly samples: number; readonly question: string; readonly route: string; readonly threshold?: number }
  | { readonly reviewer: Runnable; readonly threshold?: number }
  | {
      readonly score: (input: Input, scene: CallScene) => number | Score | Promise<number | Score>;
      readonly threshold?: number;
    };

/** The parts that every tool has, whatever its effect. */
export interface ToolParts<S extends Schema, O extends Schema, R> {
  /** Unique among an agent's tools: letters, digits, `_`, `-`. */
  readonly name: string;
  /** Changes when the meaning of a call changes: a run that waits for this tool is continued by the same version. */
  readonly version: string;
  /** What the model is told: what it does, when to use it, what comes back. */
  readonly description: string;
  /** zod or any Standard Schema; an object at the top. `execute` gets its parsed output. */
  readonly inputSchema: S;
  /** JSON Schema of the input by hand, for libraries that cannot convert theirs. */
  readonly jsonSchema?: JsonObject;
  /** A result that does not fit is an error, never a fact. */
  readonly outputSchema?: O;
  /** May the result be taken as fact? Default `untrusted`; `trustedPaths` names fields that may. */
  readonly trust?: ToolDefinition["trust"];
  /** What an agent or tenant must be granted before it may call this. */
  readonly capabilities?: readonly string[];
  /** Which arguments steer what, and whether it can be taken back. Undeclared = each steers, nothing can. */
  readonly flow?: ToolFlow;
  readonly owner?: string;
  readonly deprecated?: string;
  /** Calls in a span of time, per tenant. */
  readonly rate?: ToolRate;
  /**
   * What a call costs in USD, whatever comes of it that is a result; or by its result, and at most how much. The most is
   * taken from every budget before the call starts. What failed costs nothing.
   */
  readonly costUsd?: number | { readonly max: number; of(result: NoInfer<Awaited<R>>): number };
  /**
   * Answer an equal call (name, version, canonical arguments) with the recorded result for `ttlMs`. Only for `pure` and
   * `idempotent`; give `per: "principal"` where who asks decides what comes back. Errors are never kept.
   */
  readonly cache?: ToolCache;
  readonly approval?: ApprovalRule<SchemaOutput<S>>;
  readonly confidence?: ConfidenceRule<SchemaOutput<S>>;
  /** Who must approve where the rule asks: roles, people, how many, by amount; how long it is asked. Default: anybody, once, in 7 days. */
  readonly approvers?: Approvers;
  /**
   * What a call may take, default 60 s: then its signal is aborted and it has failed, or is unknown. A `reconcilable`
   * call that threw may have left a request on its way: the remote system is asked when the limit has passed, not before.
   */
  readonly timeLimitMs?: number;
  /** Attempts in all, for failures that may pass; counts for `pure` and `idempotent` only. */
  readonly attempts?: number;
  readonly shownCharsMax?: number;
  /** Calls at once in one run. */
  readonly concurrency?: number;
  /** The work. A throw of `notApplied(reason)` says that nothing has happened outside. */
  readonly execute: (input: SchemaOutput<S>, ctx: ToolContext) => R | Promise<R>;
}

/**
 * `reconcile` asks the remote system what became of a call: needed for `reconcilable`, meaningless otherwise. It is asked
 * when no attempt can act any more: after a throw once the attempt's time limit has passed, after a passed limit as long
 * again, after the death of a worker once its session and the limit have run out. So a short limit makes a quick recovery,
 * and a throw of `notApplied()` needs none.
 */
export type ToolEffect<Input> =
  | {
      readonly effect: "reconcilable";
      readonly reconcile: (input: Input, ctx: ToolContext) => Reconciled | Promise<Reconciled>;
    }
  | { readonly effect: Exclude<Effect, "reconcilable">; readonly reconcile?: never };

export type ToolOptions<S extends Schema, O extends Schema, R> = ToolParts<S, O, R> & ToolEffect<SchemaOutput<S>>;

/** A definition that remembers its types, for `ToolInput` and `ToolOutput`. */
export interface Tool<Input = unknown, Output = unknown> extends ToolDefinition {
  readonly "~types"?: { readonly input: Input; readonly output: Output };
}
export type ToolInput<T extends Tool> = NonNullable<T["~types"]>["input"];
export type ToolOutput<T extends Tool> = NonNullable<T["~types"]>["output"];

/**
 * Makes a tool from typed parts. Nothing runs: a mistake in the parts is found here, not at the first call.
 * @throws NAME_INVALID the name · ID_INVALID the version · SCHEMA_INVALID a schema that has no JSON Schema, or no object at its top
 * @throws OPTION_INVALID anything else that is outside what is allowed
 */
export function tool<S extends Schema, O extends Schema = Schema, R extends SchemaInput<O> = SchemaInput<O>>(
  options: ToolOptions<S, O, R>,
): Tool<SchemaInput<S>, Awaited<R>> {
  const name = checkName("tool name", options.name);
  checkParts(options);
  const { inputSchema: input, outputSchema: output, reconcile, execute } = options;
  const definition: Tool<SchemaInput<S>, Awaited<R>> & Partial<Pick<GatedTool, "confidence">> = {
    name,
    version: checkId(`tool "${name}": version`, options.version),
    description: options.description,
    inputSchema: objectSchemaOf(name, options),
    effect: options.effect,
    trust: options.trust ?? "untrusted",
    capabilities: options.capabilities ?? [],
    ...declared(options),
    ...(options.costUsd !== undefined && { cost: costOf(options.costUsd) }),
    timeLimitMs: options.timeLimitMs ?? limits.toolTimeMs,
    attemptsMax: options.attempts ?? limits.toolAttempts,
    shownCharsMax: options.shownCharsMax ?? limits.shownChars,
    concurrency: options.concurrency ?? limits.toolConcurrency,
    parseInput: (value) => parseWith(`tool "${name}": inputSchema`, input, value),
    parseOutput: (value) =>
      output === undefined ? { ok: true, value } : parseWith(`tool "${name}": outputSchema`, output, value),
    asksApproval: asksOf(options),
    approval: (value, scene) => verdictOf(options.approval, value, scene),
    ...(options.confidence !== undefined && { confidence: confidenceOf(name, options.confidence) }),
    execute: (value, ctx) => Promise.try(() => execute(value, ctx)),
  };
  if (reconcile === undefined) return definition;
  return { ...definition, reconcile: (value, ctx) => Promise.try(() => reconcile(value, ctx)) };
}

type Declared = "approvers" | "flow" | "owner" | "deprecated" | "rate" | "cache";

function declared(options: Pick<ToolDefinition, Declared>): Pick<ToolDefinition, Declared> {
  const { approvers, flow, owner, deprecated, rate, cache } = options;
  return {
    ...(approvers && { approvers }),
    ...(flow && { flow }),
    ...(owner !== undefined && { owner }),
    ...(deprecated !== undefined && { deprecated }),
    ...(rate && { rate }),
    ...(cache && { cache }),
  };
}

function costOf<Output>(stated: NonNullable<ToolParts<Schema, Schema, Output>["costUsd"]>): ToolCost {
  if (typeof stated === "number") return { nanoUsdMax: nanoUsdOf(stated) };
  // the cast: a result as it is recorded is what `execute` gave
  return { nanoUsdMax: nanoUsdOf(stated.max), nanoUsdOf: (result) => nanoUsdOf(stated.of(result as Awaited<Output>)) };
}

function objectSchemaOf(
  name: string,
  options: { readonly inputSchema: Schema; readonly jsonSchema?: JsonObject },
): JsonObject {
  const what = `tool "${name}": inputSchema`;
  const schema = jsonSchemaOf(what, options.inputSchema, options.jsonSchema);
  if (schema.type === "object") return schema;
  throw new PawlError(
    "SCHEMA_INVALID",
    `${what} has ${JSON.stringify(schema.type ?? Object.keys(schema)[0] ?? "nothing")} at its top. A model calls a tool with named arguments: wrap it in z.object({...}).`,
  );
}

function checkCache(
  { cache, effect }: Pick<ToolOptions<Schema, Schema, unknown>, "cache" | "effect">,
  refuse: (option: string, got: unknown, allowedText: string) => never,
): void {
  if (cache === undefined) return;
  if (effect === "once" || effect === "reconcilable")
    refuse("cache", cache, `A call that is ${effect} must happen each time: leave it out, or cache a pure tool.`);
  const { ttlMs, per } = cache;
  if (!(ttlMs >= 1 && ttlMs <= limits.cachedResultMs) || !["tenant", "principal"].includes(per))
    refuse("cache", cache, `Give { ttlMs, per }: 1 to ${limits.cachedResultMs} ms, "tenant" or "principal".`);
}

function checkParts(options: ToolOptions<Schema, Schema, unknown>): void {
  const { name, effect, reconcile } = options;
  checkToolApprovers(options);
  const refuse = (option: string, got: unknown, allowedText: string): never => {
    throw new PawlError(
      "OPTION_INVALID",
      `tool "${name}": ${option} is ${JSON.stringify(got) ?? typeof got}. ${allowedText}`,
    );
  };
  if (!effects.includes(effect)) {
    refuse("effect", effect, `Say what a repeat would do outside: ${effects.join(", ")}.`);
  }
  if (effect === "reconcilable" && typeof reconcile !== "function") {
    refuse(
      "reconcile",
      reconcile,
      `An effect that is "reconcilable" needs reconcile(input, ctx), which asks the remote system.`,
    );
  }
  if (effect !== "reconcilable" && reconcile !== undefined) {
    refuse(
      "reconcile",
      typeof reconcile,
      `It belongs to the effect "reconcilable" only; this one is "${String(effect)}".`,
    );
  }
  if (typeof options.execute !== "function")
    refuse("execute", options.execute, "Give a function (input, ctx) => result.");
  if (typeof options.description !== "string" || options.description.trim() === "") {
    refuse(
      "description",
      options.description,
      "A model chooses tools by it: say what the tool does and when to use it.",
    );
  }
  checkFlow(options.flow, refuse);
  const { rate } = options;
  if (rate !== undefined && !(rate.calls >= 1 && rate.perMs >= 1))
    refuse("rate", rate, "Give { calls, perMs }, both at least 1.");
  checkCache(options, refuse);
  const { costUsd } = options;
  const costMax = typeof costUsd === "object" ? costUsd.max : costUsd;
  const isAmount = typeof costMax === "number" && costMax >= 0 && Number.isSafeInteger(nanoUsdOf(costMax));
  if (costUsd !== undefined && !(isAmount && (typeof costUsd === "number" || typeof costUsd.of === "function")))
    refuse("costUsd", costUsd, "Give an amount in USD from 0, or { max, of: (result) => amount }.");
  for (const key of ["timeLimitMs", "attempts", "shownCharsMax", "concurrency"] as const) {
    const count = options[key];
    if (count !== undefined && (!Number.isSafeInteger(count) || count < 1))
      refuse(key, count, "Give a whole number of at least 1.");
  }
}

function checkFlow(
  flow: ToolFlow | undefined,
  refuse: (option: string, got: unknown, allowedText: string) => never,
): void {
  for (const [argument, sink] of Object.entries(flow?.sinks ?? {}))
    if (!sinks.includes(sink))
      refuse(`flow.sinks.${argument}`, sink, `An argument steers one of: ${sinks.join(", ")}.`);
}

function asksOf<Input>({
  approval: rule,
  confidence,
}: {
  readonly approval?: ApprovalRule<Input>;
  readonly confidence?: unknown;
}): "always" | "never" | "by-rule" {
  if (rule === true || rule === "always") return "always";
  return typeof rule === "function" || confidence !== undefined ? "by-rule" : "never";
}

const THRESHOLD = 0.8;

/** @throws OPTION_INVALID */
function confidenceOf<Input>(name: string, rule: ConfidenceRule<Input>): GatedTool["confidence"] {
  const refuse = (text: string): never => {
    throw new PawlError("OPTION_INVALID", `tool "${name}": confidence${text}`);
  };
  const given = typeof rule === "function" ? { score: rule } : rule;
  const { threshold = THRESHOLD } = given;
  if (!(threshold > 0 && threshold <= 1)) refuse(`.threshold is ${threshold}. It is above 0, and at most 1.`);
  if ("score" in given && typeof given.score === "function")
    return { by: "tool", threshold, measure: (input, scene) => Promise.try(() => given.score(input as Input, scene)) };
  if ("reviewer" in given && typeof given.reviewer?.turn === "function")
    return { by: "reviewer", threshold, reviewer: given.reviewer };
  if (!("samples" in given)) return refuse(" is a function, { score }, { reviewer } or { samples, question, route }.");
  const { samples, question, route } = given;
  if (!Number.isInteger(samples) || samples < 2 || samples > limits.confidenceSamples)
    refuse(`.samples is ${String(samples)}. It is a whole number from 2 to ${limits.confidenceSamples}.`);
  if (typeof question !== "string" || question.trim() === "" || typeof route !== "string" || route === "")
    refuse(".question and .route say which model is asked what, to be answered with yes or no.");
  return { by: "samples", threshold, samples, question, route };
}

const OWN_RULE = "the tool asks for calls like this one";

/** A rule that fails asks a person: a broken gate is closed. */
function verdictOf<Input>(rule: ApprovalRule<Input> | undefined, input: Input, scene: CallScene): Verdict {
  if (typeof rule !== "function")
    return rule === true || rule === "always" ? asks("the tool asks for every call") : allowed;
  try {
    const answer: unknown = rule(input, scene);
    if (answer === false) return allowed;
    if (answer === true) return asks(OWN_RULE);
    if (isJsonObject(answer) && typeof answer.ask === "boolean") {
      return answer.ask ? asks(typeof answer.reason === "string" ? answer.reason : OWN_RULE) : allowed;
    }
    return asks(
      `the tool's approval rule gave ${answer instanceof Promise ? "a promise" : typeof answer} in place of true or false`,
    );
  } catch (error) {
    return asks(`the tool's approval rule threw ${errorText(error, 200)}`);
  }
}

function asks(reason: string): Verdict {
  return { decision: "ask", rules: ["tool.approval"], reason };
}
