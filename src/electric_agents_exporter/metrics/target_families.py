"""The families of one target: its fleet, always on and cheap at any size, and its polling."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from itertools import product
from typing import Final, TypeVar

import msgspec

from electric_agents_exporter.conditions import Condition
from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    HealthStatus,
    Issue,
    LivenessStatus,
    RunnerKind,
)
from electric_agents_exporter.fleet.aggregate import (
    Aggregate,
    StateLabels,
    aggregate,
    unknown_by_kind,
)
from electric_agents_exporter.fleet.snapshot import ClaimCounters, Histogram, TargetSnapshot
from electric_agents_exporter.metrics.family import PREFIX, Family, Group, Kind, Samples, value


class TargetSubject(msgspec.Struct, frozen=True):
    """What the families of one target read.

    The aggregate is None where its fleet is not known; `unknown` then counts the watched runners
    without a fresh report.
    """

    target: TargetSnapshot
    aggregate: Aggregate | None
    unknown: Mapping[RunnerKind, int]


def target_subject(target: TargetSnapshot, monotonic: float) -> TargetSubject:
    """Give what the families read of a target at a moment."""
    sums = aggregate(target, monotonic)
    unknown = {} if sums is not None else unknown_by_kind(target, monotonic)
    return TargetSubject(target, sums, unknown)


TargetFamily = Family[TargetSubject]
Word = TypeVar("Word", bound=StrEnum)

_KNOWN_STATES: Final = (
    (AdminStatus.ENABLED, LivenessStatus.ONLINE, HealthStatus.HEALTHY),
    (AdminStatus.ENABLED, LivenessStatus.ONLINE, HealthStatus.DEGRADED),
    (AdminStatus.ENABLED, LivenessStatus.OFFLINE, HealthStatus.DEGRADED),
    (AdminStatus.ENABLED, LivenessStatus.EXPIRED, HealthStatus.UNHEALTHY),
    (AdminStatus.ENABLED, LivenessStatus.UNKNOWN, HealthStatus.UNKNOWN),
    (AdminStatus.DISABLED, LivenessStatus.OFFLINE, HealthStatus.UNHEALTHY),
    (AdminStatus.DISABLED, LivenessStatus.UNKNOWN, HealthStatus.UNKNOWN),
)
"""The combinations that the server's rules allow, and a runner without a fresh report."""


def target_families() -> tuple[TargetFamily, ...]:
    """Give the rows of a target's fleet, of its claims' history and of its polling."""
    return (*_fleet(), *_claims_history(), *_polling())


def _family(  # noqa: PLR0913  (the columns of a table)
    name: str,
    source: str,
    samples: Callable[[TargetSubject], Samples],
    text: str,
    *labels: str,
    kind: Kind = Kind.GAUGE,
    group: Group = Group.FLEET,
) -> TargetFamily:
    return Family(
        name=f"{PREFIX}{name}",
        kind=kind,
        help=text,
        samples=samples,
        labels=labels,
        source=(source,),
        group=group,
    )


