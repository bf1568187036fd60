import type { JsonValue } from "../../core/json.ts";
import { isEnd } from "../../core/run-outcome.ts";
import type { HeadWait } from "../../core/run-waits.ts";
import type { Pawl } from "../../engine/runtime.ts";
import type { Audit, AuditedRun } from "./audit.ts";
import { keyOf, type Clients, type Saying } from "./client.ts";
import type { OutsideWorld } from "./outside-world.ts";
import type { Schedule } from "./schedule.ts";

const BUDGET_STEP = 50_000;
const REMEMBERED = 12;
/** What a person makes of a number that a tool was to be called with. */
const EDITED = 7;

export interface PeopleOptions {
  readonly schedule: Schedule;
  readonly clients: Clients;
  readonly audit: Audit;
  readonly world: OutsideWorld;
  /** The value of a signal that a run waits for. */
  readonly signalValue: (name: string) => JsonValue;
  /** Cancels and pauses are among what outsiders do. */
  readonly mayCancel: boolean;
}

/** People and programs around the runs: they answer what is asked, and meddle where nobody expects it. */
export class People {
  readonly #options: PeopleOptions;
  /** The newest things said: repeated later, as a client does that does not know what became of them. */
  readonly #recent: Saying[] = [];
  readonly #starts: Saying[] = [];
  #count = 0;

  constructor(options: PeopleOptions) {
    this.#options = options;
  }

  /** Starts a run; insisted on until it is known to be there. */
  start(runId: string, start: (pawl: Pawl) => Promise<unknown>): void {
    const saying = { runId, messageId: runId, label: `start ${runId}`, say: start };
    this.#starts.push(saying);
    this.#speak(saying);
  }

