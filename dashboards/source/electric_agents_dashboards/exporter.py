"""Exporter: can the other dashboards be believed?"""

from typing import Final

from grafana_foundation_sdk.models import dashboard

from alert_values import Values
from electric_agents_dashboards import skeleton
from electric_agents_dashboards.layout import Line, Section, line
from electric_agents_dashboards.panels import (
    NAMES_ONLY,
    GraphStyle,
    PanelSpec,
    Query,
    color_of,
    graph_panel,
    right_axis,
    stat_panel,
    timeline_panel,
)
from electric_agents_dashboards.query_builder import (
    BY_SERVER,
    EXPORTER,
    ON_SERVER,
    SERVER,
    TARGET,
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
    WARNING,
    MappedValue,
    above,
    below,
    calm_until,
    value_mappings,
)

NO_EXPORTER: Final = "no exporter"
NO_TARGET: Final = "no server polled"
_TARGET: Final = "{{server}} {{tenant}} {{cluster}} by {{instance}}"
SHOWN: Final = 10
"""Lines of a graph: the worst targets."""
UP: Final = (MappedValue(1, "up", GOOD), MappedValue(0, "down", BAD))
RELOADED: Final = (
    MappedValue(1, "as in its file", NEUTRAL),
    MappedValue(0, "old settings kept", WARNING),
)


def build(values: Values) -> dashboard.Dashboard:
    """Make the dashboard."""
    promql, target = QueryBuilder(values, EXPORTER), QueryBuilder(values, TARGET)
    restarts = skeleton.restarts(target, "electric_agents_runners_client_restarts_total")
    return skeleton.Skeleton(
        name="exporter",
        title="Electric Agents / Exporter",
        description="Can the other dashboards be believed: is everything polled, in time, in full?",
        since="now-3h",
        variables=(
            skeleton.JOB,
            skeleton.CLUSTER,
            skeleton.INSTANCE,
            skeleton.SERVER,
            skeleton.TENANT,
        ),
        annotations=(skeleton.alerts_of_servers(), restarts),
    ).fill(
        Section("Now", (*_now(promql, target), line(8, (24, _targets(target))))),
        Section(
            "Polling",
            (
                line(9, (8, _up(target)), (8, _age(target)), (8, _errors(target))),
                line(9, (8, _duration(target)), (8, _latency(target)), (8, _requests(target))),
                line(9, (8, _skipped(target)), (8, _listed(target)), (8, _hidden(target))),
                line(6, (12, _parts(target)), (12, _certificates(target))),
            ),
        ),
        Section(
            "This process",
            (
                line(8, (8, _drift(promql)), (8, _size(promql)), (8, _time(promql))),
                line(8, (8, _cpu(promql)), (8, _memory(promql)), (8, _alerts_sent(promql))),
                line(5, (24, _builds(promql))),
            ),
        ),
    )


def _intervals(promql: QueryBuilder) -> str:
    """Give how many poll intervals ago each target last answered everything."""
    last = promql.select("electric_agents_server_last_poll_success_timestamp_seconds")
    return f"(time() - {last}) / {promql.select('electric_agents_server_poll_interval_seconds')}"


def _now(promql: QueryBuilder, target: QueryBuilder) -> tuple[Line, Line]:
    return (
        line(
            4,
            (6, _exporters_down(promql)),
            (6, _servers_down(target)),
            (6, _worst_age(target)),
            (6, _clock_offset(target)),
        ),
        line(
            4,
            (6, _over_limit(target)),
            (6, _unrecognized(promql)),
            (6, _settings(promql)),
            (6, _last_tick(promql)),
        ),
    )


