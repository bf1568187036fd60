import { PawlError } from "../../core/errors.ts";
import { parseJson, type JsonValue } from "../../core/json.ts";
import { nanoUsdOf } from "../../core/usage.ts";
import { capsOf, showBudgets } from "../commands/budgets.ts";
import { graphShow, graphState } from "../commands/graph.ts";
import { usageSavings } from "../commands/savings.ts";
import { toolCommands } from "../commands/tools.ts";
import { forkObject, forkTurn } from "../commands/tell.ts";
import { traceShow, traceWhy } from "../commands/trace-show.ts";
import { traceCost, traceErrors, traces } from "../commands/traces.ts";
import { say } from "../terminal.ts";
import { connect, localError, type ServerCall, type ServerOptions } from "./connection.ts";
import { approvals, effects, runs, show } from "./lists.ts";
import { run } from "./run.ts";

type ServerCommand = (call: ServerCall) => Promise<number>;

const ofTools = Object.entries(toolCommands).map(([words, does]): [string, ServerCommand] => [
  words,
  ({ args, options }) => does(args, options),
]);

/** The commands that a gateway can do; the others need the database or the code. */
const commands: { readonly [name: string]: ServerCommand } = {
  run,
  runs,
  show,
  effects,
  approvals,
  traces: ({ options }) => traces(options),
  "traces show": ({ args: [runId = ""], options }) => traceShow(runId, options),
  "traces why": ({ args: [runId = "", callId = ""], options }) => traceWhy(runId, callId, options),
  "traces errors": ({ options }) => traceErrors(options),
  "traces cost": ({ args: [runId], options }) => traceCost(runId, options),
  reviews: approvals,
  "reviews show": async ({ client, args: [id = ""] }) => {
    say(JSON.stringify(await client.getApproval(id), null, 2));
    return 0;
  },
  "reviews claim": ({ client, args: [id = ""], options }) =>
    said(options, `${id} is yours for five minutes.`, () =>
      client.claimApproval(id, { takeOver: options["takeOver"] === true }),
    ),
  "reviews approve": approve,
  "reviews reject": reject,
  "reviews answer": ({ args: [id = "", answer = ""], options, ...call }) =>
    approve({ ...call, args: [id], options: { ...options, answer } }),
  approve,
  reject,
  resolve: ({ client, args: [runId = "", callId = "", outcome = ""], options }) => {
    if (outcome !== "happened" && outcome !== "not-happened") {
      throw new PawlError("OPTION_INVALID", `the outcome is "${outcome}". It is happened or not-happened.`);
    }
    const result = jsonOption(options, "result");
    const seq = textOption(options, "seq");
    const resolution = outcome === "happened" ? "applied" : "not_applied";
    const given = { ...(result !== undefined && { result }), ...(seq !== undefined && { seq: Number(seq) }) };
    return said(options, `${callId} of ${runId}: ${outcome}.`, () =>
      client.resolveEffect({ runId, callId }, { resolution, ...given }),
    );
  },
  message: ({ client, args: [runId = "", text = ""], options }) =>
    said(options, `${runId} reads it at its next turn.`, () => client.messageRun(runId, { text })),
  signal: ({ client, args: [runId = "", name = "", json], options }) => {
    const value = json === undefined ? null : jsonOf("the signal's value", json);
    return said(options, `${runId} has the signal "${name}".`, () => client.signalRun(runId, { name, value }));
  },
  pause: ({ client, args: [runId = ""], options }) =>
    said(options, `${runId} parks at its next turn.`, () => client.pauseRun(runId, { reason: "paused by hand" })),
  resume: ({ client, args: [runId = ""], options }) =>
    said(options, `${runId} may go on.`, () => client.resumeRun(runId)),
  cancel: ({ client, args: [runId = "", reason], options }) =>
    said(options, `${runId} is asked to end.`, () =>
      client.cancelRun(runId, { reason: reason ?? "cancelled by hand" }),
    ),
  unblock: ({ client, args: [runId = "", action = ""], options }) => {
    if (action !== "retry" && action !== "fail") {
      throw new PawlError("OPTION_INVALID", `the action is "${action}". It is retry or fail.`);
    }
    return said(options, `${runId}: ${action}.`, () => client.unblockRun(runId, { action }));
  },
  fork: async ({ client, args: [runId = ""], options }) => {
    const id = textOption(options, "runId");
    const turn = forkTurn(textOption(options, "turn"));
    const limits = forkObject("limits", textOption(options, "limits"), '{"turns": 40}');
    const state = forkObject("state", textOption(options, "state"), '{"messages": []}');
    const made = await client.forkRun(runId, { turn, ...limits, ...state, ...(id !== undefined && { runId: id }) });
    const text = `${made.runId} goes on from turn ${turn} of ${runId}.`;
    say(options.json === true ? JSON.stringify({ runId: made.runId, forkedFrom: runId, turn }) : text);
    return 0;
  },
  graph: ({ args: [graphName = ""], options }) => graphShow(graphName, options),
  "graph state": ({ args: [runId = ""], options }) => graphState(runId, options),
  raise,
  usage: ({ options }) => (options["savings"] === true ? usageSavings(options) : traceCost(undefined, options)),
  ...Object.fromEntries(ofTools),
  "budgets top-up": raise,
  budgets: async ({ client, options }) => {
    showBudgets((await client.listBudgets()).items, options.json === true);
    return 0;
  },
  "budgets set": async ({ client, args: [name = ""], options }) => {
    const [tokens, usd, calls] = [
      textOption(options, "tokens"),
      textOption(options, "usd"),
      textOption(options, "calls"),
    ];
    const given = {
      ...(tokens !== undefined && { tokens }),
      ...(usd !== undefined && { usd }),
      ...(calls !== undefined && { calls }),
    };
    const caps = capsOf({ ...given, declared: options["declared"] === true });
    const { items } = await client.setBudget(name, { caps });
    showBudgets(
      items.filter((line) => line.name === name),
      options.json === true,
    );
    return 0;
  },
};