  /** One unexpected act, where the dice say so. */
  meddle(): void {
    const { schedule, audit, mayCancel, clients } = this.#options;
    const run = schedule.pick([...audit.runs.values()]);
    if (run === undefined) return;
    const { runId } = run.ref;
    const asked = schedule.pick(run.head.waits.filter(({ kind }) => kind === "approval"));
    if (asked !== undefined && schedule.dice.roll("approval-claimed", true)) clients.claim(asked.key);
    if (schedule.dice.roll("fork", !isEnd(run.head.status))) this.#fork(run);
    if (!schedule.dice.roll("outsider", !isEnd(run.head.status))) return;
    const answer = schedule.pick(this.#answersTo(run));
    const choice = schedule.random();
    if (answer !== undefined && choice < 0.5) this.#speak({ ...answer, messageId: this.#fresh() });
    else if (choice < 0.6) this.#repeat();
    else if (choice < 0.66) clients.follow(runId);
    else if (choice < (run.state.started.pins.agent === undefined ? 0.75 : 0.9))
      this.#sayTo(run, "message", (pawl, id) => pawl.message(runId, "look up", by(id)));
    else if (choice < 0.82) this.#sayTo(run, "resume", (pawl, id) => pawl.resume(runId, by(id)));
    else if (choice < 0.9 || !mayCancel)
      this.#sayTo(run, "stray signal", (pawl, id) => pawl.signal(runId, "nobody-waits", null, by(id)));
    else if (choice < 0.96) this.#sayTo(run, "pause", (pawl, id) => pawl.pause(runId, "wait", by(id)));
    else this.#sayTo(run, "cancel", (pawl, id) => pawl.cancel(runId, "enough", by(id)));
  }

  /** Answers everything that is open, each once: with this every run can go on. */
  attend(): void {
    const { audit, clients } = this.#options;
    for (const run of audit.runs.values()) {
      for (const answer of this.#answersTo(run)) if (!clients.said.has(keyOf(answer))) this.#speak(answer);
    }
    for (const saying of this.#starts) {
      // a run that is there needs its starter no more, a fork until it is whole
      const isThere = saying.messageId === saying.runId && audit.runs.has(saying.runId);
      if (!isThere && !clients.said.has(keyOf(saying))) clients.speak(saying);
    }
  }

  /** A new run from the first turns of another; as a start, it is insisted on. */
  #fork(run: AuditedRun): void {
    const { runId } = run.ref;
    const forkId = `fork-${++this.#count}`;
    const turn = this.#options.schedule.below(run.state.turn + 1);
    const saying: Saying = {
      runId: forkId,
      messageId: forkMessage(runId),
      label: `fork ${runId} after turn ${turn} as ${forkId}`,
      say: (pawl) => pawl.fork(runId, { turn, runId: forkId, by: "ada" }),
    };
    this.#starts.push(saying);
    this.#speak(saying);
  }

  #answersTo(run: AuditedRun): readonly Saying[] {
    const { head, ref } = run;
    if (isEnd(head.status)) return [];
    const { runId } = ref;
    const answers = head.waits.flatMap((wait) => this.#answersToWait(run, wait));
    if (head.paused) answers.push(said(runId, `resume-${head.seq}`, (pawl, id) => pawl.resume(runId, by(id))));
    if (head.blocked?.code === "POISONED")
      answers.push(said(runId, `unblock-${head.seq}`, (pawl, id) => pawl.unblock(runId, "retry", by(id))));
    return answers;
  }

  #answersToWait(run: AuditedRun, wait: HeadWait): readonly Saying[] {
    const { runId } = run.ref;
    if (wait.kind !== "approval") return [this.#answerTo(runId, wait)].filter((answer) => answer !== null);
    const call = run.state.calls[wait.key.slice(wait.key.lastIndexOf(":") + 1)];
    // where the program asks the result is not looked at; a fork asks about calls whose result is
    const mayEdit =
      call?.intent.type === "tool.called" &&
      call.intent.verdict.decision === "ask" &&
      run.state.started.pins.agent === undefined;
    // who started the run is not among several who must approve
    const people = (call?.approval?.event.quorum ?? 1) > 1 ? ["bob", "carl"] : ["ada"];
    return people.map((person) => this.#decision(runId, wait, { person, mayEdit: mayEdit && people.length === 1 }));
  }

  #answerTo(runId: string, wait: HeadWait): Saying | null {
    const { signalValue } = this.#options;
    const { key, seq } = wait;
    switch (wait.kind) {
      case "unknown":
        return this.#resolution(runId, wait);
      case "signal": {
        const name = wait.name ?? "";
        return said(runId, `signal-${key}`, (pawl, id) => pawl.signal(runId, name, signalValue(name), by(id)));
      }
      case "budget":
        return said(runId, `raise-${key}-${seq}`, (pawl, id) => pawl.raiseBudget(runId, "tokens", BUDGET_STEP, by(id)));
      default:
        return null;
    }
  }

  #decision(
    runId: string,
    { key, actionHash }: HeadWait,
    { person, mayEdit }: { readonly person: string; readonly mayEdit: boolean },
  ): Saying {
    const choice = this.#options.schedule.random();
    return said(runId, `decide-${key}-${person}`, (pawl, messageId) => {
      const decided = { by: person, messageId, ...(actionHash !== undefined && { shownHash: actionHash }) };
      if (mayEdit && choice < 0.2) return pawl.approvals.approve(key, { ...decided, edit: { n: EDITED } });
      if (choice < 0.6) return pawl.approvals.approve(key, decided);
      return choice < 0.8
        ? pawl.approvals.reject(key, decided)
        : pawl.approvals.reject(key, { by: "dora", messageId, reason: "no" });
    });
  }

  /** A diligent person: says what the world knows, once nothing of the call can act any more. */
  #resolution(runId: string, { key, seq }: HeadWait): Saying | null {
    const truth = this.#options.world.truthOf(runId, key);
    if (truth === null) return null;
    const resolution = truth.happened
      ? ({ resolution: "applied", result: truth.value as JsonValue } as const)
      : ({ resolution: "not_applied" } as const);
    return said(runId, `resolve-${key}-${seq}`, (pawl, messageId) =>
      pawl.approvals.resolveEffect(runId, key, { ...resolution, seq, by: "ada", messageId }),
    );
  }

  #sayTo(run: AuditedRun, label: string, say: Saying["say"]): void {
    this.#speak({ runId: run.ref.runId, messageId: this.#fresh(), label: `${label} ${run.ref.runId}`, say });
  }

  #speak(saying: Saying): void {
    this.#recent.push(saying);
    if (this.#recent.length > REMEMBERED) this.#recent.splice(0, 1);
    this.#options.clients.speak(saying);
  }

  #repeat(): void {
    const saying = this.#options.schedule.pick(this.#recent);
    if (saying !== undefined) this.#options.clients.speak(saying);
  }

  #fresh(): string {
    return `m-${++this.#count}`;
  }
}

/** Message id of the first batch of a fork. */
function forkMessage(runId: string): string {
  return `fork:${runId}:1`;
}

function said(runId: string, what: string, say: Saying["say"]): Saying {
  return { runId, messageId: `${runId}:${what}`, label: `${what} of ${runId}`, say };
}

function by(messageId: string): { readonly by: string; readonly messageId: string } {
  return { by: "ada", messageId };
}
