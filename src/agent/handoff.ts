import { PawlError } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import { textOf as textOfMessage, type Message } from "../core/message.ts";
import type { Runnable, TurnContext, TurnTool } from "../core/runnable.ts";
import { textOfInput } from "./summary.ts";
import { faultOf, textInput, textOf, textSchema, turnTool } from "./turn-tool.ts";

/** A message of the conversation as a handoff sees it. */
export interface Said {
  readonly by: "user" | "assistant" | "tool";
  readonly text: string;
}
export interface HandoffOptions {
  /** When to hand over, for the model. Default: the target's description. */
  readonly when?: string;
  /** What of the conversation goes along; default: what people said. Pure. */
  readonly keep?: (said: Said) => boolean;
}

/**
 * Lets an agent hand its task over: control moves to `target`, a child run that sees what is kept of the conversation, and
 * its result is the run's result. A target that does not finish gives control back, with the reason.
 * @throws OPTION_INVALID  the target does not take a text
 */
export function handoff(target: Runnable, options: HandoffOptions = {}): TurnTool {
  const { name, description } = target;
  if (target.inputSchema?.["type"] !== "string")
    throw new PawlError("OPTION_INVALID", `"${name}" takes no text, so no conversation can be handed to it.`);
  const keep = options.keep ?? ((said: Said): boolean => said.by === "user");
  return turnTool({
    of: name,
    name: `hand_over_to_${name}`,
    description: `Hands this conversation over to ${name}, for good. ${options.when ?? description}`.trim(),
    inputSchema: textSchema("message", "What it must know to go on: what is wanted, what is done, what is open."),
    parseInput: (input) => textInput("message", input),
    uses: [target],
    inTurn: async (ctx, input) => {
      const kept = (await conversationOf(ctx)).filter(keep).map(({ by, text }) => `${by}: ${text}`);
      const handed = [`Task: ${textOf("message", input)}`, "", "From the conversation so far:", ...kept].join("\n");
      const child = await ctx.child({ runnable: name, input: handed });
      if (child.status !== "completed") return { ok: false, ...faultOf(name, child) };
      return { ok: true, value: `${name} has taken over.`, end: { value: child.value } };
    },
  });
}

async function conversationOf(ctx: TurnContext): Promise<readonly Said[]> {
  const { baseSeq, entries, pending } = ctx.state.context;
  const said: Said[] = [];
  if (baseSeq === 0) {
    // the first turn: nothing has been sent before it began
    const history = await Promise.all(ctx.state.contextRefs.map((ref) => ctx.read(ref)));
    said.push(...history.flatMap(messagesIn), { by: "user", text: textOfInput(ctx.input) });
  }
  for (const { source } of [...entries, ...pending]) {
    const value = await ctx.read(source.ref);
    if (source.kind === "tool") said.push({ by: "tool", text: JSON.stringify(value) });
    else for (const message of messagesIn(value)) said.push(message);
  }
  return said;
}

function messagesIn(value: JsonValue): readonly Said[] {
  const list = (Array.isArray(value) ? value : [value]) as unknown as readonly Message[];
  return list.flatMap((message) => {
    const text = message.role === "tool" ? JSON.stringify(message.content) : textOfMessage(message).trim();
    return text === "" ? [] : [{ by: message.role, text }];
  });
}
