import { Command, CommanderError, Option } from "commander";
import { PawlError } from "../core/errors.ts";
import { money } from "./money.ts";
import { reviewVerbs } from "./reviews.ts";
import { toolVerbs } from "./tools.ts";
import type { Act, Options } from "./act.ts";
import { exitCodes } from "./exit-codes.ts";
import { roleOf } from "./roles.ts";
import { pasteable } from "./pasteable.ts";
import { tracing } from "./tracing.ts";
import { version } from "./version.ts";

/** Every command with its options. Code of a command is loaded when it is called. */
export async function parse(words: readonly string[]): Promise<number> {
  let exitCode: number = exitCodes.ok;
  const program = new Command("pawl")
    .description("Runs AI agents as production workloads.")
    .version(version(), "-V, --version", "print the version")
    .option("--db <file>", "database (default: PAWL_DB, the configuration's store, else .pawl/pawl.db)")
    .option("--config <file>", "configuration (default: pawl.config.ts in this folder)")
    .option("--tenant <id>", 'whose runs (default: "default")')
    .option("--server <url>", "a gateway that has the runs, in place of a database")
    .option("--key <key>", "API key for --server (default: PAWL_KEY, else the folder's development key)")
    .option("--json", "data in place of text: one event or object a line")
    .configureHelp({ showGlobalOptions: true, subcommandTerm: (command) => termOf(command) })
    .helpCommand("help [command]", "show help")
    .exitOverride()
    .configureOutput({ outputError: () => undefined, writeErr: () => undefined });

  /** Calls `load` with the arguments, and the options of the command and the program together. */
  const act =
    (load: (args: readonly (string | undefined)[], options: Options) => Promise<number>) =>
    async (...parts: unknown[]): Promise<void> => {
      const command = parts.at(-1) as Command;
      const args = parts.slice(0, -2) as (string | undefined)[];
      const options: Options = command.optsWithGlobals();
      refuseServer(nameOf(command), options);
      exitCode = await load(args, options);
    };

  const groups = [serving, executing, reading, tracing, reviewVerbs, deciding, steering, money, toolVerbs, building];
  for (const adds of groups) adds(program, act);
  try {
    await program.parseAsync([...words], { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return usageError(error, words);
    throw program.opts<Options>().server === undefined ? error : await refusalOf(error, program.opts<Options>());
  }
}

/** A command with its arguments; that it has options is not worth a word in a list. */
function termOf(command: Command): string {
  const words = command.registeredArguments.map((one) => (one.required ? `<${one.name()}>` : `[${one.name()}]`));
  return [command.name(), ...words].join(" ");
}

/** `keys create`, `traces`: the words by which a command is called. */
function nameOf(command: Command): string {
  const above = (command.parent?.parent ?? null) === null ? [] : [command.parent?.name() ?? ""];
  return [...above, command.name()].join(" ").replace(/ list$/, "");
}

/** These need the database itself, or the code of the agents. */
const local = /^(up|keys|mcp|demo|chat|verify|init|dev|traces (rebuild|reprice|export)|reviews (outcome|calibrate))\b/;

function refuseServer(name: string, { server }: Options): void {
  if (server === undefined || !local.test(name)) return;
  throw new PawlError(
    "OPTION_INVALID",
    `"${name}" does not take --server: it needs the database itself. Leave it out.`,
  );
}

async function refusalOf(error: unknown, { server = "" }: Options): Promise<unknown> {
  return (await import("./connection.ts")).localError(error, server);
}

/** Help and version are no errors; a mistake is one line that says what to do. */
function usageError(error: CommanderError, words: readonly string[]): number {
  if (error.exitCode === 0) return exitCodes.ok;
  const name = words.find((word) => !word.startsWith("-")) ?? "";
  const what = error.message.replace(/^error: /, "").replaceAll(/\s*\n\s*/g, " ");
  const help = error.code === "commander.unknownCommand" ? pasteable({}, "help") : pasteable({}, "help", name);
  throw new PawlError("OPTION_INVALID", `${what}${/[.)]$/.test(what) ? "" : "."} See: ${help}`);
}

const yes = () => new Option("-y, --yes", "approve what is asked, without asking");

function serving(program: Command, act: Act): void {
  program.commandsGroup("Serve:");
  program
    .command("up")
    .description("gateway, worker and console in one process, on one port")
    .option("--port <n>", "port (default: 7295, or the next free one)")
    .option("--host <address>", "address to listen on (default: 127.0.0.1)")
    .option("--role <role>", "all, gateway or worker; split roles share PAWL_STORE (default: PAWL_ROLE, else all)")
    .option("--docs <dir>", "folder for the built-in agent research")
    .option("--public-url <url>", "address under which browsers reach it, behind a proxy")
    .option("--no-open", "do not open a browser")
    .option("--no-console", "the API alone")
    .option("--no-auth", "no authentication; only on a loopback address")
    .option("--no-dev-key", 'make and print no key: those of "pawl keys create" alone')
    .action(
      act(async (_args, options) => {
        const role = roleOf(options.role);
        if (role === "worker") return (await import("./commands/up-worker.ts")).upWorker(options);
        return (await import("./commands/up.ts")).up(options, role);
      }),
    );
  const keys = program.command("keys").description("API keys of a tenant: create, list, revoke, rotate");
  keys
    .command("create <name>")
    .description("a new key; its text is shown this once")
    .requiredOption("--role <role...>", "read, run, review, operate, admin")
    .option("--principal <id>", "whom the journal names (default: key:ID)")
    .option("--expires-in-days <n>", "default: it does not expire")
    .action(act(async ([name], options) => (await import("./commands/keys.ts")).createKey(name ?? "", options)));
  keys
    .command("list")
    .description("keys, without their secrets")
    .action(act(async (_args, options) => (await import("./commands/keys.ts")).listKeys(options)));
  keys
    .command("revoke <key-id>")
    .description("refuse a key from now on")
    .action(act(async ([id], options) => (await import("./commands/keys.ts")).revokeKey(id ?? "", options)));
  keys
    .command("rotate <key-id>")
    .description("a new key in place of this one")
    .option("--grace-seconds <n>", "how long the old one still works (default: 0)")
    .action(act(async ([id], options) => (await import("./commands/keys.ts")).rotateKey(id ?? "", options)));
  keys
    .command("shred <tenant>")
    .description("encrypted stores: delete a tenant's data key, and with it all that is its")
    .option("--yes", "do it: nobody can bring it back")
    .action(act(async ([id], options) => (await import("./commands/keys.ts")).shredTenant(id ?? "", options)));
  keys
    .command("rewrap")
    .description("encrypted stores: wrap all data keys with the master key in force")
    .action(act(async (_args, options) => (await import("./commands/keys.ts")).rewrapKeys(options)));
}

function executing(program: Command, act: Act): void {
  program.commandsGroup("Run agents:");
  program
    .command("run <agent> [goal]")
    .description("start an agent and show it until it ends or waits for somebody")
    .option("--input <json>", "input that is not a text")
    .option("--docs <dir>", "folder for the built-in agent research")
    .option("--model <route>", "another model, as provider/model")
    .option("--run-id <id>", "id of the run; the same id and input give the same run")
    .option("--thread <id>", "conversation that the run belongs to")
    .option("--tools <names>", "tools that this task may use, with commas: any other call is refused")
    .option("--on-busy <what>", "where the thread has an active run: enqueue, reject, interrupt")
    .addOption(yes())
    .option("--no-save", "the built-in agent research saves no report, and does not ask")
    .option("--detach", "start it and leave it to a worker, such as pawl dev")
    .action(act(async ([agent, goal], options) => (await import("./commands/run.ts")).run(agent ?? "", goal, options)));
  const demo = program
    .command("demo [question]")
    .description("the built-in agent research: ask a folder of documents")
    .option("--docs <dir>", "folder to ask (default: the documentation of Pawl)")
    .option("--team", "a team does it: research, analysis of tables, a cited report, its review")
    .option("--model <route>", "model, as provider/model (default: of the first key that is set)")
    .option("--run-id <id>", "id of the run")
    .addOption(yes())
    .option("--no-save", "save no report, and do not ask")
    .action(act(async ([question], options) => (await import("./commands/demo.ts")).demo(question, options)));
  demo
    .command("crash")
    .description("kill a worker between four effects and their records, and compare with a counter outside")
    .action(act(async (_args, options) => (await import("./commands/demo-crash.ts")).demoCrash(options)));
  demo
    .command("attack")
    .description("a page tells a model that obeys to send all user data away: what is refused, by which rule, and why")
    .action(act(async (_args, options) => (await import("./commands/demo-attack.ts")).demoAttack(options)));
  program
    .command("chat <agent>")
    .description("a conversation: every line is a run of one thread")
    .option("--thread <id>", "go on with a conversation")
    .option("--docs <dir>", "folder for the built-in agent research")
    .option("--model <route>", "another model, as provider/model")
    .addOption(yes())
    .action(act(async ([agent], options) => (await import("./commands/chat.ts")).chat(agent ?? "", options)));
  program
    .command("resume <run-id>")
    .description("go on with a run that was parked or lost its worker")
    .addOption(yes())
    .action(act(async ([id], options) => (await import("./commands/resume.ts")).resume(id ?? "", options)));
  program
    .command("crash-victim <run-id>", { hidden: true })
    .action(act(async ([id], options) => (await import("./commands/demo-crash.ts")).victim(id ?? "", options)));
}

function reading(program: Command, act: Act): void {
  program.commandsGroup("Look at runs:");
  const runs = program.command("runs").description("runs, newest first; delete what has ended");
  runs
    .command("list", { isDefault: true })
    .description("newest first")
    .option("--status <status...>", "only these, such as running or awaiting_approval")
    .option("--agent <name>", "only of this agent or function")
    .option("--limit <n>", "how many (default 20)")
    .option("--cursor <cursor>", "where the list goes on")
    .action(act(async (_args, options) => (await import("./commands/runs.ts")).runs(options)));
  runs
    .command("delete [run-ids...]")
    .description("delete ended runs with their children, or a conversation, for good")
    .option("--thread <id>", "a conversation with all its runs")
    .option("-y, --yes", "do it: nobody can bring it back")
    .action(
      act(async (args, options) =>
        (await import("./commands/delete-runs.ts")).deleteRuns(
          args.flatMap((one) => one ?? []),
          options,
        ),
      ),
    );
  program
    .command("show <run-id>")
    .description("the tree of calls with tokens, cost and durations")
    .action(act(async ([id], options) => (await import("./commands/show.ts")).show(id ?? "", options)));
  program
    .command("effects [run-id]")
    .description("what a run did to the world; without a run: what nobody knows the outcome of")
    .action(act(async ([id], options) => (await import("./commands/effects.ts")).effects(id, options)));
  program
    .command("verify [run-id]")
    .description("recompute journals: chain, checksums, heads, snapshots, blobs")
    .action(act(async ([id], options) => (await import("./commands/verify.ts")).verify(id, options)));
  program
    .command("approvals")
    .description("questions that runs wait for")
    .action(act(async (_args, options) => (await import("./commands/approvals.ts")).approvals(options)));
}

function deciding(program: Command, act: Act): void {
  program.commandsGroup("Decide:");
  program
    .command("approve <approval-id>")
    .description("allow what is asked")
    .option("--edit <json>", "other arguments")
    .option("--answer <json>", "answer to a question")
    .option("--reason <text>", "why")
    .action(act(async ([id], options) => (await import("./commands/approvals.ts")).approve(id ?? "", options)));
  program
    .command("reject <approval-id>")
    .description("refuse what is asked")
    .option("--reason <text>", "why: the agent reads it")
    .action(act(async ([id], options) => (await import("./commands/approvals.ts")).reject(id ?? "", options)));
  program
    .command("resolve <run-id> <call-id> <outcome>")
    .description("say of a call whose outcome is unknown: happened or not-happened")
    .option("--result <json>", "what it gave, where it happened")
    .option("--seq <n>", "which unknown it is about, as shown: refused where there is a newer one")
    .action(
      act(async ([id, call, outcome], options) =>
        (await import("./commands/tell.ts")).resolve(id ?? "", { call: call ?? "", outcome: outcome ?? "" }, options),
      ),
    );
}

function steering(program: Command, act: Act): void {
  program
    .command("message <run-id> <text>")
    .description("say something to an agent; it reads it at its next turn")
    .action(
      act(async ([id, text], options) => (await import("./commands/tell.ts")).message(id ?? "", text ?? "", options)),
    );
  program
    .command("answer <run-id> <text>")
    .description("take the agent's next turn over: it says this, and no model is asked")
    .action(
      act(async ([id, text], options) => (await import("./commands/tell.ts")).answer(id ?? "", text ?? "", options)),
    );
  program
    .command("signal <run-id> <name> [json]")
    .description("send what a run waits for")
    .action(
      act(async ([id, name, json], options) =>
        (await import("./commands/tell.ts")).signal(id ?? "", { name: name ?? "", json }, options),
      ),
    );
  program
    .command("pause <run-id>")
    .description("park a run at its next turn")
    .action(act(async ([id], options) => (await import("./commands/tell.ts")).pause(id ?? "", options)));
  program
    .command("cancel <run-id> [reason]")
    .description("end a run; what has started is finished or reported unknown")
    .action(
      act(async ([id, reason], options) => (await import("./commands/tell.ts")).cancel(id ?? "", reason, options)),
    );
  program
    .command("unblock <run-id> <action>")
    .description("a blocked run: retry or fail")
    .action(
      act(async ([id, action], options) =>
        (await import("./commands/tell.ts")).unblock(id ?? "", action ?? "", options),
      ),
    );
  program
    .command("fork <run-id>")
    .description("a new run from the first turns of another, with what they did")
    .option("--turn <n>", "turns to keep (default: 0, only the input)")
    .option("--run-id <id>", "id of the new run")
    .option("--limits <json>", "limits that differ from the original's")
    .option("--state <json>", "channels of a graph's state to set")
    .action(act(async ([id], options) => (await import("./commands/tell.ts")).fork(id ?? "", options)));
  program
    .command("raise <run-id>")
    .description("add to the limits of one run (budgets that runs share: budgets set)")
    .option("--tokens <n>", "tokens")
    .option("--cost-usd <usd>", "money")
    .option("--calls <n>", "tool calls")
    .action(act(async ([id], options) => (await import("./commands/tell.ts")).raise(id ?? "", options)));
}

function building(program: Command, act: Act): void {
  program.commandsGroup("Build:");
  program
    .command("init <dir>")
    .description("a new project: configuration, agent, tool, test")
    .action(act(async ([dir], options) => (await import("./commands/init.ts")).init(dir ?? "", options)));
  program
    .command("dev")
    .description("run the worker of pawl.config.ts, and again whenever a file changes")
    .action(act(async (_args, options) => (await import("./commands/dev.ts")).dev(options)));
  program
    .command("dev-worker", { hidden: true })
    .action(act(async (_args, options) => (await import("./commands/dev.ts")).devWorker(options)));
  program
    .command("suspect-worker <run>", { hidden: true })
    .action(act(async ([run], options) => (await import("./own-process.ts")).suspectWorker(run ?? "", options)));
  program
    .command("doctor")
    .description("what is there, what is missing, what to do about it")
    .action(act(async (_args, options) => (await import("./commands/doctor.ts")).doctor(options)));
  const models = program.command("models").description("endpoints and routes; models check [route] asks one");
  models
    .command("list", { isDefault: true })
    .description("endpoints and routes that are configured, with their health")
    .option("--ask", "ask each endpoint for one streamed tool call")
    .action(act(async (_args, options) => (await import("./commands/models-list.ts")).modelsList(options)));
  models
    .command("check [route]")
    .description("one streamed tool call: latency, usage, cost")
    .action(act(async ([route], options) => (await import("./commands/models.ts")).modelsCheck(route, options)));
}
