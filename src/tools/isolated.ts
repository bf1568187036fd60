import { fork, type ChildProcess } from "node:child_process";
import type { ErrorCode } from "../core/error-table.ts";
import { errorRecord, notApplied, PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { ToolContext } from "../core/tool-contract.ts";
import type { FromChild, IsolatedContext, IsolatedFacts, ToChild } from "./isolated-task.ts";
import { Places } from "./places.ts";

const CHILD = new URL(`./isolated-child${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
const atOnce = new Places(limits.isolatedAtOnce, limits.isolatedWaiting);

/** The code of a tool that runs in a process of its own, by the module that exports it. */
export interface IsolatedCode {
  /** `import.meta.url` of the module, or a URL made from it. It is loaded anew for each call: keep the app itself elsewhere. */
  readonly module: string | URL;
  readonly export: string;
}

/**
 * An `execute` that runs each call in a process of its own, so that code that blocks the event loop, exits the process,
 * uses up its memory or throws where nobody catches it fails this call only. What a call left running ends with it. It
 * guards against mistakes, not against hostile code: that belongs into the sandbox.
 */
export function isolated<Input, Output>(code: IsolatedCode): (input: Input, ctx: ToolContext) => Promise<Output> {
  const { module, export: name } = code;
  if (!URL.canParse(String(module)))
    throw new PawlError(
      "OPTION_INVALID",
      `isolated: module is ${JSON.stringify(String(module))}. Give a URL, for example new URL("./refund.ts", import.meta.url).`,
    );
  return async (input, ctx) => {
    await atOnce.take(ctx.signal);
    try {
      return (await outcome({ type: "task", module: String(module), name, input, facts: factsOf(ctx) }, ctx)) as Output;
    } finally {
      atOnce.free();
    }
  };
}

function factsOf(ctx: ToolContext): IsolatedFacts {
  const { tenant, principal, runId, callId, attempt, idempotencyKey, fence, deadlineMs, traceparent, isTainted } = ctx;
  const who = { tenant, principal, runId, callId, attempt, idempotencyKey, fence, deadlineMs, traceparent };
  return isTainted === undefined ? who : { ...who, isTainted };
}

async function outcome(task: ToChild & { readonly type: "task" }, ctx: ToolContext): Promise<unknown> {
  ctx.signal.throwIfAborted();
  const child = fork(CHILD, [], {
    // a debugger's port, a test runner and its report are this process's
    execArgv: [
      ...process.execArgv.filter((arg) => !/^--(inspect|test)/.test(arg)),
      `--max-old-space-size=${limits.isolatedMemoryBytes / 1_048_576}`,
    ],
    serialization: "advanced",
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  let stop: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    send(child, { type: "abort" });
    stop = setTimeout(() => child.kill("SIGKILL"), limits.isolatedStopMs);
  };
  ctx.signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await new Promise<unknown>((returned, threw) => {
      child.once("error", threw);
      child.on("message", (message) => {
        const said = message as FromChild;
        if (said.type === "ask") void answer(child, ctx, said);
        else if (said.type === "returned") returned(said.value);
        else threw(said.isNotApplied ? notApplied(said.error.message) : thrown(said.error));
      });
      child.once("exit", (exitCode, signal) => threw(new PawlError("TOOL_FAILED", died(exitCode, signal))));
      child.send(task, (error) => {
        if (error !== null) threw(notApplied(`its process was not told what to do: ${error.message}`));
      });
    });
  } finally {
    clearTimeout(stop);
    ctx.signal.removeEventListener("abort", onAbort);
    child.kill("SIGKILL");
  }
}

function thrown({ code, message, details }: { code: string; message: string; details?: object }): PawlError {
  return new PawlError(code as ErrorCode, message, details === undefined ? {} : { details: { ...details } });
}

function died(exitCode: number | null, signal: string | null): string {
  const how = signal === null ? `with exit code ${exitCode ?? "?"}` : `by ${signal}`;
  return `its process ended ${how} before it answered. What it did until then is not known.`;
}

/** What the code asks for across the processes. */
async function answer(child: ChildProcess, ctx: IsolatedContext, { id, what, value }: FromChild & { type: "ask" }) {
  try {
    send(child, { type: "answer", id, value: await ctx[what](value) });
  } catch (error) {
    send(child, { type: "refusal", id, error: errorRecord(error, "TOOL_FAILED") });
  }
}

/** A child that has ended hears nothing, and is told of by its end. */
function send(child: ChildProcess, message: ToChild): void {
  if (child.connected) child.send(message, () => undefined);
}
