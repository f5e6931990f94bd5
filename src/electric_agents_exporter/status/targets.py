"""What is told of a target: how its polls go, why, since when, and whose runners it has."""

from collections.abc import Mapping
from typing import Final

from electric_agents_exporter.fleet.reasons import Suppression
from electric_agents_exporter.fleet.snapshot import TargetSnapshot
from electric_agents_exporter.status.states import Severity, State
from electric_agents_exporter.status.view import PrincipalRow, TargetRow

UP: Final = "up"
PARTLY: Final = "partly"
DOWN: Final = "down"
NOT_POLLED: Final = "not polled yet"


def target_row(target: TargetSnapshot, states: Mapping[State, int], runners: int) -> TargetRow:
    """Tell of a target whose runners are shown in these states."""
    state, severity = _target_state(target)
    suppressed = target.suppressed
    known = bool(target.listed)
    return TargetRow(
        name=target.name,
        tenant=target.tenant,
        state=state,
        severity=severity,
        reasons=tuple(fault.text for fault in target.faults),
        since=target.same_since,
        last_success_at=target.last_success_at,
        last_poll_at=target.last_poll_at,
        poll_seconds=target.last_duration,
        principals=tuple(
            PrincipalRow(principal, target.listed.get(principal)) for principal in target.principals
        ),
        runners=runners if known or runners else None,
        states={each: states[each] for each in State if states.get(each)},
        retired=suppressed.get(Suppression.RETIRED, 0) if known else None,
        left_out=sum(n for why, n in suppressed.items() if why is not Suppression.RETIRED)
        if known
        else None,
        folded=states.get(State.UNKNOWN, 0) if state == DOWN else 0,
    )


def _target_state(target: TargetSnapshot) -> tuple[str, Severity]:
    if target.last_poll_at is None:
        return NOT_POLLED, Severity.UNKNOWN
    if not target.up:
        return DOWN, Severity.BAD
    if target.faults:
        return PARTLY, Severity.LOOK
    empty = not all(target.listed.values())
    few = target.expected_min is not None and listed_by(target) < target.expected_min
    return UP, Severity.LOOK if empty or few else Severity.GOOD


def listed_by(target: TargetSnapshot) -> int:
    """Count the runners of all its lists that are fresh."""
    return sum(target.listed.values())
