import type { JsonValue } from "../../core/json.ts";
import { errorTable, PawlError, type ErrorCode } from "../../core/errors.ts";
import { errorText } from "../../core/json.ts";
import type { HeadWait } from "../../core/journal-event.ts";
import { isEnd } from "../../core/run-outcome.ts";
import type { Pawl } from "../../engine/runtime.ts";
import type { Audit, AuditedRun } from "./audit.ts";
import type { Cluster } from "./cluster.ts";
import type { OutsideWorld } from "./outside-world.ts";
import type { Schedule, SimProcess } from "./schedule.ts";

/** Refusals that a client may always get: somebody was faster, or the run went on. */
const ordinary: readonly ErrorCode[] = [
  "RUN_ENDED",
  "RUN_UNKNOWN",
  "RUN_NOT_BLOCKED",
  "APPROVAL_DECIDED",
  "APPROVAL_EXPIRED",
  "APPROVAL_UNKNOWN",
  "EFFECT_NOT_UNKNOWN",
];
const unsure: readonly ErrorCode[] = ["STORE_UNREACHABLE", "JOURNAL_CONFLICT"];

const TRIES_MAX = 8;
const BUDGET_STEP = 50_000;

/** A thing that a client says to a run: again and again with one message id until it knows what became of it. */
interface Saying {
  readonly runId: string;
  readonly messageId: string;
  readonly label: string;
  readonly say: (pawl: Pawl, messageId: string) => Promise<unknown>;
}

export interface PeopleOptions {
  readonly schedule: Schedule;
  readonly cluster: Cluster;
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
  /** Message ids being said or known to have been taken or refused. */
  readonly #said = new Set<string>();
  #count = 0;

  constructor(options: PeopleOptions) {
    this.#options = options;
  }

  /** Starts a run, sometimes twice at once. */
  start(runId: string, start: (pawl: Pawl) => Promise<unknown>): void {
    this.#speak({ runId, messageId: runId, label: `start ${runId}`, say: start });
  }

  /** One unexpected act, where the dice say so. */
  meddle(): void {
    const { schedule, audit, mayCancel } = this.#options;
    const run = schedule.pick([...audit.runs.values()]);
    if (run === undefined || !schedule.dice.roll("outsider", !isEnd(run.head.status))) return;
    const answers = this.#answersTo(run);
    const choice = schedule.random();
    const answer = schedule.pick(answers);
    if (answer !== undefined && choice < 0.6) this.#speak({ ...answer, messageId: this.#fresh() });
    else if (choice < 0.75) this.#sayTo(run, "message", (pawl, id) => pawl.message(run.ref.runId, "look up", by(id)));
    else if (choice < 0.9 || !mayCancel)
      this.#sayTo(run, "stray signal", (pawl, id) => pawl.signal(run.ref.runId, "nobody-waits", null, by(id)));
    else if (choice < 0.96) this.#sayTo(run, "pause", (pawl, id) => pawl.pause(run.ref.runId, "wait", by(id)));
    else this.#sayTo(run, "cancel", (pawl, id) => pawl.cancel(run.ref.runId, "enough", by(id)));
  }

