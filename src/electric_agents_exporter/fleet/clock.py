"""Time as a parameter: our own clock, and an estimate of a server's."""

import math
import statistics
import time
from collections import deque
from operator import attrgetter
from typing import Final, NamedTuple, Protocol

_SAMPLES: Final = 21
_BEST: Final = 7
_TRUSTED_FOR: Final = 300.0


class Clock(Protocol):
    """Where now comes from. Ages are measured on `monotonic`, timestamps written from `time`."""

    def time(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment, never set back."""
        ...


class SystemClock:
    """The machine's clocks."""

    def time(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some fixed moment, never set back."""
        return time.monotonic()


class ServerClock:
    """What time it is on a server, told from its answers.

    The lease arithmetic of a report tells it to the millisecond, a `Date` header to half a second,
    and either only as well as we know when the server wrote it: `within` so many seconds. The
    median is taken of the best of the newest samples, so that neither a slow answer nor one odd
    runner misleads the rest.
    """

    def __init__(self) -> None:
        self._exact: deque[_Sample] = deque(maxlen=_SAMPLES)
        self._coarse: deque[_Sample] = deque(maxlen=_SAMPLES)
        self._exact_until = -math.inf

    def observe_exact(self, server_time: float, monotonic: float, within: float = 0.0) -> None:
        """Take in the server's time (seconds since the epoch) at a moment of our own."""
        self._exact.appendleft(_Sample(within, server_time - monotonic))
        self._exact_until = monotonic + _TRUSTED_FOR

    def observe_date(self, date: float, monotonic: float, within: float = 0.0) -> None:
        """Take in a `Date` header: whole seconds, cut off, so half a second early on average."""
        self._coarse.appendleft(_Sample(within, date + 0.5 - monotonic))

    def time_at(self, monotonic: float) -> float | None:
        """Give the server's time at a moment of our own; None while nothing was told."""
        trusted = self._exact if monotonic <= self._exact_until else None
        samples = trusted or self._coarse or self._exact
        if not samples:
            return None
        # Sorting is stable: of equally good ones the newest are taken.
        best = sorted(samples, key=attrgetter("within"))[:_BEST]
        return statistics.median(sample.offset for sample in best) + monotonic


class _Sample(NamedTuple):
    """The server's clock minus our monotonic one, and how well we know it."""

    within: float
    offset: float
