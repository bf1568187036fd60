import { agent } from "../../src/agent/agent.ts";
import { isJsonObject, type JsonValue } from "../../src/core/json.ts";
import type { AssistantPart, Message } from "../../src/core/message.ts";
import type { ModelRequest } from "../../src/core/model-contract.ts";
import type { Runnable } from "../../src/core/runnable.ts";
import { resultOf, type ToolName } from "./program.ts";
import { tools } from "./workload.ts";

// Agents whose model does what the goal says: turns of tool calls, then an answer that can be told beforehand.

interface PlannedCall {
  readonly tool: ToolName;
  readonly n: number;
}
type Plan = readonly (readonly PlannedCall[])[];

export const agentRoute = "sim/clerk";

const parts = { model: agentRoute, instructions: "Do what the goal says.", tools: Object.values(tools) };

export const agents: readonly Runnable[] = [
  agent({ ...parts, name: "clerk" }),
  // forgets early: its conversation is compacted every few turns
  agent({ ...parts, name: "forgetful", contextTokens: 420, maxOutputTokens: 500 }),
];

export function randomGoal(random: () => number): string {
  const names: readonly ToolName[] = ["look", "put", "pay", "mail"];
  const plan: Plan = Array.from({ length: 1 + Math.floor(random() * 6) }, () =>
    Array.from({ length: 1 + Math.floor(random() * 2.5) }, () => ({
      tool: names[Math.floor(random() * names.length)] ?? "look",
      n: Math.floor(random() * 100_000),
    })),
  );
  return `<plan>${JSON.stringify(plan)}</plan>`;
}

/** What an agent answers that did its goal. */
export function goalAnswer(goal: JsonValue): string {
  return `did ${planIn(typeof goal === "string" ? goal : "").length} turns`;
}

function planIn(text: string): Plan {
  const found = /<plan>(.*?)<\/plan>/.exec(text)?.[1];
  return found === undefined ? [] : (JSON.parse(found) as Plan);
}

/** What the model says to a request: the next turn of the plan, a summary, or the answer. */
export function clerkAnswer(request: ModelRequest): readonly AssistantPart[] {
  const seen = JSON.stringify(request.messages).replaceAll("\\", "");
  const done = [...seen.matchAll(/"turn":(\d+)/g)].map((match) => Number(match[1]) + 1);
  const turn = Math.max(0, ...done);
  if (request.tools.length === 0) return [{ type: "text", text: `so far "turn":${turn - 1}` }];
  const plan = planIn(seen);
  const calls = plan[turn];
  if (calls === undefined) return [{ type: "text", text: `did ${turn} turns` }];
  return calls.map(({ tool, n }, i) => ({ type: "tool-call", callId: `c${i}`, tool, input: { n, turn } }));
}

/** What a provider would refuse, or a model be misled by. @returns null when there is nothing */
export function conversationBreach(messages: readonly Message[]): string | null {
  const calls = new Map<string, JsonValue>();
  const answered = new Set<string>();
  for (const message of messages) {
    for (const part of message.content) {
      if (part.type === "tool-call") {
        if (calls.has(part.callId)) return `a conversation has each call once (${part.callId})`;
        calls.set(part.callId, part.input);
      }
      if (part.type !== "tool-result") continue;
      const input = calls.get(part.callId);
      if (input === undefined || answered.has(part.callId)) return `a result answers one call (${part.callId})`;
      answered.add(part.callId);
      const n = isJsonObject(input) ? Number(input["n"]) : 0;
      if (part.isError !== true && !JSON.stringify(part.output).includes(String(resultOf(n))))
        return `a result is that of its call (${part.callId})`;
    }
  }
  return answered.size === calls.size ? null : "every call has its result";
}
