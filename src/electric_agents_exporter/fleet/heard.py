"""How far a runner has heard its wake stream, and what of it to ask next."""

from collections import deque
from typing import Final

import msgspec

from electric_agents_exporter.contract.wakes import WakeReading, position

_REMEMBERED_FOR: Final = 120.0
"""Seconds for which the furthest offset counts: both of two processes report by then."""


class WakeQuestion(msgspec.Struct, frozen=True, gc=False):
    """What to ask of one runner's wake stream.

    Attributes:
        runner_id: whose it is.
        owner: the canonical URL of its owner; None where that is not known.
        path: the stream's path below the base URL.
        offset: how far the runner has heard it.
        tail: where it ended when it was last read; None before that.
        server_ahead: the server's clock minus our monotonic one; None where it is not known.
        waiting_before: wakes older than this (the server's clock) wait too long if their entity
            can work; None where the server's time is not known.
        unanswered: streams of wakes that were heard and stand without an answer.
        follow: whether every wake that came since `tail` is wanted.
    """

    runner_id: str
    owner: str | None
    path: str
    offset: str
    tail: str | None
    server_ahead: float | None
    waiting_before: float | None
    unanswered: tuple[str, ...] = ()
    follow: bool = False


class HeardOffset:
    """The furthest offset that a runner told within two minutes.

    Two processes under one id tell theirs in turns, and what one of them has heard is heard.
    """

    __slots__ = ("_path", "_told")

    def __init__(self) -> None:
        self._path: str | None = None
        self._told: deque[tuple[float, str]] = deque()

    def observe(self, path: str | None, offset: str | None, monotonic: float) -> str | None:
        """Take in what a report says.

        Returns:
            The furthest offset; None where none that was told in that time is one.
        """
        if path != self._path:
            self._path = path
            self._told.clear()
        at = position(offset)
        if at is not None and offset is not None:
            # What is not further than the new one will never be the furthest again.
            while self._told and (position(self._told[-1][1]) or at) <= at:
                self._told.pop()
            self._told.append((monotonic, offset))
        while self._told and self._told[0][0] < monotonic - _REMEMBERED_FOR:
            self._told.popleft()
        return self._told[0][1] if self._told else None


def is_of(reading: WakeReading | None, offset: str | None) -> bool:
    """Tell whether a reading still says how far a runner is behind that has heard so far."""
    return (
        reading is not None and offset is not None and position(reading.offset) == position(offset)
    )