def _exporters_down(promql: QueryBuilder) -> dashboard.Panel:
    # Known by what they exposed, whatever their job is called; or by the job of the rules.
    known = promql.window("ExporterDown", "memory")
    build = promql.select("electric_agents_exporter_build_info")
    named = f'up{{job="{promql.values.job}", {EXPORTER}}}'
    up = (
        f"(\n  {promql.select('up')}"
        f" and on (job, instance) last_over_time({build}[{known}])\n  or {named}\n)"
    )
    return stat_panel(
        PanelSpec(
            title="Exporters down",
            description="Is somebody watching? Counts the exporters that Prometheus has to scrape "
            "and cannot. One that it has no more is not among them: that is an alert.",
            no_value=NO_EXPORTER,
            unit="none",
            decimals=0,
            thresholds=calm_until((1, BAD)),
        ),
        Query(f"sum(1 - {up})", "down"),
    )


def _servers_down(promql: QueryBuilder) -> dashboard.Panel:
    up = promql.select("electric_agents_server_up")
    return stat_panel(
        PanelSpec(
            title="Servers down",
            description="Does every server answer? Down is no list, or only one that is too old; "
            "its runners have no series.",
            no_value=NO_TARGET,
            unit="none",
            decimals=0,
            thresholds=calm_until((1, BAD)),
        ),
        Query(f"sum(1 - {up})", "down"),
    )


def _worst_age(promql: QueryBuilder) -> dashboard.Panel:
    limit = promql.values.number("ExporterDataStale", "intervals")
    return stat_panel(
        PanelSpec(
            title="Age of the data",
            description="Is what is shown new? Poll intervals since the worst target last "
            "answered everything.",
            no_value="never any",
            unit=INTERVALS,
            decimals=1,
            thresholds=calm_until((limit, WARNING)),
        ),
        Query(f"max({_intervals(promql)})", "age"),
    )


def _clock_offset(promql: QueryBuilder) -> dashboard.Panel:
    offset = promql.select("electric_agents_server_clock_offset_seconds")
    return stat_panel(
        PanelSpec(
            title="Clock offset",
            description="Do server and exporter agree on the time? Ages and alerts are right all "
            "the same; times in logs and on graphs are not.",
            no_value=NO_TARGET,
            unit="s",
            decimals=1,
            thresholds=calm_until((promql.values.number("ClockSkew", "seconds"), WARNING)),
        ),
        Query(f"max(abs({offset}))", "offset"),
    )


def _over_limit(promql: QueryBuilder) -> dashboard.Panel:
    over = promql.deduplicate("electric_agents_server_runners_suppressed", 'reason="limit"')
    return stat_panel(
        PanelSpec(
            title="Runners over the limit",
            description="Is a part of the fleet not shown? Runners beyond max_runners have no "
            "series.",
            no_value=NO_TARGET,
            unit="none",
            decimals=0,
            thresholds=calm_until((1, WARNING)),
        ),
        Query(f"sum({over})", "runners"),
    )


def _unrecognized(promql: QueryBuilder) -> dashboard.Panel:
    window = promql.window("ContractDrift")
    values = promql.select("electric_agents_exporter_unrecognized_values_total")
    build = promql.select("electric_agents_exporter_build_info")
    return stat_panel(
        PanelSpec(
            title="Unrecognized values",
            description=f"Did servers say within {window} what this exporter does not know? "
            "Usually the server is newer.",
            no_value=NO_EXPORTER,
            unit="none",
            decimals=0,
            thresholds=calm_until((1, WARNING)),
        ),
        # There is no series before the first one: that is 0, where there is an exporter.
        Query(f"sum(increase({values}[{window}])) or 0 * sum({build})", "values"),
    )


def _settings(promql: QueryBuilder) -> dashboard.Panel:
    reloaded = promql.select("electric_agents_exporter_config_last_reload_successful")
    return stat_panel(
        PanelSpec(
            title="Settings",
            description="Are the settings those of the file? If the old ones were kept, a restart "
            "would fail.",
            no_value=NO_EXPORTER,
            mappings=value_mappings(*RELOADED),
        ),
        Query(f"min({reloaded})", "settings"),
    )