/** Does a command at the gateway that `--server` names. @throws OPTION_INVALID for one that it cannot do */
export async function atServer(
  name: string,
  args: readonly (string | undefined)[],
  options: ServerOptions,
): Promise<number> {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    const allowed = Object.keys(commands).join(", ");
    throw new PawlError("OPTION_INVALID", `"${name}" does not take --server. These do: ${allowed}.`);
  }
  for (const local of ["db", "config", "tenant"] as const) {
    if (options[local] === undefined) continue;
    throw new PawlError("OPTION_INVALID", `--${local} does not go with --server: the gateway and its key say that.`);
  }
  try {
    return await command({ client: connect(options), args, options });
  } catch (error) {
    throw localError(error, options.server ?? "");
  }
}

function approve({ client, args: [id = ""], options }: ServerCall): Promise<number> {
  const [edit, answer] = [jsonOption(options, "edit"), jsonOption(options, "answer")];
  const decision = answer === undefined ? "approve" : "answer";
  const given = { ...(edit !== undefined && { edit }), ...(answer !== undefined && { answer }) };
  return said(options, `${id} is decided: ${decision}.`, () =>
    client.decideApproval(id, { decision, ...given, ...reasonOf(options) }),
  );
}

function reject({ client, args: [id = ""], options }: ServerCall): Promise<number> {
  return said(options, `${id} is rejected.`, () =>
    client.decideApproval(id, { decision: "reject", ...reasonOf(options) }),
  );
}

async function raise({ client, args: [runId = ""], options }: ServerCall): Promise<number> {
  const amounts = [
    ["tokens", textOption(options, "tokens"), Number],
    [
      "costNanoUsd",
      textOption(options, "costUsd") ?? textOption(options, "usd"),
      (text: string) => nanoUsdOf(Number(text)),
    ],
    ["calls", textOption(options, "calls"), Number],
  ] as const;
  const given = amounts.flatMap(([scope, text, read]) => (text === undefined ? [] : [{ scope, amount: read(text) }]));
  if (given.length === 0) {
    throw new PawlError("OPTION_INVALID", "raise needs an amount: --tokens 100000, --cost-usd 1 or --calls 50.");
  }
  for (const body of given) await client.raiseBudget(runId, body);
  return said(options, `${runId} has more to spend.`, async () => undefined);
}

async function said(options: ServerOptions, text: string, does: () => Promise<unknown>): Promise<number> {
  await does();
  say(options.json === true ? JSON.stringify({ done: text }) : text);
  return 0;
}

function textOption(options: ServerOptions, name: string): string | undefined {
  const value = options[name];
  return typeof value === "string" ? value : undefined;
}

function reasonOf(options: ServerOptions): { readonly reason?: string } {
  const reason = textOption(options, "reason");
  return reason === undefined ? {} : { reason };
}

function jsonOption(options: ServerOptions, name: string): JsonValue | undefined {
  const text = textOption(options, name);
  return text === undefined ? undefined : jsonOf(`--${name}`, text);
}

export function jsonOf(what: string, text: string): JsonValue {
  const parsed = parseJson(text);
  if (parsed.ok) return parsed.value;
  throw new PawlError("OPTION_INVALID", `${what} is not JSON (${parsed.reason}). Quote it for the shell: '{"id": 1}'.`);
}
