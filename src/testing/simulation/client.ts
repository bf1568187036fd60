import { sleep } from "../../core/clock.ts";
import { errorTable, type ErrorCode } from "../../core/error-table.ts";
import { PawlError } from "../../core/errors.ts";
import type { RunRef } from "../../core/id.ts";
import { errorText } from "../../core/json.ts";
import type { Pawl } from "../../engine/runtime.ts";
import type { Audit } from "./audit.ts";
import type { Cluster } from "./cluster.ts";
import { personOf, placeOf } from "./place.ts";
import type { Schedule, SimProcess } from "./schedule.ts";

/** Refusals that a client may always get: somebody was faster, or the run went on. */
const ordinary: readonly ErrorCode[] = [
  "RUN_ENDED",
  "RUN_UNKNOWN",
  "RUN_NOT_BLOCKED",
  "THREAD_BUSY",
  "APPROVAL_DECIDED",
  "APPROVAL_EXPIRED",
  "APPROVAL_UNKNOWN",
  "EFFECT_NOT_UNKNOWN",
  "APPROVAL_VOTED",
  "APPROVAL_CLAIMED",
  "ANSWER_PENDING",
];
const unsure: readonly ErrorCode[] = ["STORE_UNREACHABLE", "JOURNAL_CONFLICT"];
const TRIES_MAX = 8;
/** Some say what they have to say a while after they looked. */
const SLOW_SHARE = 0.15;
const SLOW_MS = 5_000;
const CLAIM_MS = 20_000;

/** A thing that a client says to a run: again and again with one message id until it knows what became of it. */
export interface Saying {
  readonly ref: RunRef;
  readonly messageId: string;
  readonly label: string;
  readonly say: (pawl: Pawl, messageId: string) => Promise<unknown>;
}

export interface ClientsOptions {
  readonly schedule: Schedule;
  readonly cluster: Cluster;
  readonly audit: Audit;
}

/** Processes that say one thing each, or follow one run, and hold the engine to what it told them. */
export class Clients {
  readonly #options: ClientsOptions;
  /** Of each thing that is being said, or of which it is known what became of it: `keyOf`. */
  readonly said: Set<string> = new Set();
  #following = 0;
  #speaking = 0;

  constructor(options: ClientsOptions) {
    this.#options = options;
  }

  /** Streams that have not come to the end of their run. */
  get following(): number {
    return this.#following;
  }

  /** Clients that do not know yet what became of what they say: a fork, say, that is being copied. */
  get speaking(): number {
    return this.#speaking;
  }

  speak(saying: Saying): void {
    const { schedule, cluster } = this.#options;
    this.said.add(keyOf(saying));
    const { pawl, process } = cluster.client();
    schedule.note(`${process.name} says: ${saying.label}`);
    void this.#insist(saying, pawl, process);
    if (!schedule.dice.roll("message-doubled", true)) return;
    const other = cluster.client();
    void this.#insist(saying, other.pawl, other.process);
  }

  /** Somebody looks at an approval, for a while or until somebody else takes it over. What becomes of that is nobody's concern. */
  claim(ref: RunRef, approvalId: string): void {
    const { schedule, cluster } = this.#options;
    const { pawl, process } = cluster.client();
    const ttlMs = 1_000 + Math.floor(schedule.random() * CLAIM_MS);
    schedule.note(`${process.name} claims ${placeOf({ ...ref, runId: approvalId })}`);
    const takeOver = schedule.random() < 0.3;
    const claimed = pawl.people(ref.tenant).claim(approvalId, { by: personOf(ref, "eve"), ttlMs, takeOver });
    void claimed.catch(() => undefined).then(() => schedule.end(process));
  }

  /** Reads a run's stream to its end, connecting again after each failure where it left off. */
  follow(ref: RunRef): void {
    const { pawl, process } = this.#options.cluster.client();
    this.#following++;
    void this.#read(ref, pawl).then(() => {
      this.#following--;
      this.#options.schedule.end(process);
    });
  }

  async #read(ref: RunRef, pawl: Pawl): Promise<void> {
    const { audit } = this.#options;
    const place = placeOf(ref);
    const types: string[] = [];
    for (let isOver = false; !isOver;) {
      try {
        for await (const event of pawl.run(ref.runId, ref.tenant).stream({ after: types.length })) {
          audit.checkOwn(ref.tenant, place, JSON.stringify(event));
          if (!("seq" in event)) continue;
          if (event.seq !== types.length + 1)
            audit.fail(`${place}: a stream has every event once and in order (${event.seq} after ${types.length})`);
          types.push(event.type);
        }
        isOver = true;
      } catch (error) {
        if (isOf(error, ["STORE_UNREACHABLE"])) continue;
        audit.fail(`${place}: a stream fails only for want of a store (${errorText(error, 400)})`);
        return;
      }
    }
    const expected = audit.run(ref)?.events.map(({ event }) => event.type) ?? [];
    if (types.join() !== expected.join()) audit.fail(`${place}: a stream has what the journal has, to the end`);
  }

  async #insist(saying: Saying, pawl: Pawl, process: SimProcess): Promise<void> {
    this.#speaking++;
    await this.#insisted(saying, pawl, process).finally(() => this.#speaking--);
  }

  async #insisted(saying: Saying, pawl: Pawl, process: SimProcess): Promise<void> {
    const { audit, schedule } = this.#options;
    if (!schedule.dice.isCalm && schedule.random() < SLOW_SHARE)
      await sleep(schedule.clockOf(process), schedule.random() * SLOW_MS);
    for (let tries = 1; tries <= TRIES_MAX; tries++) {
      try {
        await saying.say(pawl, saying.messageId);
        this.#wasTaken(saying);
        break;
      } catch (error) {
        if (isOf(error, ordinary)) {
          this.#wasRefused(saying, error);
          // said again when the other has looked
          if (isOf(error, ["APPROVAL_CLAIMED"])) {
            await sleep(schedule.clockOf(process), SLOW_MS);
            this.said.delete(keyOf(saying));
          }
          break;
        }
        if (!isOf(error, unsure))
          audit.fail(`${saying.label}: a client is refused by the table (${errorText(error, 400)})`);
        if (tries === TRIES_MAX || schedule.dice.roll("client-ended", true)) {
          this.said.delete(keyOf(saying));
          break;
        }
      }
    }
    schedule.end(process);
  }

  #wasTaken(saying: Saying): void {
    const { audit } = this.#options;
    if (audit.run(saying.ref)?.messageIds.has(saying.messageId) !== true)
      audit.fail(`${saying.label}: what a client was told is taken is in the journal (${saying.messageId})`);
  }

  #wasRefused(saying: Saying, error: unknown): void {
    const { audit } = this.#options;
    audit.checkOwn(saying.ref.tenant, saying.label, errorText(error, 1_000));
    if (audit.run(saying.ref)?.messageIds.has(saying.messageId) === true)
      audit.fail(`${saying.label}: what a client was told is refused is not in the journal (${errorText(error, 300)})`);
  }
}

/** What tells one saying from another: a fork's message id is that of its first batch, the same for every fork of a run. */
export function keyOf({ ref, messageId }: Saying): string {
  return `${placeOf(ref)} ${messageId}`;
}

function isOf(error: unknown, codes: readonly ErrorCode[]): boolean {
  return PawlError.is(error) && error.code in errorTable && codes.includes(error.code);
}
