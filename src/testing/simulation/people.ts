import type { RunRef } from "../../core/id.ts";
import type { JsonValue } from "../../core/json.ts";
import { isEnd } from "../../core/run-outcome.ts";
import type { HeadWait } from "../../core/run-waits.ts";
import type { Pawl } from "../../engine/runtime.ts";
import type { Audit, AuditedRun } from "./audit.ts";
import { keyOf, type Clients, type Saying } from "./client.ts";
import type { OutsideWorld } from "./outside-world.ts";
import { markOf, personOf, placeOf } from "./place.ts";
import type { Schedule } from "./schedule.ts";

const BUDGET_STEP = 50_000;
const REMEMBERED = 12;
/** Share of the races that somebody joins with a cancel. */
const CANCELS = 0.3;
/** What a person makes of a number that a tool was to be called with. */
const EDITED = 7;

export interface PeopleOptions {
  readonly schedule: Schedule;
  readonly clients: Clients;
  readonly audit: Audit;
  readonly world: OutsideWorld;
  /** The value of a signal that a run waits for. */
  readonly signalValue: (name: string, tenant: string) => JsonValue;
  /** Cancels and pauses are among what outsiders do. */
  readonly mayCancel: boolean;
  /** So many people decide each approval at once, and now and then one cancels meanwhile; 0 = as many as are needed. */
  readonly deciders: number;
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
  start(ref: RunRef, start: (pawl: Pawl) => Promise<unknown>): void {
    const saying = { ref, messageId: ref.runId, label: `start ${placeOf(ref)}`, say: start };
    this.#starts.push(saying);
    this.#speak(saying);
  }

