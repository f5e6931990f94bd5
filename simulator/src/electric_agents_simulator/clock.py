"""Clocks: real time, faster than real, moved by hand, or wrong.

Nothing in this package reads the time or sleeps but through a `Clock`.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


class Timer(Protocol):
    """A callback that is due later."""

    def cancel(self) -> None:
        """Do not call it; no harm when it was called already."""


class Clock(Protocol):
    """The time, and callbacks at a later time."""

    def now(self) -> float:
        """Give the seconds since the epoch."""

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call back after so many seconds of this clock."""

    def real(self, moment: float) -> float:
        """Give the real time at a moment of this clock, seconds since the epoch."""

    @property
    def real_second(self) -> float:
        """How many real seconds a second of this clock lasts."""


class RunningClock:
    """The machine's time; with a speed above 1, a time that runs ahead of it from now on.

    Args:
        speed: how much faster than `monotonic` it runs.
        monotonic: what passes, in seconds; on an event loop of its own kind, that loop's time.
    """

    def __init__(self, speed: float = 1.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._speed = speed
        self._monotonic = monotonic
        self._start = time.time()
        self._origin = monotonic()

    def now(self) -> float:
        """Give the seconds since the epoch."""
        return self._start + (self._monotonic() - self._origin) * self._speed

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call back on the running event loop."""
        return asyncio.get_running_loop().call_later(max(0.0, delay) / self._speed, callback)

    def real(self, moment: float) -> float:
        """Give the real time at a moment of this clock, past or future."""
        return self._start + (moment - self._start) / self._speed

    @property
    def real_second(self) -> float:
        """How many real seconds a second of this clock lasts."""
        return 1 / self._speed


@dataclass(order=True)
class _ManualTimer:
    due: float
    number: int
    callback: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.cancelled = True


class ManualClock:
    """A time that stands still until a test moves it."""

    def __init__(self, start: float = 1_795_346_133.0) -> None:
        self._now = start
        self._timers: list[_ManualTimer] = []
        self._numbers = itertools.count()

    def now(self) -> float:
        """Give the seconds since the epoch."""
        return self._now

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call back during the `advance` that reaches the moment."""
        timer = _ManualTimer(self._now + delay, next(self._numbers), callback)
        heapq.heappush(self._timers, timer)
        return timer

    def real(self, moment: float) -> float:
        """Give the moment itself: there is no other time."""
        return moment

    @property
    def real_second(self) -> float:
        """A second lasts a second."""
        return 1.0

    def advance(self, seconds: float) -> None:
        """Let time pass, and make each callback that is due, at its own moment."""
        end = self._now + seconds
        while self._timers and self._timers[0].due <= end:
            timer = heapq.heappop(self._timers)
            self._now = max(self._now, timer.due)
            if not timer.cancelled:
                timer.callback()
        self._now = end


class SkewedClock:
    """A clock that is wrong by some seconds, such as that of a runner's machine."""

    def __init__(self, clock: Clock, offset: float) -> None:
        self._clock = clock
        self._offset = offset

    def now(self) -> float:
        """Give the wrong time."""
        return self._clock.now() + self._offset

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call back after a delay; delays are right."""
        return self._clock.call_later(delay, callback)

    def real(self, moment: float) -> float:
        """Give the real time at a moment of this clock."""
        return self._clock.real(moment - self._offset)

    @property
    def real_second(self) -> float:
        """How many real seconds a second of this clock lasts."""
        return self._clock.real_second


async def sleep(clock: Clock, seconds: float) -> None:
    """Wait for so many seconds of a clock."""
    await settled_within(clock, asyncio.get_running_loop().create_future(), seconds)


async def settled_within(clock: Clock, future: asyncio.Future[None], seconds: float) -> bool:
    """Wait for a future; False, and the future cancelled, if it takes longer than the seconds."""

    def give_up() -> None:
        future.cancel()

    timer = clock.call_later(seconds, give_up)
    try:
        await asyncio.wait([future])
    finally:
        timer.cancel()
        future.cancel()
    return not future.cancelled()
