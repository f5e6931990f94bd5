"""Work as it flows: how soon it begins, how long it takes, how it ends, and who is free for it."""

from typing import Final

from grafana_foundation_sdk.models import dashboard

from electric_agents_dashboards import sight, tiles
from electric_agents_dashboards.panels import (
    GraphStyle,
    PanelSpec,
    Query,
    TileStyle,
    color_of,
    graph_panel,
    stat_panel,
)
from electric_agents_dashboards.query_builder import BY_RUNNER, BY_SERVER, QueryBuilder
from electric_agents_dashboards.theme import (
    BAD,
    GOOD,
    NEUTRAL,
    PER_MINUTE,
    WARNING,
    Thresholds,
    below,
    value_mappings,
)

_QUANTILES: Final = ((0.5, "p50"), (0.95, "p95"))


def busy(promql: QueryBuilder) -> dashboard.Panel:
    """Show how many are at work."""
    working = promql.select("electric_agents_runner_entities_with_active_claim")
    return stat_panel(
        PanelSpec(
            title="Busy of available",
            description="Is there room for more? Runners that work on something now, beside those "
            f"of kind {promql.lasting_words} that are available. One runner may hold several "
            "agents, so busy is not full.",
            no_value="per-runner series are off",
            unit="none",
            thresholds=Thresholds(NEUTRAL),
            mappings=value_mappings(*sight.UNSEEN),
        ),
        Query(f"sum(max {BY_RUNNER} ({working}) > bool 0)", "busy"),
        Query(
            f"{tiles.there(promql)}\nor {sight.unseen(promql, record=True)}",
            "available",
        ),
        style=TileStyle(names=True),
    )


def wakes_waiting(promql: QueryBuilder) -> dashboard.Panel:
    """Show how many entities wait, now and lately."""
    waiting = f"sum({promql.deduplicate('electric_agents_runners_wakes_unheard')})"
    return tiles.number_tile(
        PanelSpec(
            title="Wakes waiting",
            description="How much is waiting? Entities whose wakes no runner has heard yet. A few "
            "for moments are normal; a number that stays or climbs is work that waits.",
            no_value=tiles.NOT_KNOWN,
            min_value=0,
            mappings=value_mappings(*sight.UNSEEN),
        ),
        f"{waiting}\nor {sight.unseen(promql)}",
        TileStyle(trend=True),
    )


def dispatch(promql: QueryBuilder) -> dashboard.Panel:
    """Show how long wakes wait until they are claimed."""
    limit = promql.values.slo.dispatch.seconds
    return _quantiles(
        promql,
        PanelSpec(
            title="From wake to claim",
            description="How long does work wait until somebody begins it? Half of it no longer "
            f"than p50, all but one in 20 no longer than p95. The objective is {limit:g} s. "
            "Measured where a server's wakes and its database are both read.",
            no_value="not measured",
            unit="s",
            thresholds=Thresholds(GOOD, ((limit, WARNING),)),
        ),
        "electric_agents_runners_dispatch_seconds_bucket",
        (),
        GraphStyle(threshold_line=True, legend_calcs=("last",)),
    )


def duration(promql: QueryBuilder) -> dashboard.Panel:
    """Show how long claims are held, by kind of runner."""
    return _quantiles(
        promql,
        PanelSpec(
            title="Claim duration by kind",
            description="How long does a piece of work take? Claims that ended, from their "
            "beginning: half of them took no longer than p50, all but one in 20 no longer than "
            "p95. Known of a database only.",
            no_value="no database is read, or no claim ended",
            unit="s",
        ),
        "electric_agents_runners_claim_duration_seconds_bucket",
        ("kind",),
        GraphStyle(legend_calcs=("last",)),
    )


def _quantiles(
    promql: QueryBuilder, spec: PanelSpec, bucket: str, by: tuple[str, ...], style: GraphStyle
) -> dashboard.Panel:
    labels = ", ".join(("le", *by))
    # Without any in the window there is no quantile, and no 0 either.
    rate = f"sum by ({labels}) ({promql.rate(bucket)})"
    name = " ".join(f"{{{{{label}}}}}" for label in by)
    return graph_panel(
        spec,
        *(
            Query(f"histogram_quantile({share}, {rate}) >= 0", f"{name} {called}".strip())
            for share, called in _QUANTILES
        ),
        style=style,
    )


