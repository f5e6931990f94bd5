"""How a comparison is measured: both sides in one process, in turns, by CPU time."""

import gc
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec


class Comparison(msgspec.Struct, frozen=True):
    """One row of the report.

    `ratio` is theirs over ours (how many times cheaper we are) where `theirs` is given, else ours
    alone is held to `goal` as a limit. `goal` is what the ratio should at least be, or the limit.
    """

    name: str
    ours: float
    theirs: float | None
    ratio: float | None
    goal: float | None
    unit: str
    against: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.ours <= self.goal if self.ratio is None else self.ratio >= self.goal


def compare(
    name: str, ours: float, theirs: float, *, goal: float | None, against: str
) -> Comparison:
    """Compare two costs in seconds of CPU time."""
    return Comparison(name, ours, theirs, theirs / ours, goal, "CPU s", against)


def limit(name: str, ours: float, *, goal: float | None, unit: str) -> Comparison:
    """Hold one figure to a limit."""
    return Comparison(name, ours, None, None, goal, unit)


def cpu_seconds(work: Callable[[], object], runs: int) -> float:
    """Give the median CPU time (user and system, all threads) of some runs of the work."""
    costs = []
    for _ in range(runs):
        gc.collect()
        began = time.process_time()
        work()
        costs.append(time.process_time() - began)
    return statistics.median(costs)


def resident_megabytes(pid: int | Literal["self"] = "self") -> float:
    """Give the memory that a process holds now."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
