"""Which claims are active and which ended, kept over readings of a table that only grows.

A server's database keeps every claim that ever was, and no index finds the active ones among
them. So they are looked for only now and then, by a *full scan*; in between it is enough to read
the claims that are known, and those whose lease ends after the *watermark*: whatever becomes active
gets a lease that ends later than now.
"""

from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import Final

from electric_agents_exporter.contract.claims import ClaimNews, EndedClaim, StartedClaim
from electric_agents_exporter.contract.database import ClaimRow
from electric_agents_exporter.contract.vocabulary import ClaimStatus
from electric_agents_exporter.fleet.snapshot import FullScan

_OVERLAP: Final = 120.0
"""Seconds that readings overlap by: more than a commit is late, or two clocks disagree."""

_REST: Final = 50.0
"""After a full scan none begins for this many times its duration: scans take 2 % of the time."""

_STATUSES: Final = {status.value: status for status in ClaimStatus}

_Key = tuple[str, str, int]


class Extent(Enum):
    """Of the active claims: whether none is known for sure, a part of them, or all are."""

    NONE = auto()
    PART = auto()
    WHOLE = auto()


class ClaimTracker:
    """The claims of one database.

    Invariant: a claim is counted as ended once, by the first reading that finds it so, unless that
    is the first reading of all: nobody knows when those claims ended. `_ended` holds what would be
    read again and is counted already; ties of clocks do not matter, since claims go by their keys.
    After a reading that was cut off, nobody knows that of claims that are new to the next one.
    """

    def __init__(self) -> None:
        self.full_scan = FullScan(None, None)
        self.extent = Extent.NONE
        self._active: frozenset[_Key] = frozenset()
        self._ended: frozenset[_Key] = frozenset()
        self._read_at: float | None = None
        self._cut = False
        self._scan_from = 0.0

    @property
    def known(self) -> list[str]:
        """The consumers whose claims are active, as far as is known."""
        return sorted({consumer for _, consumer, _ in self._active})

    def begin(self, now: float) -> float:
        """Begin a reading; `now` is the database's clock.

        Returns:
            The watermark: claims are to be read whose lease ends then or later.
        """
        if self._read_at is not None and now < self._read_at - _OVERLAP:
            # The clock was set back: what is younger than the watermark is not told by its lease.
            self._read_at = None
        return (now if self._read_at is None else self._read_at) - _OVERLAP

    def scan_due(self, monotonic: float) -> bool:
        """Tell whether it is time to look for every active claim, on our own clock."""
        return monotonic >= self._scan_from

    def scanned(self, time: float, monotonic: float, seconds: float) -> None:
        """Note a full scan that came to its end, on both of our clocks."""
        self.full_scan = FullScan(time, seconds)
        self._scan_from = monotonic + _REST * seconds

    def scan_failed(self, monotonic: float, seconds: float) -> None:
        """Note a full scan that did not find every claim, so that the next comes late."""
        self.full_scan = FullScan(self.full_scan.at, seconds)
        self._scan_from = monotonic + _REST * seconds

    def take(
        self, rows: Sequence[ClaimRow], now: float, *, scanned: bool = False, cut: bool = False
    ) -> dict[str, ClaimNews]:
        """Take in one reading; `now` is the database's clock.

        Args:
            rows: the claims, each once.
            now: when they were read.
            scanned: it was a full scan.
            cut: there are more claims than these.

        Returns:
            What it told that the reading before did not, by tenant.
        """
        known = self._active | self._ended
        by_tenant: dict[str, list[ClaimRow]] = {}
        for row in rows:
            by_tenant.setdefault(row.tenant, []).append(row)
        news = {
            tenant: ClaimNews(
                started=tuple(_started(row for row in mine if _key(row) not in known)),
                ended=tuple(_ended(row for row in mine if self._ended_since(row))),
                held=frozenset(_stream(row) for row in mine if _is_active(row)),
            )
            for tenant, mine in by_tenant.items()
        }
        self._active = frozenset(_key(row) for row in rows if _is_active(row))
        self._ended = frozenset(_key(row) for row in rows if not _is_active(row))
        self._read_at = now if self._read_at is None else max(now, self._read_at)
        self._cut = cut
        if scanned:
            self.extent = Extent.PART if cut else Extent.WHOLE
        elif cut and self.extent is Extent.WHOLE:
            self.extent = Extent.PART
        return news

    def _ended_since(self, row: ClaimRow) -> bool:
        """Tell whether a claim ended since the last reading: it was active, or is new."""
        if _is_active(row):
            return False
        key = _key(row)
        told = self._read_at is not None and not self._cut
        return (told and row.recent and key not in self._ended) or key in self._active


def _key(row: ClaimRow) -> _Key:
    return row.tenant, row.consumer_id, row.epoch


def _is_active(row: ClaimRow) -> bool:
    return row.status == ClaimStatus.ACTIVE


def _stream(row: ClaimRow) -> str:
    """Give the stream as a wake names it."""
    return row.stream_path.lstrip("/")


def _started(rows: Iterable[ClaimRow]) -> Iterable[StartedClaim]:
    for row in rows:
        if row.claimed_at is not None:
            yield StartedClaim(_stream(row), row.epoch, row.claimed_at)


def _ended(rows: Iterable[ClaimRow]) -> Iterable[EndedClaim]:
    for row in rows:
        if row.runner_id is None:
            continue
        seconds = None
        if row.ended_at is not None and row.claimed_at is not None:
            seconds = max(0.0, row.ended_at - row.claimed_at)
        yield EndedClaim(row.runner_id, _STATUSES.get(row.status, ClaimStatus.UNKNOWN), seconds)
