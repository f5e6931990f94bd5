"""Fleet: does work wait, is anything wrong, with whom, does work flow, is it getting worse?"""

from dataclasses import replace
from typing import Final

from grafana_foundation_sdk.models import dashboard

from alert_values import Values
from electric_agents_dashboards import alerts, skeleton, states
from electric_agents_dashboards.layout import Line, Section, line, place
from electric_agents_dashboards.panels import (
    NAMES_ONLY,
    GraphStyle,
    PanelSpec,
    Query,
    bars_panel,
    color_of,
    data_link,
    graph_panel,
    stat_panel,
    timeline_panel,
)
from electric_agents_dashboards.query_builder import (
    BY_RUNNER,
    BY_SERVER,
    FLEET,
    ON_RUNNER,
    QueryBuilder,
)
from electric_agents_dashboards.tables import Column, table_panel
from electric_agents_dashboards.theme import (
    BAD,
    DISABLED,
    GOOD,
    INTERVALS,
    NEUTRAL,
    PER_MINUTE,
    UNKNOWN,
    WARNING,
    MappedValue,
    Thresholds,
    above,
    below,
    value_mappings,
)

NO_FLEET: Final = "not known"
NO_RUNNERS: Final = "per-runner series are off, or nobody matches"
NONE_AVAILABLE: Final = MappedValue(0, "none", BAD)
LISTED: Final = 50
"""Rows of the table of runners."""
DRAWN: Final = 15
"""Rows of the timeline of runners."""
POINTS: Final = 60
"""How often the timeline looks: the state of a whole fleet is not cheap to tell."""

_KEPT: Final = "${datasource:queryparam}&${job:queryparam}&${tenant:queryparam}&${__url_time_range}"


def runner_link(server: str, runner: str) -> dashboard.DashboardLink:
    """Lead to a runner, keeping the time; the arguments are Grafana's words for the two labels."""
    url = f"/d/{skeleton.UID}runner?var-server={server}&var-runner={runner}&{_KEPT}"
    return data_link("What happened to this runner", url)


ROW_LINK: Final = runner_link(
    "${__data.fields.server:percentencode}", "${__data.fields.runner_id:percentencode}"
)
SERIES_LINK: Final = runner_link(
    "${__field.labels.server:percentencode}", "${__field.labels.runner_id:percentencode}"
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
        variables=(skeleton.JOB, skeleton.SERVER, skeleton.TENANT),
        annotations=(
            skeleton.alerts_of_servers(),
            skeleton.restarts(promql, "electric_agents_runners_client_restarts_total"),
        ),
    ).fill(
        place(
            Section("Work that waits", (_waiting(promql),)),
            Section(
                "Now",
                (
                    _wrong(promql),
                    _well(promql),
                    line(9, (12, _alerts()), (12, _states_over_time(promql))),
                ),
            ),
            Section(
                "Runners, worst first",
                (line(14, (24, _runners(promql))), line(10, (24, _timeline(promql)))),
            ),
            Section(
                "Work",
                (
                    line(
                        9, (8, _outcomes(promql)), (8, _success(promql)), (8, _claims_held(promql))
                    ),
                ),
            ),
            Section(
                "Stability",
                (line(9, (8, _restarts(promql)), (8, _issues(promql)), (8, _silent(promql))),),
            ),
        )
    )


def _waiting(promql: QueryBuilder) -> Line:
    unheard = _with_condition(
        promql,
        "work_unheard",
        "Waiting",
        "Does somebody's message wait? Runners that have not heard a wake for over a minute, dead "
        "or deaf, whatever they say of themselves.",
        above((1, BAD)),
    )
    abandoned = _with_condition(
        promql,
        "work_abandoned",
        "Abandoned",
        "Is work in hands that no longer move? Runners at work of which neither they nor their "
        "claims gave a sign of life for a minute.",
        above((1, BAD)),
    )
    refused = _with_condition(
        promql,
        "work_refused",
        "Refused",
        "Was work dropped? Runners of which a claim failed: that wake is never repeated, and its "
        "agent stands still until the runner restarts.",
        above((1, WARNING)),
    )
    unknown = _with_condition(
        promql,
        "unknown",
        "Not known",
        "Is the picture whole? Runners that are listed and have no fresh report: no other tile of "
        "this line counts them.",
        above((1, UNKNOWN)),
    )
    oldest = _oldest_wake(promql)
    return line(4, (5, unheard), (5, abandoned), (4, refused), (5, oldest), (5, unknown))


