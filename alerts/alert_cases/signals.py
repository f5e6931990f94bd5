"""Values over time, for the input series of test cases. Times are seconds from the beginning."""

from collections.abc import Callable
from typing import Final, TypeAlias

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

Signal: TypeAlias = float | Callable[[float], float | None]
"""A constant, or a value for each time: None while there is none."""


def at(signal: Signal, now: float) -> float | None:
    """Give a signal's value at a time."""
    return signal(now) if callable(signal) else signal


def rising(
    by: float, every: float = 30.0, *, start: float = 0.0, until: float = float("inf")
) -> Signal:
    """Grow `by` that much `every` so many seconds, until a time."""
    return lambda now: start + by * (min(now, until) // every)


def switching(before: Signal | None, when: float, after: Signal | None) -> Signal:
    """Follow one signal until a time, and another one from then on; None is no value."""

    def value(now: float) -> float | None:
        signal = before if now < when else after
        return None if signal is None else at(signal, now)

    return value


def ending(signal: Signal, end: float) -> Signal:
    """Give the same signal, which has no value from a time on."""
    return lambda now: at(signal, now) if now < end else None


def missing(signal: Signal, when: float) -> Signal:
    """Give the same signal, which has no value at one time."""
    return lambda now: None if now == when else at(signal, now)


def failing(signal: Signal, every: float, one_in: int = 8) -> Signal:
    """Give the same signal as scrapes `every` so many seconds see it, of which one in some fails.

    The second one fails first.
    """
    return lambda now: None if round(now / every) % one_in == 1 else at(signal, now)
