"""What a handler is given."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

JobState = Literal["waiting", "active", "done", "failed", "dead"]


@dataclass(frozen=True)
class Job:
    id: int
    name: str
    payload: object
    state: JobState
    attempt: int  # counts the running one
    added_at: datetime


class Permanent(Exception):
    """Raised by a handler to say that another attempt would not help."""
