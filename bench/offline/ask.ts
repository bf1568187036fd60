import { toJson, type JsonValue } from "../../src/core/json.ts";
import {
  type Message,
  textOf,
  toolCallsOf,
  type ToolCallPart,
  type ToolResultPart,
  userText,
} from "../../src/core/message.ts";
import type { ModelEndpoint, ModelPart } from "../../src/core/model-contract.ts";
import type { ToolContext, ToolDefinition } from "../../src/core/tool-contract.ts";
import { checkCitations, collectReads, noReads, type ReadMemo } from "../../src/tools.ts";

/** What the research agent is told; the model looks here for the form of citations. */
const INSTRUCTIONS =
  "Answer the question from the documents only. Cite every claim as (file:line) or (file:first-last). " +
  "If the documents hold no answer, say so.";
const TURNS_MAX = 20;

export interface Asked {
  readonly answer: string;
  readonly turns: number;
  readonly calls: number;
  readonly citations: ReturnType<typeof checkCitations>;
  readonly messages: readonly Message[];
}

/** A minimal loop: model, tools, results, until an answer without calls. No journal, no budgets, no recovery. */
export async function ask(endpoint: ModelEndpoint, tools: readonly ToolDefinition[], question: string): Promise<Asked> {
  const messages: Message[] = [userText(question)];
  let memo: ReadMemo = noReads;
  let calls = 0;
  for (let turn = 1; turn <= TURNS_MAX; turn++) {
    const message = await answerOf(endpoint, tools, messages, turn);
    messages.push(message);
    const wanted = toolCallsOf(message);
    if (wanted.length === 0) {
      const answer = textOf(message);
      return { answer, turns: turn, calls, citations: checkCitations(answer, memo), messages };
    }
    const results: ToolResultPart[] = [];
    for (const call of wanted) {
      const result = await run(call, tools);
      if (result.isError !== true) memo = collectReads(memo, result.output);
      results.push(result);
      calls++;
    }
    messages.push({ role: "tool", content: results });
  }
  throw new Error(`no answer after ${TURNS_MAX} turns: ${question}`);
}

async function answerOf(
  endpoint: ModelEndpoint,
  tools: readonly ToolDefinition[],
  messages: readonly Message[],
  turn: number,
): Promise<Message> {
  const request = {
    system: INSTRUCTIONS,
    messages,
    tools: tools.map(({ name, description, inputSchema }) => ({ name, description, inputSchema })),
    params: { maxOutputTokens: 4_000 },
  };
  let finish: Extract<ModelPart, { type: "finish" }> | undefined;
  const stream = endpoint.generate(request, {
    signal: new AbortController().signal,
    requestId: `m${turn}`,
    stream: false,
  });
  for await (const part of stream) if (part.type === "finish") finish = part;
  if (finish === undefined) throw new Error("the stream ended without finish");
  const content = finish.content.map((part) =>
    part.type === "tool-call" ? { ...part, callId: `m${turn}-${part.callId}` } : part,
  );
  return { role: "assistant", content };
}

async function run(call: ToolCallPart, tools: readonly ToolDefinition[]): Promise<ToolResultPart> {
  const { callId, tool: name } = call;
  const failed = (output: JsonValue): ToolResultPart => ({
    type: "tool-result",
    callId,
    tool: name,
    output,
    isError: true,
  });
  const found = tools.find((tool) => tool.name === name);
  if (found === undefined) return failed(`There is no tool "${name}".`);
  const parsed = found.parseInput(call.input);
  if (!parsed.ok) return failed(JSON.stringify(parsed.issues));
  const json = toJson(await found.execute(parsed.value, contextOf(callId)));
  if (!json.ok) return failed(`not JSON at ${json.path}`);
  return { type: "tool-result", callId, tool: name, output: json.value };
}

function contextOf(callId: string): ToolContext {
  const signal = new AbortController().signal;
  const secret = (name: string) => Promise.reject(new Error(`no secret "${name}" in a bench`));
  const run = { tenant: "bench", principal: "bench", runId: "bench", attempt: 1, fence: 1 };
  const artifacts = { putArtifact: () => secret("artifact"), readArtifact: () => Promise.resolve(null) };
  return {
    ...run,
    ...artifacts,
    callId,
    idempotencyKey: callId,
    signal,
    deadlineMs: 60_000,
    traceparent: "",
    secret,
    may: () => true,
  };
}