def _fleet() -> tuple[TargetFamily, ...]:
    return (
        _family(
            "runners",
            "aggregate.states",
            _by_state,
            "Runners that have series, by state; unknown where the last report is too old. "
            "Sums to runners_exported.",
            "kind",
            "admin_status",
            "liveness_status",
            "health_status",
        ),
        _family(
            "runners_with_issue",
            "aggregate.issues",
            _by_issue,
            "Runners that the server names the issue of. Issues overlap: do not sum.",
            "issue",
        ),
        _family(
            "runners_with_condition",
            "aggregate.conditions",
            _by_condition,
            "Runners of which a condition holds, of those where it is known; unknown: without a "
            "fresh report. Conditions overlap: do not sum.",
            "kind",
            "condition",
        ),
        _family(
            "runners_wakes_unheard",
            "aggregate.wakes_unheard",
            value(lambda s: _sum(s, lambda a: a.wakes_unheard)),
            "Entities whose wakes no runner has heard, over the runners of which that is known.",
        ),
        _family(
            "runners_wake_oldest_unheard_age_seconds",
            "aggregate.oldest_unheard_age",
            value(lambda s: _sum(s, lambda a: a.oldest_unheard_age)),
            "How long the oldest of these wakes waits: 0 when all are heard, as of the scrape.",
        ),
        _family(
            "runners_dispatch_seconds",
            "target.dispatch",
            lambda s: () if s.target.dispatch is None else _buckets(s.target.dispatch),
            "From a wake to the claim that answered it, by the server's clock. Only where both the "
            "wake streams (url) and the claims (postgres) are read.",
            "kind",
            kind=Kind.HISTOGRAM,
        ),
        _family(
            "runners_active_claims",
            "aggregate.active_claims",
            value(lambda s: _sum(s, lambda a: a.active_claims)),
            "Claims that the server holds for active, over the runners with a fresh report; absent "
            "without any.",
        ),
        _family(
            "runners_superseded_claims",
            "aggregate.superseded_claims",
            value(lambda s: _sum(s, lambda a: a.superseded_claims)),
            "Active claims for whose stream a newer one is active: leaked for certain.",
        ),
        _family(
            "runners_orphaned_claims",
            "aggregate.orphaned_claims",
            value(lambda s: _sum(s, lambda a: a.orphaned_claims)),
            "Active claims of runners whose work is abandoned: nobody does it.",
        ),
        _family(
            "runners_claims_total",
            "target.fleet.claims",
            lambda s: (
                ((kind.value, outcome.value), count)
                for (kind, outcome), count in s.target.fleet.claims.items()
            ),
            "Claims by how they ended, summed over all runners since this exporter watches.",
            "kind",
            "outcome",
            kind=Kind.COUNTER,
        ),
        _family(
            "runners_reconnects_total",
            "target.fleet.reconnects",
            lambda s: (((kind.value,), n) for kind, n in s.target.fleet.reconnects.items()),
            "Reconnects of wake streams, summed over all runners since this exporter watches.",
            "kind",
            kind=Kind.COUNTER,
        ),
        _family(
            "runners_events_received_total",
            "target.fleet.events_received",
            lambda s: (((kind.value,), n) for kind, n in s.target.fleet.events_received.items()),
            "Wake events seen, summed over all runners since this exporter watches.",
            "kind",
            kind=Kind.COUNTER,
        ),
        _family(
            "runners_health_transitions_total",
            "target.fleet.transitions",
            lambda s: (
                ((before.value, after.value), n)
                for (before, after), n in s.target.fleet.transitions.items()
            ),
            "Changes of the server's verdict on a runner.",
            "from",
            "to",
            kind=Kind.COUNTER,
        ),
        _family(
            "runners_lease_lapses_total",
            "target.fleet.lease_lapses",
            value(lambda s: s.target.fleet.lease_lapses),
            "Times that a lease ran out, those between two polls with them.",
            kind=Kind.COUNTER,
        ),
        _family(
            "runners_client_restarts_total",
            "target.fleet.client_restarts",
            value(lambda s: s.target.fleet.client_restarts),
            "Starts of runners' processes.",
            kind=Kind.COUNTER,
        ),
        _family(
            "runners_discovered_total",
            "target.fleet.discovered",
            value(lambda s: s.target.fleet.discovered),
            "Runners that came to be listed, those of the first list not counted.",
            kind=Kind.COUNTER,
        ),
        _family(
            "runners_removed_total",
            "target.fleet.removed",
            value(lambda s: s.target.fleet.removed),
            "Runners that ceased to be listed.",
            kind=Kind.COUNTER,
        ),
    )


