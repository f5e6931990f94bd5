"""The series of one target: sums over its runners."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from electric_agents_exporter.conditions import Condition
from electric_agents_exporter.contract.vocabulary import Issue, RunnerKind
from topology.counting import Counters
from topology.judged import Seen
from topology.known import Fleet, Known, amounts, holding, known_of
from topology.observing import TargetView
from topology.runner_series import waits
from topology.series import FLEET, SERVER, Families, Made, Reading
from topology.steps import Steps, both, joined, mapped, tidied, total

_STATES: Final = (
    ("enabled", "online", "healthy"),
    ("enabled", "online", "degraded"),
    ("enabled", "offline", "degraded"),
    ("enabled", "expired", "unhealthy"),
    ("enabled", "unknown", "unknown"),
    ("disabled", "offline", "unhealthy"),
    ("disabled", "online", "unhealthy"),
    ("disabled", "expired", "unhealthy"),
    ("disabled", "unknown", "unknown"),
)

State = tuple[str, str, str]

_SUMS: Final[dict[str, Callable[[Seen], float | None]]] = {
    "_active_claims": lambda now: float(now.active),
    "_superseded_claims": lambda _: 0.0,
    "_orphaned_claims": lambda now: float(now.active * (Condition.WORK_ABANDONED in now.holds)),
    "_wakes_unheard": lambda now: now.unheard,
}


def fleet_series(view: TargetView, counters: Counters, families: Families) -> Made:
    """Give sums over the runners whose reports are fresh; absent where no list is."""
    known = tidied(view.known)
    fleet = [(one, known_of(one)) for one in view.runners]
    if FLEET in families:
        yield from _by_state(fleet, known)
    if f"{FLEET}_with_condition" in families:
        yield from _by_condition(fleet, known)
    if f"{FLEET}_with_issue" in families:
        yield from _by_issue(fleet, known)
    for name, read in _SUMS.items():
        if f"{FLEET}{name}" in families:
            yield f"{FLEET}{name}", {}, _sum(fleet, known, read)
    if f"{SERVER}runners_exported" in families:
        count = total(mapped(steps, _is_listed) for _, steps in fleet)
        yield f"{SERVER}runners_exported", {}, both(known, count)
    name = f"{FLEET}_wake_oldest_unheard_age_seconds"
    if name in families and view.target.wakes and view.target.url:
        yield name, {}, _oldest(fleet)
    for family, labels, reading in counters.fleet():
        if family in families:
            yield family, labels, reading


def _by_issue(fleet: Fleet, known: Steps[bool]) -> Made:
    for issue in Issue:
        count = total(holding(steps, partial(_names, issue.value)) for _, steps in fleet)
        yield f"{FLEET}_with_issue", {"issue": issue.value}, both(known, count)


def _names(issue: str, now: Seen) -> bool:
    return issue in now.issues


def _is_listed(now: Known) -> float:
    return float(bool(now))


def _is_unknown(now: Known) -> float:
    return float(now is True)


def _by_state(fleet: Fleet, known: Steps[bool]) -> Made:
    counted: dict[tuple[str, State], list[Steps[float]]] = defaultdict(list)
    for kind in {one.runner.kind for one, _ in fleet} | {"server", "local"}:
        for state in _STATES:
            counted[kind, state] = []
    for one, steps in fleet:
        for state in {found for _, now in steps if (found := _state(now)) is not None}:
            counted[one.runner.kind, state].append(mapped(steps, partial(_is_in, state)))
    for (kind, (admin, liveness, health)), many in counted.items():
        labels = {
            "kind": kind,
            "admin_status": admin,
            "liveness_status": liveness,
            "health_status": health,
        }
        yield FLEET, labels, both(known, total(many))


def _state(now: Known) -> State | None:
    if isinstance(now, Seen):
        return ("enabled" if now.enabled else "disabled", now.liveness, now.health)
    return ("enabled", "unknown", "unknown") if now else None


def _is_in(state: State, now: Known) -> float:
    return float(_state(now) == state)


def _by_condition(fleet: Fleet, known: Steps[bool]) -> Made:
    by_kind: dict[str, list[Steps[Known]]] = {kind.value: [] for kind in RunnerKind}
    for one, steps in fleet:
        by_kind[one.runner.kind].append(steps)
    for kind, many in by_kind.items():
        yield from _of_kind(kind, many, known)


def _of_kind(kind: str, many: Sequence[Steps[Known]], known: Steps[bool]) -> Made:
    name = f"{FLEET}_with_condition"
    labels: Mapping[str, str] = {"kind": kind, "condition": Condition.UNKNOWN.value}
    unknown = both(known, total(mapped(steps, _is_unknown) for steps in many))
    # How many are not known is told even of a fleet that is not, if there are any.
    listed = total(mapped(steps, _is_listed) for steps in many)
    blind = joined(known, listed, lambda is_known, count: None if is_known else count or None)
    yield name, labels, joined(unknown, blind, lambda one, other: other if one is None else one)
    for condition in Condition if many else ():
        if condition is Condition.UNKNOWN:
            continue
        holds = total(holding(steps, partial(_holds, condition)) for steps in many)
        can = total(holding(steps, partial(_can, condition)) for steps in many)
        labels = {"kind": kind, "condition": condition.value}
        yield name, labels, both(known, both(mapped(can, bool), holds))


def _holds(condition: Condition, now: Seen) -> bool:
    return condition in now.holds


def _can(condition: Condition, now: Seen) -> bool:
    return condition in now.known


def _sum(
    fleet: Fleet, known: Steps[bool], read: Callable[[Seen], float | None]
) -> Steps[float | None]:
    many = [steps for _, steps in fleet]
    can = total(holding(steps, lambda now: read(now) is not None) for steps in many)
    return both(known, both(mapped(can, bool), total(amounts(many, read))))


def _oldest(fleet: Fleet) -> Reading:
    readings = [waits(one, steps) for one, steps in fleet]

    def read(moment: float) -> float | None:
        ages = [age for reading in readings if (age := reading(moment)) is not None]
        return max(ages, default=None)

    return read
