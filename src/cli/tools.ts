import type { Command } from "commander";
import type { Act } from "./act.ts";

/** Commands about what runs may call. */
export function toolVerbs(program: Command, act: Act): void {
  program.commandsGroup("Tools:");
  const tools = program.command("tools").description("tools: reviewed, granted, quarantined; grant and accept them");
  const does = (words: string) =>
    act(async (args, options) => {
      const { toolCommands } = await import("./commands/tools.ts");
      return (await toolCommands[words]?.(args, options)) ?? 0;
    });
  tools
    .command("list", { isDefault: true })
    .description("each with its state and how its calls went")
    .action(does("tools"));
  tools.command("show <tool>").description("one, with its grants; NAME or NAME@VERSION").action(does("tools show"));
  tools.command("grants [tool]").description("who was granted what, by whom").action(does("tools grants"));
  tools
    .command("grant <tool> <capabilities...>")
    .description("let runs that start from now on call it: net:HOST, fs:/PATH, secret:NAME, money")
    .option("--agent <name>", "runs of this agent alone")
    .option("--principal <id>", "runs that this person or program started")
    .option("--role <role>", "runs of who has this role")
    .option("--days <n>", "for so many days (default: until revoked)")
    .option("--reason <text>", "why")
    .action(does("tools grant"));
  tools.command("revoke <grant>").description("take a grant back, at once").action(does("tools revoke"));
  tools.command("diff <tool>").description("what changed since it was accepted").action(does("tools diff"));
  tools
    .command("accept <tool>")
    .description("accept a tool as it is now, once you have seen it")
    .option("--hash <hash>", "the definition that you saw, as `tools diff` says it")
    .option("-y, --yes", "as it is, without asking")
    .action(does("tools accept"));
  tools
    .command("quarantine <tool>")
    .description("start no more calls of it until it is accepted again")
    .option("--reason <text>", "why")
    .action(does("tools quarantine"));
  program
    .command("mcp")
    .description("servers of tools: let Pawl in where one asks for a person")
    .command("login <server>")
    .description("open its page in a browser, and keep what it gives where its configuration says")
    .option("--no-open", "print the address alone")
    .action(act(async ([name], options) => (await import("./commands/mcp.ts")).mcpLogin(name ?? "", options)));
}