def _claims_history() -> tuple[TargetFamily, ...]:
    return (
        _family(
            "runners_claims_finished_total",
            "target.claims.ended",
            lambda s: _past(s, lambda past: (((end.value,), n) for end, n in past.ended.items())),
            "Claims that ended since this exporter watches, by consumer_claims.status. Known of a "
            "database only.",
            "status",
            kind=Kind.COUNTER,
            group=Group.CLAIMS_HISTORY,
        ),
        _family(
            "runners_claim_duration_seconds",
            "target.claims.durations",
            lambda s: _past(s, lambda past: _buckets(past.durations)),
            "How long claims that ended had been held, from claimed_at to released_at (else "
            "updated_at). Known of a database only.",
            "kind",
            kind=Kind.HISTOGRAM,
            group=Group.CLAIMS_HISTORY,
        ),
        _family(
            "runners_by_owner_kind",
            "target.claims.owners",
            lambda s: _past(s, lambda past: (((kind,), n) for kind, n in past.owners.items())),
            "Runners that have series, by the kind of their owner (user, agent, service, system). "
            "Known of a database only.",
            "owner_kind",
            group=Group.CLAIMS_HISTORY,
        ),
    )


def _polling() -> tuple[TargetFamily, ...]:
    return (
        _family(
            "server_up",
            "target.up",
            value(lambda s: s.target.up),
            "1 if the last poll got a list of runners, it is not stale, and where that is the "
            "database's the server answers too; else 0. server_poll_success tells which fails.",
        ),
        _family(
            "server_poll_success",
            "target.poll_success",
            lambda s: (
                ((operation.value,), float(ok)) for operation, ok in s.target.poll_success.items()
            ),
            "Whether the last poll got every list (list), the reports of all runners but one or a "
            "few (health) and their wakes (wakes), and an answer from the server itself (server). "
            "Only what is asked of the target.",
            "operation",
        ),
        _family(
            "server_last_poll_timestamp_seconds",
            "target.last_poll_at",
            value(lambda s: s.target.last_poll_at),
            "When the last poll ended, well or badly, by this exporter's clock.",
        ),
        _family(
            "server_last_poll_success_timestamp_seconds",
            "target.last_success_at",
            value(lambda s: s.target.last_success_at),
            "When the last poll ended that got every list and nearly all reports, by this "
            "exporter's clock.",
        ),
        _family(
            "server_poll_interval_seconds",
            "target.interval",
            value(lambda s: s.target.interval),
            "How often the target is polled, as configured.",
        ),
        _family(
            "server_stale_after_seconds",
            "target.stale_after",
            value(lambda s: s.target.stale_after),
            "How old a report may be before its series are dropped, as configured.",
        ),
        _family(
            "server_last_poll_duration_seconds",
            "target.last_duration",
            value(lambda s: s.target.last_duration),
            "How long the last poll took, pauses between requests with it.",
        ),
        _family(
            "server_request_duration_seconds",
            "target.requests.durations",
            _durations,
            "How long requests took, failed ones with them.",
            "operation",
            kind=Kind.HISTOGRAM,
        ),
        _family(
            "server_requests_total",
            "target.requests.requests",
            lambda s: (
                ((operation.value,), n) for operation, n in s.target.requests.requests.items()
            ),
            "Requests made.",
            "operation",
            kind=Kind.COUNTER,
        ),
        _family(
            "server_request_errors_total",
            "target.requests.errors",
            lambda s: (
                ((operation.value, reason.value), n)
                for (operation, reason), n in s.target.requests.errors.items()
            ),
            "Requests that failed, by why.",
            "operation",
            "reason",
            kind=Kind.COUNTER,
        ),
        _family(
            "server_polls_skipped_total",
            "target.requests.skipped",
            lambda s: (((reason.value,), n) for reason, n in s.target.requests.skipped.items()),
            "Polls that were due and did not happen: the one before still ran (overrun), this "
            "process was too busy (misfire), or the target had failed (backoff).",
            "reason",
            kind=Kind.COUNTER,
        ),
        _family(
            "server_clock_offset_seconds",
            "target.clock_offset",
            value(lambda s: s.target.clock_offset),
            "The server's clock minus this exporter's, as of the last poll.",
        ),
        _family(
            "server_runners_listed",
            "target.listed",
            lambda s: (((principal,), n) for principal, n in s.target.listed.items()),
            "Runners in the newest list of each principal, as configured. 0 is also what a wrong "
            "principal looks like.",
            "principal",
        ),
        _family(
            "server_runners_exported",
            "aggregate.exported",
            value(lambda s: _sum(s, lambda a: a.exported)),
            "Runners that have series of their own (if per_runner is on).",
        ),
        _family(
            "server_runners_suppressed",
            "target.suppressed",
            _suppressed,
            "Listed runners without series: rejected by include or exclude (filter), beyond "
            "max_runners (limit), another exporter's (shard), or not seen for long (retired).",
            "reason",
        ),
        _family(
            "server_expected_runners",
            "target.expected_min",
            value(lambda s: s.target.expected_min),
            "The least number of runners that is expected, as configured; absent if it is not.",
        ),
        _family(
            "server_claims_last_full_scan_timestamp_seconds",
            "target.full_scan.at",
            value(lambda s: s.target.full_scan.at if s.target.full_scan else None),
            "When a database was last searched for every active claim; in between, those that are "
            "known and new are read. Absent where that never came to its end.",
        ),
        _family(
            "server_claims_last_full_scan_duration_seconds",
            "target.full_scan.seconds",
            value(lambda s: s.target.full_scan.seconds if s.target.full_scan else None),
            "How long the last such search took, if in vain; the next one waits 50 times as long.",
        ),
        _family(
            "server_credential_last_change_timestamp_seconds",
            "target.credential_changed_at",
            value(lambda s: s.target.credential_changed_at),
            "When the newest of the target's credential files changed.",
        ),
        _family(
            "server_tls_not_after_timestamp_seconds",
            "target.certificate_ends_at",
            value(lambda s: s.target.certificate_ends_at),
            "Until when the certificate is valid that the server showed last. Absent without TLS, "
            "where it is not verified, and while server_up is 0.",
        ),
    )