def outcomes(promql: QueryBuilder) -> dashboard.Panel:
    """Show how claims end."""
    rate = promql.rate("electric_agents_runners_claims_total")
    return graph_panel(
        PanelSpec(
            title="Claims/min by outcome",
            description="Does work flow? claimed: work has begun. no_work: another runner was "
            "faster, which is normal; a flood of it is a paused agent or a replayed stream. error "
            "needs a cause.",
            no_value=tiles.NOT_KNOWN,
            unit=PER_MINUTE,
            overrides=(
                color_of("claimed", GOOD),
                color_of("no_work", NEUTRAL),
                color_of("error", BAD),
            ),
        ),
        Query(f"60 * sum by (outcome) ({rate})", "{{outcome}}"),
        style=GraphStyle(stacked=True, legend_calcs=("last",)),
    )


def finished(promql: QueryBuilder) -> dashboard.Panel:
    """Show how pieces of work end, and how often runners are woken."""
    ended = promql.rate("electric_agents_runners_claims_finished_total")
    woken = promql.rate("electric_agents_runners_events_received_total")
    return graph_panel(
        PanelSpec(
            title="Wakes, claims done/min",
            description="How much is there to do, and how much is done? Events are what runners "
            "were woken by, a replayed stream with it; how claims ended is known of a database "
            "only.",
            no_value=tiles.NOT_KNOWN,
            unit=PER_MINUTE,
            overrides=(color_of("events", NEUTRAL),),
        ),
        Query(f"60 * sum({woken})", "events"),
        Query(f"60 * sum by (status) ({ended})", "{{status}}"),
        style=GraphStyle(soft_max=1, legend_calcs=("last",)),
    )


def success(promql: QueryBuilder) -> dashboard.Panel:
    """Show the share of claims that succeed."""
    window = promql.window("ClaimFailuresHigh")
    claims = "electric_agents_runners_claims_total"
    good = promql.increase(claims, window, 'outcome="claimed"')
    tried = promql.increase(claims, window, 'outcome=~"claimed|error"')
    ratio = promql.values.number("ClaimFailuresHigh", "ratio")
    return graph_panel(
        PanelSpec(
            title=f"Claims that succeed, {window}",
            description="Do claims fail, and on which server? The five worst. An alert fires "
            f"where one stays under the line ({1 - ratio:.0%}), if several runners fail: then the "
            "cause is the server or its database. Claims of disabled runners, which the server "
            "refuses, count here, and not for the alert.",
            no_value="no claims",
            unit="percentunit",
            min_value=0,
            max_value=1,
            thresholds=below(1 - ratio, WARNING),
        ),
        Query(
            f"bottomk(5, sum {BY_SERVER} ({good}) / (sum {BY_SERVER} ({tried}) > 0))",
            "{{server}} {{tenant}} {{cluster}}",
        ),
        style=GraphStyle(threshold_line=True, legend_calcs=("last", "min")),
    )


def held(promql: QueryBuilder) -> dashboard.Panel:
    """Show the claims that are held, and which of them nobody works on."""

    def total(metric: str) -> str:
        return f"sum({promql.deduplicate(metric)})"

    return graph_panel(
        PanelSpec(
            title="Claims held",
            description="Is work stuck? orphaned: their runner is gone, and nobody works on them. "
            "superseded: leaked for ever by a crash; harmless, but each step up was a crash.",
            no_value=tiles.NOT_KNOWN,
            unit="none",
            decimals=0,
            overrides=(
                color_of("active", NEUTRAL),
                color_of("superseded", WARNING),
                color_of("orphaned", BAD),
            ),
        ),
        Query(total("electric_agents_runners_active_claims"), "active"),
        Query(total("electric_agents_runners_superseded_claims"), "superseded"),
        Query(total("electric_agents_runners_orphaned_claims"), "orphaned"),
    )
