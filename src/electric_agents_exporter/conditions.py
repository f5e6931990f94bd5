"""What we hold to be true of a runner: the one judge that every output reads.

A server's verdict tells what a runner says of itself. These conditions tell what somebody must
know: that work waits, was dropped, or is in hands that no longer move. Rules, pages and dashboards
add time to them and judge nothing anew. Pure: no I/O, no clock, no state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

import msgspec

from electric_agents_exporter.contract.report import Report
from electric_agents_exporter.contract.vocabulary import AdminStatus, LivenessStatus


class Condition(StrEnum):
    """What can be true of a runner. None excludes another, but `UNKNOWN` excludes all."""

    UNKNOWN = "unknown"
    WORK_UNHEARD = "work_unheard"
    WORK_ABANDONED = "work_abandoned"
    WORK_REFUSED = "work_refused"
    DEAF = "deaf"
    LAPSED = "lapsed"
    CLAIM_STUCK = "claim_stuck"
    DRAINING = "draining"
    DISABLED = "disabled"


MEANINGS: Final[Mapping[Condition, str]] = {
    Condition.UNKNOWN: "It is listed and watched, and has no fresh report. Nothing else is said of "
    "it.",
    Condition.WORK_UNHEARD: "It is enabled, and its oldest unheard wake is older than "
    "`unheard_after` and of an entity that is neither stopped, killed nor paused: somebody waits, "
    "whether it is dead or deaf.",
    Condition.WORK_ABANDONED: "It is enabled, works on an entity, and neither it nor its claims "
    "gave a sign of life for `abandoned_after`, or for two thirds of its lease where that is more.",
    Condition.WORK_REFUSED: "A claim of it failed: that wake is never repeated, and its entity "
    "stands still. Exact where wakes and claims are both read; over HTTP alone `claims_failed` "
    "rose within `refused_for`, and its process did not start anew.",
    Condition.DEAF: "It is enabled and its lease alive, and it has sent heartbeats for more than "
    "`deaf_after` since a wake that it has not heard; or it says that its stream is disconnected.",
    Condition.LAPSED: "It is enabled, and its lease is over.",
    Condition.CLAIM_STUCK: "It is online, and a claim that counts as alive gave no sign of life "
    "for `stuck_after`.",
    Condition.DRAINING: "Its lease is over, and its claims still give signs of life: it was "
    "stopped, and finishes its work.",
    Condition.DISABLED: "Its operator disabled it.",
}
"""When each is true, in a sentence; durations are settings of the target's `conditions`."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When time makes a condition true. All are in seconds.

    Attributes:
        unheard_after: how long a wake may wait before somebody's work does.
        abandoned_after: how long who works may give no sign of life.
        stuck_after: how long a claim of a runner that is online may give none.
        deaf_after: for how long a runner may send heartbeats and not hear a wake.
        refused_for: how long a failed claim counts where nothing tells that its work was done.
        recovery: how long after a server's outage nobody's silence counts yet.
    """

    unheard_after: float = 60.0
    abandoned_after: float = 60.0
    stuck_after: float = 300.0
    deaf_after: float = 10.0
    refused_for: float = 3600.0
    recovery: float = 60.0


class Gap(msgspec.Struct, frozen=True, gc=False):
    """A time in which the server could record nobody, in seconds before now; its end may come."""

    began: float
    ended: float


class Ages(msgspec.Struct, frozen=True, gc=False):
    """How long ago things were, in seconds on the server's clock; None where that is not known.

    Attributes:
        heartbeat: the runner's last heartbeat.
        newest_claim: the newest sign of life of any of its active claims.
        oldest_claim: the oldest one of the claims that can be alive.
        unheard: the oldest wake that it has not heard; 0 when it has heard all.
        waiting: the oldest of these whose entity is not known to be at rest; 0 when there is none.
    """

    heartbeat: float | None = None
    newest_claim: float | None = None
    oldest_claim: float | None = None
    unheard: float | None = None
    waiting: float | None = None

    @property
    def sign_of_life(self) -> float | None:
        """The newest sign of life: who drains sends no heartbeat, and lives."""
        if self.heartbeat is None or self.newest_claim is None:
            return self.newest_claim if self.heartbeat is None else self.heartbeat
        return min(self.heartbeat, self.newest_claim)


class Conditions(msgspec.Struct, frozen=True, gc=False):
    """A judgement: what holds, and of which conditions that can be told at all."""

    holds: frozenset[Condition]
    known: frozenset[Condition]


NOT_KNOWN: Final = Conditions(frozenset({Condition.UNKNOWN}), frozenset({Condition.UNKNOWN}))
"""The judgement on a runner without a fresh report: nothing but that."""

_LONGEST_LEASE: Final = 86_400.0  # a client can set any; none that is longer is about liveness
_LEASE_SHARE: Final = 2 / 3


def judge(
    report: Report,
    ages: Ages,
    *,
    refused: bool | None,
    gaps: Sequence[Gap] = (),
    thresholds: Thresholds,
) -> Conditions:
    """Judge one runner by its fresh report.

    `refused` tells whether a wake that it heard stands without an answer, None where that cannot be
    told. Time within `gaps` counts as nobody's silence.
    """
    enabled = _enabled(report)
    online = _liveness_is(report, LivenessStatus.ONLINE)
    expired = _liveness_is(report, LivenessStatus.EXPIRED)
    return _conditions(
        (
            False,
            _work_unheard(ages, gaps, thresholds, enabled=enabled),
            _work_abandoned(report, ages, gaps, thresholds, enabled=enabled),
            refused,
            _deaf(report, ages, thresholds, enabled=enabled, online=online),
            _all(enabled, _lapsed(report, ages, gaps, expired=expired)),
            _claim_stuck(report, ages, gaps, thresholds, online=online),
            _draining(report, ages, thresholds, expired=expired),
            None if enabled is None else not enabled,
        )
    )


def silence(age: float | None, gaps: Sequence[Gap]) -> float | None:
    """Give how long somebody was silent while the server could have heard it."""
    if age is None:
        return None
    heard = age
    for gap in gaps:
        heard -= max(0.0, min(age, gap.began) - max(0.0, gap.ended))
    return heard


def _enabled(report: Report) -> bool | None:
    if report.admin_status in {None, AdminStatus.UNKNOWN}:
        return None
    return report.admin_status is AdminStatus.ENABLED


def _liveness_is(report: Report, status: LivenessStatus) -> bool | None:
    if report.liveness in {None, LivenessStatus.UNKNOWN}:
        return None
    return report.liveness is status


def _lease(report: Report) -> float | None:
    """Give how long the last heartbeat leased; None where that is not known."""
    if report.lease_expires_at is None or report.last_seen_at is None:
        return None
    return max(0.0, report.lease_expires_at - report.last_seen_at)


def _work_unheard(
    ages: Ages, gaps: Sequence[Gap], thresholds: Thresholds, *, enabled: bool | None
) -> bool | None:
    waits = silence(ages.waiting, gaps)
    return _all(enabled, None if waits is None else waits > thresholds.unheard_after)


def _work_abandoned(
    report: Report,
    ages: Ages,
    gaps: Sequence[Gap],
    thresholds: Thresholds,
    *,
    enabled: bool | None,
) -> bool | None:
    entities = report.dispatch.entities_with_active_claim
    if entities == 0 or enabled is False:
        return False
    lease = _lease(report) or 0.0
    patience = max(
        thresholds.abandoned_after, _LEASE_SHARE * lease if lease <= _LONGEST_LEASE else 0.0
    )
    works = None if entities is None else True
    return _all(enabled, works, _at_least(silence(ages.sign_of_life, gaps), patience))


def _deaf(
    report: Report, ages: Ages, thresholds: Thresholds, *, enabled: bool | None, online: bool | None
) -> bool | None:
    connected = report.client.stream_connected if report.client else None
    if connected is False:
        return _all(enabled, online)
    if ages.unheard is None or ages.heartbeat is None:
        return _all(enabled, online, None)
    return _all(enabled, online, ages.unheard - ages.heartbeat > thresholds.deaf_after)


def _lapsed(
    report: Report, ages: Ages, gaps: Sequence[Gap], *, expired: bool | None
) -> bool | None:
    """Tell whether a lease is over; one that ran out while nobody could renew it is not yet."""
    quiet, lease = silence(ages.heartbeat, gaps), _lease(report)
    if expired and gaps and quiet is not None and lease is not None:
        return quiet > lease
    return expired


def _claim_stuck(
    report: Report,
    ages: Ages,
    gaps: Sequence[Gap],
    thresholds: Thresholds,
    *,
    online: bool | None,
) -> bool | None:
    if ages.oldest_claim is None:
        return _all(online, _without_claim(report))
    return _all(online, _at_least(silence(ages.oldest_claim, gaps), thresholds.stuck_after))


def _draining(
    report: Report, ages: Ages, thresholds: Thresholds, *, expired: bool | None
) -> bool | None:
    """Tell whether who renews no lease still works: its claims say so, or else it is not known."""
    if ages.newest_claim is None:
        return _all(expired, _without_claim(report))
    return _all(expired, ages.newest_claim < thresholds.abandoned_after)


def _without_claim(report: Report) -> bool | None:
    """Tell what holds of a claim that is not there: nothing, if it is known that there is none."""
    none = report.claims.active_count == 0 or report.dispatch.entities_with_active_claim == 0
    return False if none else None


def _at_least(age: float | None, threshold: float) -> bool | None:
    return None if age is None else age >= threshold


def _all(*parts: bool | None) -> bool | None:
    """Tell whether all hold: one that does not decides, else one that is not known."""
    if False in parts:
        return False
    return None if None in parts else True


@cache
def _conditions(judged: tuple[bool | None, ...]) -> Conditions:
    """Give the judgement, in the order of `Condition`: the same object for the same judgement."""
    pairs = tuple(zip(Condition, judged, strict=True))
    return Conditions(
        holds=frozenset(condition for condition, holds in pairs if holds),
        known=frozenset(condition for condition, holds in pairs if holds is not None),
    )