def _sum(subject: TargetSubject, read: Callable[[Aggregate], float | None]) -> float | None:
    return None if subject.aggregate is None else read(subject.aggregate)


def _suppressed(subject: TargetSubject) -> Samples:
    if subject.aggregate is not None:
        for reason, count in subject.target.suppressed.items():
            yield (reason.value,), count


def _by_issue(subject: TargetSubject) -> Samples:
    if subject.aggregate is not None and subject.aggregate.issues is not None:
        for issue in Issue:
            yield (issue.value,), subject.aggregate.issues.get(issue, 0)


def _by_condition(subject: TargetSubject) -> Samples:
    """Give what is known; how many are not known is told even of a fleet that is not."""
    if subject.aggregate is None:
        for kind, count in subject.unknown.items():
            yield (kind.value, Condition.UNKNOWN.value), count
        return
    counted = {(kind, Condition.UNKNOWN): 0 for kind in RunnerKind} | dict(
        subject.aggregate.conditions
    )
    # In an order of its own: that of a set of words is another one in every process.
    for kind, condition in product(RunnerKind, Condition):
        if (kind, condition) in counted:
            yield (kind.value, condition.value), counted[kind, condition]


def _by_state(subject: TargetSubject) -> Samples:
    if subject.aggregate is None:
        return
    counted = dict.fromkeys(_zero_states(), 0) | dict(subject.aggregate.states)
    for state, count in counted.items():
        yield (state.kind, state.admin_status, state.liveness, state.health), count


def _zero_states() -> Iterable[StateLabels]:
    return (StateLabels(kind, *state) for kind, state in product(RunnerKind, _KNOWN_STATES))


def _durations(subject: TargetSubject) -> Samples:
    return _buckets(subject.target.requests.durations)


def _past(subject: TargetSubject, samples: Callable[[ClaimCounters], Samples]) -> Samples:
    return () if subject.target.claims is None else samples(subject.target.claims)


def _buckets(histograms: Mapping[Word, Histogram]) -> Samples:
    for word, histogram in histograms.items():
        for bound, count in zip(histogram.bounds, histogram.counts, strict=True):
            le = "+Inf" if bound == float("inf") else str(bound)
            yield (le, word.value), count
        yield ("", word.value), histogram.sum