def _last_tick(promql: QueryBuilder) -> dashboard.Panel:
    tick = promql.select("electric_agents_exporter_scheduler_last_tick_timestamp_seconds")
    limit = promql.values.number("ExporterDataStale", "still")
    return stat_panel(
        PanelSpec(
            title="Last scheduler tick",
            description="Does it still poll? The scheduler ticks every second; what is shown is "
            "as old as the scrape.",
            no_value=NO_EXPORTER,
            unit="s",
            decimals=1,
            thresholds=calm_until((limit, WARNING)),
        ),
        Query(f"max(time() - {tick})", "tick"),
    )


def _targets(promql: QueryBuilder) -> dashboard.Panel:
    def each(expr: str) -> str:
        return f"max by (instance, {SERVER}) ({expr})"

    number = promql.values.number
    interval = promql.select("electric_agents_server_poll_interval_seconds")
    took = promql.select("electric_agents_server_last_poll_duration_seconds")
    listed = promql.select("electric_agents_server_runners_listed")
    return table_panel(
        PanelSpec(
            title="Targets",
            description="Which target is it, and what is wrong with it? A wrong principal, too, "
            "has 0 runners listed.",
            no_value=NO_TARGET,
            unit="none",
        ),
        Column(
            title="State",
            query=each(promql.select("electric_agents_server_up")),
            width=80,
            mappings=value_mappings(*UP),
            filled=True,
        ),
        Column(title="Server", label="server"),
        Column(title="Tenant", label="tenant"),
        Column(title="Cluster", label="cluster"),
        Column(title="Exporter", label="instance", width=170),
        Column(
            title="Data age",
            query=each(_intervals(promql)),
            unit=INTERVALS,
            decimals=1,
            thresholds=above((number("ExporterDataStale", "intervals"), WARNING)),
            no_value="never",
        ),
        Column(
            title="Poll / interval",
            query=each(f"{took} / {interval}"),
            unit="percentunit",
            decimals=0,
            thresholds=above((1, WARNING)),
        ),
        Column(
            title="Runners listed",
            query=f"sum by (instance, {SERVER}) ({listed})",
            unit="none",
        ),
        Column(
            title="With series",
            query=each(promql.select("electric_agents_server_runners_exported")),
            unit="none",
        ),
        Column(
            title="Clock offset",
            query=each(promql.select("electric_agents_server_clock_offset_seconds")),
            unit="s",
            decimals=2,
            no_value="not known",
        ),
        sort_by="State",
        descending=False,
    )


def _up(promql: QueryBuilder) -> dashboard.Panel:
    up = promql.select("electric_agents_server_up")
    return timeline_panel(
        PanelSpec(
            title="Targets up",
            description=f"When was a server away, and all at once? The {SHOWN} worst at the end "
            "of the time range.",
            no_value=NO_TARGET,
            mappings=value_mappings(*UP),
        ),
        Query(
            f"min {BY_SERVER} ({up})\n"
            f"and {ON_SERVER} bottomk({SHOWN}, min {BY_SERVER} ({up} @ end()))",
            "{{server}} {{tenant}} {{cluster}}",
        ),
    )


def _age(promql: QueryBuilder) -> dashboard.Panel:
    return graph_panel(
        PanelSpec(
            title="Age of the data",
            description="Since when is it old? Over the line is an alert; it goes on climbing "
            "until the server answers everything.",
            no_value=NO_TARGET,
            unit=INTERVALS,
            decimals=1,
            thresholds=above((promql.values.number("ExporterDataStale", "intervals"), WARNING)),
        ),
        Query(
            f"topk({SHOWN}, {_intervals(promql)})",
            _TARGET,
        ),
        style=GraphStyle(threshold_line=True, legend_calcs=()),
    )


