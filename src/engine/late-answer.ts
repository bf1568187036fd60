import { PawlError } from "../core/errors.ts";
import { toJson, type JsonValue } from "../core/json.ts";
import type { Label } from "../core/label.ts";
import type { ToolLate } from "../core/told-event.ts";
import type { Desk } from "./desk.ts";
import { outsideAppend } from "./outside.ts";
import type { Settled } from "./time-limit.ts";

interface LateAnswer {
  readonly call: Pick<ToolLate, "callId" | "tool" | "attempt" | "ms">;
  readonly came: Settled<unknown>;
  readonly labelOf: (value: JsonValue) => Label | undefined;
}

/**
 * Records what an attempt came to that nobody waited for any more. It is written from outside, once: the run may be in
 * another turn, parked, or with another worker, and goes on by what was recorded in time.
 */
export async function recordLate(desk: Desk, late: LateAnswer): Promise<void> {
  // who lost its session leaves the run to others, and what it did to their look at it
  if (desk.right.dead.aborted) return;
  const { callId, attempt } = late.call;
  const writer = { principal: "pawl", messageId: `late:${callId}:${attempt}` };
  await outsideAppend(desk.deps, desk.ref, writer, async () => [
    { type: "tool.late", ...late.call, ...(await outcomeOf(desk, late)) },
  ]);
}

async function outcomeOf(
  { values }: Desk,
  { came, labelOf }: LateAnswer,
): Promise<Pick<ToolLate, "valueRef" | "error">> {
  if (came.type === "threw") return { error: values.error(came.error, "TOOL_FAILED") };
  const json = toJson(came.value);
  if (!json.ok) {
    const message = `it returned ${json.found} at ${json.path}, which cannot be recorded.`;
    return { error: { code: "TOOL_OUTPUT_INVALID", message } };
  }
  try {
    return { valueRef: await values.put(json.value, labelOf(json.value)) };
  } catch (error) {
    if (PawlError.is(error, "EVENT_TOO_LARGE")) return { error: values.error(error, "TOOL_OUTPUT_INVALID") };
    throw error;
  }
}
