"""SLO: do we keep what we promise, how fast is the budget being used up, and was it seen at all?"""

from dataclasses import dataclass, replace
from typing import Final

from grafana_foundation_sdk.models import dashboard

from alert_values import Objective, Values
from electric_agents_dashboards import sight, skeleton
from electric_agents_dashboards.layout import Section, line
from electric_agents_dashboards.panels import (
    GraphStyle,
    PanelSpec,
    Query,
    TileStyle,
    color_of,
    graph_panel,
    override,
    stat_panel,
)
from electric_agents_dashboards.query_builder import BY_SERVER, FLEET, ON_SERVER, QueryBuilder
from electric_agents_dashboards.tables import Column, table_panel
from electric_agents_dashboards.theme import (
    BAD,
    DISABLED,
    GOOD,
    NEUTRAL,
    PER_MINUTE,
    TIMES,
    UNKNOWN,
    WARNING,
    Thresholds,
    above,
    below,
    value_mappings,
)

NOT_MEASURED: Final = "not measured"
NOT_YET: Final = "nothing recorded yet"
SHOWN: Final = 10
"""Lines of a graph: the worst servers."""
SERVERS: Final = "By server"
_COARSE: Final = "1h"
_FINE: Final = "1m"
"""How often it is looked when something was first recorded, and how often in the last hour."""
_SHARE: Final = "of the time since"
_NAME: Final = "{{server}} {{tenant}} {{cluster}}"
"""The same on all graphs, so that a server has one colour."""
FAR: Final = 10**6
"""Puts the codes of what is not seen where no budget gets."""
_UNSEEN: Final = tuple(replace(word, code=word.code * FAR) for word in sight.UNSEEN)
_ENOUGH: Final = 1 - sight.BLIND_FROM
_OF_WHAT_WAS_SEEN: Final = "of what was seen"


@dataclass(frozen=True)
class ServiceLevel:
    """An objective.

    Attributes:
        name: what is measured.
        definition: what its ratio is of.
        error_ratio: the record of the share that went wrong, without its window.
        recorded: what is recorded while it is measured.
        objective: the share that must be good.
        no_value: the words for nothing to judge.
    """

    name: str
    definition: str
    error_ratio: str
    recorded: str
    objective: Objective
    no_value: str


def build(values: Values) -> dashboard.Dashboard:
    """Make the dashboard."""
    promql = QueryBuilder(values, FLEET)
    work, dispatch = service_levels(values)
    return skeleton.Skeleton(
        name="slo",
        title="Electric Agents / SLO",
        description="Do we keep what we promise, how fast is the budget being used up, and how "
        "much of the time was seen?",
        since="now-3d",
        variables=skeleton.FLEETS,
        annotations=(
            skeleton.alerts_of_servers(),
            skeleton.restarts(promql, "electric_agents_runners_client_restarts_total"),
        ),
    ).fill(
        Section(
            f"The last {values.slo.period}",
            (
                line(4, *_tiles(promql, work)),
                line(4, *_tiles(promql, dispatch)),
                line(7, (24, _servers(promql))),
            ),
        ),
        Section(
            "How fast the budgets burn, and what is left",
            (
                line(9, (12, _burns(promql, work)), (12, _left(promql, work))),
                line(9, (12, _burns(promql, dispatch)), (12, _left(promql, dispatch))),
            ),
        ),
        Section(
            "What the budgets were spent on",
            (line(9, (12, _expected(promql)), (12, _claimed(promql))),),
        ),
    )


