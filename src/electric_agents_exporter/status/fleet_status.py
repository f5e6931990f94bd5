"""Everything at a glance, made of a snapshot: the verdict, the targets, and the runners asked for.

Pure: no clock, no I/O. Of ten thousand runners all are looked at, and only those of one page are
told of.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from electric_agents_exporter.alerting.alert import Alert
from electric_agents_exporter.conditions import Condition
from electric_agents_exporter.fleet.snapshot import FleetSnapshot, Past
from electric_agents_exporter.status.alerts import alert_rows
from electric_agents_exporter.status.query import Query
from electric_agents_exporter.status.runners import Seen, count_states, every_of, page_of, with_past
from electric_agents_exporter.status.states import State
from electric_agents_exporter.status.targets import listed_by, target_row
from electric_agents_exporter.status.verdict import Fleetwide, judge_fleet
from electric_agents_exporter.status.view import FleetStatus, TargetRow

Pasts = Mapping[tuple[str, str | None, str], Past]
"""The pasts of runners by target, tenant and id."""


def fleet_status(
    snapshot: FleetSnapshot, query: Query, version: str, alerts: Sequence[Alert] | None
) -> FleetStatus:
    """Tell of everything, and of the runners that are asked for; their timelines are left out."""
    seen: list[Seen] = []
    states: Counter[State] = Counter()
    rows = []
    for target in snapshot.targets:
        mine = list(every_of(target, snapshot.monotonic))
        counts = count_states(mine)
        rows.append(target_row(target, counts, len(mine)))
        states += counts
        seen += mine
    targets = tuple(rows)
    told, more = (None, 0) if alerts is None else alert_rows(alerts)
    return FleetStatus(
        version=version,
        time=snapshot.time,
        verdict=judge_fleet(_fleetwide(seen, states, snapshot, targets)),
        states={state: states[state] for state in State if states[state]},
        runners=len(seen),
        targets=targets,
        alerts=told,
        more_alerts=more,
        page=page_of(seen, query, snapshot),
    )


def _fleetwide(
    seen: Sequence[Seen],
    states: Counter[State],
    snapshot: FleetSnapshot,
    targets: tuple[TargetRow, ...],
) -> Fleetwide:
    waiting, oldest, unsized = 0, 0.0, 0
    for each in seen:
        if State.WORK_UNHEARD in each.shown.holds:
            lag = each.runner.lag
            waiting += 0 if lag is None else lag.unheard
            unsized += lag is None
            age = None if lag is None else lag.age_at(snapshot.monotonic)
            oldest = max(oldest, age or 0.0)
    unsure = sum(
        Condition.WORK_UNHEARD in each.shown.not_known and each.shown.state is not State.UNKNOWN
        for each in seen
    )
    return Fleetwide(
        targets=targets,
        few=tuple(
            (each.name, listed_by(each), each.expected_min)
            for each in snapshot.targets
            if each.listed and each.expected_min is not None and listed_by(each) < each.expected_min
        ),
        states=states,
        runners=len(seen),
        waiting=waiting + unsized,
        oldest=oldest or None,
        unsure=unsure,
    )


def with_pasts(status: FleetStatus, snapshot: FleetSnapshot, pasts: Pasts) -> FleetStatus:
    """Add since when each runner of the page is as it is, and its last hour."""
    wanted = {(row.target, row.tenant, row.id) for row in status.page.rows}
    runners = {
        key: (runner, target)
        for target in snapshot.targets
        for runner in target.runners
        if (key := (target.name, target.tenant, runner.listed.id)) in wanted
    }
    rows = []
    for row in status.page.rows:
        runner, target = runners[row.target, row.tenant, row.id]
        past = pasts.get((row.target, row.tenant, row.id))
        rows.append(row if past is None else with_past(row, runner, target, past, snapshot))
    return replace(status, page=replace(status.page, rows=tuple(rows)))
