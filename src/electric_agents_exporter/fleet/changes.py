"""What changed between two reports of one runner: pure derivation, no clock.

A server reports states; counters of what happened between polls are made here. The first sight of
a runner counts nothing, since nobody knows when it came to be as it is.
"""

from typing import Final

import msgspec

from electric_agents_exporter.contract.report import Client, Report
from electric_agents_exporter.contract.vocabulary import HealthStatus, LivenessStatus

_STARTS_REMEMBERED: Final = 4
_MOST_BETWEEN_REPORTS: Final = 2.0**53
"""A counter that grew by more is not believed. A sum as large as that cannot grow by 1 any more."""
_NO_CLIENT: Final = Client()


class EventCounts(msgspec.Struct, frozen=True, gc=False):
    """How often something happened to one runner since this exporter knows it."""

    health_changes: int = 0
    lease_lapses: int = 0
    client_restarts: int = 0
    client_identity_conflicts: int = 0


NO_EVENTS: Final = EventCounts()
"""The counts of nearly every report; one object for all of them."""


class CounterGrowth(msgspec.Struct, frozen=True, gc=False):
    """How much a runner's own counters grew."""

    claimed: float = 0
    no_work: float = 0
    error: float = 0
    reconnects: float = 0
    events_received: float = 0


class Changes(msgspec.Struct, frozen=True, gc=False):
    """What one report tells that the one before did not."""

    counts: EventCounts = NO_EVENTS
    growth: CounterGrowth = CounterGrowth()
    transition: tuple[HealthStatus, HealthStatus] | None = None


_NO_GROWTH: Final = CounterGrowth()
_NO_CHANGES: Final = Changes()


class ChangeDetector:
    """What must be remembered of one runner to tell changes.

    Invariants: `_counters` holds the last counters of at most four process starts, since two
    processes under one id report in turns; `_counted_lease` is the lease whose lapse was counted
    last; `_health` and `_start` are the last that could be read, so that one bad field hides no
    change.
    """

    __slots__ = ("_counted_lease", "_counters", "_health", "_last", "_latest_start", "_start")

    def __init__(self, first: Report) -> None:
        client = first.client or _NO_CLIENT
        self._last = first
        self._health = first.health
        self._start = self._latest_start = client.started_at
        self._counters = {client.started_at: _remember(client, _UNKNOWN)} if first.client else {}
        expired = first.liveness is LivenessStatus.EXPIRED
        self._counted_lease = first.lease_expires_at if expired else None

    def follow(self, report: Report) -> Changes:
        """Take in the next report and say what it changed."""
        transition = self._transition(report)
        lapses = self._lapses(report)
        newborn = self._latest_start is None and self._last.last_seen_at is None
        restarts, conflicts = self._starts(report)
        growth = self._growth(report.client, begun=newborn or restarts > 0)
        self._last = report
        if transition is None and not (lapses or restarts or conflicts):
            # What nearly every report comes to, so it is worth a short way.
            return Changes(growth=growth) if growth is not _NO_GROWTH else _NO_CHANGES
        return Changes(
            EventCounts(
                health_changes=int(transition is not None),
                lease_lapses=lapses,
                client_restarts=restarts,
                client_identity_conflicts=conflicts,
            ),
            growth,
            transition,
        )

    def _transition(self, report: Report) -> tuple[HealthStatus, HealthStatus] | None:
        before, after = self._health, report.health
        if after is None:
            return None
        self._health = after
        return None if before is None or before is after else (before, after)

    def _lapses(self, report: Report) -> int:
        """Count lease gaps: one that is open now, and one that began and ended unseen."""
        lapses = 0
        before, seen = self._last.lease_expires_at, report.last_seen_at
        if (
            self._last.liveness is not LivenessStatus.OFFLINE
            and before is not None
            and seen is not None
            and seen > before
            and seen != self._last.last_seen_at
            and before != self._counted_lease
        ):
            lapses += 1
            self._counted_lease = before
        lease = report.lease_expires_at
        expired = report.liveness is LivenessStatus.EXPIRED
        if expired and lease is not None and lease != self._counted_lease:
            lapses += 1
            self._counted_lease = lease
        return lapses

    def _starts(self, report: Report) -> tuple[int, int]:
        """Tell a restart (a start later than any before) from a conflict (an earlier one again)."""
        start = (report.client or _NO_CLIENT).started_at
        if start is None:
            return 0, 0
        previous, latest = self._start, self._latest_start
        self._start = start
        if previous is None or latest is None:
            self._latest_start = start
            return 0, 0
        self._latest_start = max(start, latest)
        return int(start > latest), int(start < previous)

    def _growth(self, client: Client | None, *, begun: bool) -> CounterGrowth:
        """Give how much the counters grew, each process start against its own last values.

        `begun` says that the process began since the last report, so that it began with zeros. Of
        an older or unnamed start that is seen for the first time nobody knows when its counts came
        about.
        """
        if client is None:
            return _NO_GROWTH
        before = self._counters.pop(self._start, _ZERO if begun else _UNKNOWN)
        now = _remember(client, before)
        self._counters[self._start] = now
        if len(self._counters) > _STARTS_REMEMBERED:
            del self._counters[next(iter(self._counters))]
        return _NO_GROWTH if now == before else _grown(before, now)


class _Counters(msgspec.Struct, frozen=True, gc=False):
    """The last values of a process's counters; None while it never sent a readable one."""

    claimed: float | None = None
    no_work: float | None = None
    error: float | None = None
    reconnects: float | None = None
    events_received: float | None = None


_UNKNOWN: Final = _Counters()
_ZERO: Final = _Counters(0, 0, 0, 0, 0)


def _remember(client: Client, before: _Counters) -> _Counters:
    """Take the new values, and keep the old one where the new cannot be read."""
    claimed, no_work, error = client.claims_succeeded, client.claims_skipped, client.claims_failed
    reconnects, events = client.reconnect_count, client.events_received
    return _Counters(
        claimed=before.claimed if claimed is None else claimed,
        no_work=before.no_work if no_work is None else no_work,
        error=before.error if error is None else error,
        reconnects=before.reconnects if reconnects is None else reconnects,
        events_received=before.events_received if events is None else events,
    )


def _growth_of(old: float | None, new: float | None) -> float:
    if old is None or new is None or not 0 < new - old <= _MOST_BETWEEN_REPORTS:
        return 0
    return new - old


def _grown(before: _Counters, now: _Counters) -> CounterGrowth:
    return CounterGrowth(
        claimed=_growth_of(before.claimed, now.claimed),
        no_work=_growth_of(before.no_work, now.no_work),
        error=_growth_of(before.error, now.error),
        reconnects=_growth_of(before.reconnects, now.reconnects),
        events_received=_growth_of(before.events_received, now.events_received),
    )
