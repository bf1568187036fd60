import { allowed } from "../core/policy.ts";
import type { PlanItem } from "../core/plan-event.ts";
import { isJsonObject, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Parsed, ToolDefinition } from "../core/tool-contract.ts";

const statuses: readonly string[] = ["open", "active", "done", "dropped"] satisfies PlanItem["status"][];

/** Lets a model keep its plan as data: the run's `plan.updated` events, kept through compaction. */
export const planTool: ToolDefinition = {
  name: "plan",
  version: "1",
  description:
    "Write down or update your plan: the whole list of steps, each with its status. Use it before acting and when something changes.",
  inputSchema: {
    type: "object",
    properties: {
      items: {
        type: "array",
        maxItems: limits.planTasks,
        description: "All steps of the plan, in order.",
        items: {
          type: "object",
          properties: {
            text: { type: "string", description: "The step." },
            status: { type: "string", enum: statuses },
          },
          required: ["text", "status"],
          additionalProperties: false,
        },
      },
    },
    required: ["items"],
    additionalProperties: false,
  },
  effect: "pure",
  trust: "trusted",
  capabilities: [],
  timeLimitMs: 1_000,
  attemptsMax: 1,
  shownCharsMax: 2_000,
  concurrency: 1,
  parseInput: (input) => {
    const items = planItemsOf(input);
    return items === null ? refusal : { ok: true, value: { items } };
  },
  parseOutput: (value) => ({ ok: true, value }),
  approval: () => allowed,
  execute: () => Promise.resolve("The plan is recorded."),
};

const refusal: Parsed = {
  ok: false,
  issues: [
    {
      path: "items",
      message: `expected 1 to ${limits.planTasks} items of {text, status}, status one of ${statuses.join(", ")}`,
    },
  ],
};

/** The items of a plan as a model wrote it; null when they are not a plan. */
export function planItemsOf(input: JsonValue): readonly PlanItem[] | null {
  const items = isJsonObject(input) ? input["items"] : null;
  if (!Array.isArray(items) || items.length === 0 || items.length > limits.planTasks) return null;
  const plan: PlanItem[] = [];
  for (const [i, item] of (items as readonly JsonValue[]).entries()) {
    if (!isJsonObject(item)) return null;
    const { text, status } = item;
    if (typeof text !== "string" || typeof status !== "string" || !statuses.includes(status)) return null;
    plan.push({ id: String(i + 1), text: text.slice(0, limits.planTextChars), status: status as PlanItem["status"] });
  }
  return plan;
}