def _with_condition(
    promql: QueryBuilder, condition: str, title: str, description: str, thresholds: Thresholds
) -> dashboard.Panel:
    metric = "electric_agents_runners_with_condition"
    runners = promql.deduplicate(metric, f'condition="{condition}"')
    return stat_panel(
        PanelSpec(
            title=title,
            description=description,
            no_value=NO_FLEET,
            unit="none",
            thresholds=thresholds,
        ),
        Query(f"sum({runners})", "runners"),
    )


def _oldest_wake(promql: QueryBuilder) -> dashboard.Panel:
    age = promql.deduplicate("electric_agents_runners_wake_oldest_unheard_age_seconds")
    return stat_panel(
        PanelSpec(
            title="Oldest wake",
            description="Since when does work wait? The age of the oldest wake that its runner "
            "has not heard. A few seconds are normal.",
            no_value=NO_FLEET,
            unit="s",
            thresholds=Thresholds(NEUTRAL),
        ),
        Query(f"max({age})", "age"),
    )


def _wrong(promql: QueryBuilder) -> Line:
    enabled = 'admin_status="enabled"'
    unhealthy = _count(
        promql,
        "Unhealthy",
        "How many runners that are meant to stay are unhealthy, and enabled? Each is a ticket if "
        "it stays so, unless it drains or another took its place: see who in the table below. "
        "Laptops, jobs and workers that left are not counted.",
        above((1, BAD)),
        promql.lasting,
        enabled,
        'health_status="unhealthy"',
    )
    degraded = _count(
        promql,
        "Degraded",
        "How many enabled runners work with a fault? One that once reconnected more than five "
        "times stays degraded until it restarts: look at the issue in the table.",
        above((1, WARNING)),
        enabled,
        'health_status="degraded"',
    )
    return line(
        4,
        (5, _servers_down(promql)),
        (5, alerts.firing_count(skeleton.ALERTS_OF_SERVER)),
        (6, _orphaned(promql)),
        (4, unhealthy),
        (4, degraded),
    )


def _well(promql: QueryBuilder) -> Line:
    healthy = _count(
        promql,
        "Healthy",
        "How many runners are well? Those in no tile here are away, or not known of.",
        Thresholds(DISABLED, ((1, GOOD),)),
        'health_status="healthy"',
    )
    disabled = _count(
        promql,
        "Disabled",
        "How many runners has an operator switched off? Planned, so never red; if you do not know "
        "of it, ask who did it.",
        Thresholds(DISABLED),
        'admin_status="disabled"',
    )
    return line(4, (6, _available(promql)), (6, healthy), (6, disabled), (6, _age(promql)))


def _count(
    promql: QueryBuilder, title: str, description: str, thresholds: Thresholds, *matchers: str
) -> dashboard.Panel:
    return stat_panel(
        PanelSpec(
            title=title,
            description=description,
            no_value=NO_FLEET,
            unit="none",
            thresholds=thresholds,
        ),
        Query(f"sum({promql.deduplicate('electric_agents_runners', *matchers)})", title),
    )


def _servers_down(promql: QueryBuilder) -> dashboard.Panel:
    up = promql.deduplicate("electric_agents_server_up")
    return stat_panel(
        PanelSpec(
            title="Servers down",
            description="Is the picture whole? Nothing is known of a server that gives no list: "
            "its runners are in no other panel.",
            no_value="no exporter",
            unit="none",
            thresholds=above((1, BAD)),
        ),
        # A server that one of several shards cannot reach is one server.
        Query(f"sum(1 - min without (shard) ({up}))", "down"),
    )


def _orphaned(promql: QueryBuilder) -> dashboard.Panel:
    return stat_panel(
        PanelSpec(
            title="Orphaned claims",
            description="Is there work that nobody does? Active claims of runners that abandoned "
            "their work: the agents concerned stand still until the runner is back.",
            no_value=NO_FLEET,
            unit="none",
            thresholds=above((1, BAD)),
        ),
        Query(f"sum({promql.deduplicate('electric_agents_runners_orphaned_claims')})", "claims"),
    )


def _available(promql: QueryBuilder) -> dashboard.Panel:
    available = promql.select("server:electric_agents_runners_available:sum")
    expected = promql.select("server:electric_agents_runners_expected:sum")
    return stat_panel(
        PanelSpec(
            title="Available",
            description="How many of the runners that are meant to stay, and of which something "
            "is known, hold their lease and hear? Yellow where one is away; red where all are, "
            "which pages if it lasts.",
            no_value="none expected",
            unit="percentunit",
            decimals=1,
            thresholds=below(1, WARNING),
            mappings=value_mappings(NONE_AVAILABLE),
        ),
        Query(f"sum({available}) / (sum({expected}) > 0)", "available"),
    )


