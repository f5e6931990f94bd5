"""What is known of a runner from one moment to the next, and counts of that."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from topology.judged import Seen
from topology.observing import RunnerView
from topology.steps import Steps, joined, mapped, tidied

Known: TypeAlias = Seen | bool | None
"""Its fresh report; or only that it is listed (True); or nothing."""

Fleet: TypeAlias = Sequence[tuple[RunnerView, Steps[Known]]]


def known_of(view: RunnerView) -> list[tuple[float, Known]]:
    """Give what is known of a runner, in steps."""
    return joined(tidied(view.listed), tidied(view.seen), _known)


def _known(listed: bool | None, report: Seen | None) -> Known:  # noqa: FBT001  (no option)
    if not listed:
        return None
    return True if report is None else report


def holding(steps: Steps[Known], holds: Callable[[Seen], bool]) -> list[tuple[float, float]]:
    """Give 1 where something holds of a runner by its fresh report, else 0."""
    return mapped(steps, lambda now: float(isinstance(now, Seen) and holds(now)))


def told(
    steps: Steps[Known], read: Callable[[Seen], float | None]
) -> list[tuple[float, float | None]]:
    """Give what a fresh report tells; None where there is none."""
    return mapped(steps, lambda now: read(now) if isinstance(now, Seen) else None)


def amounts(
    many: Iterable[Steps[Known]], read: Callable[[Seen], float | None]
) -> Iterable[Steps[float]]:
    """Give what each tells, 0 where it tells nothing."""
    for steps in many:
        yield mapped(told(steps, read), lambda value: value or 0.0)