  /** Answers everything that is open, each once: with this every run can go on. */
  attend(): void {
    for (const run of this.#options.audit.runs.values()) {
      for (const answer of this.#answersTo(run)) if (!this.#said.has(answer.messageId)) this.#speak(answer);
    }
  }

  #answersTo(run: AuditedRun): readonly Saying[] {
    const { head, ref } = run;
    if (isEnd(head.status)) return [];
    const { runId } = ref;
    const answers = head.waits.flatMap((wait) => this.#answerTo(runId, wait) ?? []);
    if (head.paused) answers.push(said(runId, `resume-${head.seq}`, (pawl, id) => pawl.resume(runId, by(id))));
    if (head.blocked?.code === "POISONED")
      answers.push(said(runId, `unblock-${head.seq}`, (pawl, id) => pawl.unblock(runId, "retry", by(id))));
    return answers;
  }

  #answerTo(runId: string, wait: HeadWait): Saying | null {
    const { schedule, world, signalValue } = this.#options;
    const { key } = wait;
    switch (wait.kind) {
      case "approval": {
        const approves = schedule.random() < 0.75;
        return said(runId, `decide-${key}`, (pawl, messageId) =>
          approves
            ? pawl.approvals.approve(key, { by: "ada", messageId })
            : pawl.approvals.reject(key, { by: "bob", messageId }),
        );
      }
      case "unknown": {
        const truth = world.truthOf(runId, key);
        if (truth === null) return null;
        const resolution = truth.happened
          ? ({ resolution: "applied", result: truth.value as JsonValue } as const)
          : ({ resolution: "not_applied" } as const);
        return said(runId, `resolve-${key}-${wait.seq}`, (pawl, messageId) =>
          pawl.approvals.resolveEffect(runId, key, { ...resolution, by: "ada", messageId }),
        );
      }
      case "signal": {
        const name = wait.name ?? "";
        return said(runId, `signal-${name}`, (pawl, id) => pawl.signal(runId, name, signalValue(name), by(id)));
      }
      case "budget":
        return said(runId, `raise-${key}-${wait.seq}`, (pawl, id) =>
          pawl.raiseBudget(runId, "tokens", BUDGET_STEP, by(id)),
        );
      default:
        return null;
    }
  }

  #sayTo(run: AuditedRun, label: string, say: Saying["say"]): void {
    this.#speak({ runId: run.ref.runId, messageId: this.#fresh(), label: `${label} ${run.ref.runId}`, say });
  }

  #fresh(): string {
    return `m-${++this.#count}`;
  }

  #speak(saying: Saying): void {
    const { schedule, cluster } = this.#options;
    this.#said.add(saying.messageId);
    const { pawl, process } = cluster.client();
    schedule.note(`${process.name} says: ${saying.label}`);
    void this.#insist(saying, pawl, process);
    if (!schedule.dice.roll("message-doubled", true)) return;
    const other = cluster.client();
    void this.#insist(saying, other.pawl, other.process);
  }

  async #insist(saying: Saying, pawl: Pawl, process: SimProcess): Promise<void> {
    const { audit, schedule } = this.#options;
    for (let tries = 1; tries <= TRIES_MAX; tries++) {
      try {
        await saying.say(pawl, saying.messageId);
        this.#wasTaken(saying);
        break;
      } catch (error) {
        if (isOf(error, ordinary)) {
          this.#wasRefused(saying, error);
          break;
        }
        if (!isOf(error, unsure))
          audit.fail(`${saying.label}: a client is refused by the table (${errorText(error, 400)})`);
        if (tries === TRIES_MAX) this.#said.delete(saying.messageId);
      }
    }
    schedule.end(process);
  }

  #wasTaken(saying: Saying): void {
    const run = this.#options.audit.run(saying.runId);
    if (run?.messageIds.has(saying.messageId) !== true)
      this.#options.audit.fail(
        `${saying.label}: what a client was told is taken is in the journal (${saying.messageId})`,
      );
  }

  #wasRefused(saying: Saying, error: unknown): void {
    const run = this.#options.audit.run(saying.runId);
    if (run?.messageIds.has(saying.messageId) === true)
      this.#options.audit.fail(
        `${saying.label}: what a client was told is refused is not in the journal (${errorText(error, 300)})`,
      );
  }
}

function said(runId: string, what: string, say: Saying["say"]): Saying {
  return { runId, messageId: `${runId}:${what}`, label: `${what} of ${runId}`, say };
}

function by(messageId: string): { readonly by: string; readonly messageId: string } {
  return { by: "ada", messageId };
}

function isOf(error: unknown, codes: readonly ErrorCode[]): boolean {
  return PawlError.is(error) && error.code in errorTable && codes.includes(error.code);
}
