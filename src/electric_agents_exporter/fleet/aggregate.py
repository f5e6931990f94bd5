"""Sums over the runners of one target whose reports are fresh."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    HealthStatus,
    Issue,
    LivenessStatus,
    RunnerKind,
)
from electric_agents_exporter.fleet.snapshot import TargetSnapshot


class State(NamedTuple):
    """What a fleet is counted by."""

    kind: RunnerKind
    admin_status: AdminStatus
    liveness: LivenessStatus
    health: HealthStatus


class Aggregate(msgspec.Struct, frozen=True):
    """How many runners are in each state, and what they hold.

    `orphaned_claims` are active claims of runners whose lease has expired: work that nobody does.
    """

    states: Mapping[State, int]
    issues: Mapping[Issue, int]
    active_claims: float
    superseded_claims: int
    orphaned_claims: float
    exported: int


def aggregate(target: TargetSnapshot, monotonic: float) -> Aggregate:
    """Sum over the runners whose list is not stale; one without a fresh report is `unknown`."""
    # Plain tuples while counting: a named one costs as much as all the rest.
    states: Counter[tuple[RunnerKind, AdminStatus, LivenessStatus, HealthStatus]] = Counter()
    issues: Counter[Issue] = Counter()
    active = orphaned = 0.0
    superseded = exported = 0
    for view in target.runners:
        if view.principal not in target.listed:
            continue
        exported += 1
        kind = view.runner.kind or RunnerKind.UNKNOWN
        if view.facts is None or not view.fresh(monotonic, target.stale_after):
            admin = view.runner.admin_status or AdminStatus.UNKNOWN
            states[kind, admin, LivenessStatus.UNKNOWN, HealthStatus.UNKNOWN] += 1
            continue
        report = view.facts.report
        states[
            kind,
            report.admin_status or AdminStatus.UNKNOWN,
            report.liveness or LivenessStatus.UNKNOWN,
            report.health or HealthStatus.UNKNOWN,
        ] += 1
        for issue in report.issues or ():
            issues[issue] += 1
        claims = report.claims.active_count or 0
        active += claims
        superseded += report.claims.superseded or 0
        if report.liveness is LivenessStatus.EXPIRED:
            orphaned += claims
    by_state = {State(*state): count for state, count in states.items()}
    return Aggregate(by_state, issues, active, superseded, orphaned, exported)