def service_levels(values: Values) -> tuple[ServiceLevel, ServiceLevel]:
    """Give what has an objective."""
    return (
        ServiceLevel(
            "Work",
            "of the time of all enabled runners that are meant to stay and are known of, the share "
            "in which nobody's work waited for over a minute",
            "server:electric_agents_runners_work_waiting:ratio_",
            "server:electric_agents_runners_expected:sum",
            values.slo.work,
            "nothing recorded",
        ),
        ServiceLevel(
            "Dispatch",
            "of the wakes that were claimed, the share that waited no longer than "
            f"{values.slo.dispatch.seconds:g} s; measured where a server's wakes and its database "
            "are both read",
            "server:electric_agents_runners_dispatched_late:ratio_",
            f"server:electric_agents_runners_dispatched:rate{values.slo.rate}",
            values.slo.dispatch,
            NOT_MEASURED,
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


def _seen(promql: QueryBuilder, level: ServiceLevel) -> str:
    """Give for how many seconds of the period each server was seen, by the share of its runners."""
    period, every = promql.values.slo.period, promql.values.interval
    recorded = f"{promql.select(level.recorded)}[{period}]"
    seconds = f"{every:g} * max {BY_SERVER} (count_over_time({recorded}))"
    if level.name != service_levels(promql.values)[0].name:
        return seconds
    unknown = f"{promql.select('server:electric_agents_runners_unknown:sum')}[{period}]"
    known = f"sum {BY_SERVER} (sum_over_time({recorded}))"
    both = f"({known} + {ON_SERVER} sum {BY_SERVER} (sum_over_time({unknown})) > 0)"
    return f"{seconds} * {known} / {both}"


def _since_first(promql: QueryBuilder, level: ServiceLevel) -> str:
    """Give how many seconds of the period have passed since each server was first seen."""
    when = f"timestamp(group {BY_SERVER} ({promql.select(level.recorded)}))"
    period = f"min_over_time({when}[{promql.values.slo.period}:{_COARSE}])"
    # What began within the hour has no whole one to look at.
    lately = f"min_over_time({when}[{_COARSE}:{_FINE}])"
    return f"(time() - ({period} or {lately}))"


def _coverage(promql: QueryBuilder, level: ServiceLevel) -> str:
    """Give the share of the time since it was first seen that the worst server was seen."""
    return f"min({_seen(promql, level)} / {_since_first(promql, level)})"


def _enough(promql: QueryBuilder, level: ServiceLevel) -> str:
    """Give a value where enough was seen, and is seen now, to call a number of the period good."""
    return f"(({_coverage(promql, level)} >= {_ENOUGH}) and on () {sight.seen(promql)})"


@dataclass(frozen=True)
class Judgement:
    """What a number is called, which comparison makes it bad, and which good."""

    name: str
    bad: str
    good: str


def _judged(
    promql: QueryBuilder, spec: PanelSpec, judgement: Judgement, expr: str, enough: str
) -> dashboard.Panel:
    """Show a number in its colour where it is bad, or enough was seen; else as of what was seen."""
    judging = replace(
        spec,
        mappings=value_mappings(*_UNSEEN),
        overrides=(
            override("byName", _OF_WHAT_WAS_SEEN, {"thresholds": Thresholds(UNKNOWN).model()}),
        ),
    )
    never = f"({sight.unseen(promql, record=True)}) * {FAR}"
    good = f"(({expr} {judgement.bad}) or ({expr} and on () {enough}))"
    if spec.no_value != NOT_MEASURED:
        good += f"\nor ({never} unless on () ({expr}))"
    return stat_panel(
        judging,
        Query(good, judgement.name),
        Query(f"({expr} {judgement.good}) unless on () {enough}", _OF_WHAT_WAS_SEEN),
        style=TileStyle(names=True, size=28),
    )


def _tiles(promql: QueryBuilder, level: ServiceLevel) -> tuple[tuple[int, dashboard.Panel], ...]:
    period = promql.values.slo.period
    first = promql.values.slo.burns[0]
    objective = level.objective.objective
    enough = _enough(promql, level)
    lately = (
        f"(({promql.values.interval:g} * min(max {BY_SERVER} "
        f"(count_over_time({promql.select(level.recorded)}[{first.long}]))) >= "
        f"{_ENOUGH} * {float(first.long):g}) and on () {sight.seen(promql)})"
    )
    return (
        (
            6,
            _judged(
                promql,
                PanelSpec(
                    title=f"{level.name}, {period}",
                    description=f"Do we keep the objective of {objective:.2%}? That is, "
                    f"{level.definition}. The worst server. Where less than {_ENOUGH:.0%} of the "
                    "time was seen, or too little is seen now, it is said of what was seen only.",
                    no_value=level.no_value,
                    unit="percentunit",
                    decimals=2,
                    thresholds=below(objective),
                    detail=SERVERS,
                ),
                Judgement("kept", f"< {objective}", f">= {objective}"),
                f"min({_kept(promql, level)})",
                enough,
            ),
        ),
        (6, _observed(promql, level)),
        (
            6,
            _judged(
                promql,
                PanelSpec(
                    title=f"{level.name}: budget left",
                    description="May we still take risks? What is left of the "
                    f"{1 - objective:.2%} that may go wrong, on the worst server; under 0 the "
                    "objective is missed.",
                    no_value=level.no_value,
                    unit="percentunit",
                    decimals=0,
                    thresholds=below(0),
                    detail=SERVERS,
                ),
                Judgement("left", "< 0", ">= 0"),
                f"min({_budget_left(promql, level)})",
                enough,
            ),
        ),
        (
            6,
            _judged(
                promql,
                PanelSpec(
                    title=f"{level.name}: burn rate, {first.long}",
                    description="Is it being spent now? 1 uses the budget up exactly at the end "
                    f"of the period; {first.factor:g} for {first.long} and {first.short} pages. "
                    "The worst server.",
                    no_value=level.no_value,
                    unit=TIMES,
                    decimals=1,
                    thresholds=_burning(promql),
                    detail=SERVERS,
                ),
                Judgement("now", ">= 1", "< 1"),
                f"max({_burn(promql, level, first.long)})",
                lately,
            ),
        ),
    )


def _observed(promql: QueryBuilder, level: ServiceLevel) -> dashboard.Panel:
    period = promql.values.slo.period
    return stat_panel(
        PanelSpec(
            title=f"{level.name}: seen of {period}",
            description=f"How much of the {period} is this of? For how long the server that was "
            "seen least was watched, and which share that is of the time since it was first. "
            "Time without a report, or without a Prometheus, is not counted as good.",
            no_value=level.no_value,
            unit="s",
            decimals=0,
            thresholds=Thresholds(NEUTRAL),
            overrides=(
                override(
                    "byName",
                    _SHARE,
                    {
                        "unit": "percentunit",
                        "decimals": 1,
                        "thresholds": Thresholds(UNKNOWN, ((_ENOUGH, NEUTRAL),)).model(),
                    },
                ),
            ),
        ),
        Query(f"min({_seen(promql, level)})", "seen"),
        Query(f"clamp_max({_coverage(promql, level)}, 1)", _SHARE),
        style=TileStyle(names=True, size=28),
    )


def _servers(promql: QueryBuilder) -> dashboard.Panel:
    columns = [
        Column(title="Server", label="server"),
        Column(title="Tenant", label="tenant"),
        Column(title="Cluster", label="cluster"),
    ]
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
                title=f"{level.name} seen",
                query=_seen(promql, level),
                unit="s",
                decimals=0,
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
                thresholds=_burning(promql),
                no_value=level.no_value,
            ),
        ]
    return table_panel(
        PanelSpec(
            title=SERVERS,
            description=f"Whose budget is it? The {SHOWN} worst servers in each respect; seen is "
            "for how long it was watched, left is what is left of the budget, burn is its rate "
            f"over {first.long}.",
            no_value=NOT_YET,
            unit="none",
        ),
        *columns,
        sort_by="Work left",
        descending=False,
    )