  /** One unexpected act, where the dice say so. */
  meddle(): void {
    const { schedule, audit, mayCancel, clients } = this.#options;
    const run = schedule.pick([...audit.runs.values()]);
    if (run === undefined) return;
    const { ref } = run;
    const { runId } = ref;
    const asked = schedule.pick(run.head.waits.filter(({ kind }) => kind === "approval"));
    if (asked !== undefined && schedule.dice.roll("approval-claimed", true)) clients.claim(ref, asked.key);
    if (schedule.dice.roll("fork", !isEnd(run.head.status))) this.#fork(run);
    if (!schedule.dice.roll("outsider", !isEnd(run.head.status))) return;
    const answer = schedule.pick(this.#answersTo(run));
    const choice = schedule.random();
    if (answer !== undefined && choice < 0.5) this.#speak({ ...answer, messageId: this.#fresh() });
    else if (choice < 0.6) this.#repeat();
    else if (choice < 0.66) clients.follow(ref);
    else if (choice > 0.88 && choice < 0.9 && run.state.started.pins.agent !== undefined)
      this.#sayTo(run, "answer", (pawl, id) => pawl.answer(runId, `by hand${markOf(ref.tenant)}`, by(ref, id)));
    else if (choice < (run.state.started.pins.agent === undefined ? 0.75 : 0.9))
      this.#sayTo(run, "message", (pawl, id) => pawl.message(runId, `look up${markOf(ref.tenant)}`, by(ref, id)));
    else if (choice < 0.82) this.#sayTo(run, "resume", (pawl, id) => pawl.resume(runId, by(ref, id)));
    else if (choice < 0.9 || !mayCancel)
      this.#sayTo(run, "stray signal", (pawl, id) => pawl.signal(runId, "nobody-waits", null, by(ref, id)));
    else if (choice < 0.96) this.#sayTo(run, "pause", (pawl, id) => pawl.pause(runId, "wait", by(ref, id)));
    else this.#sayTo(run, "cancel", (pawl, id) => pawl.cancel(runId, "enough", by(ref, id)));
  }

  /** Answers everything that is open, each once: with this every run can go on. */
  attend(): void {
    const { audit, clients } = this.#options;
    for (const run of audit.runs.values()) {
      for (const answer of this.#answersTo(run)) if (!clients.said.has(keyOf(answer))) this.#speak(answer);
    }
    for (const saying of this.#starts) {
      // a run that is there needs its starter no more, a fork until it is whole
      const isThere = saying.messageId === saying.ref.runId && audit.run(saying.ref) !== undefined;
      if (!isThere && !clients.said.has(keyOf(saying))) clients.speak(saying);
    }
  }

  /** A new run from the first turns of another; as a start, it is insisted on. */
  #fork(run: AuditedRun): void {
    const { runId, tenant } = run.ref;
    const forkId = `fork-${++this.#count}`;
    const ref = { tenant, runId: forkId };
    const turn = this.#options.schedule.below(run.state.turn + 1);
    const saying: Saying = {
      ref,
      messageId: forkMessage(runId),
      label: `fork ${placeOf(run.ref)} after turn ${turn} as ${forkId}`,
      say: (pawl) => pawl.fork(runId, { turn, ...ref, by: personOf(ref, "ada") }),
    };
    this.#starts.push(saying);
    this.#speak(saying);
  }

  #answersTo(run: AuditedRun): readonly Saying[] {
    const { head, ref } = run;
    if (isEnd(head.status)) return [];
    const { runId } = ref;
    const answers = head.waits.flatMap((wait) => this.#answersToWait(run, wait));
    if (head.paused) answers.push(said(ref, `resume-${head.seq}`, (pawl, id) => pawl.resume(runId, by(ref, id))));
    if (head.blocked?.code === "POISONED")
      answers.push(said(ref, `unblock-${head.seq}`, (pawl, id) => pawl.unblock(runId, "retry", by(ref, id))));
    return answers;
  }

  #answersToWait(run: AuditedRun, wait: HeadWait): readonly Saying[] {
    const { ref } = run;
    const { deciders, schedule } = this.#options;
    if (wait.kind === "approval" && deciders > 0) {
      const all = Array.from({ length: deciders }, (_, i) => `p${i}`);
      const decided = all.map((person) => this.#decision(ref, wait, { person, mayEdit: false }));
      if (schedule.random() > CANCELS) return decided;
      const cancel = said(ref, "cancel", (pawl, id) => pawl.cancel(ref.runId, "race", by(ref, id)));
      return decided.toSpliced(schedule.below(deciders), 0, cancel);
    }
    if (wait.kind !== "approval") return [this.#answerTo(ref, wait)].filter((answer) => answer !== null);
    const call = run.state.calls[wait.key.slice(wait.key.lastIndexOf(":") + 1)];
    // where the program asks the result is not looked at; a fork asks about calls whose result is
    const mayEdit =
      call?.intent.type === "tool.called" &&
      call.intent.verdict.decision === "ask" &&
      run.state.started.pins.agent === undefined;
    // who started the run is not among several who must approve
    const people = (call?.approval?.event.quorum ?? 1) > 1 ? ["bob", "carl"] : ["ada"];
    return people.map((person) => this.#decision(ref, wait, { person, mayEdit: mayEdit && people.length === 1 }));
  }

  #answerTo(ref: RunRef, wait: HeadWait): Saying | null {
    const { runId } = ref;
    const { signalValue } = this.#options;
    const { key, seq } = wait;
    switch (wait.kind) {
      case "unknown":
        return this.#resolution(ref, wait);
      case "signal": {
        const name = wait.name ?? "";
        const value = signalValue(name, ref.tenant);
        return said(ref, `signal-${key}`, (pawl, id) => pawl.signal(runId, name, value, by(ref, id)));
      }
      case "budget":
        return said(ref, `raise-${key}-${seq}`, (pawl, id) =>
          pawl.raiseBudget(runId, "tokens", BUDGET_STEP, by(ref, id)),
        );
      default:
        return null;
    }
  }

  #decision(
    ref: RunRef,
    { key, actionHash }: HeadWait,
    { person, mayEdit }: { readonly person: string; readonly mayEdit: boolean },
  ): Saying {
    const choice = this.#options.schedule.random();
    return said(ref, `decide-${key}-${person}`, (pawl, messageId) => {
      const people = pawl.people(ref.tenant);
      const decided = {
        by: personOf(ref, person),
        messageId,
        ...(actionHash !== undefined && { shownHash: actionHash }),
      };
      if (mayEdit && choice < 0.2) return people.approve(key, { ...decided, edit: { n: EDITED } });
      if (choice < 0.6) return people.approve(key, decided);
      return choice < 0.8
        ? people.reject(key, decided)
        : people.reject(key, { by: personOf(ref, "dora"), messageId, reason: "no" });
    });
  }

  /** A diligent person: says what the world knows, once nothing of the call can act any more. */
  #resolution(ref: RunRef, { key, seq }: HeadWait): Saying | null {
    const truth = this.#options.world.truthOf(ref, key);
    if (truth === null) return null;
    const resolution = truth.happened
      ? ({ resolution: "applied", result: truth.value as JsonValue } as const)
      : ({ resolution: "not_applied" } as const);
    return said(ref, `resolve-${key}-${seq}`, (pawl, messageId) =>
      pawl.people(ref.tenant).resolveEffect(ref.runId, key, { ...resolution, seq, ...by(ref, messageId) }),
    );
  }

  #sayTo({ ref }: AuditedRun, label: string, say: Saying["say"]): void {
    this.#speak({ ref, messageId: this.#fresh(), label: `${label} ${placeOf(ref)}`, say });
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

function said(ref: RunRef, what: string, say: Saying["say"]): Saying {
  return { ref, messageId: `${ref.runId}:${what}`, label: `${what} of ${placeOf(ref)}`, say };
}

function by(
  ref: RunRef,
  messageId: string,
): { readonly by: string; readonly tenant: string; readonly messageId: string } {
  return { by: personOf(ref, "ada"), tenant: ref.tenant, messageId };
}
