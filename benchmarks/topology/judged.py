"""What a report would say of a runner at a moment, and what the exporter's judge makes of it."""

from collections.abc import Sequence
from math import inf
from typing import Final, NamedTuple

from electric_agents_exporter.conditions import Ages, Condition, Gap, Thresholds, judge
from electric_agents_exporter.contract.report import Claims, Client, Dispatch, Report
from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    HealthStatus,
    Issue,
    LivenessStatus,
)
from topology.model import Life, Runner, Server, State

CLAIM_HEARTBEAT: Final = 10.0
THRESHOLDS: Final = Thresholds()


class Seen(NamedTuple):
    """What a fresh report says of a runner, but for what moves with time alone."""

    enabled: bool
    liveness: str
    health: str
    issues: frozenset[str]
    holds: frozenset[Condition]
    known: frozenset[Condition]
    entities: int
    active: int
    unheard: int | None
    connected: bool | None


class Marks(NamedTuple):
    """When what moves with time began: the last heartbeat, the last sign of life, the wait."""

    heartbeat: float | None
    sign: float | None
    claim: float | None
    unheard: float | None


def marks(runner: Runner, life: Life, server: Server, now: float) -> Marks:
    """Give what a server could have recorded of a runner by now."""
    beat = server.heard(life.alive_since, life.dead_since, runner.heartbeat, now)
    claim = (
        server.heard(life.works_since, life.rests_since, CLAIM_HEARTBEAT, now)
        if life.state.entities
        else -inf
    )
    sign = max(beat, claim)
    return Marks(
        heartbeat=None if beat == -inf else beat,
        sign=None if sign == -inf else sign,
        claim=None if claim == -inf else claim,
        unheard=life.unheard_since if life.state.unheard else None,
    )


def seen(  # noqa: PLR0913  (all that a judgement rests on)
    runner: Runner,
    life: Life,
    server: Server,
    now: float,
    *,
    gaps: Sequence[Gap],
    wakes: bool,
) -> Seen:
    """Give what a report of now says, judged by the exporter's own judge."""
    state, when = life.state, marks(runner, life, server, now)
    report = reported(runner, life, when, now)
    waits = now - life.unheard_since if state.unheard else 0.0
    ages = Ages(
        heartbeat=_age(when.heartbeat, now),
        newest_claim=_age(when.claim, now),
        oldest_claim=_age(report.claims.oldest_heartbeat_at, now),
        unheard=waits if wakes else None,
        waiting=(0.0 if state.at_rest else waits) if wakes else None,
    )
    judged = judge(report, ages, refused=state.refused, gaps=gaps, thresholds=THRESHOLDS)
    return Seen(
        enabled=state.enabled,
        liveness=(report.liveness or LivenessStatus.UNKNOWN).value,
        health=(report.health or HealthStatus.UNKNOWN).value,
        issues=frozenset(issue.value for issue in report.issues or ()),
        holds=judged.holds,
        known=judged.known,
        entities=state.entities,
        active=state.entities + state.leaked,
        unheard=state.unheard if wakes else None,
        connected=state.connected if report.liveness is LivenessStatus.ONLINE else None,
    )


def _age(since: float | None, now: float) -> float | None:
    return None if since is None else now - since


def _liveness(runner: Runner, when: Marks, now: float) -> LivenessStatus:
    if when.heartbeat is None:
        return LivenessStatus.OFFLINE
    alive = now < when.heartbeat + runner.lease
    return LivenessStatus.ONLINE if alive else LivenessStatus.EXPIRED


def _issues(state: State, liveness: LivenessStatus, *, never: bool) -> frozenset[Issue]:
    found = set(map(Issue, state.issues))
    if not state.enabled:
        found.add(Issue.DISABLED)
    if liveness is LivenessStatus.EXPIRED:
        found.add(Issue.LEASE_EXPIRED)
    if never:
        found.add(Issue.NEVER_HEARTBEAT)
    elif not state.connected:
        found.add(Issue.STREAM_DISCONNECTED)
    return frozenset(found)


def _health(issues: frozenset[Issue], liveness: LivenessStatus, *, enabled: bool) -> HealthStatus:
    if not enabled or liveness is LivenessStatus.EXPIRED:
        return HealthStatus.UNHEALTHY
    return HealthStatus.DEGRADED if issues else HealthStatus.HEALTHY


def reported(runner: Runner, life: Life, when: Marks, now: float) -> Report:
    """Give what a report of now says, but for what is counted, and heard of wakes."""
    state, beat = life.state, when.heartbeat
    liveness = _liveness(runner, when, now)
    issues = _issues(state, liveness, never=beat is None)
    return Report(
        runner_id=runner.id,
        admin_status=AdminStatus.ENABLED if state.enabled else AdminStatus.DISABLED,
        liveness=liveness,
        health=_health(issues, liveness, enabled=state.enabled),
        issues=issues,
        last_seen_at=beat,
        lease_expires_at=None if beat is None else beat + runner.lease,
        client_present=beat is not None,
        client=None if beat is None else Client(stream_connected=state.connected),
        claims=Claims(
            active_count=float(state.entities + state.leaked),
            oldest_heartbeat_at=life.stuck_since if state.stuck else when.claim,
            newest_heartbeat_at=when.claim,
        ),
        dispatch=Dispatch(entities_with_active_claim=float(state.entities)),
    )
