import { limits } from "../core/limits.ts";
import type { SessionInfo } from "../core/store-contract.ts";
import { isProcessGone } from "./process-identity.ts";
import { numberOrNull, textOf, textOrNull, type Database, type Statement } from "./sqlite.ts";
import type { StoreTime } from "./sqlite-requests.ts";

interface Session {
  readonly worker: string;
  readonly process: string | null;
  readonly isKilled: boolean;
}
export interface Beat {
  readonly counter: number;
  /** Monotonic time. */
  readonly at: number;
}

const DEAD_KEPT_MS = 86_400_000;

/**
 * Worker sessions. What lasts (opened, dead) is in the database; beats are kept in memory alone, because they cost a
 * disk write every 1.5 s otherwise and the process that holds the database is the only judge. After it was restarted,
 * each session has its full time again. A session whose process is known to be gone is dead at once.
 */
export class SqliteSessions {
  readonly #insert: Statement;
  readonly #all: Statement;
  readonly #one: Statement;
  readonly #bury: Statement;
  readonly #prune: Statement;
  readonly #beats: Map<string, Beat>;
  readonly #hearsBeats: boolean;

  /**
   * @param beats       kept by the caller, so that they outlive a reopened connection
   * @param hearsBeats  false where another process has the database: then silence says nothing
   */
  constructor(db: Database, beats: Map<string, Beat>, hearsBeats: boolean) {
    this.#beats = beats;
    this.#hearsBeats = hearsBeats;
    this.#insert = db.prepare("INSERT INTO session (id, worker, process) VALUES (?, ?, ?) ON CONFLICT DO NOTHING");
    this.#one = db.prepare("SELECT worker, process, killed_at FROM session WHERE id = ?");
    this.#all = db.prepare("SELECT id FROM session ORDER BY rowid");
    this.#bury = db.prepare("UPDATE session SET killed_at = ? WHERE id = ? AND killed_at IS NULL");
    this.#prune = db.prepare("DELETE FROM session WHERE killed_at <= ?");
  }

  openSession(
    session: { readonly id: string; readonly worker: string; readonly process: string | null },
    now: StoreTime,
  ): void {
    this.#prune.run(now.nowMs - DEAD_KEPT_MS);
    const { changes } = this.#insert.run(session.id, session.worker, session.process);
    if (changes !== 0) this.#beats.set(session.id, { counter: 0, at: now.monotonicMs });
  }

  beat(id: string, counter: number, now: StoreTime): "ok" | "dead" {
    const session = this.#session(id);
    if (session === null || session.isKilled) {
      this.#beats.delete(id);
      return "dead";
    }
    this.#beats.set(id, { counter: Math.max(counter, this.#beats.get(id)?.counter ?? 0), at: now.monotonicMs });
    return "ok";
  }

  kill(id: string, seenCounter: number, now: StoreTime): "dead" | "alive" {
    const session = this.#session(id);
    if (session === null || session.isKilled) return "dead";
    const beat = this.#beatOf(id, now);
    if (!isGone(session) && (beat.counter !== seenCounter || !isSilent(beat, now))) return "alive";
    this.closeSession(id, now);
    return "dead";
  }

  closeSession(id: string, now: StoreTime): void {
    this.#bury.run(now.nowMs, id);
    this.#beats.delete(id);
  }

  session(id: string, now: StoreTime): SessionInfo | null {
    const session = this.#session(id);
    if (session === null) return null;
    if (session.isKilled) return { id, worker: session.worker, counter: 0, dead: true };
    const beat = this.#beatOf(id, now);
    const dead = isGone(session) || (this.#hearsBeats && isSilent(beat, now));
    return { id, worker: session.worker, counter: beat.counter, dead };
  }

  listSessions(now: StoreTime): readonly SessionInfo[] {
    return this.#all.all().flatMap((row) => this.session(textOf(row, "id"), now) ?? []);
  }

  /** A session that has not beaten since this process has the database: its time begins when it is first looked at. */
  #beatOf(id: string, now: StoreTime): Beat {
    const beat = this.#beats.get(id) ?? { counter: 0, at: now.monotonicMs };
    this.#beats.set(id, beat);
    return beat;
  }

  #session(id: string): Session | null {
    const row = this.#one.get(id);
    if (row === undefined) return null;
    return {
      worker: textOf(row, "worker"),
      process: textOrNull(row, "process"),
      isKilled: numberOrNull(row, "killed_at") !== null,
    };
  }
}

function isGone(session: Session): boolean {
  return session.process !== null && isProcessGone(session.process);
}

function isSilent(beat: Beat, now: StoreTime): boolean {
  return now.monotonicMs - beat.at > limits.sessionDeadMs;
}
