"""How long something takes, for benchmarks in any environment: it imports nothing of ours."""

import statistics
import time
from collections.abc import Callable

TURN = 500.0
"""Milliseconds that something is done again and again, at least."""


def clocked(work: Callable[[], object]) -> float:
    """Give how many milliseconds something takes: the median over half a second.

    What ran before it has filled the processor's caches, so what is short is done once untimed.
    """
    spent: list[float] = []
    while sum(spent) < TURN:
        start = time.perf_counter()
        work()
        spent.append(1000 * (time.perf_counter() - start))
    return statistics.median(spent[1:] or spent)