def _parts(promql: QueryBuilder) -> dashboard.Panel:
    """Show which part of its polls each server failed at."""
    success = promql.select("electric_agents_server_poll_success")
    return timeline_panel(
        PanelSpec(
            title="Parts of polls that fail",
            description="What is not had of which server? list: who there is. health: the reports "
            "of runners. wakes: what waits for them. server: whether it answers at all. A row "
            f"while the last poll had not all of it, at most {SHOWN}.",
            no_value="every part is had, or no server polled",
            mappings=value_mappings(MappedValue(0, "not had", WARNING)),
        ),
        Query(
            f"bottomk({SHOWN}, min by ({SERVER}, operation) ({success}) == 0)",
            "{{server}}: {{operation}} {{tenant}} {{cluster}}",
        ),
    )


def _certificates(promql: QueryBuilder) -> dashboard.Panel:
    """Show how long certificates are valid, and when credentials changed."""
    until = promql.select("electric_agents_server_tls_not_after_timestamp_seconds")
    changed = promql.select("electric_agents_server_credential_last_change_timestamp_seconds")
    scanned = promql.select("electric_agents_server_claims_last_full_scan_timestamp_seconds")
    took = promql.select("electric_agents_server_claims_last_full_scan_duration_seconds")

    def each(expr: str) -> str:
        return f"max by (instance, {SERVER}) ({expr})"

    return table_panel(
        PanelSpec(
            title="Certificates, credentials and scans",
            description="What runs out, and what changed? Until when the server's certificate is "
            "valid, when the newest file with a credential changed, and when a database was last "
            "searched for every active claim.",
            no_value="no TLS, no files with credentials, no database",
            unit="none",
        ),
        Column(title="Server", label="server"),
        Column(title="Tenant", label="tenant"),
        Column(title="Cluster", label="cluster"),
        Column(title="Exporter", label="instance", width=170),
        Column(
            title="Certificate valid for",
            query=f"{each(until)} - time()",
            width=165,
            unit="s",
            thresholds=below(0),
            no_value="no TLS",
        ),
        Column(
            title="Credentials changed",
            query=f"1000 * {each(changed)}",
            width=165,
            unit="dateTimeFromNow",
            no_value="no files",
        ),
        Column(
            title="Claims searched",
            query=f"1000 * {each(scanned)}",
            width=140,
            unit="dateTimeFromNow",
            no_value="no database",
        ),
        Column(title="Search took", query=each(took), width=105, unit="s", no_value="-"),
        sort_by="Certificate valid for",
        descending=False,
    )


def _errors(promql: QueryBuilder) -> dashboard.Panel:
    errors = promql.select("electric_agents_server_request_errors_total")
    rate = f"rate({errors}[$__rate_interval])"
    return graph_panel(
        PanelSpec(
            title="Failed requests/min by reason",
            description="Why does a server not answer? timeout, connect, reset: it or the way to "
            "it. unauthorized, forbidden: the credentials. not_json, schema: something else "
            "answers.",
            no_value="no request failed",
            unit=PER_MINUTE,
        ),
        Query(
            f"topk({SHOWN}, 60 * sum by (operation, reason) ({rate}) > 0)",
            "{{operation}}: {{reason}}",
        ),
        style=GraphStyle(stacked=True, legend_calcs=("max",)),
    )


def _duration(promql: QueryBuilder) -> dashboard.Panel:
    took = promql.select("electric_agents_server_last_poll_duration_seconds")
    interval = promql.select("electric_agents_server_poll_interval_seconds")
    return graph_panel(
        PanelSpec(
            title="Poll duration, share of the interval",
            description="Is the interval long enough? From 100% on polls are skipped: raise "
            "interval or concurrency, or poll the database.",
            no_value=NO_TARGET,
            unit="percentunit",
            thresholds=above((1, WARNING)),
        ),
        Query(
            f"topk({SHOWN}, {took} / {interval})",
            _TARGET,
        ),
        style=GraphStyle(threshold_line=True, legend_calcs=()),
    )


