import type { Command } from "commander";
import type { Act } from "./act.ts";

/** Commands that look at what runs did and what it cost. */
export function tracing(program: Command, act: Act): void {
  const filtered = (command: Command): Command =>
    command
      .option("--text <words>", "words or pieces of words in inputs, outputs and payloads, in any language")
      .option("--status <status...>", "only these, such as failed or running")
      .option("--agent <name>", "of this agent or function")
      .option("--tool <name>", "that called this tool")
      .option("--model <name>", "that called this model, as provider/model or as it names itself")
      .option("--user <principal>", "started by this user")
      .option("--thread <id>", "of this conversation")
      .option("--tag <tag>", "with this tag")
      .option("--error <group>", "with failures of this group: see traces errors")
      .option("--min-cost <usd>", "that cost at least this much")
      .option("--min-tokens <n>", "that used at least so many tokens")
      .option("--min-seconds <n>", "that took at least so long")
      .option("--since <when>", "started since a date, or 30m, 12h, 7d ago")
      .option("--limit <n>", "how many (default 20)");
  const graphs = program
    .command("graph")
    .description("a graph as Mermaid; graph state shows a run's state at any turn");
  graphs
    .command("list <name>", { isDefault: true })
    .action(act(async ([name], options) => (await import("./commands/graph.ts")).graphShow(name ?? "", options)));
  graphs
    .command("state <run-id>")
    .description("the channels of a run after a superstep")
    .option("--turn <n>", "supersteps done (default: as many as there are)")
    .action(act(async ([id], options) => (await import("./commands/graph.ts")).graphState(id ?? "", options)));
  const commands = program
    .command("traces")
    .description("search runs; show, why, errors, cost, rebuild, reprice, export");
  filtered(commands.command("list", { isDefault: true }))
    .description("runs by what they did, said, cost and took")
    .option("--sort <by>", "started, cost, duration or tokens")
    .option("--cursor <cursor>", "where the list goes on")
    .action(act(async (_args, options) => (await import("./commands/traces.ts")).traces(options)));
  commands
    .command("show <run-id>")
    .description("the tree of spans with the sums of what is below each")
    .option("--limit <n>", "rows (default 1000)")
    .action(act(async ([id], options) => (await import("./commands/trace-show.ts")).traceShow(id ?? "", options)));
  commands
    .command("why <run-id> <call-id>")
    .description("where the words of a call's input came from, and what its prompt held")
    .action(
      act(async ([id, call], options) =>
        (await import("./commands/trace-show.ts")).traceWhy(id ?? "", call ?? "", options),
      ),
    );
  filtered(commands.command("errors"))
    .description("failures of one kind together")
    .action(act(async (_args, options) => (await import("./commands/traces.ts")).traceErrors(options)));
  tracedMoney(commands, act);
  commands
    .command("rebuild")
    .description("make the index anew from the journals")
    .action(act(async (_args, options) => (await import("./commands/traces.ts")).traceRebuild(options)));
  tracesOut(commands, act);
}

function tracedMoney(commands: Command, act: Act): void {
  commands
    .command("cost [run-id]")
    .description("what was billed, each attempt once; with a run, by turn or call of it")
    .option(
      "--by <key>",
      "day, agent, model, tool, user, thread, tag, request, run, tenant; of a run: turn, call, run, model, tool",
    )
    .option("--since <when>", "since a day, or 7d ago")
    .option("--limit <n>", "how many (default 20)")
    .action(act(async ([id], options) => (await import("./commands/traces.ts")).traceCost(id, options)));
  commands
    .command("reprice")
    .description("what was used, by today's prices")
    .option("--write", "show these costs from now on, until the index is rebuilt")
    .action(act(async (_args, options) => (await import("./commands/traces.ts")).traceReprice(options)));
}

function tracesOut(commands: Command, act: Act): void {
  commands
    .command("export")
    .description("closed spans to an OpenTelemetry receiver (OTLP/HTTP)")
    .option("--otlp <url>", "receiver, such as http://127.0.0.1:4318")
    .option("--header <header...>", 'such as "authorization: Bearer …"')
    .option("--dialect <name>", "names of attributes (default otel)")
    .option("--content", "also prompts, answers, arguments and results")
    .option("--once", "what there is, then end")
    .action(act(async (_args, options) => (await import("./commands/trace-export.ts")).traceExport(options)));
}
