import { scriptedModel, type ScriptedModel, type ScriptedTurn } from "../../src/testing/scripted-model.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { Message } from "../../src/core/message.ts";
import type { ModelRequest } from "../../src/core/model-contract.ts";

export const MODEL = "scripted/sweep";

/** What each agent asks for, answer by answer; then it says what its tools told. */
const plans: { readonly [name: string]: readonly (readonly (readonly [tool: string, input: JsonObject])[])[] } = {
  clerk: [
    [
      ["quote", { item: "desk" }],
      ["reserve", { item: "desk" }],
      ["ship", { item: "desk" }],
      ["charge", { item: "desk" }],
    ],
    [["refund", { item: "desk" }]],
    [
      ["charge", { item: "lamp" }],
      ["charge", { item: "chair" }],
    ],
  ],
  packer: [
    [
      ["reserve", { item: "box" }],
      ["charge", { item: "box" }],
    ],
  ],
  greeter: [],
};

/** Says the same to the same conversation, in whatever process. */
export function sweepModel(): ScriptedModel {
  return scriptedModel({ [MODEL]: answerTo });
}

function answerTo({ system, messages }: ModelRequest): ScriptedTurn {
  const name = /You are the (\w+)/.exec(system)?.[1] ?? "";
  const said = messages.filter((message) => message.role === "assistant").length;
  const wanted = plans[name]?.[said];
  if (wanted === undefined) return { text: `Done. ${toldBy(messages).join(" | ")}` };
  return { toolCalls: wanted.map(([tool, input]) => ({ tool, input })) };
}

/** Every result that the model was shown, in order: the final answer holds what it was made of. */
function toldBy(messages: readonly Message[]): readonly string[] {
  return messages.flatMap((message) =>
    message.role === "tool" ? message.content.map((part) => JSON.stringify(part.output).slice(0, 100)) : [],
  );
}
