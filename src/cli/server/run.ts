import { randomUUID } from "node:crypto";
import { PawlError } from "../../core/errors.ts";
import { parseJson, type JsonValue } from "../../core/json.ts";
import { isSettled } from "../../engine/run-handle.ts";
import { exitCodeOfStatus, exitCodes } from "../exit-codes.ts";
import { basisLines, decisionCommand } from "../follow-run.ts";
import { totalsText } from "../figures.ts";
import { pasteable } from "../pasteable.ts";
import { JsonView, TextView, type RunView } from "../run-view.ts";
import { plain, say, tell } from "../terminal.ts";
import type { ServerCall } from "./connection.ts";

/** `pawl run --server`: the gateway's worker executes it; Ctrl-C leaves it to that. */
export async function run(call: ServerCall): Promise<number> {
  const { client, args, options } = call;
  const [agent = "", goal] = args;
  const input = inputOf(goal, options["input"]);
  const named = [
    ["runId", options["runId"]],
    ["threadId", options["thread"]],
    ["onBusy", options["onBusy"]],
  ] as const;
  const chosen = Object.fromEntries(named.filter(([, value]) => typeof value === "string"));
  const started = await client.startRun({ agent, input, ...chosen }, { idempotencyKey: randomUUID() });
  if (options["detach"] === true) {
    say(options.json === true ? JSON.stringify({ runId: started.runId }) : `run ${started.runId}`);
    return exitCodes.ok;
  }
  tell(options, `run ${started.runId} (Ctrl-C leaves it to the server)`);
  return follow(call, started.runId);
}

/** Shows a run until it ends or waits for somebody. @returns the exit code */
async function follow({ client, options }: ServerCall, runId: string): Promise<number> {
  const command = (...words: readonly string[]): string => pasteable(options, ...words);
  const view: RunView =
    options.json === true ? new JsonView() : new TextView({ runId, nowMs: () => Date.now(), command });
  try {
    for await (const item of client.events(runId)) {
      view.show(item);
      const isStill = item.type === "run.parked" || item.type === "run.blocked";
      if (isStill && isSettled((await client.getResult(runId)).status)) break;
    }
    const head = await client.getRun(runId);
    const text = typeof head.output === "string" ? head.output : JSON.stringify(head.output, null, 2);
    if (options.json !== true && head.output !== null && text.trim() !== view.lastText) say(`\n${plain(text)}`);
    const result = await client.getResult(runId);
    if ("restsOnUntrusted" in result) for (const line of basisLines(result)) view.remark(line);
    if (head.error !== null) view.remark(`${head.error.code}: ${plain(head.error.message)}`);
    for (const { kind, key, seq } of head.waits) {
      if (kind === "approval" || kind === "unknown") view.remark(decisionCommand(options, { kind, key, runId, seq }));
    }
    view.remark(`${head.status.replaceAll("_", " ")} · ${totalsText(head.totals)}`);
    view.remark(command("show", runId));
    return exitCodeOfStatus(head.status);
  } finally {
    view.close();
  }
}

function inputOf(goal: string | undefined, json: unknown): JsonValue {
  if (goal !== undefined && json === undefined) return goal;
  const parsed = typeof json === "string" && goal === undefined ? parseJson(json) : null;
  if (parsed?.ok === true) return parsed.value;
  throw new PawlError("OPTION_INVALID", `run takes a goal, or --input with JSON: pawl run AGENT "what to do".`);
}
