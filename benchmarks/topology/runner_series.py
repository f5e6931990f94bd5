"""The series of one runner."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from electric_agents_exporter.conditions import Condition
from electric_agents_exporter.contract.vocabulary import HealthStatus, Issue, LivenessStatus
from topology.counting import Counters
from topology.judged import Marks, Seen
from topology.known import Known, known_of, told
from topology.model import DAY, Target
from topology.observing import LAG, RunnerView, life_at, mark_at
from topology.series import RUNNER, Families, Made, Reading
from topology.steps import Span, Steps, cursor, joined, mapped, tidied

_LONG_AGO: Final = -30 * DAY

Read = Callable[[Seen], float | None]


def _count(value: float | None) -> float | None:
    return None if value is None else float(value)


_PLAIN: Final[dict[str, tuple[str, Read]]] = {
    "admin_enabled": ("core", lambda now: float(now.enabled)),
    "entities_with_active_claim": ("claims", lambda now: float(now.entities)),
    "active_claims": ("claims", lambda now: float(now.active)),
    "superseded_claims": ("claims", lambda _: 0.0),
    "wakes_unheard": ("wakes", lambda now: _count(now.unheard)),
    "wake_read_success": ("wakes", lambda now: None if now.unheard is None else 1.0),
    "client_stream_connected": ("client", lambda now: _count(now.connected)),
    "client_diagnostics_present": ("client", lambda _: 1.0),
    "client_last_heartbeat_ok": (
        "client",
        lambda now: None if now.connected is None else float("heartbeat_failed" not in now.issues),
    ),
}
"""Families of one number each, with the group that switches them off."""

_AGES: Final = {
    "heartbeat_age_seconds": ("core", "heartbeat"),
    "sign_of_life_age_seconds": ("core", "sign"),
    "oldest_claim_heartbeat_timestamp_seconds": ("claims", "claim"),
    "last_seen_timestamp_seconds": ("core", "heartbeat"),
}
"""Families that move with time, with their group and the mark that they count from."""


def runner_series(
    view: RunnerView, target: Target, counters: Counters, lives: Sequence[Span], families: Families
) -> Made:
    """Give the series of a runner, of the families that are asked for."""
    known = known_of(view)
    yield from _core(view, known, families)
    for name, (group, read) in _PLAIN.items():
        if f"{RUNNER}{name}" in families and group not in target.without:
            yield f"{RUNNER}{name}", {}, told(known, read)
    yield from _enums(known, families)
    for name, (group, mark) in _AGES.items():
        if f"{RUNNER}{name}" in families and group not in target.without:
            since = name.endswith("timestamp_seconds")
            yield f"{RUNNER}{name}", {}, _age(view, target, lives, mark, since=since)
    name = f"{RUNNER}wake_oldest_unheard_age_seconds"
    if name in families and target.wakes and target.url:
        yield name, {}, waits(view, known)
    for family, labels, reading in counters.of(view):
        if family in families:
            yield family, labels, reading


def _core(view: RunnerView, known: Steps[Known], families: Families) -> Made:
    runner = view.runner
    if f"{RUNNER}condition" in families:
        for condition in Condition:
            labels = {"kind": runner.kind, "condition": condition.value}
            yield f"{RUNNER}condition", labels, mapped(known, partial(_condition, condition))
    if f"{RUNNER}info" in families:
        labels = {"kind": runner.kind, "label": runner.label or runner.id}
        yield f"{RUNNER}info", labels, told(known, lambda _: 1.0)
    if f"{RUNNER}registered_timestamp_seconds" in families:
        born = next(life.since for life in runner.lives if life.state.listed)
        at = max(born, _LONG_AGO)
        yield f"{RUNNER}registered_timestamp_seconds", {}, told(known, lambda _: at)
    if f"{RUNNER}poll_success" in families:
        yield f"{RUNNER}poll_success", {}, joined(known, tidied(view.success), _fresh)


def _condition(condition: Condition, now: Known) -> float | None:
    if isinstance(now, Seen):
        if condition is Condition.UNKNOWN:
            return 0.0
        return float(condition in now.holds) if condition in now.known else None
    return 1.0 if now and condition is Condition.UNKNOWN else None


def _fresh(now: Known, success: bool | None) -> float | None:  # noqa: FBT001  (no option)
    return float(bool(success) and isinstance(now, Seen)) if now else None


def _enums(known: Steps[Known], families: Families) -> Made:
    if f"{RUNNER}liveness_status" in families:
        for liveness in LivenessStatus:
            read = partial(_is, "liveness", liveness.value)
            yield f"{RUNNER}liveness_status", {"status": liveness.value}, told(known, read)
    if f"{RUNNER}health_status" in families:
        for health in HealthStatus:
            read = partial(_is, "health", health.value)
            yield f"{RUNNER}health_status", {"status": health.value}, told(known, read)
    if f"{RUNNER}health_issue" in families:
        for issue in Issue:
            read = partial(_names, issue.value)
            yield f"{RUNNER}health_issue", {"issue": issue.value}, told(known, read)


def _is(field: str, value: str, now: Seen) -> float:
    return float(getattr(now, field) == value)


def _names(issue: str, now: Seen) -> float:
    return float(issue in now.issues)


def _age(
    view: RunnerView, target: Target, lives: Sequence[Span], mark: str, *, since: bool
) -> Reading:
    known = cursor(known_of(view))
    marked: dict[float, Marks] = {}

    def read(moment: float) -> float | None:
        if not isinstance(known(moment), Seen):
            return None
        poll = last_poll(target, lives, moment)
        if poll not in marked:
            marked[poll] = mark_at(view.runner, target, poll)
        begun: float | None = getattr(marked[poll], mark)
        life = life_at(view.runner, poll)
        if mark == "claim" and life.state.stuck:
            begun = life.stuck_since
        if begun is None:
            return None
        return begun if since else moment - begun

    return read


def last_poll(target: Target, lives: Sequence[Span], moment: float) -> float:
    """Give when the last poll began that is seen at a moment."""
    begin = next(begin for begin, _ in reversed(lives) if begin <= moment)
    first = max(begin, target.configured[0]) + target.phase % target.interval
    return first + (moment - LAG - first) // target.interval * target.interval


def waits(view: RunnerView, known: Steps[Known]) -> Reading:
    """Give for how long the oldest wake waits that a runner has not heard."""
    now_at = cursor(known)

    def read(moment: float) -> float | None:
        now = now_at(moment)
        if not isinstance(now, Seen) or now.unheard is None:
            return None
        life = life_at(view.runner, moment - LAG)
        return max(0.0, moment - life.unheard_since) if now.unheard else 0.0

    return read
