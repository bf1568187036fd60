import { z } from "zod";
import { PawlError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { checkApprovers, type Approvers } from "../core/policy.ts";
import type { AskOutcome, TurnContext, TurnTool, TurnWork } from "../core/runnable.ts";
import { sanitise } from "../core/sanitise.ts";
import { jsonSchemaOf, parseWith } from "../core/schema.ts";
import { turnTool } from "./turn-tool.ts";

export interface AskUserOptions extends Pick<Approvers, "whoMay"> {
  /** For how long a question waits, default 7 days; null = until it is answered. */
  readonly expiresMs?: number | null;
}

const input = z.strictObject({
  question: z.string().trim().min(1).max(limits.questionChars).describe("One question that can be understood alone"),
  options: z
    .array(z.string().min(1).max(200))
    .min(2)
    .max(limits.questionOptions)
    .optional()
    .describe("The possible answers, where there are only some"),
});

/**
 * The tool `ask_user`: asks a person and waits, for days if need be, in the store. What the person says counts as told by
 * a person: it may steer what the agent does next.
 * @throws OPTION_INVALID
 */
export function askUser({ whoMay, expiresMs = limits.approvalMs }: AskUserOptions = {}): TurnTool {
  checkApprovers("ask_user", { ...(whoMay && { whoMay }) });
  const made = turnTool({
    of: "ask_user",
    name: "ask_user",
    description:
      "Asks the person a question and waits for the answer. Use it where only they can know or decide; one question at a time.",
    inputSchema: jsonSchemaOf("ask_user", input),
    parseInput: (value) => parseWith("ask_user", input, value),
    uses: [],
    inTurn: async (ctx, value) => {
      const { question, options } = input.parse(value);
      const schema: JsonObject =
        options === undefined
          ? { type: "string", minLength: 1, maxLength: limits.answerChars }
          : { type: "string", enum: options.map(seen) };
      return asked(ctx, { question: seen(question), schema, expiresMs, ...(whoMay && { whoMay }) });
    },
  });
  return { ...made, trust: "trusted" };
}

/** What a model wrote, as a person is shown it: without what hides or overwrites. */
function seen(text: string): string {
  return sanitise(text).text;
}

async function asked(ctx: TurnContext, spec: Parameters<TurnContext["ask"]>[0]): Promise<TurnWork> {
  let outcome: AskOutcome;
  try {
    outcome = await ctx.ask(spec);
  } catch (error) {
    if (!PawlError.is(error, "ASKS_TOO_MANY")) throw error;
    return { ok: false, code: error.code, message: "Too many questions wait already: ask one at a time." };
  }
  const { decision, answer, by, reason, expired } = outcome;
  if (decision === "answer") return { ok: true, value: { answer, by } };
  const why = expired ? "Nobody answered in time" : `${by} does not answer: ${reason ?? "no reason given"}`;
  return {
    ok: false,
    code: expired ? "APPROVAL_EXPIRED" : "APPROVAL_REJECTED",
    message: `${why}. Go on without it, or say what is missing.`,
  };
}
