"""Sums over the runners of one target whose reports are fresh."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import msgspec

from electric_agents_exporter.conditions import NOT_KNOWN, Condition, Conditions
from electric_agents_exporter.contract.report import Report
from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    HealthStatus,
    Issue,
    LivenessStatus,
    RunnerKind,
)
from electric_agents_exporter.fleet.snapshot import RunnerState, TargetSnapshot


class StateLabels(NamedTuple):
    """What a fleet is counted by."""

    kind: RunnerKind
    admin_status: AdminStatus
    liveness: LivenessStatus
    health: HealthStatus


class Aggregate(msgspec.Struct, frozen=True):
    """How many runners are in each state, and what they hold.

    A sum is over those runners of which it is known, and None where it is known of none.

    Attributes:
        states: how many runners are in each state; one without a fresh report is `unknown`.
        issues: how many runners the server names each issue of.
        conditions: how many runners of a kind each condition holds of, of those where it is known.
        active_claims: claims that the server holds for active.
        superseded_claims: those for whose stream a newer one is active.
        orphaned_claims: active claims of runners whose work is abandoned.
        wakes_unheard: entities whose wakes were not heard.
        oldest_unheard_age: the age of the oldest of these wakes in seconds, 0 where there is none.
        exported: how many runners have series.
    """

    states: Mapping[StateLabels, int]
    issues: Mapping[Issue, int] | None
    conditions: Mapping[tuple[RunnerKind, Condition], int]
    active_claims: float | None
    superseded_claims: float | None
    orphaned_claims: float | None
    wakes_unheard: int | None
    oldest_unheard_age: float | None
    exported: int


_State: TypeAlias = tuple[RunnerKind, AdminStatus, LivenessStatus, HealthStatus]


class _Sums:
    """Sums while they are made."""

    def __init__(self) -> None:
        # Plain tuples while counting: a named one costs as much as all the rest.
        self.states: Counter[_State] = Counter()
        self.issues: Counter[Issue] | None = None
        self.judged: Counter[tuple[RunnerKind, Conditions]] = Counter()
        self.active: float | None = None
        self.superseded: float | None = None
        self.orphaned: float | None = None
        self.unheard: int | None = None
        self.oldest: float | None = None

    def add_unknown(self, runner: RunnerState, kind: RunnerKind) -> None:
        """Count a runner without a fresh report."""
        admin = runner.listed.admin_status or AdminStatus.UNKNOWN
        self.states[kind, admin, LivenessStatus.UNKNOWN, HealthStatus.UNKNOWN] += 1
        self.judged[kind, NOT_KNOWN] += 1

    def add(self, runner: RunnerState, report: Report, kind: RunnerKind, monotonic: float) -> None:
        """Count a runner with a fresh report."""
        judged = runner.conditions
        self.states[
            kind,
            report.admin_status or AdminStatus.UNKNOWN,
            report.liveness or LivenessStatus.UNKNOWN,
            report.health or HealthStatus.UNKNOWN,
        ] += 1
        if report.issues is not None:
            self.issues = self.issues if self.issues is not None else Counter()
            for issue in report.issues:
                self.issues[issue] += 1
        self.judged[kind, judged] += 1
        claims = report.claims
        if claims.active_count is not None:
            self.active = (self.active or 0.0) + claims.active_count
            if Condition.WORK_ABANDONED in judged.known:
                abandoned = Condition.WORK_ABANDONED in judged.holds
                self.orphaned = (self.orphaned or 0.0) + claims.active_count * abandoned
        if claims.superseded is not None:
            self.superseded = (self.superseded or 0.0) + claims.superseded
        lag = runner.lag
        if lag is not None:
            self.unheard = (self.unheard or 0) + lag.unheard
            age = lag.age_at(monotonic)
            if age is not None:
                self.oldest = max(self.oldest or 0.0, age)


def aggregate(target: TargetSnapshot, monotonic: float) -> Aggregate | None:
    """Sum over the runners whose list is not stale; None where there is no such list."""
    if not target.listed:
        return None
    sums = _Sums()
    exported = 0
    for runner in target.runners:
        if runner.principal not in target.listed:
            continue
        exported += 1
        kind = runner.listed.kind or RunnerKind.UNKNOWN
        if runner.report is None or not runner.fresh(monotonic, target.stale_after):
            sums.add_unknown(runner, kind)
        else:
            sums.add(runner, runner.report, kind, monotonic)
    return Aggregate(
        states={StateLabels(*state): count for state, count in sums.states.items()},
        issues=sums.issues,
        conditions=_by_condition(sums.judged),
        active_claims=sums.active,
        superseded_claims=sums.superseded,
        orphaned_claims=sums.orphaned,
        wakes_unheard=sums.unheard,
        oldest_unheard_age=sums.oldest,
        exported=exported,
    )


def _by_condition(
    judged: Mapping[tuple[RunnerKind, Conditions], int],
) -> Mapping[tuple[RunnerKind, Condition], int]:
    counts: Counter[tuple[RunnerKind, Condition]] = Counter()
    for (kind, conditions), count in judged.items():
        for condition in conditions.known:
            counts[kind, condition] += count * (condition in conditions.holds)
    return counts


def unknown_by_kind(target: TargetSnapshot, monotonic: float) -> Mapping[RunnerKind, int]:
    """Count the watched runners without a fresh report, by lists however old."""
    return Counter(
        runner.listed.kind or RunnerKind.UNKNOWN
        for runner in target.runners
        if runner.report is None or not runner.fresh(monotonic, target.stale_after)
    )
