"""The families of one target: its fleet, always on and cheap at any size, and its polling."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from itertools import product
from typing import Final, TypeVar

import msgspec

from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    HealthStatus,
    Issue,
    LivenessStatus,
    RunnerKind,
)
from electric_agents_exporter.fleet.aggregate import Aggregate, State
from electric_agents_exporter.fleet.snapshot import EndedClaimCounts, Histogram, TargetSnapshot
from electric_agents_exporter.metrics.family import PREFIX, Family, Group, Kind, Samples, value


class TargetSubject(msgspec.Struct, frozen=True):
    """What the rows of one target read; the aggregate is None where its fleet is not known."""

    target: TargetSnapshot
    aggregate: Aggregate | None


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


def _row(
    name: str,
    samples: Callable[[TargetSubject], Samples],
    text: str,
    *labels: str,
    kind: Kind = Kind.GAUGE,
    group: Group = Group.FLEET,
) -> TargetFamily:
    return Family(
        name=f"{PREFIX}{name}", kind=kind, help=text, samples=samples, labels=labels, group=group
    )


def _fleet() -> tuple[TargetFamily, ...]:
    return (
        _row(
            "runners",
            _by_state,
            "Runners that have series, by state; unknown where the last report is too old. "
            "Sums to runners_exported.",
            "kind",
            "admin_status",
            "liveness_status",
            "health_status",
        ),
        _row(
            "runners_with_issue",
            lambda s: _known(
                s, lambda a: (((issue.value,), float(a.issues.get(issue, 0))) for issue in Issue)
            ),
            "Runners that the server names the issue of. Issues overlap: do not sum.",
            "issue",
        ),
        _row(
            "runners_active_claims",
            lambda s: _known(s, lambda a: (((), a.active_claims),)),
            "Claims that the server holds for active.",
        ),
        _row(
            "runners_superseded_claims",
            lambda s: _known(s, lambda a: (((), a.superseded_claims),)),
            "Active claims for whose stream a newer one is active: leaked for certain.",
        ),
        _row(
            "runners_orphaned_claims",
            lambda s: _known(s, lambda a: (((), a.orphaned_claims),)),
            "Active claims of runners whose lease has expired: work that nobody does.",
        ),
        _row(
            "runners_claims_total",
            lambda s: (
                ((kind.value, outcome.value), count)
                for (kind, outcome), count in s.target.fleet.claims.items()
            ),
            "Claims by how they ended, summed over all runners since this exporter watches.",
            "kind",
            "outcome",
            kind=Kind.COUNTER,
        ),
        _row(
            "runners_reconnects_total",
            lambda s: (((kind.value,), n) for kind, n in s.target.fleet.reconnects.items()),
            "Reconnects of wake streams, summed over all runners since this exporter watches.",
            "kind",
            kind=Kind.COUNTER,
        ),
        _row(
            "runners_events_received_total",
            lambda s: (((kind.value,), n) for kind, n in s.target.fleet.events_received.items()),
            "Wake events seen, summed over all runners since this exporter watches.",
            "kind",
            kind=Kind.COUNTER,
        ),
        _row(
            "runners_health_transitions_total",
            lambda s: (
                ((before.value, after.value), n)
                for (before, after), n in s.target.fleet.transitions.items()
            ),
            "Changes of the server's verdict on a runner.",
            "from",
            "to",
            kind=Kind.COUNTER,
        ),
        _row(
            "runners_lease_lapses_total",
            value(lambda s: s.target.fleet.lease_lapses),
            "Times that a lease ran out, those between two polls with them.",
            kind=Kind.COUNTER,
        ),
        _row(
            "runners_client_restarts_total",
            value(lambda s: s.target.fleet.client_restarts),
            "Starts of runners' processes.",
            kind=Kind.COUNTER,
        ),
        _row(
            "runners_discovered_total",
            value(lambda s: s.target.fleet.discovered),
            "Runners that came to be listed, those of the first list not counted.",
            kind=Kind.COUNTER,
        ),
        _row(
            "runners_removed_total",
            value(lambda s: s.target.fleet.removed),
            "Runners that ceased to be listed.",
            kind=Kind.COUNTER,
        ),
    )


def _claims_history() -> tuple[TargetFamily, ...]:
    return (
        _row(
            "runners_claims_finished_total",
            lambda s: _past(s, lambda past: (((end.value,), n) for end, n in past.ended.items())),
            "Claims that ended since this exporter watches, by consumer_claims.status. Known of a "
            "database only.",
            "status",
            kind=Kind.COUNTER,
            group=Group.CLAIMS_HISTORY,
        ),
        _row(
            "runners_claim_duration_seconds",
            lambda s: _past(s, lambda past: _buckets(past.durations)),
            "How long claims that ended had been held, from claimed_at to released_at (else "
            "updated_at). Known of a database only.",
            "kind",
            kind=Kind.HISTOGRAM,
            group=Group.CLAIMS_HISTORY,
        ),
        _row(
            "runners_by_owner_kind",
            lambda s: _past(s, lambda past: (((kind,), n) for kind, n in past.owners.items())),
            "Runners that have series, by the kind of their owner (user, agent, service, system). "
            "Known of a database only.",
            "owner_kind",
            group=Group.CLAIMS_HISTORY,
        ),
    )


def _polling() -> tuple[TargetFamily, ...]:
    return (
        _row(
            "server_up",
            value(lambda s: s.target.up),
            "1 if the last poll got a list of runners and it is not stale, else 0.",
        ),
        _row(
            "server_poll_success",
            lambda s: (
                ((operation.value,), float(ok)) for operation, ok in s.target.poll_success.items()
            ),
            "Whether the last poll got every list (list), and reached its end with some answer "
            "from the runners that it asked after (health).",
            "operation",
        ),
        _row(
            "server_last_poll_timestamp_seconds",
            value(lambda s: s.target.last_poll_at),
            "When the last poll ended, well or badly, by this exporter's clock.",
        ),
        _row(
            "server_last_poll_success_timestamp_seconds",
            value(lambda s: s.target.last_success_at),
            "When the last poll ended that succeeded for every operation, by our own clock.",
        ),
        _row(
            "server_poll_interval_seconds",
            value(lambda s: s.target.interval),
            "How often the target is polled, as configured.",
        ),
        _row(
            "server_stale_after_seconds",
            value(lambda s: s.target.stale_after),
            "How old a report may be before its series are dropped, as configured.",
        ),
        _row(
            "server_last_poll_duration_seconds",
            value(lambda s: s.target.last_duration),
            "How long the last poll took, pauses between requests with it.",
        ),
        _row(
            "server_request_duration_seconds",
            _durations,
            "How long requests took, failed ones with them.",
            "operation",
            kind=Kind.HISTOGRAM,
        ),
        _row(
            "server_requests_total",
            lambda s: (((operation.value,), n) for operation, n in s.target.polls.requests.items()),
            "Requests made.",
            "operation",
            kind=Kind.COUNTER,
        ),
        _row(
            "server_request_errors_total",
            lambda s: (
                ((operation.value, reason.value), n)
                for (operation, reason), n in s.target.polls.errors.items()
            ),
            "Requests that failed, by why.",
            "operation",
            "reason",
            kind=Kind.COUNTER,
        ),
        _row(
            "server_polls_skipped_total",
            lambda s: (((reason.value,), n) for reason, n in s.target.polls.skipped.items()),
            "Polls that were due and did not happen: the one before still ran (overrun), this "
            "process was too busy (misfire), or the target had failed (backoff).",
            "reason",
            kind=Kind.COUNTER,
        ),
        _row(
            "server_clock_offset_seconds",
            value(lambda s: s.target.clock_offset),
            "The server's clock minus this exporter's, as of the last poll.",
        ),
        _row(
            "server_runners_listed",
            lambda s: (((principal,), n) for principal, n in s.target.listed.items()),
            "Runners in the newest list of each principal, as configured. 0 is also what a wrong "
            "principal looks like.",
            "principal",
        ),
        _row(
            "server_runners_exported",
            lambda s: _known(s, lambda a: (((), a.exported),)),
            "Runners that have series of their own (if per_runner is on).",
        ),
        _row(
            "server_runners_suppressed",
            lambda s: _known(
                s,
                lambda _: (((why.value,), n) for why, n in s.target.suppressed.items()),
            ),
            "Listed runners without series: rejected by include or exclude (filter), beyond "
            "max_runners (limit), another exporter's (shard), or not seen for long (retired).",
            "reason",
        ),
        _row(
            "server_expected_runners",
            value(lambda s: s.target.expected_min),
            "The least number of runners that is expected, as configured; absent if it is not.",
        ),
        _row(
            "server_claims_last_sweep_timestamp_seconds",
            value(lambda s: s.target.sweep.at if s.target.sweep else None),
            "When a database was last searched for every active claim; in between, those that are "
            "known and new are read. Absent where that never came to its end.",
        ),
        _row(
            "server_claims_last_sweep_duration_seconds",
            value(lambda s: s.target.sweep.seconds if s.target.sweep else None),
            "How long the last such search took, if in vain; the next one waits 50 times as long.",
        ),
        _row(
            "server_credential_last_change_timestamp_seconds",
            value(lambda s: s.target.credential_changed_at),
            "When the newest of the target's credential files changed.",
        ),
    )


def _known(subject: TargetSubject, samples: Callable[[Aggregate], Samples]) -> Samples:
    return () if subject.aggregate is None else samples(subject.aggregate)


def _by_state(subject: TargetSubject) -> Samples:
    if subject.aggregate is None:
        return
    counted = dict.fromkeys(_zero_states(), 0) | dict(subject.aggregate.states)
    for state, count in counted.items():
        yield (state.kind, state.admin_status, state.liveness, state.health), count


def _zero_states() -> Iterable[State]:
    return (State(kind, *state) for kind, state in product(RunnerKind, _KNOWN_STATES))


def _durations(subject: TargetSubject) -> Samples:
    return _buckets(subject.target.polls.durations)


def _past(subject: TargetSubject, samples: Callable[[EndedClaimCounts], Samples]) -> Samples:
    return () if subject.target.history is None else samples(subject.target.history)


def _buckets(histograms: Mapping[Word, Histogram]) -> Samples:
    for word, histogram in histograms.items():
        for bound, count in zip(histogram.bounds, histogram.counts, strict=True):
            le = "+Inf" if bound == float("inf") else str(bound)
            yield (le, word.value), count
        yield ("", word.value), histogram.sum
