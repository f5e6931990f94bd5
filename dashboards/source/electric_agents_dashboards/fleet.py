"""Fleet: is anything wrong, with whom, does work flow, and is it getting worse?"""

from dataclasses import replace
from typing import Final

from grafana_foundation_sdk.models import dashboard

from alert_values import Values
from electric_agents_dashboards import alerts, frame, states
from electric_agents_dashboards.asking import FLEET, Asker
from electric_agents_dashboards.layout import Line, Section, line, place
from electric_agents_dashboards.looks import (
    BAD,
    DISABLED,
    GOOD,
    NEUTRAL,
    UNKNOWN,
    WARNING,
    Thresholds,
    above,
    below,
    between,
    words,
)
from electric_agents_dashboards.panels import (
    NAMES,
    Lines,
    Meaning,
    Query,
    bars_panel,
    color_of,
    data_link,
    graph_panel,
    stat_panel,
    timeline_panel,
)
from electric_agents_dashboards.tables import Column, table_panel

NO_FLEET: Final = "not known"
NO_RUNNERS: Final = "per-runner series are off, or nobody matches"
LISTED: Final = 50
"""Rows of the table of runners."""
DRAWN: Final = 15
"""Rows of the timeline of runners."""
POINTS: Final = 60
"""How often the timeline looks: the state of a whole fleet is not cheap to tell."""

_KEPT: Final = "${datasource:queryparam}&${job:queryparam}&${__url_time_range}"


def runner_link(server: str, runner: str) -> dashboard.DashboardLink:
    """Lead to a runner, keeping the time; the arguments are Grafana's words for the two labels."""
    url = f"/d/{frame.UID}runner?var-server={server}&var-runner={runner}&{_KEPT}"
    return data_link("What happened to this runner", url)


ROW_LINK: Final = runner_link(
    "${__data.fields.server:percentencode}", "${__data.fields.runner_id:percentencode}"
)
SERIES_LINK: Final = runner_link(
    "${__field.labels.server:percentencode}", "${__field.labels.runner_id:percentencode}"
)


def build(values: Values) -> dashboard.Dashboard:
    """Make the dashboard."""
    ask = Asker(values, FLEET)
    return frame.Outline(
        name="fleet",
        title="Electric Agents / Fleet",
        question="Is anything wrong, with whom, does work flow, and is it getting worse?",
        since="now-6h",
        variables=(frame.JOB, frame.SERVER),
        annotations=(
            frame.alerts_of_servers(),
            frame.restarts(ask, "electric_agents_runners_client_restarts_total"),
        ),
    ).fill(
        place(
            Section(
                "Now",
                (
                    _wrong(ask),
                    _well(ask),
                    line(9, (12, _alerts()), (12, _states_over_time(ask))),
                ),
            ),
            Section(
                "Runners, worst first",
                (line(14, (24, _runners(ask))), line(10, (24, _timeline(ask)))),
            ),
            Section(
                "Work", (line(9, (8, _outcomes(ask)), (8, _success(ask)), (8, _claims_held(ask))),)
            ),
            Section(
                "Stability", (line(9, (8, _unrest(ask)), (8, _issues(ask)), (8, _silent(ask))),)
            ),
        )
    )


def _wrong(ask: Asker) -> Line:
    enabled = 'admin_status="enabled"'
    unhealthy = _count(
        ask,
        "Unhealthy",
        "How many runners that are meant to stay are unhealthy, and enabled? Each is an alert: see "
        "who in the table below. Laptops and jobs that left are not counted.",
        above((1, BAD)),
        ask.permanent,
        enabled,
        'health_status="unhealthy"',
    )
    degraded = _count(
        ask,
        "Degraded",
        "How many enabled runners work with a fault? One that once reconnected more than five "
        "times stays degraded until it restarts: look at the issue in the table.",
        above((1, WARNING)),
        enabled,
        'health_status="degraded"',
    )
    return line(
        4,
        (5, _servers_down(ask)),
        (5, alerts.count_panel(alerts.OF_SERVER)),
        (6, _orphaned(ask)),
        (4, unhealthy),
        (4, degraded),
    )


