"""What the alerts on single runners find: each is a row of `RUNNER_ALERTS`."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from electric_agents_exporter.alerting.definition import Definition
from electric_agents_exporter.alerting.evidence import Evidence, Finding, Seen
from electric_agents_exporter.alerting.history import Seldom
from electric_agents_exporter.conditions import Condition
from electric_agents_exporter.contract.vocabulary import Issue

Finder: TypeAlias = Callable[[Definition, Evidence], Iterable[Finding]]

_TOLD_OTHERWISE: Final = frozenset(
    {
        Issue.DISABLED,
        Issue.LEASE_EXPIRED,
        Issue.NEVER_HEARTBEAT,
        Issue.RECONNECTS_HIGH,
        Issue.STREAM_DISCONNECTED,
    }
)
"""Issues that other alerts tell; `reconnects_high` stays until the runner's process restarts."""


def _holds(condition: Condition, *, once: bool = False) -> Finder:
    """Find the runners that a condition holds of; `once`: but for those told by another target."""

    def find(_: Definition, evidence: Evidence) -> Iterator[Finding]:
        for seen in evidence.runners:
            if condition in seen.holds and not (once and seen.twice):
                yield evidence.of_runner(seen, condition=condition)

    return find


def _gone(definition: Definition, evidence: Evidence) -> Iterator[Finding]:
    """Find lasting runners whose lease is over, unless they drain, or another took their place."""
    registered = [
        seen.state.report.created_at
        for seen in evidence.enabled
        if seen.kind.value in evidence.lasting
        and seen.state.report is not None
        and seen.state.report.created_at is not None
    ]
    newest = max(registered, default=None)
    patience = float(definition.numbers["replaced"])
    for seen in evidence.runners:
        if (
            Condition.LAPSED not in seen.holds
            or Condition.DRAINING in seen.holds
            or seen.kind.value not in evidence.lasting
            or seen.twice
        ):
            continue
        report = seen.state.report
        last = None if report is None else report.last_seen_at
        if last is not None and newest is not None and last < newest + patience:
            continue
        yield evidence.of_runner(seen, condition=Condition.LAPSED)


def _degraded(_: Definition, evidence: Evidence) -> Iterator[Finding]:
    for seen in evidence.enabled:
        issues = _issues(seen) - _TOLD_OTHERWISE
        # A dead runner keeps its last diagnostics.
        if issues and Condition.LAPSED not in seen.holds:
            yield evidence.of_runner(seen)


def _never_heard(_: Definition, evidence: Evidence) -> Iterator[Finding]:
    for seen in evidence.enabled:
        if Issue.NEVER_HEARTBEAT in _issues(seen):
            yield evidence.of_runner(seen)


def _issues(seen: Seen) -> frozenset[Issue]:
    report = seen.state.report
    return (report.issues if report else None) or frozenset()


def _reconnects(definition: Definition, evidence: Evidence) -> Iterator[Finding]:
    def count(counters: Seldom) -> float | None:
        return counters.reconnects

    above, recent = float(definition.numbers["reconnects"]), float(definition.numbers["recent"])
    for seen, grown in _counted(evidence, count, float(definition.numbers["window"]), above):
        # An outage makes every runner reconnect, and has ended.
        since = evidence.monotonic - recent
        if evidence.history.grown(seen.state.listed.id, count, since, 0):
            yield evidence.of_runner(seen, grown)


def _more_than(number: str, count: Callable[[Seldom], float | None]) -> Finder:
    """Find runners whose counter grew by more than a number of the definition."""

    def find(definition: Definition, evidence: Evidence) -> Iterator[Finding]:
        window, above = float(definition.numbers["window"]), float(definition.numbers[number])
        for seen, grown in _counted(evidence, count, window, above):
            yield evidence.of_runner(seen, grown)

    return find


def _conflicts(definition: Definition, evidence: Evidence) -> Iterator[Finding]:
    def count(counters: Seldom) -> float | None:
        return counters.identity_conflicts

    least, window = float(definition.numbers["conflicts"]), float(definition.numbers["window"])
    for seen, grown in _counted(evidence, count, window, least - 1):
        yield evidence.of_runner(seen, grown)


