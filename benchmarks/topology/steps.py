"""Values that hold until the next one, and how they look to somebody who samples them."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf
from typing import NamedTuple, TypeAlias, TypeVar

Value = TypeVar("Value")
Other = TypeVar("Other")
Out = TypeVar("Out")

Steps: TypeAlias = Sequence[tuple[float, Value]]
"""Moments in order, each with the value that holds from then on."""

Span: TypeAlias = tuple[float, float]
"""A time: its beginning, and its end, which does not belong to it."""


class Run(NamedTuple):
    """Samples one after the other, each `rise` more than the one before; None is no sample."""

    length: int
    value: float | None
    rise: float = 0.0


def tidied(steps: Iterable[tuple[float, Value]]) -> list[tuple[float, Value]]:
    """Leave out what changes nothing, and of two steps at one moment the first."""
    kept: list[tuple[float, Value]] = []
    for moment, value in steps:
        if kept and kept[-1][0] == moment:
            kept.pop()
        if not kept or kept[-1][1] != value:
            kept.append((moment, value))
    return kept


def mapped(steps: Steps[Value], change: Callable[[Value], Other]) -> list[tuple[float, Other]]:
    """Give the same steps with other values."""
    return tidied((moment, change(value)) for moment, value in steps)


def total(many: Iterable[Steps[float]]) -> list[tuple[float, float | None]]:
    """Add them up; nothing together is 0."""
    changes: dict[float, float] = {}
    for steps in many:
        before = 0.0
        for moment, value in steps:
            changes[moment] = changes.get(moment, 0.0) + value - before
            before = value
    summed = 0.0
    found: list[tuple[float, float | None]] = []
    for moment in sorted(changes):
        summed += changes[moment]
        found.append((moment, summed))
    return tidied(found) or [(-inf, 0.0)]


def joined(
    first: Steps[Value], second: Steps[Other], combine: Callable[[Value | None, Other | None], Out]
) -> list[tuple[float, Out]]:
    """Combine what two say at each moment; None before the first step."""
    moments = sorted({moment for moment, _ in first} | {moment for moment, _ in second})
    read, other = cursor(first), cursor(second)
    return tidied((moment, combine(read(moment), other(moment))) for moment in moments)


def both(there: Steps[bool], steps: Steps[float | None]) -> list[tuple[float, float | None]]:
    """Give values while something is there."""
    return joined(there, steps, lambda is_there, value: value if is_there else None)


def cursor(steps: Steps[Value]) -> Callable[[float], Value | None]:
    """Read steps at moments that only go on."""
    position, value = 0, None

    def read(moment: float) -> Value | None:
        nonlocal position, value
        while position < len(steps) and steps[position][0] <= moment:
            value = steps[position][1]
            position += 1
        return value

    return read


def within(spans: Sequence[Span], moment: float) -> bool:
    """Tell whether a moment is in one of them."""
    return any(begin <= moment < end for begin, end in spans)


def sampled(steps: Steps[Value], moments: Sequence[float]) -> Iterator[tuple[int, Value | None]]:
    """Give how many samples in a row have which value; None before the first step."""
    position, last = 0, len(moments)
    value: Value | None = None
    for moment, following in steps:
        reached = bisect_left(moments, moment, position)
        if reached > position:
            yield reached - position, value
        position = reached
        value = following
    if position < last:
        yield last - position, value


def runs(steps: Steps[float | None], moments: Sequence[float]) -> list[Run]:
    """Give the samples that steps have at moments."""
    return [Run(length, value) for length, value in sampled(steps, moments)]