def _burns(promql: QueryBuilder, level: ServiceLevel) -> dashboard.Panel:
    """Show how fast each server burns its budget."""
    first, *_ = promql.values.slo.burns
    windows = ", ".join(
        f"{burn.factor:g} over {burn.long} and {burn.short}" for burn in promql.values.slo.burns
    )
    return graph_panel(
        PanelSpec(
            title=f"{level.name}: burn rate, {first.long}",
            description="How many times too fast is the budget used up, and by whom? 1, the yellow "
            "line, uses it up exactly at the end of the period. The red one pages. Alerts look at "
            f"two windows each: {windows}.",
            no_value=level.no_value,
            unit=TIMES,
            thresholds=_burning(promql),
        ),
        Query(f"topk({SHOWN}, {_burn(promql, level, first.long)})", _NAME),
        style=GraphStyle(threshold_line=True, legend_calcs=("last", "max"), soft_max=2),
    )


def _left(promql: QueryBuilder, level: ServiceLevel) -> dashboard.Panel:
    period = promql.values.slo.period
    return graph_panel(
        PanelSpec(
            title=f"{level.name}: budget left of {period}",
            description="When was it spent? A step down is an incident, a slope something that "
            f"lasts. It comes back {period} later. A gap is time that nobody watched.",
            no_value=level.no_value,
            unit="percentunit",
            max_value=1,
            thresholds=below(0),
        ),
        Query(f"bottomk({SHOWN}, {_budget_left(promql, level)})", _NAME),
        style=GraphStyle(threshold_line=True, legend_calcs=("last", "min")),
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
            no_value="nothing recorded",
            unit="none",
            decimals=0,
            overrides=(
                color_of("expected", DISABLED, dashed=True),
                color_of("available", GOOD),
                color_of("work waits", BAD),
                color_of("not known", UNKNOWN),
            ),
        ),
        Query(total("expected"), "expected"),
        Query(total("available"), "available"),
        Query(total("work_waiting"), "work waits"),
        Query(total("unknown"), "not known"),
        style=GraphStyle(soft_max=1),
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
            no_value=NOT_MEASURED,
            unit=PER_MINUTE,
            overrides=(color_of("claimed", NEUTRAL), color_of("late", BAD)),
        ),
        Query(total("dispatched"), "claimed"),
        Query(total("dispatched_late"), "late"),
        style=GraphStyle(soft_max=1),
    )


def _burning(promql: QueryBuilder) -> Thresholds:
    """Colour a burn: from 1 on it is too fast, and from the first factor on it pages."""
    return above((1, WARNING), (promql.values.slo.burns[0].factor, BAD))
