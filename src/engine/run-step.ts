import { failsAsUnknown } from "../core/effect.ts";
import { isNotApplied, PawlError } from "../core/errors.ts";
import { callKey } from "../core/id.ts";
import { toJson } from "../core/json.ts";
import type { CallState } from "../core/run-state.ts";
import { CodeScope, timeOf } from "./code-scope.ts";
import type { Desk } from "./desk.ts";
import { withSpans } from "./desk-with-spans.ts";
import { stepDeadlineMs } from "./intents.ts";
import { unknownEffect } from "./unknown-effect.ts";
import { withTimeLimit, type Limited } from "./time-limit.ts";
import type { Request } from "./turn-scope.ts";

type StepRequest = Extract<Request, { readonly kind: "step" }>;

/** Runs a step's body to its outcome. Its first step.started is durable; later attempts record their own. */
export async function runStep(callId: string, request: StepRequest, attempt: number, desk: Desk): Promise<void> {
  const { name, options } = request;
  const deadlineMs = stepDeadlineMs(options);
  for (let n = attempt; ; n++) {
    if (!(await desk.right.whenFresh())) return;
    const recorded = desk.state().calls[callId]?.attempt ?? 0;
    if (
      n > recorded &&
      !(await desk.record([{ type: "step.started", callId, name, effect: options.effect, attempt: n, deadlineMs }]))
    )
      return;
    if (desk.right.dead.aborted || !desk.right.isFresh()) return;
    const code = new CodeScope({ ref: desk.ref, callId, attempt: n, values: desk.values, ...timeOf(desk.deps.clock) });
    const done = await code.run(() =>
      withTimeLimit(desk.deps.clock, deadlineMs, desk.signal, (signal) =>
        request.body({ idempotencyKey: callKey(desk.ref, callId), attempt: n, signal }),
      ),
    );
    const told = withSpans(desk, await code.groups());
    const isOver = await concluded(callId, request, n, done, told.desk);
    await told.recorded();
    if (isOver) return;
  }
}

/** @returns false when another attempt follows */
async function concluded(
  callId: string,
  { name, options }: StepRequest,
  attempt: number,
  done: Limited<unknown>,
  desk: Desk,
): Promise<boolean> {
  if (done.type === "value") {
    await stepReturned(callId, name, done.value, desk);
    return true;
  }
  const thrown =
    done.type === "threw"
      ? done.error
      : new PawlError("TOOL_TIMED_OUT", `step "${name}" passed its time limit or was aborted.`);
  const error = desk.values.error(thrown, "BODY_THREW");
  if (failsAsUnknown(options.effect) && !isNotApplied(thrown)) {
    const call = desk.state().calls[callId];
    if (call !== undefined) await desk.record([unknownEffect(call, error.message)]);
    return true;
  }
  if (attempt >= (options.attemptsMax ?? 1) || desk.signal.aborted) {
    desk.fact(callId, [{ type: "step.failed", callId, error }]);
    return true;
  }
  return !(await desk.record([{ type: "step.failed", callId, error, retry: true }]));
}

/** A person said that an interrupted step happened: its value is what they gave. */
export async function resolvedStep(call: CallState, desk: Desk): Promise<void> {
  const news = call.news?.event;
  if (news?.type !== "effect.resolved") return;
  const valueRef = news.resultRef ?? (await desk.values.put(null));
  desk.fact(call.callId, [{ type: "step.returned", callId: call.callId, valueRef }]);
}

async function stepReturned(callId: string, name: string, value: unknown, desk: Desk): Promise<void> {
  const json = toJson(value);
  let message = json.ok ? "" : `${json.found} at ${json.path}, which cannot be recorded. Return plain data`;
  try {
    if (json.ok) {
      desk.fact(callId, [{ type: "step.returned", callId, valueRef: await desk.values.put(json.value) }]);
      return;
    }
  } catch (error) {
    if (!PawlError.is(error, "EVENT_TOO_LARGE")) throw error;
    message = error.message;
  }
  const error = { code: "TOOL_OUTPUT_INVALID", message: `step "${name}" returned ${message}.` };
  desk.fact(callId, [{ type: "step.failed", callId, error }]);
}
