import { createInterface } from "node:readline";
import { withModel } from "../../agent/with-model.ts";
import { PawlError } from "../../core/errors.ts";
import type { Opened } from "../place.ts";
import { citationVerdict } from "../citation-verdict.ts";
import { complain } from "../complain.ts";
import { exitCodes } from "../exit-codes.ts";
import { followRun } from "../follow-run.ts";
import { builtinFor, knownRunnable, noticesOf, refuseResearchOptions } from "../foreground.ts";
import { pasteable } from "../pasteable.ts";
import { openApp, type Place } from "../place.ts";
import { question } from "../question.ts";
import { docsFolder, researchName } from "../research-agent.ts";
import { newRunId } from "../run-id.ts";
import { rememberPlace, type RunPlace } from "../run-places.ts";
import { isInteractive, paint, tell } from "../terminal.ts";

export interface ChatOptions extends Place {
  readonly thread?: string;
  readonly docs?: string;
  readonly model?: string;
  readonly yes?: boolean;
}

interface Talk {
  readonly agentName: string;
  readonly threadId: string;
  readonly options: ChatOptions;
  /** Of the built-in agent. */
  readonly runPlace: RunPlace | null;
}

/** `pawl chat AGENT`: every line is a run of one thread, and each run knows what was said before it. */
export async function chat(agentName: string, options: ChatOptions): Promise<number> {
  const threadId = options.thread ?? newRunId("chat");
  const runPlace = (): RunPlace => ({ kind: "research", docs: docsFolder(options.docs), reports: null });
  const opened = await openApp(options, {
    worker: { name: `pawl chat (process ${process.pid})`, only: ({ runId }) => runId.startsWith(`${threadId}-`) },
    builtin: (at) =>
      agentName !== researchName || at.names.includes(agentName)
        ? refuseResearchOptions(agentName, options)
        : builtinFor(runPlace(), at, options.model),
    adapt: (one) => (options.model !== undefined && one.name === agentName ? withModel(one, options.model) : one),
  });
  try {
    const { app, builtin } = opened;
    const runnable = knownRunnable(app, agentName);
    for (const line of noticesOf(app.deps.models, runnable.routes)) tell(options, line);
    if (builtin !== null && builtin.about !== null) tell(options, builtin.about);
    const code = await talk(opened, { agentName, threadId, options, runPlace: builtin === null ? null : runPlace() });
    tell(options, `\ngo on: ${pasteable(options, "chat", agentName, "--thread", threadId)}`);
    return code;
  } finally {
    await opened.app.close();
  }
}

/** One line after the other: from the person at the terminal, or from a pipe until it ends. */
async function talk(opened: Opened, on: Talk): Promise<number> {
  const lines = isInteractive() ? personLines() : createInterface({ input: process.stdin });
  let code: number = exitCodes.ok;
  for await (const line of lines) {
    if (line.trim() === "") continue;
    try {
      code = await turn(opened, on, line);
    } catch (error) {
      if (!PawlError.is(error)) throw error;
      complain(error);
      code = exitCodes.failed;
    }
    // a run that waits holds its thread: what comes after it would wait with it
    if (code === exitCodes.parked || code === exitCodes.terminated) return code;
  }
  return code;
}

async function* personLines(): AsyncGenerator<string> {
  tell({}, paint("dim", "an empty line says nothing; Ctrl-D ends the conversation"));
  for (let line = await question("\n> "); line !== null; line = await question("\n> ")) yield line;
}

async function turn({ app, tenant, storeFailed }: Opened, on: Talk, line: string): Promise<number> {
  const runId = newRunId(on.threadId);
  if (on.runPlace !== null) await rememberPlace(app.store, { tenant, runId }, on.runPlace);
  const run = await app.start(on.agentName, { input: line, runId, tenant, threadId: on.threadId, onBusy: "enqueue" });
  return followRun({
    app,
    run,
    place: on.options,
    storeFailed,
    after: 0,
    ask: { yes: on.options.yes === true, json: on.options.json === true },
    ...(on.runPlace !== null && { verdictOn: (answer: string) => citationVerdict(run, answer) }),
  });
}
