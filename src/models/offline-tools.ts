import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import type { ToolSpec } from "../core/model-contract.ts";

/**
 * What the offered tools are for, told by their schemas and descriptions alone: a name, of a tool or of a parameter, is
 * only ever copied into a call.
 */
export interface BoundTools {
  readonly search?: Bound<{ readonly query: string; readonly limit?: Limit }> | undefined;
  readonly read?: Bound<{ readonly path: string; readonly firstLine?: string; readonly lastLine?: string }> | undefined;
  readonly list?: Bound<object> | undefined;
  readonly plan?: Bound<{ readonly items: string; readonly item: JsonObject }> | undefined;
  readonly calculate?: Bound<{ readonly expression: string }> | undefined;
  readonly save?: Bound<{ readonly title: string; readonly content: string }> | undefined;
}
const RESULTS = 10;

/** A tool and the names of its parameters by what they are for. */
export type Bound<Params> = { readonly tool: string } & Params;

/** An optional parameter for how much comes back, and the value to give it. */
export interface Limit {
  readonly name: string;
  readonly value: number;
}

interface Param {
  readonly name: string;
  readonly type: string;
  readonly about: string;
  readonly isRequired: boolean;
  readonly schema: JsonObject;
}

/** A tool takes the first role that fits and is free. */
export function bindTools(tools: readonly ToolSpec[]): BoundTools {
  let bound: BoundTools = {};
  for (const tool of tools) {
    const params = paramsOf(tool.inputSchema);
    for (const [role, bind] of ROLES) {
      const found = bound[role] === undefined ? bind(tool, params) : undefined;
      if (found === undefined) continue;
      bound = { ...bound, [role]: found };
      break;
    }
  }
  return bound;
}

function paramsOf(schema: JsonObject): readonly Param[] {
  const properties = isJsonObject(schema.properties) ? schema.properties : {};
  const required = Array.isArray(schema.required) ? schema.required : [];
  return Object.entries(properties).flatMap(([name, property]) => {
    if (!isJsonObject(property)) return [];
    const about = typeof property.description === "string" ? property.description : "";
    return [{ name, type: typeOf(property), about, isRequired: required.includes(name), schema: property }];
  });
}

/** `anyOf: [string, null]` is a string. */
function typeOf(schema: JsonObject): string {
  const { type, anyOf } = schema;
  if (typeof type === "string") return type === "integer" ? "number" : type;
  if (Array.isArray(type)) return String(type.find((one: JsonValue) => one !== "null"));
  const options = Array.isArray(anyOf) ? anyOf.filter(isJsonObject).map(typeOf) : [];
  return options.find((one) => one !== "null") ?? "unknown";
}

/** True where the parameters that a role fills are all that the tool needs. */
function isEnough(params: readonly Param[], filled: readonly (Param | undefined)[]): boolean {
  return params.every((param) => !param.isRequired || filled.includes(param));
}

/** The first parameter of a type whose description speaks of it; or the only required one, where none says anything. */
function pick(params: readonly Param[], type: string, about: RegExp): Param | undefined {
  const ofType = params.filter((param) => param.type === type);
  const described = ofType.find((param) => about.test(param.about));
  const required = params.filter((param) => param.isRequired);
  return (
    described ??
    (required.length === 1 && required[0]?.type === type && required[0].about === "" ? required[0] : undefined)
  );
}

function bindSearch({ name, description }: ToolSpec, params: readonly Param[]): BoundTools["search"] {
  if (!/\b(search(es)?|finds?|look(s|ing)? (up|for)|quer(y|ies)|retrieves?)\b/i.test(description)) return undefined;
  const query = pick(
    params,
    "string",
    /\b(search|query|queries|keywords?|words?|terms?|text to (find|look)|look(ing)? for|question)\b/i,
  );
  if (query === undefined || !isEnough(params, [query])) return undefined;
  const limit = params.find(
    ({ type, about }) =>
      type === "number" && /\b(results?|passages?|hits?|matches|many|number|limit|maximum|at most)\b/i.test(about),
  );
  if (limit === undefined) return { tool: name, query: query.name };
  const { maximum } = limit.schema;
  return {
    tool: name,
    query: query.name,
    limit: { name: limit.name, value: Math.min(RESULTS, typeof maximum === "number" ? maximum : RESULTS) },
  };
}

