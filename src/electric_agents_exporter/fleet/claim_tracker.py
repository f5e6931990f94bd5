"""Which claims are active and which ended, kept over readings of a table that only grows.

A server's database keeps every claim that ever was, and no index finds the active ones among
them. So they are looked for in full only now and then, by a *sweep*; in between it is enough to
read the claims that are known, and those whose lease ends after the *watermark*: whatever becomes
active gets a lease that ends later than now.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from electric_agents_exporter.contract.database import ClaimRow
from electric_agents_exporter.contract.vocabulary import ClaimStatus
from electric_agents_exporter.fleet.snapshot import FullScan

_OVERLAP: Final = 120.0
"""Seconds that readings overlap by: more than a commit is late, or two clocks disagree."""

_REST: Final = 50.0
"""How often its own duration a sweep is waited for after one: at most 2 % of the time is spent."""

_STATUSES: Final = {status.value: status for status in ClaimStatus}

_Key = tuple[str, str, int]


class EndedClaim(msgspec.Struct, frozen=True):
    """A claim that ended since the last reading; `seconds` is how long it was held, if known."""

    tenant: str
    runner_id: str | None
    status: ClaimStatus
    seconds: float | None


class ClaimTracker:
    """The claims of one database.

    Invariant: a claim is counted as ended once, by the first reading that finds it so, unless that
    is the first reading of all: nobody knows when those claims ended. `_ended` holds what would be
    read again and is counted already; ties of clocks do not matter, since claims go by their keys.
    """

    def __init__(self) -> None:
        self.sweep = FullScan(None, None)
        self._active: frozenset[_Key] = frozenset()
        self._ended: frozenset[_Key] = frozenset()
        self._read_at: float | None = None
        self._sweep_from = 0.0

    @property
    def known(self) -> list[str]:
        """The consumers whose claims are active, as far as is known."""
        return sorted({consumer for _, consumer, _ in self._active})

    @property
    def complete(self) -> bool:
        """Whether all active claims are known."""
        return self.sweep.at is not None

    def begin(self, now: float) -> float:
        """Begin a reading; `now` is the database's clock.

        Returns:
            The watermark: claims are to be read whose lease ends then or later.
        """
        if self._read_at is not None and now < self._read_at - _OVERLAP:
            # The clock was set back: what is younger than the watermark is not told by its lease.
            self._read_at = None
        return (now if self._read_at is None else self._read_at) - _OVERLAP

    def sweep_due(self, monotonic: float) -> bool:
        """Tell whether it is time to look for every active claim, on our own clock."""
        return monotonic >= self._sweep_from

    def swept(self, time: float, monotonic: float, seconds: float) -> None:
        """Note a sweep that came to its end, on both of our clocks."""
        self.sweep = FullScan(time, seconds)
        self._sweep_from = monotonic + _REST * seconds

    def sweep_failed(self, monotonic: float, seconds: float) -> None:
        """Note a sweep that took too long, so that the next comes late."""
        self.sweep = FullScan(self.sweep.at, seconds)
        self._sweep_from = monotonic + _REST * seconds

    def take(self, rows: Sequence[ClaimRow], now: float) -> list[EndedClaim]:
        """Take in one whole reading; `now` is the database's clock.

        Returns:
            The claims that ended since the reading before.
        """
        ended = [row for row in rows if row.status != ClaimStatus.ACTIVE]
        news = [row for row in ended if self._is_news(row)]
        self._active = frozenset(_key(row) for row in rows if row.status == ClaimStatus.ACTIVE)
        self._ended = frozenset(map(_key, ended))
        self._read_at = now if self._read_at is None else max(now, self._read_at)
        return list(_ended_claims(news))

    def _is_news(self, row: ClaimRow) -> bool:
        key = _key(row)
        unseen = self._read_at is not None and row.recent and key not in self._ended
        return unseen or key in self._active


def _key(row: ClaimRow) -> _Key:
    return row.tenant, row.consumer_id, row.epoch


def _ended_claims(rows: Iterable[ClaimRow]) -> Iterable[EndedClaim]:
    for row in rows:
        seconds = None
        if row.ended_at is not None and row.claimed_at is not None:
            seconds = max(0.0, row.ended_at - row.claimed_at)
        status = _STATUSES.get(row.status, ClaimStatus.UNKNOWN)
        yield EndedClaim(row.tenant, row.runner_id, status, seconds)
