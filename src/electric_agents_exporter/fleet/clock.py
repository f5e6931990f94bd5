"""Time as a parameter: our own clock, and an estimate of a server's."""

import contextlib
import math
import statistics
import time
from collections import deque
from operator import attrgetter
from typing import Final, NamedTuple, Protocol

_SAMPLES: Final = 21
_BEST: Final = 7
_TRUSTED_FOR: Final = 300.0
_SET_BY: Final = 2.0  # seconds; by less than that an answer's own delay may mislead
_AGREE: Final = 3  # a poll has as many answers, if it is of a single runner


class Clock(Protocol):
    """Where now comes from. Ages are measured on `monotonic`, timestamps written from `time`."""

    def time(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment: never set, and it goes on while the machine sleeps."""
        ...

    def awake(self) -> float:
        """Seconds since some fixed moment in which the machine did not sleep."""
        ...


class SystemClock:
    """The machine's clocks."""

    def __init__(self) -> None:
        self._steady = _steady_clock()

    def time(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some fixed moment: never set, and it goes on while the machine sleeps."""
        return time.clock_gettime(self._steady)

    def awake(self) -> float:
        """Seconds since some fixed moment in which the machine did not sleep."""
        return time.monotonic()


def _steady_clock() -> int:
    """Find the clock that counts sleep too; where there is none, one that stops for it."""
    with contextlib.suppress(AttributeError, OSError):
        time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.CLOCK_BOOTTIME
    return time.CLOCK_MONOTONIC


class ServerClock:
    """What time it is on a server, told from its answers.

    The lease arithmetic of a report tells it to the millisecond, a `Date` header to half a second,
    and either only as well as we know when the server wrote it: `within` so many seconds. The
    median is taken of the best of the newest samples, so that neither a slow answer nor one odd
    runner misleads the rest. Once three in a row agree that the clock was set, what was told before
    counts no more: otherwise ages would be off by that for as long as the samples last.
    """

    def __init__(self) -> None:
        self._exact = _Samples()
        self._coarse = _Samples()
        self._exact_until = -math.inf

    def observe_exact(self, server_time: float, monotonic: float, within: float = 0.0) -> None:
        """Take in the server's time (seconds since the epoch) at a moment of our own."""
        self._exact.add(_Sample(within, server_time - monotonic))
        self._exact_until = monotonic + _TRUSTED_FOR

    def observe_date(self, date: float, monotonic: float, within: float = 0.0) -> None:
        """Take in a `Date` header: whole seconds, cut off, so half a second early on average."""
        sample = _Sample(within, date + 0.5 - monotonic)
        if self._coarse.add(sample):
            # A clock that only dates tell of, all leases being over, was set for leases too.
            self._exact.keep_like(sample)

    def time_at(self, monotonic: float) -> float | None:
        """Give the server's time at a moment of our own; None while nothing was told."""
        trusted = self._exact if monotonic <= self._exact_until else None
        samples = trusted or self._coarse or self._exact
        return samples.best() + monotonic if samples else None


class _Sample(NamedTuple):
    """The server's clock minus our monotonic one, and how well we know it."""

    within: float
    offset: float

    def is_like(self, other: "_Sample") -> bool:
        """Tell whether both may be of one clock that was not set in between."""
        return abs(self.offset - other.offset) <= _SET_BY + self.within + other.within


class _Samples:
    """The newest samples of one kind, newest first."""

    def __init__(self) -> None:
        self._kept: deque[_Sample] = deque(maxlen=_SAMPLES)
        self._usual: _Sample | None = None
        self._odd: list[_Sample] = []

    def __bool__(self) -> bool:
        return bool(self._kept)

    def add(self, sample: _Sample) -> bool:
        """Take in a sample; tells whether the clock turns out to have been set."""
        self._kept.appendleft(sample)
        if self._usual is None or sample.is_like(self._usual):
            self._usual = sample
            self._odd.clear()
            return False
        if self._odd and not sample.is_like(self._odd[-1]):
            self._odd.clear()
        self._odd.append(sample)
        if len(self._odd) < _AGREE:
            return False
        self.keep_like(sample)
        return True

    def keep_like(self, sample: _Sample) -> None:
        """Forget all samples but those that agree with one."""
        self._kept = deque(filter(sample.is_like, self._kept), maxlen=_SAMPLES)
        self._usual = self._kept[0] if self._kept else None
        self._odd.clear()

    def best(self) -> float:
        """Give the median offset of the best."""
        # Sorting is stable: of equally good ones the newest are taken.
        best = sorted(self._kept, key=attrgetter("within"))[:_BEST]
        return statistics.median(sample.offset for sample in best)
