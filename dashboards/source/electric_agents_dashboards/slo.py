"""SLO: do we keep what we promise, and how fast is the budget being used up?"""

from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.models import dashboard

from alert_values import Burn, Objective, Values
from electric_agents_dashboards import skeleton
from electric_agents_dashboards.layout import Line, Section, line, place
from electric_agents_dashboards.panels import (
    GraphStyle,
    PanelSpec,
    Query,
    color_of,
    graph_panel,
    stat_panel,
)
from electric_agents_dashboards.query_builder import BY_SERVER, FLEET, QueryBuilder
from electric_agents_dashboards.tables import Column, table_panel
from electric_agents_dashboards.theme import (
    BAD,
    DISABLED,
    GOOD,
    NEUTRAL,
    PER_MINUTE,
    TIMES,
    WARNING,
    Thresholds,
    above,
    below,
)

NOT_YET: Final = "nothing recorded yet"
SHOWN: Final = 10
"""GraphStyle of a graph: the worst servers."""


@dataclass(frozen=True)
class ServiceLevel:
    """An objective.

    Attributes:
        name: what is measured.
        definition: what its ratio is of.
        error_ratio: the record of the share that went wrong, without its window.
        objective: the share that must be good.
        no_value: the words for nothing to judge.
    """

    name: str
    definition: str
    error_ratio: str
    objective: Objective
    no_value: str


def build(values: Values) -> dashboard.Dashboard:
    """Make the dashboard."""
    promql = QueryBuilder(values, FLEET)
    work, dispatch = service_levels(values)
    return skeleton.Skeleton(
        name="slo",
        title="Electric Agents / SLO",
        description="Do we keep what we promise, and how fast is the budget being used up?",
        since="now-3d",
        variables=(skeleton.JOB, skeleton.SERVER, skeleton.TENANT),
        annotations=(
            skeleton.alerts_of_servers(),
            skeleton.restarts(promql, "electric_agents_runners_client_restarts_total"),
        ),
    ).fill(
        place(
            Section(
                f"The last {values.slo.period}",
                (
                    line(4, *_tiles(promql, work)),
                    line(4, *_tiles(promql, dispatch)),
                    line(7, (24, _servers(promql))),
                ),
            ),
            Section("Work: how fast its budget burns", _burns(promql, work)),
            Section("Dispatch: how fast its budget burns", _burns(promql, dispatch)),
            Section(
                "What the budgets were spent on",
                (
                    line(9, (12, _left(promql, work)), (12, _left(promql, dispatch))),
                    line(9, (12, _expected(promql)), (12, _claimed(promql))),
                ),
            ),
        )
    )


def service_levels(values: Values) -> tuple[ServiceLevel, ServiceLevel]:
    """Give what has an objective."""
    return (
        ServiceLevel(
            "Work",
            "of the time of all enabled runners that are meant to stay and are known of, the share "
            "in which nobody's work waited for over a minute",
            "server:electric_agents_runners_work_waiting:ratio_",
            values.slo.work,
            "no runners expected",
        ),
        ServiceLevel(
            "Dispatch",
            "of the wakes that were claimed, the share that waited no longer than "
            f"{values.slo.dispatch.seconds:g} s; measured where a server's wakes and its database "
            "are both read",
            "server:electric_agents_runners_dispatched_late:ratio_",
            values.slo.dispatch,
            "not measured",
        ),
    )


def _kept(promql: QueryBuilder, level: ServiceLevel) -> str:
    """Give each server's share of good over the whole period."""
    errors = promql.select(f"{level.error_ratio}{promql.values.slo.period}")
    return f"1 - max {BY_SERVER} ({errors})"


def _budget_left(promql: QueryBuilder, level: ServiceLevel) -> str:
    """Give what is left of each server's budget: 1 is all of it, under 0 it is overspent."""
    errors = promql.select(f"{level.error_ratio}{promql.values.slo.period}")
    return f"1 - max {BY_SERVER} ({errors}) / {level.objective.budget}"


def _burn(promql: QueryBuilder, level: ServiceLevel, window: object) -> str:
    """Give how many times too fast each server's budget is used up."""
    errors = promql.select(f"{level.error_ratio}{window}")
    return f"max {BY_SERVER} ({errors}) / {level.objective.budget}"


def _tiles(promql: QueryBuilder, level: ServiceLevel) -> tuple[tuple[int, dashboard.Panel], ...]:
    period = promql.values.slo.period
    first = promql.values.slo.burns[0]
    objective = level.objective.objective
    return (
        (
            8,
            stat_panel(
                PanelSpec(
                    title=f"{level.name}, {period}",
                    description=f"Do we keep the objective of {objective:.2%}? That is, "
                    f"{level.definition}. The worst server.",
                    no_value=level.no_value,
                    unit="percentunit",
                    decimals=2,
                    thresholds=below(objective),
                ),
                Query(f"min({_kept(promql, level)})", level.name),
            ),
        ),
        (
            8,
            stat_panel(
                PanelSpec(
                    title=f"{level.name}: budget left",
                    description="May we still take risks? What is left of the "
                    f"{1 - objective:.2%} that may go wrong, on the worst server; under 0 the "
                    "objective is missed.",
                    no_value=level.no_value,
                    unit="percentunit",
                    decimals=0,
                    thresholds=below(0),
                ),
                Query(f"min({_budget_left(promql, level)})", "left"),
            ),
        ),
        (
            8,
            stat_panel(
                PanelSpec(
                    title=f"{level.name}: burn rate, {first.long}",
                    description="Is it being spent now? 1 uses the budget up exactly at the end "
                    f"of the period; {first.factor:g} for {first.long} and {first.short} pages. "
                    "The worst server.",
                    no_value=level.no_value,
                    unit=TIMES,
                    decimals=1,
                    thresholds=_limit(first),
                ),
                Query(f"max({_burn(promql, level, first.long)})", "burn"),
            ),
        ),
    )


