"""The SQLite file."""

import sqlite3

LEASE_SECONDS = 30
RENEW_SECONDS = 10
# Finished jobs are kept this long, so that stats() can count them.
KEEP_DONE_HOURS = 24
KEEP_DEAD_DAYS = 14

SCHEMA = """
CREATE TABLE IF NOT EXISTS job (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, payload TEXT NOT NULL, state TEXT NOT NULL,
  priority INTEGER NOT NULL DEFAULT 0, due_at REAL NOT NULL, lease_until REAL, attempts INTEGER NOT NULL DEFAULT 0
)
"""


class Store:
    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db


def open_store(path: str, durable: bool) -> Store:
    # The busy timeout is five seconds: another process may hold the lock that long.
    db = sqlite3.connect(path, timeout=5)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    db.execute(SCHEMA)
    return Store(db)
