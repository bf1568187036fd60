import { PawlError, type Pawl, type RunHead } from "pawl";
import { sleep, type Clock } from "../../src/core/clock.ts";
import { hasOutbox } from "../../src/core/run-head.ts";
import { isEnd } from "../../src/core/run-outcome.ts";
import type { OpenAsk } from "../../src/core/store-contract.ts";
import type { Counter } from "./counter-client.ts";
import { report } from "./reports.ts";

export interface Attendance {
  readonly app: Pawl;
  readonly clock: Clock;
  readonly counter: Counter;
  /** False: only waits, and somebody else decides. */
  readonly decides: boolean;
  readonly lookEveryMs: number;
  readonly onLook: () => void;
  /** Of the clock: nothing may take longer. */
  readonly boundMs: number;
}

const BY = "ada@example.com";

/**
 * The person beside the runs, until all of them are over and owe nobody anything: approves what is asked, looks at the
 * outside world where an outcome is unknown and says what is there, lets blocked runs go on.
 * @throws Stuck
 */
export async function attend(on: Attendance): Promise<readonly RunHead[]> {
  const until = on.clock.nowMs() + on.boundMs;
  for (;;) {
    on.onLook();
    try {
      const heads = await allRuns(on.app);
      if (heads.length > 0 && heads.every((head) => isEnd(head.status) && !hasOutbox(head))) return heads;
      if (on.clock.nowMs() > until) throw new Stuck(heads);
      if (on.decides) await decide(on, heads);
    } catch (error) {
      // whether it was written is not known: the next look tells
      if (!PawlError.is(error, "STORE_UNREACHABLE")) throw error;
      report({ type: "note", text: `person: ${error.message}` });
    }
    await sleep(on.clock, on.lookEveryMs);
  }
}

async function decide(on: Attendance, heads: readonly RunHead[]): Promise<void> {
  for (const ask of (await on.app.approvals.list()).items) await answer(on, ask);
  for (const head of heads) if (head.blocked !== null) await unblock(on, head);
}

async function allRuns(app: Pawl): Promise<readonly RunHead[]> {
  const heads: RunHead[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<Pawl["runs"]>> = await app.runs(
      { children: true },
      cursor === null ? {} : { cursor },
    );
    heads.push(...page.items);
    cursor = page.cursor;
  } while (cursor !== null);
  return heads;
}

/** Nothing ended the runs within the bound. */
export class Stuck extends Error {
  constructor(heads: readonly RunHead[]) {
    const rows = heads
      .filter(({ status }) => !isEnd(status))
      .map(
        ({ runId, status, seq, session, dueAt, waits }) =>
          `${runId} ${status} seq ${seq} session ${session ?? "none"} due ${dueAt ?? "never"} waits ${JSON.stringify(waits)}`,
      );
    super(rows.join("; "));
  }
}

async function answer({ app, counter }: Attendance, ask: OpenAsk): Promise<void> {
  try {
    if (ask.kind === "approval") {
      await app.approvals.approve(ask.key, { by: BY });
      report({ type: "person", did: "approved", what: ask.key });
      return;
    }
    const found = await counter.lookup(`${ask.runId}:${ask.key}`);
    const result = found.happened ? { result: await resultOf(app, ask, found.receipt) } : {};
    const resolution = found.happened ? "applied" : "not_applied";
    await app.approvals.resolveEffect(ask.runId, ask.key, { resolution, ...result, by: BY, seq: ask.seq });
    report({ type: "person", did: "resolved", what: `${ask.runId}:${ask.key} ${resolution}` });
  } catch (error) {
    // decided before the process died, or the run went on while the person was looking
    if (!PawlError.is(error, "APPROVAL_DECIDED") && !PawlError.is(error, "EFFECT_NOT_UNKNOWN")) throw error;
  }
}

/** What the call would have returned: a tool gives an object, the step a text. */
async function resultOf(app: Pawl, ask: OpenAsk, receipt: string) {
  for await (const event of app.run(ask.runId).events()) {
    if (event.type === "tool.called" && event.callId === ask.key) return { receipt };
  }
  return receipt;
}

async function unblock({ app }: Attendance, { runId, blocked }: RunHead): Promise<void> {
  await app.unblock(runId, "retry", { by: BY });
  report({ type: "person", did: "unblocked", what: `${runId} ${blocked?.code ?? ""} ${blocked?.detail ?? ""}` });
}