def _age(promql: QueryBuilder) -> dashboard.Panel:
    last = promql.deduplicate("electric_agents_server_last_poll_success_timestamp_seconds")
    interval = promql.deduplicate("electric_agents_server_poll_interval_seconds")
    return stat_panel(
        PanelSpec(
            title="Age of the data",
            description="Can this page be believed? Poll intervals since the worst server last "
            "answered everything. Up to 1 is normal.",
            no_value="never any",
            unit=INTERVALS,
            decimals=1,
            thresholds=above(
                (promql.values.number("ExporterDataStale", "intervals"), WARNING),
            ),
        ),
        Query(f"max((time() - {last}) / {interval})", "age"),
    )


def _alerts() -> dashboard.Panel:
    return alerts.firing_table(
        "Firing alerts",
        "What is wrong, since when, and with whom? Begin with the first; a click on a runner "
        f"shows what happened to it. At most {alerts.ROWS} of each severity.",
        skeleton.ALERTS_OF_SERVER,
        Column(title="Server", label="server", width=120),
        Column(title="Runner", label="runner_id", links=(ROW_LINK,)),
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
            no_value=NO_FLEET,
            unit="none",
            decimals=0,
            overrides=(
                color_of("unhealthy", BAD),
                color_of("degraded", WARNING),
                color_of("unknown", UNKNOWN),
                color_of("away", NEUTRAL),
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


def _runners(promql: QueryBuilder) -> dashboard.Panel:
    worst = f"topk({LISTED}, {states.state(promql)})"

    def of_the_worst(how: str, expr: str) -> str:
        # Few are left before they are put together, which is what costs.
        return f"{how} ({expr}\nand on (server, tenant, runner_id) {worst})"

    highest = f"max {BY_RUNNER}"
    age = promql.select("electric_agents_runner_heartbeat_age_seconds")
    lease = promql.select("electric_agents_runner_lease_expires_timestamp_seconds")
    seen = promql.select("electric_agents_runner_last_seen_timestamp_seconds")
    window = promql.window("ClaimFailuresHigh")
    claims = "electric_agents_runner_claims_total"
    claimed = promql.increase(claims, window, 'outcome="claimed"')
    tried = promql.increase(claims, window, 'outcome=~"claimed|error"')
    storm = promql.window("ReconnectStorm")
    number = promql.values.number
    return table_panel(
        PanelSpec(
            title="Runners",
            description=f"Who is not well, and why? The {LISTED} worst of the fleet; a click on "
            f"an id shows its history. {states.STATES_EXPLAINED}",
            no_value=NO_RUNNERS,
            unit="none",
        ),
        Column(
            title="State",
            query=worst,
            width=125,
            mappings=value_mappings(*states.STATES),
            filled=True,
        ),
        Column(title="Server", label="server", width=130),
        Column(title="Tenant", label="tenant"),
        Column(title="Runner", label="runner_id", links=(ROW_LINK,)),
        Column(title="Label", label="label"),
        Column(
            title="Kind",
            label="kind",
            query=of_the_worst(
                "group by (server, tenant, runner_id, kind, label)",
                promql.select("electric_agents_runner_info"),
            ),
            width=110,
        ),
        Column(
            title="Issue",
            query=of_the_worst(highest, f"({states.issue(promql)})"),
            width=160,
            mappings=value_mappings(*states.ISSUES),
            no_value="none",
        ),
        Column(
            title="Last heartbeat",
            query=of_the_worst(highest, age),
            width=125,
            unit="s",
            thresholds=above((number("RunnerUnhealthy", "for"), BAD)),
            no_value="never",
        ),
        Column(
            title="Lease left",
            query=of_the_worst(highest, f"{lease} - {seen} - {age}"),
            width=110,
            unit="s",
            thresholds=below(0),
            no_value="no lease",
        ),
        Column(
            title="Claims",
            query=of_the_worst(highest, promql.select("electric_agents_runner_active_claims")),
            width=80,
            unit="none",
            no_value="not known",
        ),
        Column(
            title=f"Success, {window}",
            query=of_the_worst(f"sum {BY_RUNNER}", claimed)
            + " / "
            + f"({of_the_worst(f'sum {BY_RUNNER}', tried)} > 0)",
            width=130,
            unit="percentunit",
            decimals=0,
            thresholds=below(1 - number("ClaimFailuresHigh", "ratio"), WARNING),
            no_value="no claims",
        ),
        Column(
            title=f"Reconnects, {storm}",
            query=of_the_worst(
                highest, promql.increase("electric_agents_runner_reconnects_total", storm)
            ),
            width=145,
            unit="none",
            decimals=0,
            thresholds=above((number("ReconnectStorm", "reconnects"), WARNING)),
            no_value="not known",
        ),
        sort_by="State",
    )


def _timeline(promql: QueryBuilder) -> dashboard.Panel:
    worst = f"topk({DRAWN}, {states.state(replace(promql, modifier=' @ end()'))})"
    return timeline_panel(
        PanelSpec(
            title="States of the worst runners",
            description="Since when is it so, and does it come and go? The runners that are worst "
            f"at the end of the time range, {DRAWN} at most, at {POINTS} moments. "
            f"{states.STATES_EXPLAINED}",
            no_value=NO_RUNNERS,
            mappings=value_mappings(*states.STATES),
            links=(SERIES_LINK,),
        ),
        Query(
            f"({states.state(promql)})\nand on (server, tenant, runner_id) {worst}",
            "{{server}}: {{runner_id}} {{tenant}}",
        ),
        max_points=POINTS,
    )


def _outcomes(promql: QueryBuilder) -> dashboard.Panel:
    rate = promql.rate("electric_agents_runners_claims_total")
    return graph_panel(
        PanelSpec(
            title="Claims/min by outcome",
            description="Does work flow? claimed: work has begun. no_work: another runner was "
            "faster, which is normal; a flood of it is a paused agent or a replayed stream. error "
            "needs a cause.",
            no_value=NO_FLEET,
            unit=PER_MINUTE,
            overrides=(
                color_of("claimed", GOOD),
                color_of("no_work", NEUTRAL),
                color_of("error", BAD),
            ),
        ),
        Query(f"60 * sum by (outcome) ({rate})", "{{outcome}}"),
        style=GraphStyle(stacked=True),
    )


def _success(promql: QueryBuilder) -> dashboard.Panel:
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
            "{{server}} {{tenant}}",
        ),
        style=GraphStyle(threshold_line=True, legend_calcs=("lastNotNull", "min")),
    )


