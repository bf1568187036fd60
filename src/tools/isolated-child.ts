// The process of one call of an isolated tool. It is started by isolated.ts, told its task once, and ended by whoever started it.
import { Worker } from "node:worker_threads";
import type { ErrorCode } from "../core/error-table.ts";
import { errorRecord, isNotApplied, PawlError } from "../core/errors.ts";
import { toJson } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Asked, FromChild, IsolatedContext, ToChild } from "./isolated-task.ts";

type Task = ToChild & { readonly type: "task" };
type Code = (input: unknown, ctx: IsolatedContext) => unknown;

const ended = new AbortController();
const waiting = new Map<number, { told: (value: unknown) => void; refused: (error: Error) => void }>();
let asks = 0;

process.on("message", (message) => {
  const said = message as ToChild;
  if (said.type === "task") void work(said);
  else if (said.type === "abort") ended.abort(new Error("its call is over"));
  else if (said.type === "answer") waiting.get(said.id)?.told(said.value);
  else waiting.get(said.id)?.refused(new PawlError(said.error.code as ErrorCode, said.error.message));
});
process.on("disconnect", () => process.exit(1));

async function work(task: Task): Promise<void> {
  watched(task.facts.deadlineMs + limits.isolatedStopMs);
  let code: Code;
  try {
    code = await codeOf(task);
  } catch (error) {
    send({ type: "threw", error: errorRecord(error, "TOOL_FAILED"), isNotApplied: true });
    return;
  }
  try {
    const value = await code(task.input, contextOf(task));
    const json = toJson(value);
    // what is no JSON goes as it is: whoever asked says what is wrong with it
    send({ type: "returned", value: json.ok ? json.value : value });
  } catch (error) {
    send({ type: "threw", error: errorRecord(error, "TOOL_FAILED"), isNotApplied: isNotApplied(error) });
  }
}

/** Ends this process when whoever started it cannot: code that blocks hears nothing. */
function watched(ms: number): void {
  const watch = `setTimeout(() => process.kill(process.pid, "SIGKILL"), ${ms})`;
  new Worker(watch, { eval: true, execArgv: [] }).unref();
}

async function codeOf({ module, name }: Task): Promise<Code> {
  const loaded = (await import(module)) as Readonly<Record<string, unknown>>;
  const code = loaded[name];
  if (typeof code === "function") return code as Code;
  const there = Object.keys(loaded).join(", ") || "nothing";
  throw new PawlError("OPTION_INVALID", `isolated: ${module} exports no function "${name}". It exports ${there}.`);
}

function contextOf({ facts }: Task): IsolatedContext {
  return {
    ...facts,
    signal: ended.signal,
    secret: (name) => ask("secret", name),
    putArtifact: (bytes) => ask("putArtifact", bytes),
    readArtifact: (name) => ask("readArtifact", name),
  };
}

function ask<T>(what: Asked, value: unknown): Promise<T> {
  const id = ++asks;
  return new Promise<T>((told, refused) => {
    waiting.set(id, { told: told as (value: unknown) => void, refused });
    send({ type: "ask", id, what, value: value as never });
  }).finally(() => waiting.delete(id));
}

function send(message: FromChild): void {
  process.send?.(message);
}