def _latency(promql: QueryBuilder) -> dashboard.Panel:
    buckets = promql.select("electric_agents_server_request_duration_seconds_bucket")

    def quantile(share: float) -> str:
        rate = f"sum by (le, operation) (rate({buckets}[$__rate_interval]))"
        return f"histogram_quantile({share}, {rate})"

    return graph_panel(
        PanelSpec(
            title="Request duration",
            description="Is a server getting slow? p50: half of all requests take longer. p95: "
            "one in 20 does.",
            no_value="no requests",
            unit="s",
        ),
        Query(quantile(0.5), "{{operation}} p50"),
        Query(quantile(0.95), "{{operation}} p95"),
        style=NAMES_ONLY,
    )


def _requests(promql: QueryBuilder) -> dashboard.Panel:
    requests = promql.select("electric_agents_server_requests_total")
    return graph_panel(
        PanelSpec(
            title="Requests",
            description="How much does watching cost the servers? One for each principal and one "
            "for each runner that is not retired, every interval.",
            no_value=NO_TARGET,
            unit="reqps",
        ),
        Query(f"sum by (operation) (rate({requests}[$__rate_interval]))", "{{operation}}"),
        style=GraphStyle(stacked=True),
    )


def _skipped(promql: QueryBuilder) -> dashboard.Panel:
    window = promql.window("PollOverrun")
    skipped = promql.select("electric_agents_server_polls_skipped_total")
    return graph_panel(
        PanelSpec(
            title=f"Polls skipped within {window}",
            description="Was a poll not made, and why? overrun: the one before still ran; over "
            "the line is an alert. misfire: this process was too busy. backoff: the server had "
            "failed.",
            no_value=NO_TARGET,
            unit="none",
            decimals=0,
            thresholds=above((promql.values.number("PollOverrun", "polls"), WARNING)),
        ),
        Query(f"sum by (reason) (increase({skipped}[{window}]))", "{{reason}}"),
        style=GraphStyle(threshold_line=True, legend_calcs=(), soft_max=5),
    )


def _listed(promql: QueryBuilder) -> dashboard.Panel:
    listed = promql.select("electric_agents_server_runners_listed")
    return graph_panel(
        PanelSpec(
            title="Runners listed, by principal",
            description="Does each principal see its fleet? A fall to 0 while the server answers "
            f"is a principal that is wrong or lost its runners. The {SHOWN} shortest lists.",
            no_value=NO_TARGET,
            unit="none",
            decimals=0,
        ),
        Query(
            f"bottomk({SHOWN}, max by ({SERVER}, principal) ({listed}))",
            "{{server}}: {{principal}} {{tenant}} {{cluster}}",
        ),
        style=NAMES_ONLY,
    )


def _hidden(promql: QueryBuilder) -> dashboard.Panel:
    hidden = promql.deduplicate("electric_agents_server_runners_suppressed")
    return graph_panel(
        PanelSpec(
            title="Runners without series",
            description="Who is listed and not shown? filter: by the settings. shard: another "
            "exporter has them. retired: not seen for long. limit: the fleet has outgrown "
            "max_runners.",
            no_value=NO_TARGET,
            unit="none",
            decimals=0,
            overrides=(color_of("limit", WARNING), color_of("retired", DISABLED)),
        ),
        Query(f"sum by (reason) ({hidden})", "{{reason}}"),
        style=GraphStyle(legend_calcs=(), soft_max=5),
    )


def _drift(promql: QueryBuilder) -> dashboard.Panel:
    unknown = promql.select("electric_agents_exporter_unrecognized_values_total")
    return graph_panel(
        PanelSpec(
            title="Unrecognized values/min by field",
            description="What has changed in the servers' answers? Those fields are left out, or "
            "shown as unknown or other.",
            no_value="all was understood",
            unit=PER_MINUTE,
        ),
        Query(
            f"topk({SHOWN}, 60 * sum by (field) (rate({unknown}[$__rate_interval])) > 0)",
            "{{field}}",
        ),
    )