def _well(ask: Asker) -> Line:
    healthy = _count(
        ask,
        "Healthy",
        "How many runners are well? Those in no tile here are away, or not known of.",
        Thresholds(DISABLED, ((1, GOOD),)),
        'health_status="healthy"',
    )
    disabled = _count(
        ask,
        "Disabled",
        "How many runners has an operator switched off? Planned, so never red; if you do not know "
        "of it, ask who did it.",
        Thresholds(DISABLED),
        'admin_status="disabled"',
    )
    return line(4, (6, _available(ask)), (6, healthy), (6, disabled), (6, _age(ask)))


def _count(
    ask: Asker, title: str, question: str, thresholds: Thresholds, *matchers: str
) -> dashboard.Panel:
    return stat_panel(
        Meaning(
            title=title, question=question, nothing=NO_FLEET, unit="none", thresholds=thresholds
        ),
        Query(f"sum({ask.once('electric_agents_runners', *matchers)})", title, instant=True),
    )


def _servers_down(ask: Asker) -> dashboard.Panel:
    return stat_panel(
        Meaning(
            title="Servers down",
            question="Is the picture whole? Of a server that gives no list nothing is known: its "
            "runners are missing from every other panel.",
            nothing="no exporter",
            unit="none",
            thresholds=above((1, BAD)),
        ),
        Query(f"sum(1 - {ask.once('electric_agents_server_up')})", "down", instant=True),
    )


def _orphaned(ask: Asker) -> dashboard.Panel:
    return stat_panel(
        Meaning(
            title="Orphaned claims",
            question="Is there work that nobody does? Active claims of runners whose lease has "
            "run out: the agents concerned stand still until the runner is back.",
            nothing=NO_FLEET,
            unit="none",
            thresholds=above((1, BAD)),
        ),
        Query(
            f"sum({ask.once('electric_agents_runners_orphaned_claims')})", "claims", instant=True
        ),
    )


def _available(ask: Asker) -> dashboard.Panel:
    slo = ask.values.slo
    available = ask.of("server:electric_agents_runners_available:sum")
    expected = ask.of("server:electric_agents_runners_expected:sum")
    fastest = max(burn.factor for burn in slo.burns)
    return stat_panel(
        Meaning(
            title="Available",
            question="How many of the runners that are meant to stay hold their lease? Yellow "
            f"under the objective of {slo.availability.objective:.0%}; red where it would page "
            "if it lasted.",
            nothing="none expected",
            unit="percentunit",
            decimals=1,
            thresholds=between(1 - fastest * slo.availability.budget, slo.availability.objective),
        ),
        Query(f"sum({available}) / (sum({expected}) > 0)", "available", instant=True),
    )


def _age(ask: Asker) -> dashboard.Panel:
    last = ask.once("electric_agents_server_last_poll_success_timestamp_seconds")
    interval = ask.once("electric_agents_server_poll_interval_seconds")
    return stat_panel(
        Meaning(
            title="Age of the data",
            question="Can this page be believed? How many poll intervals ago the worst server "
            "last answered everything; up to 1 is normal.",
            nothing="never any",
            unit="suffix: intervals",
            decimals=1,
            thresholds=above(
                (ask.values.number("ExporterDataStale", "intervals"), WARNING),
            ),
        ),
        Query(f"max((time() - {last}) / {interval})", "age", instant=True),
    )


def _alerts() -> dashboard.Panel:
    return alerts.table_of(
        "Firing alerts",
        "What is wrong, since when, and with whom? Begin with the first; a click on a runner "
        f"shows what happened to it. At most {alerts.ROWS} of each severity.",
        alerts.OF_SERVER,
        Column(title="Server", label="server", width=120),
        Column(title="Runner", label="runner_id", links=(ROW_LINK,)),
    )