def _servers(promql: QueryBuilder) -> dashboard.Panel:
    columns = [Column(title="Server", label="server"), Column(title="Tenant", label="tenant")]
    first = promql.values.slo.burns[0]
    for level in service_levels(promql.values):
        columns += [
            Column(
                title=level.name,
                query=f"bottomk({SHOWN}, {_kept(promql, level)})",
                unit="percentunit",
                decimals=3,
                thresholds=below(level.objective.objective),
                no_value=level.no_value,
            ),
            Column(
                title=f"{level.name} left",
                query=f"bottomk({SHOWN}, {_budget_left(promql, level)})",
                unit="percentunit",
                decimals=0,
                thresholds=below(0),
                no_value=level.no_value,
            ),
            Column(
                title=f"{level.name} burn",
                query=f"topk({SHOWN}, {_burn(promql, level, first.long)})",
                unit=TIMES,
                decimals=1,
                thresholds=_limit(first),
                no_value=level.no_value,
            ),
        ]
    return table_panel(
        PanelSpec(
            title="By server",
            description=f"Whose budget is it? The {SHOWN} worst servers in each respect; left is "
            f"what is left of the budget, burn is its rate over {first.long}.",
            no_value=NOT_YET,
            unit="none",
        ),
        *columns,
        sort_by="Work left",
        descending=False,
    )


def _burns(promql: QueryBuilder, level: ServiceLevel) -> tuple[Line, ...]:
    drawn = [(12, _burn_graph(promql, level, burn)) for burn in promql.values.slo.burns]
    return tuple(line(8, *pair) for pair in zip(drawn[::2], drawn[1::2], strict=True))


def _burn_graph(promql: QueryBuilder, level: ServiceLevel, burn: Burn) -> dashboard.Panel:
    does = "pages" if burn.severity == "critical" else "makes a ticket"

    def worst(window: object) -> str:
        return f"topk({SHOWN}, {_burn(promql, level, window)})"

    return graph_panel(
        PanelSpec(
            title=f"{level.name}, {burn.long} and {burn.short}: {does} at {burn.factor:g}",
            description=f"{level.name}: is the budget used up {burn.factor:g} times too fast? "
            f"While both windows are over the line it {does}; it ends when the short one falls "
            "under it.",
            no_value=level.no_value,
            unit=TIMES,
            thresholds=_limit(burn),
        ),
        Query(worst(burn.long), f"{{{{server}}}} {{{{tenant}}}} {burn.long}"),
        Query(worst(burn.short), f"{{{{server}}}} {{{{tenant}}}} {burn.short}"),
        style=GraphStyle(threshold_line=True, legend_calcs=(), soft_max=1.5 * burn.factor),
    )


def _left(promql: QueryBuilder, level: ServiceLevel) -> dashboard.Panel:
    period = promql.values.slo.period
    return graph_panel(
        PanelSpec(
            title=f"{level.name}: budget left of {period}",
            description="When was it spent? A step down is an incident, a slope something that "
            f"lasts. It comes back {period} later.",
            no_value=level.no_value,
            unit="percentunit",
            max_value=1,
            thresholds=below(0),
        ),
        Query(f"bottomk({SHOWN}, {_budget_left(promql, level)})", "{{server}} {{tenant}}"),
        style=GraphStyle(threshold_line=True, legend_calcs=()),
    )


def _expected(promql: QueryBuilder) -> dashboard.Panel:
    def total(name: str) -> str:
        return f"sum({promql.select(f'server:electric_agents_runners_{name}:sum')})"

    return graph_panel(
        PanelSpec(
            title="Expected runners",
            description="For whom did work wait? That is what spends the budget; those away spend "
            "nothing while nobody waits for them. expected falls when runners are disabled or "
            "nothing is known of them.",
            no_value="no runners expected",
            unit="none",
            decimals=0,
            overrides=(
                color_of("expected", DISABLED, dashed=True),
                color_of("available", GOOD),
                color_of("work waits", BAD),
            ),
        ),
        Query(total("expected"), "expected"),
        Query(total("available"), "available"),
        Query(total("work_waiting"), "work waits"),
    )


def _claimed(promql: QueryBuilder) -> dashboard.Panel:
    def total(name: str) -> str:
        record = f"server:electric_agents_runners_{name}:rate{promql.values.slo.rate}"
        return f"60 * sum({promql.select(record)})"

    seconds = promql.values.slo.dispatch.seconds
    return graph_panel(
        PanelSpec(
            title="Wakes/min claimed, and late",
            description=f"Do wakes wait? late ones waited over {seconds:g} s until they were "
            "claimed, and spend the budget. With few of them nobody is alerted.",
            no_value="not measured",
            unit=PER_MINUTE,
            overrides=(color_of("claimed", NEUTRAL), color_of("late", BAD)),
        ),
        Query(total("dispatched"), "claimed"),
        Query(total("dispatched_late"), "late"),
    )


def _limit(burn: Burn) -> Thresholds:
    return above((burn.factor, BAD if burn.severity == "critical" else WARNING))
