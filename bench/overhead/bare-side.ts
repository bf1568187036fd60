import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, isStepCount, streamText, tool } from "ai";
import { z } from "zod";
import {
  INSTRUCTIONS,
  modelNameFor,
  OUTPUT_TOKENS,
  partText,
  QUESTION,
  spread,
  TOOL_DESCRIPTION,
  TOOL_NAME,
  type Load,
} from "./workload.ts";

/** The job on bare AI SDK: its own loop, its defaults, nothing durable. */
export function bareSide(url: string, load: Load): () => Promise<void> {
  const provider = createOpenAICompatible({ name: "openaiCompatible", baseURL: url, includeUsage: true });
  const readPart = tool({
    description: TOOL_DESCRIPTION,
    inputSchema: z.object({ part: z.number() }),
    execute: ({ part }) => partText(part),
  });
  const options = {
    model: provider.chatModel(modelNameFor(load.steps)),
    instructions: INSTRUCTIONS,
    prompt: QUESTION,
    tools: { [TOOL_NAME]: readPart },
    stopWhen: isStepCount(load.steps + 2),
    maxOutputTokens: OUTPUT_TOKENS,
  };
  return () =>
    spread(load, async () => {
      const text = load.mode === "streamed" ? await streamed(options) : (await generateText(options)).text;
      if (!text.startsWith("Done")) throw new Error(`a run ended with "${text}"`);
    });
}

/** Consumed as a user does: part by part, to the end. */
async function streamed(options: Parameters<typeof streamText>[0]): Promise<string> {
  const result = streamText(options);
  let last = "";
  for await (const part of result.fullStream) {
    if (part.type === "start-step") last = "";
    else if (part.type === "text-delta") last += part.text;
    else if (part.type === "error") throw part.error;
  }
  return last;
}