function bindRead({ name, description }: ToolSpec, params: readonly Param[]): BoundTools["read"] {
  if (
    !/\b(reads?|shows?|opens?|returns?|gets?|prints?)\b[^.]*\b(lines?|part|contents?|text|files?|documents?|pages?)\b/i.test(
      description,
    )
  ) {
    return undefined;
  }
  const path = pick(params, "string", /\b(path|file|document|page|name of)\b/i);
  const firstLine = params.find(({ type, about }) => type === "number" && /\b(first|start|from|begin)/i.test(about));
  const lastLine = params.find(({ type, about }) => type === "number" && /\b(last|end|until|to read to)/i.test(about));
  if (path === undefined || !isEnough(params, [path, firstLine, lastLine])) return undefined;
  // A tool that takes only a path must say that it reads: a listing of a folder takes a path too
  if (firstLine === undefined && !/\breads?\b/i.test(description)) return undefined;
  const bound = { tool: name, path: path.name };
  if (firstLine === undefined) return bound;
  return { ...bound, firstLine: firstLine.name, ...(lastLine === undefined ? {} : { lastLine: lastLine.name }) };
}

function bindList({ name, description }: ToolSpec, params: readonly Param[]): BoundTools["list"] {
  const isList =
    /\b(lists?|names? of|overview|which|index of|all)\b[^.]*\b(documents?|files?|pages?|sources?|articles?|entries|texts?)\b/i.test(
      description,
    );
  return isList && isEnough(params, []) ? { tool: name } : undefined;
}

function bindPlan({ name, description }: ToolSpec, params: readonly Param[]): BoundTools["plan"] {
  if (!/\b(plans?|planning|steps|to-?dos?|task list)\b/i.test(description)) return undefined;
  const items = params.find(({ type }) => type === "array");
  if (items === undefined || !isEnough(params, [items])) return undefined;
  return {
    tool: name,
    items: items.name,
    item: isJsonObject(items.schema.items) ? items.schema.items : { type: "string" },
  };
}

function bindCalculate({ name, description }: ToolSpec, params: readonly Param[]): BoundTools["calculate"] {
  if (!/\b(calculat\w*|arithmetic|evaluat\w*|comput\w*|works? out|math\w*)\b/i.test(description)) return undefined;
  const expression = pick(params, "string", /\b(expression|arithmetic|formula|sum|calculation|math\w*)\b/i);
  return expression !== undefined && isEnough(params, [expression])
    ? { tool: name, expression: expression.name }
    : undefined;
}

function bindSave({ name, description }: ToolSpec, params: readonly Param[]): BoundTools["save"] {
  if (
    !/\b(saves?|writes?|stores?|publish(es)?|files?)\b[^.]*\b(report|document|note|answer|summary|article|page)\b/i.test(
      description,
    )
  )
    return undefined;
  const title = pick(params, "string", /\b(title|heading|subject|headline|name of)\b/i);
  const content = params.find(
    (param) =>
      param !== title && param.type === "string" && /\b(content|body|text|markdown|report)\b/i.test(param.about),
  );
  if (title === undefined || content === undefined || !isEnough(params, [title, content])) return undefined;
  return { tool: name, title: title.name, content: content.name };
}

const ROLES: readonly (readonly [
  role: keyof BoundTools,
  bind: (tool: ToolSpec, params: readonly Param[]) => BoundTools[keyof BoundTools],
])[] = [
  ["plan", bindPlan],
  ["calculate", bindCalculate],
  ["save", bindSave],
  ["read", bindRead],
  ["search", bindSearch],
  ["list", bindList],
];

const STATUS: { readonly [status in PlanStatus]: RegExp } = {
  pending: /pend|todo|to do|open|not|wait|plan/i,
  active: /progress|activ|doing|now|current|start|run/i,
  done: /done|complete|finish/i,
};

export type PlanStatus = "pending" | "active" | "done";

/** One step of a plan in the shape that the tool wants. */
export function planItem(
  item: JsonObject,
  index: number,
  step: { readonly text: string; readonly status: PlanStatus },
): JsonValue {
  if (typeOf(item) !== "object") return step.text;
  const params = paramsOf(item);
  const strings = params.filter(({ type, schema }) => type === "string" && !Array.isArray(schema.enum));
  const id = strings.find(({ about }) => /\b(id|identif\w+|key)\b/i.test(about));
  const text =
    strings.find((param) => param !== id && /\b(what|text|step|task|do|title|description)\b/i.test(param.about)) ??
    strings.find((param) => param !== id);
  const filled: Record<string, JsonValue> = {};
  for (const param of params) {
    const choices: readonly JsonValue[] = Array.isArray(param.schema.enum) ? param.schema.enum : [];
    if (choices.length > 0)
      filled[param.name] =
        choices.find((one) => typeof one === "string" && STATUS[step.status].test(one)) ?? choices[0] ?? null;
    else if (param === text) filled[param.name] = step.text;
    else if (param === id) filled[param.name] = String(index + 1);
    else if (param.isRequired)
      filled[param.name] =
        param.type === "number" ? index + 1 : param.type === "boolean" ? step.status === "done" : step.text;
  }
  return filled;
}
