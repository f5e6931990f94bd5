"""Fleet: does work wait, is anything wrong, with whom, does work flow, is it getting worse?"""

from grafana_foundation_sdk.models import dashboard

from alert_values import Values
from electric_agents_dashboards import alerts, runner_lists, servers, skeleton, tiles, work
from electric_agents_dashboards.layout import Line, Section, line
from electric_agents_dashboards.panels import (
    NAMES_ONLY,
    GraphStyle,
    PanelSpec,
    Query,
    bars_panel,
    color_of,
    graph_panel,
)
from electric_agents_dashboards.query_builder import FLEET, QueryBuilder
from electric_agents_dashboards.theme import (
    AWAY,
    BAD,
    DISABLED,
    GOOD,
    NEUTRAL,
    PER_MINUTE,
    UNKNOWN,
    WARNING,
    above,
)


def build(values: Values) -> dashboard.Dashboard:
    """Make the dashboard."""
    promql = QueryBuilder(values, FLEET)
    return skeleton.Skeleton(
        name="fleet",
        title="Electric Agents / Fleet",
        description="Does work wait, is anything wrong, with whom, does work flow, is it getting "
        "worse?",
        since="now-6h",
        variables=skeleton.FLEETS,
        annotations=(
            skeleton.alerts_of_servers(),
            skeleton.restarts(promql, "electric_agents_runners_client_restarts_total"),
        ),
    ).fill(
        Section("Now", _now(promql)),
        Section(
            "Runners, worst first",
            (
                line(14, (24, runner_lists.runners_table(promql))),
                line(10, (24, runner_lists.timeline(promql))),
            ),
        ),
        Section(
            "Work",
            (
                line(
                    8,
                    (5, work.busy(promql)),
                    (5, work.wakes_waiting(promql)),
                    (7, work.dispatch(promql)),
                    (7, work.duration(promql)),
                ),
                line(
                    9,
                    (6, work.outcomes(promql)),
                    (6, work.success(promql)),
                    (6, work.held(promql)),
                    (6, work.finished(promql)),
                ),
            ),
        ),
        Section(
            "Stability",
            (
                line(9, (12, _states_over_time(promql)), (12, _restarts(promql))),
                line(
                    9,
                    (8, _churn(promql)),
                    (8, _issues(promql)),
                    (8, runner_lists.silent(promql)),
                ),
            ),
        ),
    )


def _now(promql: QueryBuilder) -> tuple[Line, ...]:
    who, table = runner_lists.FOR_WHOM, runner_lists.TABLE
    return (
        line(
            4,
            (4, tiles.work_waits(promql, who)),
            (4, tiles.oldest_wake(promql, who)),
            (4, _abandoned(promql)),
            (4, _refused(promql)),
            (4, _orphaned(promql)),
            (4, alerts.firing_count(promql, skeleton.ALERTS_OF_SERVERS)),
        ),
        line(
            4,
            (4, _listed(promql)),
            (4, tiles.available(promql, table)),
            (4, tiles.not_known(promql, table)),
            (4, _unhealthy(promql)),
            (4, tiles.servers_down(promql, servers.TITLE)),
            (4, tiles.data_age(promql, servers.TITLE)),
        ),
        line(8, (12, runner_lists.waiting_table(promql)), (12, _alerts(promql))),
        line(7, (24, servers.servers_table(promql, f"{skeleton.UID}exporter"))),
    )


def _abandoned(promql: QueryBuilder) -> dashboard.Panel:
    spec = PanelSpec(
        title="Abandoned",
        description="Is work in hands that no longer move? Runners at work of which neither they "
        "nor their claims gave a sign of life for a minute.",
        no_value=tiles.NOT_KNOWN,
        thresholds=above((1, BAD)),
        detail=runner_lists.FOR_WHOM,
    )
    return tiles.count_tile(promql, spec, tiles.with_condition(promql, "work_abandoned"))


def _refused(promql: QueryBuilder) -> dashboard.Panel:
    spec = PanelSpec(
        title="Refused",
        description="Was work dropped? Runners of which a claim failed: that wake is never "
        "repeated, and its agent stands still until the runner restarts.",
        no_value=tiles.NOT_KNOWN,
        thresholds=above((1, WARNING)),
        detail=runner_lists.FOR_WHOM,
    )
    return tiles.count_tile(promql, spec, tiles.with_condition(promql, "work_refused"))


def _orphaned(promql: QueryBuilder) -> dashboard.Panel:
    spec = PanelSpec(
        title="Orphaned",
        description="Is there work that nobody does? Active claims of runners that abandoned "
        "their work: the agents concerned stand still until the runner is back.",
        no_value=tiles.NOT_KNOWN,
        thresholds=above((1, BAD)),
        detail=runner_lists.FOR_WHOM,
    )
    metric = "electric_agents_runners_orphaned_claims"
    return tiles.count_tile(promql, spec, f"sum({promql.deduplicate(metric)})")


def _listed(promql: QueryBuilder) -> dashboard.Panel:
    listed = promql.deduplicate("electric_agents_server_runners_listed")
    return tiles.number_tile(
        PanelSpec(
            title="Listed",
            description="How many runners do the servers list? Those away, disabled and retired "
            "count too; those of a server that is down do not.",
            no_value=tiles.NOT_KNOWN,
            detail=servers.TITLE,
        ),
        f"sum({listed})",
    )


