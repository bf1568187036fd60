import { PawlError } from "../../src/core/errors.ts";
import { hashText } from "../../src/core/hash.ts";
import { validTranscript, type AssistantPart } from "../../src/core/message.ts";
import type { ModelEndpoint, ModelRequest, ModelSource } from "../../src/core/model-contract.ts";
import { agentRoute, clerkAnswer, conversationBreach } from "./agent-workload.ts";

/**
 * The models of a seed: a parrot for programs, a clerk for agents. They answer equal requests equally, bill by length,
 * and look whether each request is one that a provider accepts and that the call sent before.
 */
export function simulatedModels(complain: (claim: string) => void): ModelSource {
  const prompts = new Map<string, string>();
  const check = (request: ModelRequest, { tenant, requestId: id }: Asked): void => {
    const requestId = `${tenant} ${id}`;
    const text = JSON.stringify(request.messages);
    if (text !== JSON.stringify(validTranscript(request.messages))) complain("a prompt is a valid transcript");
    const breach = conversationBreach(request.messages);
    if (breach !== null) complain(`${breach} (${requestId})`);
    const before = prompts.get(requestId) ?? text;
    prompts.set(requestId, before);
    if (before !== text) complain(`all attempts of a call send the same prompt (${requestId})`);
  };
  const parrot = endpointOf("sim/parrot", parrotAnswer, check);
  const mute = endpointOf("sim/mute", sayNothing, check);
  const clerk = endpointOf(agentRoute, clerkAnswer, check);
  return {
    check: () => undefined,
    next: (route, failed, random) => {
      if (route === "sim/mute" && (failed.length > 0 || random < 0.5))
        return { type: "give-up", error: { code: "MODEL_UNAVAILABLE", message: "it says nothing" } };
      const endpoint = route === "sim/mute" ? mute : route === agentRoute ? clerk : parrot;
      return { type: "try", endpoint, waitMs: Math.min(failed.length, 5) * 200 };
    },
  };
}

function parrotAnswer(request: ModelRequest): readonly AssistantPart[] {
  return [{ type: "text", text: `you said ${hashText(JSON.stringify(request.messages)).slice(0, 8)}` }];
}

/** What a provider bills that bills more than was asked for: an attempt that is lost may hide it. */
export const overbilledTokens = 900;

/** Now and then more than was asked for: a provider's count is not ours. */
function billedOutput(text: string): number {
  return Number.parseInt(hashText(text).slice(0, 4), 16) % 25 === 0 ? overbilledTokens : 1 + (text.length % 300);
}

function sayNothing(): readonly AssistantPart[] {
  throw new PawlError("MODEL_RATE_LIMITED", "it says nothing");
}

type Asked = Pick<Parameters<ModelEndpoint["generate"]>[1], "tenant" | "requestId">;

function endpointOf(
  name: string,
  answer: (request: ModelRequest) => readonly AssistantPart[],
  check: (request: ModelRequest, asked: Asked) => void,
): ModelEndpoint {
  const countTokens = (request: ModelRequest): number => Math.ceil(JSON.stringify(request.messages).length / 4);
  return {
    name,
    provider: "sim",
    model: name.slice(4),
    price: { inputUsd: 1, outputUsd: 4, source: "simulated", date: "2026-11-22" },
    contextTokens: null,
    countTokens,
    async *generate(request, options) {
      check(request, options);
      const content = answer(request);
      yield { type: "text.delta", text: `…@${options.tenant}` };
      yield {
        type: "finish",
        content,
        finish: content.some((part) => part.type === "tool-call") ? "tool-calls" : "stop",
        usage: {
          inputTokens: countTokens(request),
          cachedInputTokens: 0,
          cacheWriteTokens: 0,
          outputTokens: billedOutput(JSON.stringify(content)),
          reasoningTokens: 0,
        },
        model: name,
      };
    },
  };
}
