"""Waiting times between attempts."""

import random
from typing import Callable

# Seconds before attempt n; the first retry is n = 1.
Backoff = Callable[[int], float]

JITTER = 0.25


def backoff_seconds(n: int) -> float:
    """Powers of four: 1, 4, 16, 64."""
    base = 4 ** (n - 1)
    return base * (1 + JITTER * random.random())
