import { z } from "zod";
import type { RunLimits } from "../core/budget.ts";
import { PawlError } from "../core/errors.ts";
import { isJsonObject, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Runnable } from "../core/runnable.ts";
import { parseWith } from "../core/schema.ts";
import { durable } from "../engine/durable-function.ts";
import { called } from "./pipeline.ts";

/** What a reviewer says of a draft: every claim of it, against its evidence. */
export const reviewSchema: z.ZodType<Review> = z.object({
  claims: z
    .array(
      z.object({
        claim: z.string(),
        source: z.string().describe("where the evidence stands; empty where there is none"),
        verdict: z.enum(["supported", "unsupported", "unclear"]),
      }),
    )
    .max(limits.citationsChecked)
    .describe("Every claim of the draft, checked against its source"),
  quality: z.string().describe("What is good and what is not, in a few sentences"),
  confidence: z.number().min(0).max(1).describe("How far the draft can be relied on"),
});
export interface Review {
  readonly claims: readonly {
    readonly claim: string;
    readonly source: string;
    readonly verdict: "supported" | "unsupported" | "unclear";
  }[];
  readonly quality: string;
  readonly confidence: number;
}
export interface Reviewed {
  readonly text: string;
  readonly review: Review;
  readonly rounds: number;
  /** Every claim is supported. */
  readonly isPassed: boolean;
}

export interface ReviewerLoopOptions {
  readonly name: string;
  readonly description?: string;
  readonly writer: Runnable;
  /** Its result is a `Review`, or a report whose `result` is one. */
  readonly reviewer: Runnable;
  /** Drafts at most; default 3. */
  readonly rounds?: number;
  readonly limits?: RunLimits;
}

const ROUNDS = 3;
const ROUNDS_MAX = 20;

/** Writes, has each claim checked against the evidence, revises what is not supported, and ends when nothing is left or the rounds are used up. */
export function reviewerLoop({ writer, reviewer, rounds = ROUNDS, ...options }: ReviewerLoopOptions): Runnable {
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > ROUNDS_MAX)
    throw new PawlError(
      "OPTION_INVALID",
      `reviewerLoop "${options.name}": rounds is ${rounds}. It is 1 to ${ROUNDS_MAX}.`,
    );
  return durable({
    ...options,
    uses: [writer, reviewer],
    run: async (ctx, input: JsonValue) => {
      const goal = typeof input === "string" ? input : JSON.stringify(input, null, 2);
      const last = ctx.loopState as unknown as Reviewed | null;
      const round = (last?.rounds ?? 0) + 1;
      const text = textOf(await called(ctx, writer, last === null ? goal : revision(goal, last)));
      const answer = await called(
        ctx,
        reviewer,
        `Task: Check each claim of the draft against its source.\n\nGoal:\n${goal}\n\nDraft:\n${text}`,
      );
      const review = reviewOf(reviewer.name, answer);
      const isPassed = review.claims.every(({ verdict }) => verdict === "supported");
      const reviewed = { text, review, rounds: round, isPassed };
      return isPassed || round >= rounds ? reviewed : ctx.loop(reviewed as unknown as JsonValue);
    },
  });
}

function revision(goal: string, { text, review }: Reviewed): string {
  const doubted = review.claims.filter(({ verdict }) => verdict !== "supported");
  const lines = doubted.map(
    ({ claim, source, verdict }) => `- ${verdict}: ${claim}${source === "" ? "" : ` (${source})`}`,
  );
  return `Task: Revise the draft: mend, prove or drop each claim that a reviewer doubts, and keep the rest.\n\nGoal:\n${goal}\n\nDraft:\n${text}\n\nDoubted:\n${lines.join("\n")}\n\nReviewer: ${review.quality}`;
}

function textOf(value: JsonValue): string {
  const result = isJsonObject(value) && "result" in value ? (value["result"] ?? "") : value;
  return typeof result === "string" ? result : JSON.stringify(result, null, 2);
}

function reviewOf(reviewer: string, value: JsonValue): Review {
  const own = parseWith("review", reviewSchema, value);
  const parsed = own.ok || !isJsonObject(value) ? own : parseWith("review", reviewSchema, value["result"]);
  if (parsed.ok) return parsed.value as Review;
  const issues = parsed.issues.map(({ path, message }) => `${path}: ${message}`).join("; ");
  throw new PawlError(
    "MODEL_OUTPUT_INVALID",
    `"${reviewer}" gave no review: ${issues.slice(0, 500)}. Give it output: reviewSchema.`,
  );
}
