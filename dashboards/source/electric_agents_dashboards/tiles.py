"""Tiles that judge a fleet in a number: the same on the fleet's dashboard and on the wall's."""

from dataclasses import replace
from typing import Final

from grafana_foundation_sdk.models import dashboard

from electric_agents_dashboards import sight
from electric_agents_dashboards.panels import (
    PanelSpec,
    Query,
    TileStyle,
    name_panel,
    override,
    stat_panel,
)
from electric_agents_dashboards.query_builder import (
    BY_SERVER,
    ON_SERVER,
    SERVER,
    QueryBuilder,
)
from electric_agents_dashboards.theme import (
    BAD,
    DISABLED,
    NEUTRAL,
    SECONDS,
    UNKNOWN,
    WARNING,
    MappedValue,
    Thresholds,
    above,
    below,
    value_mappings,
)
from electric_agents_exporter import conditions

NOT_KNOWN: Final = "not known"
NONE_AVAILABLE: Final = MappedValue(0, "none", BAD)
NONE_EXPECTED: Final = MappedValue(-6, "none expected", DISABLED)
WAITS_FROM: Final = conditions.Thresholds().unheard_after
"""From when on the exporter says that work waits, unless its settings say otherwise."""
_NAMED: Final = 3
"""Servers that are down, by name in a tile; the table of servers has all."""
_TREND: Final = TileStyle(trend=True)
_BY_REASON: Final = f"by ({SERVER}, reason)"


def count_tile(
    promql: QueryBuilder,
    spec: PanelSpec,
    expr: str,
) -> dashboard.Panel:
    """Show how many are bad, and where too little is seen to say so, that."""
    judging = replace(
        spec, unit="none", min_value=0, mappings=[*spec.mappings, *value_mappings(*sight.UNSEEN)]
    )
    query = Query(sight.judged(promql, expr), spec.title)
    return stat_panel(judging, query, style=_TREND)


def with_condition(promql: QueryBuilder, condition: str) -> str:
    """Count the runners of which a condition is true."""
    metric = "electric_agents_runners_with_condition"
    matcher = f'condition="{condition}"'
    return f"sum({promql.deduplicate(metric, matcher)})"


def work_waits(promql: QueryBuilder, detail: str) -> dashboard.Panel:
    """Count the runners that somebody waits for."""
    spec = PanelSpec(
        title="Work waits",
        description="Does somebody's message wait? Runners that have not heard a wake for over a "
        "minute, dead or deaf, whatever they say of themselves. Green only where enough is known.",
        no_value=NOT_KNOWN,
        thresholds=above((1, BAD)),
        detail=detail,
    )
    return count_tile(promql, spec, with_condition(promql, "work_unheard"))


def oldest_wake(promql: QueryBuilder, detail: str) -> dashboard.Panel:
    """Show since when work waits."""
    age = f"max({promql.deduplicate('electric_agents_runners_wake_oldest_unheard_age_seconds')})"
    return stat_panel(
        PanelSpec(
            title="Oldest wake",
            description="Since when does work wait? The age of the oldest wake that its runner "
            "has not heard. A few seconds are normal; a minute of it is red.",
            no_value=NOT_KNOWN,
            unit="s",
            min_value=0,
            thresholds=Thresholds(NEUTRAL, ((WAITS_FROM, BAD),)),
            mappings=value_mappings(*sight.UNSEEN),
            detail=detail,
        ),
        Query(sight.judged(promql, age), "age"),
        style=_TREND,
    )


def not_known(promql: QueryBuilder, detail: str) -> dashboard.Panel:
    """Count the runners that nothing is known of."""
    spec = PanelSpec(
        title="Not known",
        description="Is the picture whole? Runners that are listed and have no fresh report: no "
        "other tile counts them. From a tenth of them on no tile is green.",
        no_value=NOT_KNOWN,
        thresholds=above((1, UNKNOWN)),
        detail=detail,
    )
    return count_tile(promql, spec, f"sum({sight.unknown(promql)})")


def available(promql: QueryBuilder, detail: str) -> dashboard.Panel:
    """Show which share of those that should be there is there."""
    share = f"{there(promql)} / (sum({expected(promql)}) > 0)"
    none = f"sum({expected(promql)}) == 0"
    queries = (
        # One of thousands that is away is not rounded off.
        f"clamp_max({share} < 1, 0.999)",
        f"({share}) and on () {sight.seen(promql)}",
        f"{NONE_EXPECTED.code} * group({none} and on () {sight.seen(promql)})",
        sight.unseen(promql, record=True),
    )
    return stat_panel(
        PanelSpec(
            title="Available",
            description="How many of the runners that should be there hold their lease and hear? "
            f"Expected are all enabled ones of kind {promql.lasting_words}, known or not, and at "
            "least as many as the settings say. Yellow where one is away or not known; red where "
            "all are, which pages if it lasts.",
            no_value=NOT_KNOWN,
            unit="percentunit",
            decimals=1,
            min_value=0,
            thresholds=below(1, WARNING),
            mappings=value_mappings(NONE_AVAILABLE, NONE_EXPECTED, *sight.UNSEEN),
            detail=detail,
        ),
        Query("\nor ".join(queries), "available"),
        style=_TREND,
    )


