import { approversFor } from "../core/approver-rules.ts";
import { checkLimits, type RunLimits } from "../core/budget.ts";
import { errorRecord, PawlError } from "../core/errors.ts";
import { checkId, checkName } from "../core/id.ts";
import { toJson, type JsonValue } from "../core/json.ts";
import { resultLabel } from "../core/provenance.ts";
import type { Runnable, TurnContext, TurnResult } from "../core/runnable.ts";
import { jsonSchemaOf, parseWith, type Schema } from "../core/schema.ts";
import type { ToolDefinition } from "../core/tool-contract.ts";
import { authorVerdict } from "./confidence-gate.ts";

/** Ends the turn and begins another: what a body returns to go on for long without a long replay. */
class NextTurn {
  readonly state: JsonValue;
  constructor(state: JsonValue) {
    this.state = state;
  }
}

interface TypesOf<In, Out> {
  readonly "~types"?: { readonly input: In; readonly output: Out };
}

/** What a durable function is given: every call of the context is recorded, and answered from the record on replay. */
export interface FunctionContext extends TurnContext {
  /** What the last turn passed to `loop`; null in the first. */
  readonly loopState: JsonValue;
  /**
   * Calls a tool of this function: recorded, retried, approved and recovered by its effect.
   * @returns its result; throws an error with the tool's code when it failed or was refused
   */
  call<In, Out>(tool: ToolDefinition & TypesOf<In, Out>, input: In): Promise<Out>;
  /** Starts another runnable as a child run and waits for it. @returns its output; throws when it did not complete */
  callRun(runnable: Runnable, input: JsonValue): Promise<JsonValue>;
  /** Return its result to end the turn and begin another with this state. Replay covers one turn only. */
  loop(state: JsonValue): unknown;
}

export interface DurableFunctionOptions<In> {
  readonly name: string;
  /** Stated by the author: raise it when the order of calls changes under runs in flight. Default "1". */
  readonly version?: string;
  readonly description?: string;
  readonly input?: Schema<unknown, In>;
  readonly limits?: RunLimits;
  /** Tools that `ctx.tool` may call. */
  readonly tools?: readonly ToolDefinition[];
  /** Runnables that `ctx.child` may start. */
  readonly uses?: readonly Runnable[];
  /**
   * The body. Between its context calls it must be deterministic: time from `ctx.now()`, chance from `ctx.random()`, every
   * other effect inside `ctx.step()`.
   */
  readonly run: (ctx: FunctionContext, input: In) => Promise<unknown>;
}

/** Makes a plain async function durable: a run of it survives crashes between any two of its calls. */
export function durable<In = JsonValue>(options: DurableFunctionOptions<In>): Runnable {
  const name = checkName("function name", options.name);
  const version = checkId(`function "${name}": version`, options.version ?? "1");
  const { input } = options;
  return {
    name,
    version,
    lane: `${name}@${version.split(".")[0] ?? version}`,
    description: options.description ?? "",
    inputSchema: input === undefined ? null : jsonSchemaOf(`function "${name}": input`, input),
    definition: null,
    tools: options.tools ?? [],
    uses: options.uses ?? [],
    routes: [],
    limits: checkLimits(`function "${name}"`, options.limits ?? {}),
    parseInput: (value) =>
      input === undefined ? { ok: true, value } : parseWith(`function "${name}": input`, input, value),
    bestAnswer: () => null,
    turn: (ctx, state) => oneTurn(options, ctx, state),
  };
}

async function oneTurn<In>(
  options: DurableFunctionOptions<In>,
  ctx: TurnContext,
  state: JsonValue | null,
): Promise<TurnResult> {
  const { input } = options;
  const parsed =
    input === undefined ? { ok: true as const, value: ctx.input } : parseWith(options.name, input, ctx.input);
  if (!parsed.ok)
    throw new PawlError("INPUT_INVALID", `the recorded input of "${options.name}" no longer fits its schema.`);
  const result = await options.run(functionContext(ctx, state), parsed.value as In);
  if (result instanceof NextTurn) return { type: "next", state: result.state };
  const json = toJson(result);
  if (json.ok) return { type: "end", value: json.value };
  const message = `"${options.name}" returned ${json.found} at ${json.path}, which is not JSON. Return plain data.`;
  return { type: "fail", error: errorRecord(new PawlError("BODY_THREW", message), "BODY_THREW") };
}

/** A turn's context with the calls that plain code makes. */
export function functionContext(ctx: TurnContext, state: JsonValue | null): FunctionContext {
  const extra = {
    loopState: state,
    loop: (next: JsonValue): unknown => new NextTurn(next),
    call: (tool: ToolDefinition, input: unknown) => callTool(ctx, tool, input),
    callRun: (runnable: Runnable, input: JsonValue) => callRun(ctx, runnable, input),
  };
  return new Proxy(extra, {
    get(target, key) {
      if (key in target) return Reflect.get(target, key) as unknown;
      const member: unknown = Reflect.get(ctx, key, ctx);
      return typeof member === "function" ? (member.bind(ctx) as unknown) : member;
    },
  }) as unknown as FunctionContext;
}

async function callTool(ctx: TurnContext, tool: ToolDefinition, input: unknown): Promise<JsonValue> {
  const json = toJson(input);
  if (!json.ok)
    throw new PawlError(
      "TOOL_INPUT_INVALID",
      `the input of ${tool.name} has ${json.found} at ${json.path}, which is not JSON.`,
    );
  const parsed = tool.parseInput(json.value);
  if (!parsed.ok) {
    const issues = parsed.issues.map((issue) => `${issue.path || "(whole)"}: ${issue.message}`).join("; ");
    throw new PawlError("TOOL_INPUT_INVALID", `the input of ${tool.name} does not fit its schema: ${issues}`);
  }
  const said = authorVerdict(ctx, tool, { input: parsed.value, args: json.value });
  const verdict = said instanceof Promise ? await said : said;
  const question = `Allow ${tool.name}?${verdict.reason === undefined ? "" : ` (${verdict.reason})`}`;
  const outcome = await ctx.tool({
    tool,
    args: json.value,
    verdict,
    ask: { question, ...approversFor(tool, json.value, ctx.run.tenant) },
    show: (shown) => ({ value: shown.value, label: resultLabel(tool, shown) }),
  });
  if (outcome.status === "returned") return outcome.value;
  const code = outcome.status === "failed" ? outcome.error.code : outcome.code;
  const message = outcome.status === "failed" ? outcome.error.message : JSON.stringify(outcome.shown);
  throw Object.assign(new Error(`${tool.name}: ${message}`), { name: "ToolError", code });
}

async function callRun(ctx: TurnContext, runnable: Runnable, input: JsonValue): Promise<JsonValue> {
  const child = await ctx.child({ runnable: runnable.name, input });
  if (child.status === "completed") return child.value;
  const why = child.error?.message ?? child.stopReason ?? child.status;
  throw Object.assign(new Error(`${runnable.name} (${child.childRunId}) ${child.status}: ${why}`), {
    name: "ChildError",
    code: child.error?.code ?? "CANCELLED",
  });
}