def _unhealthy(promql: QueryBuilder) -> dashboard.Panel:
    spec = PanelSpec(
        title="Unhealthy",
        description="How many enabled runners that are meant to stay does the server call "
        "unhealthy or degraded? Each is a ticket at most, while nobody's work waits. One that "
        "once reconnected more than five times stays degraded until it restarts.",
        no_value=tiles.NOT_KNOWN,
        thresholds=above((1, WARNING)),
        detail=runner_lists.TABLE,
    )
    metric, enabled = "electric_agents_runners", 'admin_status="enabled"'
    bad = 'health_status=~"unhealthy|degraded"'
    expr = f"sum({promql.deduplicate(metric, promql.lasting, enabled, bad)})"
    return tiles.count_tile(promql, spec, expr)


def _alerts(promql: QueryBuilder) -> dashboard.Panel:
    return alerts.firing_table(
        promql,
        "What is wrong, since when, and how often? Begin with the first: what stands above may "
        "be the cause of what stands below. A click on a name opens its runbook.",
        skeleton.ALERTS_OF_SERVERS,
    )


def _states_over_time(promql: QueryBuilder) -> dashboard.Panel:
    def runners(*matchers: str) -> str:
        return f"sum({promql.deduplicate('electric_agents_runners', *matchers)})"

    enabled = 'admin_status="enabled"'
    unhealthy = 'health_status="unhealthy"'
    return graph_panel(
        PanelSpec(
            title="Runners by state",
            description="Since when is it so? A step of many runners at once has one cause: a "
            "host, a network, a deployment. Away are laptops, jobs and workers that left.",
            no_value=tiles.NOT_KNOWN,
            unit="none",
            decimals=0,
            overrides=(
                color_of("unhealthy", BAD),
                color_of("degraded", WARNING),
                color_of("unknown", UNKNOWN),
                color_of("away", AWAY),
                color_of("disabled", DISABLED),
                color_of("healthy", GOOD),
            ),
        ),
        Query(runners(promql.lasting, enabled, unhealthy), "unhealthy"),
        Query(runners(enabled, 'health_status="degraded"'), "degraded"),
        Query(runners(enabled, 'health_status="unknown"'), "unknown"),
        Query(runners(promql.transient, enabled, unhealthy), "away"),
        Query(runners('admin_status="disabled"'), "disabled"),
        Query(runners(enabled, 'health_status="healthy"'), "healthy"),
        style=GraphStyle(stacked=True, legend_calcs=()),
    )


def _restarts(promql: QueryBuilder) -> dashboard.Panel:
    def per_minute(metric: str) -> str:
        return f"60 * sum({promql.rate(metric)})"

    return graph_panel(
        PanelSpec(
            title="Restarts and reconnects",
            description="Is it getting worse? Reconnects of all at once: a proxy, the server or "
            "its database. Restarts: a deployment, or a crash loop. Lapses: leases that ran out.",
            no_value=tiles.NOT_KNOWN,
            unit=PER_MINUTE,
        ),
        Query(per_minute("electric_agents_runners_reconnects_total"), "reconnects"),
        Query(per_minute("electric_agents_runners_client_restarts_total"), "restarts"),
        Query(per_minute("electric_agents_runners_lease_lapses_total"), "lease lapses"),
        Query(per_minute("electric_agents_runners_health_transitions_total"), "health changes"),
        style=NAMES_ONLY,
    )


def _churn(promql: QueryBuilder) -> dashboard.Panel:
    def within(metric: str) -> str:
        return f"sum({promql.increase(metric, promql.window('RunnersVanished'))})"

    return graph_panel(
        PanelSpec(
            title=f"Runners that came and went, {promql.window('RunnersVanished')}",
            description="Does the fleet change? A deployment or a pool brings as many as it takes. "
            "Many gone and none come is a fleet that vanished: an alert, where half are gone.",
            no_value=tiles.NOT_KNOWN,
            unit="none",
            decimals=0,
            overrides=(color_of("came", NEUTRAL), color_of("went", DISABLED)),
        ),
        Query(within("electric_agents_runners_discovered_total"), "came"),
        Query(within("electric_agents_runners_removed_total"), "went"),
        style=GraphStyle(soft_max=1),
    )


def _issues(promql: QueryBuilder) -> dashboard.Panel:
    runners = promql.deduplicate("electric_agents_runners_with_issue")
    return bars_panel(
        PanelSpec(
            title="Runners with each issue",
            description="What do the servers complain of most? A runner can have several. "
            "reconnects_high stays until a restart, and disabled is on purpose: neither is news.",
            no_value=tiles.NOT_KNOWN,
            unit="none",
            thresholds=above((1, WARNING)),
            min_value=0,
            overrides=(
                color_of("disabled", DISABLED),
                color_of("reconnects_high", NEUTRAL),
            ),
        ),
        Query(
            f"sort_desc(sum by (issue) ({runners}))",
            "{{issue}}",
        ),
    )
