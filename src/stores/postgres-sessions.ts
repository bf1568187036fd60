import { limits } from "../core/limits.ts";
import type { SessionInfo } from "../core/store-contract.ts";
import type { PostgresDatabase } from "./postgres.ts";

const DEAD_KEPT_MS = 86_400_000;
const INFO = `id, worker, counter, killed_at IS NOT NULL OR beat_at < pawl.now_ms() - ${limits.sessionDeadMs} AS dead`;

/** Worker sessions in PostgreSQL, judged by the server's clock. */
export class PostgresSessions {
  readonly #db: PostgresDatabase;

  constructor(db: PostgresDatabase) {
    this.#db = db;
  }

  async openSession(id: string, worker: string): Promise<void> {
    await this.#db.rows("DELETE FROM pawl.session WHERE killed_at < pawl.now_ms() - $1", [DEAD_KEPT_MS]);
    await this.#db.rows(
      "INSERT INTO pawl.session (id, worker, beat_at) VALUES ($1, $2, pawl.now_ms()) ON CONFLICT DO NOTHING",
      [id, worker],
    );
  }

  async beat(id: string, counter: number): Promise<"ok" | "dead"> {
    const alive = await this.#db.row(
      `UPDATE pawl.session SET counter = greatest(counter, $2), beat_at = pawl.now_ms()
       WHERE id = $1 AND killed_at IS NULL RETURNING 1`,
      [id, counter],
    );
    return alive === null ? "dead" : "ok";
  }

  async kill(id: string, seenCounter: number): Promise<"dead" | "alive"> {
    const answer = await this.#db.row<{ readonly dead: boolean }>(
      `WITH killed AS (
         UPDATE pawl.session SET killed_at = pawl.now_ms()
         WHERE id = $1 AND killed_at IS NULL AND counter = $2 AND beat_at < pawl.now_ms() - $3 RETURNING id
       )
       SELECT EXISTS (SELECT FROM killed)
         OR NOT EXISTS (SELECT FROM pawl.session WHERE id = $1 AND killed_at IS NULL) AS dead`,
      [id, seenCounter, limits.sessionDeadMs],
    );
    return answer?.dead === true ? "dead" : "alive";
  }

  async closeSession(id: string): Promise<void> {
    await this.#db.rows("UPDATE pawl.session SET killed_at = pawl.now_ms() WHERE id = $1 AND killed_at IS NULL", [id]);
  }

  async session(id: string): Promise<SessionInfo | null> {
    return this.#db.row<SessionInfo>(`SELECT ${INFO} FROM pawl.session WHERE id = $1`, [id]);
  }

  async listSessions(): Promise<readonly SessionInfo[]> {
    return this.#db.rows<SessionInfo>(`SELECT ${INFO} FROM pawl.session ORDER BY id`);
  }
}