def _states_over_time(ask: Asker) -> dashboard.Panel:
    def runners(*matchers: str) -> str:
        return f"sum({ask.once('electric_agents_runners', *matchers)})"

    enabled = 'admin_status="enabled"'
    unhealthy = 'health_status="unhealthy"'
    return graph_panel(
        Meaning(
            title="Runners by state",
            question="Since when is it so? A step that many runners take at once has one cause: "
            "a host, a network, a deployment. Away are laptops, jobs and sandboxes that left.",
            nothing=NO_FLEET,
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
        Query(runners(ask.permanent, enabled, unhealthy), "unhealthy"),
        Query(runners(enabled, 'health_status="degraded"'), "degraded"),
        Query(runners(enabled, 'health_status="unknown"'), "unknown"),
        Query(runners(ask.transient, enabled, unhealthy), "away"),
        Query(runners('admin_status="disabled"'), "disabled"),
        Query(runners(enabled, 'health_status="healthy"'), "healthy"),
        lines=Lines(stacked=True, legend=()),
    )


def _runners(ask: Asker) -> dashboard.Panel:
    worst = f"topk({LISTED}, {states.state(ask)})"

    def of_the_worst(how: str, expr: str) -> str:
        # Few are left before they are put together, which is what costs.
        return f"{how} ({expr}\nand on (server, runner_id) {worst})"

    highest = f"max {states.BY_RUNNER}"
    age = ask.of("electric_agents_runner_heartbeat_age_seconds")
    lease = ask.of("electric_agents_runner_lease_expires_timestamp_seconds")
    seen = ask.of("electric_agents_runner_last_seen_timestamp_seconds")
    window = ask.window("ClaimFailuresHigh")
    claims = "electric_agents_runner_claims_total"
    claimed = ask.increase(claims, window, 'outcome="claimed"')
    tried = ask.increase(claims, window, 'outcome=~"claimed|error"')
    storm = ask.window("ReconnectStorm")
    number = ask.values.number
    return table_panel(
        Meaning(
            title="Runners",
            question=f"Who is not well, and why? The {LISTED} worst of the fleet; a click on an id "
            f"shows its story. {states.STATES_EXPLAINED}",
            nothing=NO_RUNNERS,
            unit="none",
        ),
        Column(
            title="State",
            query=worst,
            width=125,
            mappings=words(*states.STATES),
            filled=True,
        ),
        Column(title="Server", label="server", width=130),
        Column(title="Runner", label="runner_id", links=(ROW_LINK,)),
        Column(title="Label", label="label"),
        Column(
            title="Kind",
            label="kind",
            query=of_the_worst(
                "group by (server, runner_id, kind, label)", ask.of("electric_agents_runner_info")
            ),
            width=110,
        ),
        Column(
            title="Issue",
            query=of_the_worst(highest, f"({states.issue(ask)})"),
            width=160,
            mappings=words(*states.ISSUES),
            nothing="none",
        ),
        Column(
            title="Last heartbeat",
            query=of_the_worst(highest, age),
            width=125,
            unit="s",
            thresholds=above((number("RunnerLeaseExpired", "silence"), BAD)),
            nothing="never",
        ),
        Column(
            title="Lease left",
            query=of_the_worst(highest, f"{lease} - {seen} - {age}"),
            width=110,
            unit="s",
            thresholds=below(0),
            nothing="no lease",
        ),
        Column(
            title="Claims",
            query=of_the_worst(highest, ask.of("electric_agents_runner_active_claims")),
            width=80,
            unit="none",
            nothing="not known",
        ),
        Column(
            title=f"Success, {window}",
            query=of_the_worst(f"sum {states.BY_RUNNER}", claimed)
            + " / "
            + f"({of_the_worst(f'sum {states.BY_RUNNER}', tried)} > 0)",
            width=130,
            unit="percentunit",
            decimals=0,
            thresholds=below(1 - number("ClaimFailuresHigh", "ratio"), WARNING),
            nothing="no claims",
        ),
        Column(
            title=f"Reconnects, {storm}",
            query=of_the_worst(
                highest, ask.increase("electric_agents_runner_reconnects_total", storm)
            ),
            width=145,
            unit="none",
            decimals=0,
            thresholds=above((number("ReconnectStorm", "reconnects"), WARNING)),
            nothing="not known",
        ),
        sort_by="State",
    )


def _timeline(ask: Asker) -> dashboard.Panel:
    worst = f"topk({DRAWN}, {states.state(replace(ask, moment=' @ end()'))})"
    return timeline_panel(
        Meaning(
            title="States of the worst runners",
            question="Since when is it so, and does it come and go? Those that are worst at the "
            f"end of the time range, {DRAWN} at most, seen {POINTS} times in it. "
            f"{states.STATES_EXPLAINED}",
            nothing=NO_RUNNERS,
            mappings=words(*states.STATES),
            links=(SERIES_LINK,),
        ),
        Query(
            f"({states.state(ask)})\nand on (server, runner_id) {worst}",
            "{{server}}: {{runner_id}}",
        ),
        max_points=POINTS,
    )


def _outcomes(ask: Asker) -> dashboard.Panel:
    rate = ask.rate("electric_agents_runners_claims_total")
    return graph_panel(
        Meaning(
            title="Claims by outcome",
            question="Does work flow? claimed is work begun. no_work is normal: another was "
            "faster; a flood of it is a paused agent or a replayed stream. error needs a cause.",
            nothing=NO_FLEET,
            unit="cpm",
            overrides=(
                color_of("claimed", GOOD),
                color_of("no_work", NEUTRAL),
                color_of("error", BAD),
            ),
        ),
        Query(f"60 * sum by (outcome) ({rate})", "{{outcome}}"),
        lines=Lines(stacked=True),
    )


def _success(ask: Asker) -> dashboard.Panel:
    window = ask.values.slo.rate
    errors = ask.of(f"server:electric_agents_runners_claim_errors:rate{window}")
    attempts = ask.of(f"server:electric_agents_runners_claim_attempts:rate{window}")
    ratio = ask.values.number("ClaimFailuresHigh", "ratio")
    return graph_panel(
        Meaning(
            title=f"Claims that succeed, {window}",
            question="Do claims fail, and on which server? The five worst. One runner alone that "
            f"stays under the line ({1 - ratio:.0%}) is an alert; all at once are the server's "
            "fault or its database's. Claims that disabled runners are refused do not count.",
            nothing="no claims",
            unit="percentunit",
            least=0,
            most=1,
            thresholds=below(1 - ratio, WARNING),
        ),
        Query(
            f"bottomk(5, 1 - sum by (server) ({errors}) / (sum by (server) ({attempts}) > 0))",
            "{{server}}",
        ),
        lines=Lines(line=True, legend=("lastNotNull", "min")),
    )


def _claims_held(ask: Asker) -> dashboard.Panel:
    def total(metric: str) -> str:
        return f"sum({ask.once(metric)})"

    return graph_panel(
        Meaning(
            title="Claims held",
            question="Is work stuck? orphaned: their runner is gone, nobody works on them. "
            "superseded: leaked by a crash, for ever; harmless, but each step up was a crash.",
            nothing=NO_FLEET,
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


def _unrest(ask: Asker) -> dashboard.Panel:
    def per_minute(metric: str) -> str:
        return f"60 * sum({ask.rate(metric)})"

    return graph_panel(
        Meaning(
            title="Unrest",
            question="Is it getting worse? Reconnects of all at once: a proxy, the server or its "
            "database. Restarts: a deployment, or a crash loop. Lapses: leases that ran out.",
            nothing=NO_FLEET,
            unit="cpm",
        ),
        Query(per_minute("electric_agents_runners_reconnects_total"), "reconnects"),
        Query(per_minute("electric_agents_runners_client_restarts_total"), "restarts"),
        Query(per_minute("electric_agents_runners_lease_lapses_total"), "lease lapses"),
        Query(per_minute("electric_agents_runners_health_transitions_total"), "changes of verdict"),
        lines=NAMES,
    )


def _issues(ask: Asker) -> dashboard.Panel:
    return bars_panel(
        Meaning(
            title="Runners with each issue",
            question="What do the servers complain of most? A runner can have several. "
            "reconnects_high stays until a restart, and disabled is on purpose: neither is news.",
            nothing=NO_FLEET,
            unit="none",
            thresholds=above((1, WARNING)),
            least=0,
            overrides=(
                color_of("disabled", DISABLED),
                color_of("reconnects_high", NEUTRAL),
            ),
        ),
        Query(
            f"sort_desc(sum by (issue) ({ask.once('electric_agents_runners_with_issue')}))",
            "{{issue}}",
            instant=True,
        ),
    )


def _silent(ask: Asker) -> dashboard.Panel:
    age = ask.of("electric_agents_runner_heartbeat_age_seconds")
    enabled = ask.of(states.ENABLED, 'tenure="permanent"')
    return bars_panel(
        Meaning(
            title="Longest without a heartbeat",
            question="Who of those that are meant to stay has been silent for longest? A "
            "heartbeat comes every 30 seconds; a click shows the runner's story.",
            nothing=NO_RUNNERS,
            unit="s",
            thresholds=above((ask.values.number("RunnerLeaseExpired", "silence"), BAD)),
            least=0,
            links=(SERIES_LINK,),
        ),
        Query(
            f"sort_desc(topk(10, min by (job, server, runner_id) ({age})"
            f" and {states.ON_RUNNER} {enabled}))",
            "{{server}}: {{runner_id}}",
            instant=True,
        ),
    )