def _counted(
    evidence: Evidence, count: Callable[[Seldom], float | None], window: float, above: float
) -> Iterator[tuple[Seen, float]]:
    """Give the runners whose counter grew by more than so much, and by how much."""
    moved, since = evidence.history.moved, evidence.monotonic - window
    for seen in evidence.enabled:
        if seen.state.listed.id not in moved:
            continue
        grown = evidence.history.grown(seen.state.listed.id, count, since, above)
        if grown > above:
            yield seen, grown


def _spinning(definition: Definition, evidence: Evidence) -> Iterator[Finding]:
    """Find runners that are woken all the time, and get work hardly ever."""
    window = float(definition.numbers["window"])
    fast, idle = (
        float(definition.numbers["events_per_second"]),
        float(definition.numbers["idle_ratio"]),
    )
    oldest = evidence.history.often.oldest(evidence.monotonic - window)
    if oldest is None or evidence.monotonic <= oldest[0]:
        return
    seconds, then = evidence.monotonic - oldest[0], oldest[1]
    for seen in evidence.enabled:
        now = evidence.history.newest_often.get(seen.state.listed.id)
        before = then.get(seen.state.listed.id)
        if (
            now is None
            or before is None
            or now.events is None
            or before.events is None
            or now.no_work is None
            or before.no_work is None
        ):
            continue
        events = (now.events - before.events) / seconds
        for_nothing = (now.no_work - before.no_work) / seconds
        if events > fast and events < for_nothing / idle:
            yield evidence.of_runner(seen, events)


def _failing_claims(definition: Definition, evidence: Evidence) -> Iterator[Finding]:
    """Find a target of which many claims fail, of several runners that are enabled."""

    def count(counters: Seldom) -> float | None:
        return counters.claim_errors

    numbers, window = definition.numbers, float(definition.numbers["window"])
    failed = [grown for _, grown in _counted(evidence, count, window, 0)]
    errors = sum(failed)
    if errors < float(numbers["errors"]) or len(failed) < float(numbers["runners"]):
        return
    claimed = [each.claimed for each in evidence.history.numbers.since(evidence.monotonic - window)]
    ratio = errors / (errors + claimed[-1] - min(claimed))
    if ratio > float(numbers["ratio"]):
        yield evidence.of_target(ratio)


def _leaks(definition: Definition, evidence: Evidence) -> Iterator[Finding]:
    """Find runners with more claims that nobody works on than a day ago."""
    ago, gap = float(definition.numbers["ago"]), float(definition.numbers["gap"])
    before = evidence.history.leaked_before(evidence.monotonic - ago, gap)
    if before is None:
        return
    now = evidence.history.leaked(evidence.monotonic)
    for seen in evidence.enabled:
        runner_id = seen.state.listed.id
        more = now.get(runner_id, 0.0) - before.get(runner_id, 0.0)
        if more > 0:
            finding = evidence.of_runner(seen, more)
            del finding.labels["kind"]
            yield finding


RUNNER_ALERTS: Final[Mapping[str, Finder]] = {
    "WorkAbandoned": _holds(Condition.WORK_ABANDONED, once=True),
    "WorkUnheard": _holds(Condition.WORK_UNHEARD, once=True),
    "WorkRefused": _holds(Condition.WORK_REFUSED),
    "ClaimStuck": _holds(Condition.CLAIM_STUCK),
    "RunnerDeaf": _holds(Condition.DEAF),
    "RunnerUnhealthy": _gone,
    "RunnerDegraded": _degraded,
    "RunnerNeverHeartbeat": _never_heard,
    "ReconnectStorm": _reconnects,
    "RunnerSpinning": _spinning,
    "RunnerRestarting": _more_than("restarts", lambda counters: counters.client_restarts),
    "RunnerFlapping": _more_than("changes", lambda counters: counters.health_changes),
    "DuplicateRunnerId": _conflicts,
    "ClaimFailuresHigh": _failing_claims,
    "ClaimsLeaking": _leaks,
}
