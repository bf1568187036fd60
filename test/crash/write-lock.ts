import { DatabaseSync } from "node:sqlite";

/** Holds the write lock of a database as a shell or a backup does, for so long. */
export async function holdWriteLock(database: string, heldMs: number): Promise<void> {
  const db = new DatabaseSync(database, { timeout: 1_000 });
  try {
    db.exec("BEGIN IMMEDIATE");
    await new Promise((resolve) => {
      setTimeout(resolve, heldMs);
    });
    db.exec("ROLLBACK");
  } finally {
    db.close();
  }
}
