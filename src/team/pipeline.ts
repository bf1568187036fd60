import type { RunLimits } from "../core/budget.ts";
import { PawlError } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import type { Runnable } from "../core/runnable.ts";
import { durable, type FunctionContext } from "../engine/durable-function.ts";

export interface PipelineOptions {
  readonly name: string;
  readonly description?: string;
  /** Each is a child run and is given what the one before came to. */
  readonly steps: readonly Runnable[];
  readonly limits?: RunLimits;
}

/** Runnables one after the other. The first that does not complete ends it, with its code. */
export function pipeline({ steps, ...options }: PipelineOptions): Runnable {
  if (steps.length === 0)
    throw new PawlError("OPTION_INVALID", `pipeline "${options.name}" has no steps. Give at least one.`);
  return durable({
    ...options,
    uses: steps,
    run: async (ctx, input: JsonValue) => {
      let value = input;
      for (const step of steps) value = await called(ctx, step, value);
      return value;
    },
  });
}

/** A text where text is taken: reports and other data are written out. */
export function called(ctx: FunctionContext, runnable: Runnable, value: JsonValue): Promise<JsonValue> {
  const takesText = runnable.inputSchema?.["type"] === "string";
  return ctx.callRun(runnable, takesText && typeof value !== "string" ? JSON.stringify(value, null, 2) : value);
}
