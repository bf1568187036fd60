import { agent, durable, tool, type JsonValue, type Runnable } from "pawl";
import type { ModelEndpoint } from "pawl/models";
import { z } from "zod";

export const FUNCTION = "counter";
export const READER = "reader";
export const ROUTE = "stub/reader";
const RESULT_CHARS = 1_024;
/** Small, so that a long conversation is compacted many times. */
const CONTEXT_TOKENS = 4_000;

/** Events of a turn of the function below, and of its beginning and end. */
const TURN_EVENTS = 3;
const FRAME_EVENTS = 4;

/** Takes one step in each turn until it has as many events as its input says; then one step for each signal. */
export function longFunction(onStep: (runId: string) => void): Runnable {
  return durable({
    name: FUNCTION,
    run: async (ctx, input: JsonValue) => {
      const turn = Number(ctx.loopState ?? 0);
      if (turn < (Number(input) - FRAME_EVENTS) / TURN_EVENTS) {
        await ctx.step("work", { effect: "pure" }, () => turn);
      } else {
        await ctx.waitForSignal("go");
        await ctx.step("work", { effect: "pure" }, () => {
          onStep(ctx.run.runId);
          return turn;
        });
      }
      return ctx.loop(turn + 1);
    },
  });
}

/** Reads on and on, with results of 1 KB; its conversation is compacted when it is full. */
export function longAgent(): Runnable {
  const read = tool({
    name: "read",
    version: "1",
    description: "Reads one part.",
    inputSchema: z.object({ part: z.string() }),
    effect: "pure",
    execute: ({ part }) => `${part} `.repeat(RESULT_CHARS).slice(0, RESULT_CHARS),
  });
  return agent({
    name: READER,
    model: ROUTE,
    instructions: "Read part after part.",
    tools: [read],
    contextTokens: CONTEXT_TOKENS,
    limits: { turns: 1_000_000, tokens: 1_000_000_000_000 },
  });
}

const TOKENS_OF_MESSAGE = 100;

/**
 * A model in this process that asks for the next part, whatever happens; a summary is a short text. Its usage is what it
 * counted, so that a conversation is compacted when it is full.
 */
export function stubEndpoint(onRequest: (runId: string, messages: number) => Promise<void>): ModelEndpoint {
  let part = 0;
  return {
    name: ROUTE,
    provider: "stub",
    model: "reader",
    price: null,
    contextTokens: null,
    countTokens: (request) => TOKENS_OF_MESSAGE * request.messages.length,
    async *generate(request, { requestId }) {
      const usage = {
        inputTokens: TOKENS_OF_MESSAGE * request.messages.length,
        cachedInputTokens: 0,
        cacheWriteTokens: 0,
        outputTokens: 20,
        reasoningTokens: 0,
      };
      const base = { type: "finish", usage, model: "reader" } as const;
      if (request.tools.length === 0) {
        yield { ...base, content: [{ type: "text", text: "Parts were read." }], finish: "stop" };
        return;
      }
      await onRequest(requestId.split(":")[0] ?? "", request.messages.length);
      const input = { part: `part-${++part}` };
      yield { ...base, content: [{ type: "tool-call", callId: "0", tool: "read", input }], finish: "tool-calls" };
    },
  };
}