def there(promql: QueryBuilder) -> str:
    """Count the runners that are available, of the servers that are up."""
    recorded = promql.select("server:electric_agents_runners_available:sum")
    # Rules remember for a while who was there; of a server that is down nobody is expected.
    return f"sum(sum {BY_SERVER} ({recorded}) and {ON_SERVER} {expected(promql)})"


def expected(promql: QueryBuilder) -> str:
    """Give how many runners each server should have: known, not known, or as the settings say."""
    known = promql.select("server:electric_agents_runners_expected:sum")
    metric, enabled = "electric_agents_runners", 'admin_status="enabled"'
    unknown = promql.agreed(metric, promql.lasting, enabled, 'health_status="unknown"')
    least = f"max {BY_SERVER} ({promql.deduplicate('electric_agents_server_expected_runners')})"
    both = f"(sum {BY_SERVER} ({known}) + {ON_SERVER} sum {BY_SERVER} ({unknown}))"
    return f"({both} > {ON_SERVER} {least} or {least} or {both})"


def servers_down(promql: QueryBuilder, detail: str) -> dashboard.Panel:
    """Name the servers that are down, each with why."""
    down = f"({sight.up(promql)} == 0)"
    all_up = f"0 * group({sight.up(promql)}) unless on () {down}"
    more = f"2 * group(count({down}) > {_NAMED})"
    no_server = (
        f"{sight.NO_DATA_YET.code} * "
        f"group({promql.exporters('electric_agents_exporter_build_info')}) "
        f"unless on () {sight.up(promql)}"
    )
    # Its colour is no more than neutral while all are up: that says nothing of the runners.
    colors = Thresholds(UNKNOWN, ((0, NEUTRAL), (1, BAD)))
    return name_panel(
        PanelSpec(
            title="Servers down",
            description="Which servers give no list, and why? Nothing is known of their runners. "
            f"At most {_NAMED}; the table of servers has all.",
            no_value="no exporter",
            unit="none",
            thresholds=colors,
            detail=detail,
        ),
        Query(
            f"topk({_NAMED}, {down_because(promql)})",
            "{{server}}: {{reason}} {{tenant}}",
        ),
        Query(more, "and more"),
        Query(all_up, "none"),
        Query(no_server, "no data yet"),
        filled=True,
        size=15,
    )


def down_because(promql: QueryBuilder) -> str:
    """Give 1 for every server that is down, with a label `reason` where there is one."""
    down = f"({sight.up(promql)} == 0)"
    named = f"group {_BY_REASON} ({reasons(promql)} and {ON_SERVER} {down})"
    return f"{named} or {ON_SERVER} 1 + {down}"


def reasons(promql: QueryBuilder) -> str:
    """Give the most frequent reason why each server's list, or the server, was not had lately."""
    failed = promql.increase(
        "electric_agents_server_request_errors_total",
        promql.window("RunnerSpinning"),
        'operation=~"list|server"',
    )
    return f"topk {BY_SERVER} (1, sum {_BY_REASON} ({failed}) > 0)"


def data_age(promql: QueryBuilder, detail: str) -> dashboard.Panel:
    """Show how old the oldest server's data is, in seconds."""
    last = promql.deduplicate("electric_agents_server_last_poll_success_timestamp_seconds")
    interval = promql.deduplicate("electric_agents_server_poll_interval_seconds")
    age = f"max(time() - {last})"
    limit = promql.values.number("ExporterDataStale", "intervals")
    late = f"group((time() - {last}) / {interval} > {limit})"
    fresh = f"({age} unless on () {late})\nor (({sight.unseen(promql)}) unless on () {age})"
    return stat_panel(
        PanelSpec(
            title="Data age",
            description="Can this page be believed? The time since the server that is worst off "
            f"last answered everything. Red from {limit:g} poll intervals on.",
            no_value=NOT_KNOWN,
            unit=SECONDS,
            decimals=0,
            thresholds=Thresholds(NEUTRAL),
            mappings=value_mappings(*sight.UNSEEN),
            detail=detail,
            overrides=(override("byName", "too old", {"thresholds": Thresholds(BAD).model()}),),
        ),
        Query(fresh, "age"),
        Query(f"{age} and on () {late}", "too old"),
    )


def number_tile(spec: PanelSpec, expr: str, style: TileStyle | None = None) -> dashboard.Panel:
    """Show a number that is neither good nor bad."""
    plain = replace(spec, unit="none", thresholds=Thresholds(NEUTRAL))
    return stat_panel(plain, Query(expr, spec.title), style=style)
