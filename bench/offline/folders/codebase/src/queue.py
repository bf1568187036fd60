"""The queue itself: adding jobs, taking them, running handlers."""

import json
import threading
import warnings
from dataclasses import dataclass, field
from typing import Callable

from .backoff import Backoff, backoff_seconds
from .job import Job
from .store import Store, open_store

DEFAULT_CONCURRENCY = 8
POLL_SECONDS = 1.0
CLOSE_WAIT_SECONDS = 20
MAX_PAYLOAD_BYTES = 65_536


def open_queue(path: str, *, concurrency: int = DEFAULT_CONCURRENCY, durable: bool = False) -> "Queue":
    """Opens the file, or makes it, and starts looking for jobs."""
    return Queue(open_store(path, durable), concurrency)


@dataclass
class Handler:
    run: Callable[[Job], None]
    attempts: int = 5
    backoff: Backoff = backoff_seconds
    time_limit_s: float = 300


@dataclass
class Queue:
    store: Store
    concurrency: int
    handlers: dict[str, Handler] = field(default_factory=dict)
    active: int = 0

    def add(self, name: str, payload: object, *, delay_s: float = 0, priority: int = 0, key: str | None = None) -> int:
        """Raises TypeError when the payload is not JSON, and ValueError when it is over 64 KB."""
        text = json.dumps(payload)
        if len(text.encode()) > MAX_PAYLOAD_BYTES:
            raise ValueError(f"payload of {name!r} is too large")
        return self.store.insert(name, text, delay_s=delay_s, priority=priority, key=key)

    def handle(self, name: str, run: Callable[[Job], None], **options: object) -> None:
        """A name can have one handler only; a second registration replaces the first and warns."""
        if name in self.handlers:
            warnings.warn(f"tidepool: handler {name!r} replaced")
        self.handlers[name] = Handler(run, **options)

    def _next(self) -> Job | None:
        # Jobs whose name has no handler are left waiting; they do not count as failed.
        if self.active >= self.concurrency:
            return None
        return self.store.lease(list(self.handlers))