def _size(promql: QueryBuilder) -> dashboard.Panel:
    return graph_panel(
        PanelSpec(
            title="Exposition size",
            description="How much does Prometheus take in? About 60 series for each runner; "
            "per_runner: false leaves about 160 for each server. The right axis counts series.",
            no_value=NO_EXPORTER,
            unit="bytes",
            overrides=(right_axis("series"),),
        ),
        Query(
            f"topk({SHOWN}, {promql.select('electric_agents_exporter_exposition_bytes')})",
            "{{instance}} bytes",
        ),
        Query(
            f"topk({SHOWN}, {promql.select('electric_agents_exporter_exposition_series')})",
            "{{instance}} series",
        ),
    )


def _time(promql: QueryBuilder) -> dashboard.Panel:
    built = promql.select("electric_agents_exporter_exposition_duration_seconds")
    return graph_panel(
        PanelSpec(
            title="Scrape duration",
            description="Is it far from Prometheus's scrape_timeout? scrape is what Prometheus "
            "saw, build the exporter's own share of it.",
            no_value=NO_EXPORTER,
            unit="s",
        ),
        Query(f"topk({SHOWN}, {promql.select('scrape_duration_seconds')})", "{{instance}} scrape"),
        Query(
            f"topk({SHOWN}, {built})",
            "{{instance}} build",
        ),
    )


def _cpu(promql: QueryBuilder) -> dashboard.Panel:
    cpu = promql.select("process_cpu_seconds_total")
    return graph_panel(
        PanelSpec(
            title="CPU",
            description="Is it short of CPU? 100% is one core, and all that one process can use.",
            no_value=NO_EXPORTER,
            unit="percentunit",
        ),
        Query(f"topk({SHOWN}, rate({cpu}[$__rate_interval]))", "{{instance}}"),
    )


def _memory(promql: QueryBuilder) -> dashboard.Panel:
    return graph_panel(
        PanelSpec(
            title="Memory",
            description="Does it grow without the fleet growing? Compare it with the limit of its "
            "container.",
            no_value=NO_EXPORTER,
            unit="bytes",
        ),
        Query(f"topk({SHOWN}, {promql.select('process_resident_memory_bytes')})", "{{instance}}"),
    )


def _alerts_sent(promql: QueryBuilder) -> dashboard.Panel:
    sent = promql.select("electric_agents_exporter_alerts_sent_total")
    errors = promql.select("electric_agents_exporter_alerts_send_errors_total")
    return graph_panel(
        PanelSpec(
            title="Alerts sent/min",
            description="Do the exporter's own alerts arrive? Each is sent again every minute, the "
            "Watchdog too. What fails is tried again within half a minute.",
            no_value="no Alertmanager is set",
            unit=PER_MINUTE,
        ),
        Query(
            f"topk({SHOWN}, 60 * sum by (alertmanager) (rate({sent}[$__rate_interval])))",
            "{{alertmanager}}",
        ),
        Query(
            f"topk({SHOWN}, 60 * sum by (alertmanager, reason) "
            f"(rate({errors}[$__rate_interval])) > 0)",
            "{{alertmanager}}: {{reason}}",
        ),
    )


def _builds(promql: QueryBuilder) -> dashboard.Panel:
    build = promql.select("electric_agents_exporter_build_info")
    start = promql.select("process_start_time_seconds")
    return table_panel(
        PanelSpec(
            title="Exporters",
            description="Which versions run, and since when?",
            no_value=NO_EXPORTER,
            unit="none",
        ),
        Column(title="Exporter", label="instance"),
        Column(
            title="Version",
            label="version",
            width=90,
            query=f"max by (instance, version, python_version) ({build})",
        ),
        Column(title="Python", label="python_version", width=90),
        Column(
            title="Started",
            query=f"1000 * max by (instance) ({start})",
            width=150,
            unit="dateTimeFromNow",
        ),
        sort_by="Exporter",
        descending=False,
    )
