import type { Runnable, StepContext, StepOptions, TurnContext } from "../../core/runnable.ts";
import type { ToolContext, ToolDefinition } from "../../core/tool-contract.ts";
import { limits } from "../../core/limits.ts";
import { hashJson } from "../../core/hash.ts";
import type { JsonValue } from "../../core/json.ts";
import type { EffectRequest, OutsideWorld } from "./outside-world.ts";
import type { SimProcess } from "./schedule.ts";

/**
 * The same runnables for one simulated process: what their tools and steps do goes through the outside world, where it is
 * counted, delayed and lost.
 */
export function instrumented(
  runnables: readonly Runnable[],
  process: SimProcess,
  world: OutsideWorld,
): readonly Runnable[] {
  const known = new Map<Runnable, Runnable>();
  const tools = new Map<ToolDefinition, ToolDefinition>();
  const toolFor = (tool: ToolDefinition): ToolDefinition => {
    const made = tools.get(tool) ?? simulatedTool(tool, process, world);
    tools.set(tool, made);
    return made;
  };
  const runnableFor = (runnable: Runnable): Runnable => {
    const made = known.get(runnable) ?? simulatedRunnable(runnable, process, world, { runnableFor, toolFor });
    known.set(runnable, made);
    return made;
  };
  return runnables.map(runnableFor);
}

interface Makers {
  runnableFor(runnable: Runnable): Runnable;
  toolFor(tool: ToolDefinition): ToolDefinition;
}

function simulatedRunnable(runnable: Runnable, process: SimProcess, world: OutsideWorld, make: Makers): Runnable {
  const { name, version, lane, description, inputSchema, definition, routes, limits: runLimits } = runnable;
  return {
    name,
    version,
    lane,
    description,
    inputSchema,
    definition,
    routes,
    limits: runLimits,
    tools: runnable.tools.map((one) => make.toolFor(one)),
    get uses() {
      return runnable.uses.map((one) => make.runnableFor(one));
    },
    parseInput: (value) => runnable.parseInput(value),
    bestAnswer: (state) => runnable.bestAnswer(state),
    turn: (ctx, state) => runnable.turn(withSimulatedSteps(ctx, process, world), state),
  };
}

function simulatedTool(tool: ToolDefinition, process: SimProcess, world: OutsideWorld): ToolDefinition {
  const requestOf = (ctx: ToolContext, input: unknown): EffectRequest => ({
    argsHash: hashJson(input as JsonValue),
    kind: "tool",
    tenant: ctx.tenant,
    runId: ctx.runId,
    callId: ctx.callId,
    name: tool.name,
    effect: tool.effect,
    key: ctx.idempotencyKey,
    attempt: ctx.attempt,
    attemptsMax: tool.attemptsMax,
    timeLimitMs: tool.timeLimitMs,
    signal: ctx.signal,
  });
  const simulated: ToolDefinition = {
    ...tool,
    parseInput: (input) => tool.parseInput(input),
    parseOutput: (output) => tool.parseOutput(output),
    approval: (input, scene) => tool.approval(input, scene),
    execute: (input, ctx) => world.act(process, requestOf(ctx, input), () => tool.execute(input, ctx)),
  };
  if (tool.reconcile === undefined) return simulated;
  return { ...simulated, reconcile: (input, ctx) => world.ask(process, requestOf(ctx, input)) };
}

function withSimulatedSteps(ctx: TurnContext, process: SimProcess, world: OutsideWorld): TurnContext {
  const step = <T extends JsonValue>(
    name: string,
    options: StepOptions,
    body: (step: StepContext) => Promise<T> | T,
  ): Promise<T> => {
    const run = (on: StepContext): Promise<T> => {
      const callId = on.idempotencyKey.slice(on.idempotencyKey.lastIndexOf(":") + 1);
      const request: EffectRequest = {
        kind: "step",
        tenant: ctx.run.tenant,
        runId: ctx.run.runId,
        callId,
        // what a fork asks a person about
        argsHash: hashJson({ step: name, callId }),
        name,
        effect: options.effect,
        key: on.idempotencyKey,
        attempt: on.attempt,
        attemptsMax: options.attemptsMax ?? 1,
        timeLimitMs: options.timeLimitMs ?? limits.stepTimeMs,
        signal: on.signal,
      };
      return world.act(process, request, async () => body(on)) as Promise<T>;
    };
    return ctx.step(name, options, run);
  };
  return new Proxy(ctx, {
    get(target, key) {
      if (key === "step") return step;
      const member: unknown = Reflect.get(target, key, target);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
}
