import type { Command } from "commander";
import type { Act } from "./act.ts";

/** Commands about what runs may spend, and what they spent. */
export function money(program: Command, act: Act): void {
  program.commandsGroup("Money:");
  const budgets = program.command("budgets").description("declared budgets, which many runs share; set a cap");
  budgets
    .command("list", { isDefault: true })
    .description("each with its window: used, reserved, left")
    .action(act(async (_args, options) => (await import("./commands/budgets.ts")).budgets(options)));
  budgets
    .command("set <name>")
    .description("caps in place of the declared ones, for this tenant")
    .option("--tokens <n>", "tokens")
    .option("--usd <usd>", "money")
    .option("--calls <n>", "tool calls")
    .option("--declared", "back to what is declared")
    .action(act(async ([name], options) => (await import("./commands/budgets.ts")).setBudget(name ?? "", options)));
  program
    .command("usage")
    .description("what was billed by day, agent, model, tool, user or thread")
    .option("--by <key>", "day, agent, model, tool, user, thread, tag, request, run, tenant (default day)")
    .option("--since <when>", "since a day, or 7d ago")
    .option("--agent <name>", "of this agent alone")
    .option("--model <endpoint>", "of this endpoint alone")
    .option("--tool <name>", "of this tool alone")
    .option("--user <id>", "of the runs of this user alone")
    .option("--thread <id>", "of this thread alone")
    .option("--savings", "what small models, kept results and compactions saved the newest runs (default 100)")
    .option("--limit <n>", "how many (default 20)")
    .action(
      act(async (_args, options) =>
        options["savings"] === true
          ? (await import("./commands/savings.ts")).usageSavings(options)
          : (await import("./commands/traces.ts")).traceCost(undefined, options),
      ),
    );
}
