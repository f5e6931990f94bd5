"""Wall: four numbers and one timeline, for a screen across the room."""

from typing import Final

from grafana_foundation_sdk.models import dashboard

from alert_values import Values
from electric_agents_dashboards import sight, skeleton, tiles
from electric_agents_dashboards.layout import Section, line
from electric_agents_dashboards.panels import PanelSpec, Query, timeline_panel
from electric_agents_dashboards.query_builder import BY_SERVER, FLEET, QueryBuilder
from electric_agents_dashboards.theme import (
    BAD,
    DISABLED,
    GOOD,
    UNKNOWN,
    MappedValue,
    value_mappings,
)

_TITLE: Final = "Servers over time"
_POINTS: Final = 180
_WAITS: Final = MappedValue(3, "work waits", BAD)
_DOWN: Final = MappedValue(2, "server down", UNKNOWN)
_NOT_ALL_KNOWN: Final = MappedValue(1, "not all known", UNKNOWN)
_FLOWS: Final = MappedValue(0, "work flows", GOOD)
_NO_RUNNERS: Final = MappedValue(-1, "no runners", DISABLED)


def build(values: Values) -> dashboard.Dashboard:
    """Make the dashboard."""
    promql = QueryBuilder(values, FLEET)
    return skeleton.Skeleton(
        name="wall",
        title="Electric Agents / Wall",
        description="Does work wait, for how long, who is there to do it, and is all of it seen?",
        since="now-6h",
        variables=skeleton.FLEETS,
        annotations=(
            skeleton.alerts_of_servers(),
            skeleton.restarts(promql, "electric_agents_runners_client_restarts_total"),
        ),
    ).fill(
        Section(
            "Now",
            (
                line(
                    9,
                    (6, tiles.work_waits(promql, _TITLE)),
                    (6, tiles.oldest_wake(promql, _TITLE)),
                    (6, tiles.available(promql, _TITLE)),
                    (6, tiles.not_known(promql, _TITLE)),
                ),
                line(11, (24, _timeline(promql))),
            ),
        )
    )


def _timeline(promql: QueryBuilder) -> dashboard.Panel:
    """Show for each server whether its work flowed."""
    metric, waiting = "electric_agents_runners_with_condition", "work_unheard|work_abandoned"
    runners = promql.deduplicate(metric, f'condition=~"{waiting}"')
    waits = f"sum {BY_SERVER} ({runners})"
    up = sight.up(promql)
    state = "\nor ".join(
        (
            f"{_WAITS.code} * group {BY_SERVER} ({waits} > 0)",
            f"{_DOWN.code} + ({up} == 0)",
            f"{_NO_RUNNERS.code} * group {BY_SERVER} ({sight.watched(promql)} == 0)",
            f"{_NOT_ALL_KNOWN.code} * {sight.blind(promql)}",
            f"{_FLOWS.code} * ({up})",
        )
    )
    return timeline_panel(
        PanelSpec(
            title=_TITLE,
            description="Since when does work wait, and where? A row for each server, of at most "
            "twenty those that are worst now: red while work waited or was abandoned, purple while "
            "too little was known to tell.",
            no_value=sight.NO_EXPORTER.text,
            mappings=value_mappings(_WAITS, _DOWN, _NOT_ALL_KNOWN, _FLOWS, _NO_RUNNERS),
        ),
        Query(f"topk(20, {state})", "{{server}} {{tenant}} {{cluster}}"),
        max_points=_POINTS,
    )
