import type { Command } from "commander";
import type { Act } from "./act.ts";

/** Commands of the review queue; `approve` and `reject` stand alone too. */
export function reviewVerbs(program: Command, act: Act): void {
  program.commandsGroup("Decide:");
  const reviews = program.command("reviews").description("what runs wait for; show, claim, approve, answer, calibrate");
  reviews
    .command("list", { isDefault: true })
    .description("open questions and unknown effects, oldest run first")
    .action(act(async (_args, options) => (await import("./commands/approvals.ts")).approvals(options)));
  reviews
    .command("show <approval-id>")
    .description("the exact call, why a person is asked, who may decide, what was said")
    .action(act(async ([id], options) => (await import("./commands/reviews.ts")).reviewShow(id ?? "", options)));
  reviews
    .command("claim <approval-id>")
    .description("tell the others that you look at it; it lapses after five minutes")
    .option("--take-over", "although somebody else has it")
    .action(act(async ([id], options) => (await import("./commands/reviews.ts")).reviewClaim(id ?? "", options)));
  reviews
    .command("approve <approval-id>")
    .description("allow what is asked")
    .option("--edit <json>", "other arguments")
    .option("--reason <text>", "why")
    .action(act(async ([id], options) => (await import("./commands/approvals.ts")).approve(id ?? "", options)));
  reviews
    .command("reject <approval-id>")
    .description("refuse what is asked")
    .option("--reason <text>", "why: the agent reads it")
    .action(act(async ([id], options) => (await import("./commands/approvals.ts")).reject(id ?? "", options)));
  reviews
    .command("answer <approval-id> <json>")
    .description("answer a question with data")
    .option("--reason <text>", "why")
    .action(
      act(async ([id, answer = ""], options) =>
        (await import("./commands/approvals.ts")).approve(id ?? "", { ...options, answer }),
      ),
    );
  reviews
    .command("comment <approval-id> <text>")
    .description("say something beside a decision; it binds nothing")
    .action(
      act(async ([id, text], options) =>
        (await import("./commands/reviews.ts")).reviewComment(id ?? "", text ?? "", options),
      ),
    );
  calibrationVerbs(reviews, act);
}

function calibrationVerbs(reviews: Command, act: Act): void {
  reviews
    .command("outcome <run-id> <call-id> <right-or-wrong>")
    .description("say later of a call whose confidence was measured whether it was right")
    .action(
      act(async ([id, call, outcome], options) =>
        (await import("./commands/reviews.ts")).reviewOutcome(
          { runId: id ?? "", callId: call ?? "" },
          outcome,
          options,
        ),
      ),
    );
  reviews
    .command("calibrate [tool]")
    .description("false-allow and false-ask rates of confidence thresholds, and the one that fits")
    .option("--limit <n>", "newest runs to read, at most 500 (default)")
    .option("--calls", "each measured call instead: its score, what the gate did, and its outcome")
    .action(act(async ([tool], options) => (await import("./commands/reviews.ts")).reviewCalibrate(tool, options)));
}