def _claims_held(promql: QueryBuilder) -> dashboard.Panel:
    def total(metric: str) -> str:
        return f"sum({promql.deduplicate(metric)})"

    return graph_panel(
        PanelSpec(
            title="Claims held",
            description="Is work stuck? orphaned: their runner is gone, and nobody works on them. "
            "superseded: leaked for ever by a crash; harmless, but each step up was a crash.",
            no_value=NO_FLEET,
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


def _restarts(promql: QueryBuilder) -> dashboard.Panel:
    def per_minute(metric: str) -> str:
        return f"60 * sum({promql.rate(metric)})"

    return graph_panel(
        PanelSpec(
            title="Restarts and reconnects",
            description="Is it getting worse? Reconnects of all at once: a proxy, the server or "
            "its database. Restarts: a deployment, or a crash loop. Lapses: leases that ran out.",
            no_value=NO_FLEET,
            unit=PER_MINUTE,
        ),
        Query(per_minute("electric_agents_runners_reconnects_total"), "reconnects"),
        Query(per_minute("electric_agents_runners_client_restarts_total"), "restarts"),
        Query(per_minute("electric_agents_runners_lease_lapses_total"), "lease lapses"),
        Query(per_minute("electric_agents_runners_health_transitions_total"), "health changes"),
        style=NAMES_ONLY,
    )


def _issues(promql: QueryBuilder) -> dashboard.Panel:
    runners = promql.deduplicate("electric_agents_runners_with_issue")
    return bars_panel(
        PanelSpec(
            title="Runners with each issue",
            description="What do the servers complain of most? A runner can have several. "
            "reconnects_high stays until a restart, and disabled is on purpose: neither is news.",
            no_value=NO_FLEET,
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


def _silent(promql: QueryBuilder) -> dashboard.Panel:
    age = promql.select("electric_agents_runner_heartbeat_age_seconds")
    enabled = promql.select(states.ENABLED, promql.lasting)
    return bars_panel(
        PanelSpec(
            title="Longest without a heartbeat",
            description="Which of the runners that are meant to stay has been silent for longest? "
            "A heartbeat comes every 30 seconds; a click shows the runner's history.",
            no_value=NO_RUNNERS,
            unit="s",
            thresholds=above((promql.values.number("RunnerUnhealthy", "for"), BAD)),
            min_value=0,
            links=(SERIES_LINK,),
        ),
        Query(
            f"sort_desc(topk(10, min by (job, server, tenant, runner_id) ({age})"
            f" and {ON_RUNNER} {enabled}))",
            "{{server}}: {{runner_id}} {{tenant}}",
        ),
    )
