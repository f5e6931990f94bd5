"""Exporter: can the other dashboards be believed?"""

from dataclasses import replace
from typing import Final

from grafana_foundation_sdk.models import dashboard

from alert_values import Values
from electric_agents_dashboards import frame
from electric_agents_dashboards.asking import EXPORTER, TARGET, Asker
from electric_agents_dashboards.layout import Line, Section, line, place
from electric_agents_dashboards.looks import (
    BAD,
    DISABLED,
    GOOD,
    WARNING,
    Thresholds,
    Word,
    above,
    words,
)
from electric_agents_dashboards.panels import (
    NAMES,
    Lines,
    Meaning,
    Override,
    Query,
    color_of,
    graph_panel,
    override,
    stat_panel,
    timeline_panel,
)
from electric_agents_dashboards.tables import Column, table_panel

NO_EXPORTER: Final = "no exporter"
NO_TARGET: Final = "no server polled"
SHOWN: Final = 10
"""Lines of a graph: the worst targets."""
UP: Final = (Word(1, "up", GOOD), Word(0, "down", BAD))
RELOADED: Final = (Word(1, "as in its file", GOOD), Word(0, "old settings kept", WARNING))


def build(values: Values) -> dashboard.Dashboard:
    """Make the dashboard."""
    ask, target = Asker(values, EXPORTER), Asker(values, TARGET)
    restarts = frame.restarts(target, "electric_agents_runners_client_restarts_total")
    return frame.Outline(
        name="exporter",
        title="Electric Agents / Exporter",
        question="Can the other dashboards be believed: is everything polled, in time, in full?",
        since="now-3h",
        variables=(frame.JOB, frame.INSTANCE, frame.SERVER),
        annotations=(frame.alerts_of_servers(), restarts),
    ).fill(
        place(
            Section("Now", (*_now(ask, target), line(8, (24, _targets(target))))),
            Section(
                "Polling",
                (
                    line(9, (8, _up(target)), (8, _age(target)), (8, _errors(target))),
                    line(9, (8, _duration(target)), (8, _latency(target)), (8, _requests(target))),
                    line(9, (8, _skipped(target)), (8, _listed(target)), (8, _hidden(target))),
                ),
            ),
            Section(
                "This process",
                (
                    line(8, (8, _drift(ask)), (8, _size(ask)), (8, _time(ask))),
                    line(8, (12, _cpu(ask)), (12, _memory(ask))),
                    line(5, (24, _builds(ask))),
                ),
            ),
        )
    )


def _intervals(ask: Asker) -> str:
    """Give how many poll intervals ago each target last answered everything."""
    last = ask.of("electric_agents_server_last_poll_success_timestamp_seconds")
    return f"(time() - {last}) / {ask.of('electric_agents_server_poll_interval_seconds')}"


def _now(ask: Asker, target: Asker) -> tuple[Line, Line]:
    number = ask.values.number
    drift = ask.window("ContractDrift")
    unknown = ask.of("electric_agents_exporter_unrecognized_values_total")
    build = ask.of("electric_agents_exporter_build_info")
    over = target.of("electric_agents_server_runners_suppressed", 'reason="limit"')
    down = "sum(1 - {})"
    current = line(
        4,
        _tile(
            "Exporters down",
            "Is somebody watching? Of the exporters that Prometheus should scrape, or could within "
            "a day.",
            Query(down.format(ask.of("instance:electric_agents_exporter_up:bool")), "down"),
            above((1, BAD)),
            nothing=NO_EXPORTER,
        ),
        _tile(
            "Servers down",
            "Does every server answer? Down: no list, or only one that is too old; its runners "
            "have no series.",
            Query(down.format(target.of("electric_agents_server_up")), "down"),
            above((1, BAD)),
        ),
        _tile(
            "Age of the data",
            "Is what is shown new? Poll intervals since the worst target last answered everything.",
            Query(f"max({_intervals(target)})", "age"),
            above((number("ExporterDataStale", "intervals"), WARNING)),
            unit="suffix: intervals",
            nothing="never any",
        ),
        _tile(
            "Clocks apart",
            "Do server and exporter agree on the time? Ages and alerts are right all the same; "
            "times in logs and on graphs are not.",
            Query(f"max(abs({target.of('electric_agents_server_clock_offset_seconds')}))", "apart"),
            above((number("ClockSkew", "seconds"), WARNING)),
            unit="s",
        ),
    )
    whole = line(
        4,
        _tile(
            "Over the limit",
            "Is a part of the fleet not shown? Runners beyond max_runners have no series.",
            Query(
                f"sum(max by (job, server) ({over}))",
                "over",
            ),
            above((1, WARNING)),
        ),
        _tile(
            "Not understood",
            f"Did servers say within {drift} what this exporter does not know? Usually the server "
            "is newer.",
            # There is no series before the first one: that is 0, where there is an exporter.
            Query(f"sum(increase({unknown}[{drift}])) or 0 * sum({build})", "values"),
            above((1, WARNING)),
            nothing=NO_EXPORTER,
        ),
        (
            6,
            stat_panel(
                Meaning(
                    title="Settings",
                    question="Are they what is in the file? If the old ones were kept, a restart "
                    "would fail.",
                    nothing=NO_EXPORTER,
                    mappings=words(*RELOADED),
                ),
                Query(
                    f"min({ask.of('electric_agents_exporter_config_last_reload_successful')})",
                    "settings",
                    instant=True,
                ),
            ),
        ),
        _tile(
            "Last tick",
            "Does it still poll? The scheduler ticks every second; what is shown is as old as the "
            "scrape.",
            Query(
                "max(time() - "
                f"{ask.of('electric_agents_exporter_scheduler_last_tick_timestamp_seconds')})",
                "tick",
            ),
            above((number("ExporterDataStale", "tick_window"), WARNING)),
            nothing=NO_EXPORTER,
            unit="s",
        ),
    )
    return current, whole


def _tile(
    title: str,
    question: str,
    query: Query,
    thresholds: Thresholds,
    **more: str,
) -> tuple[int, dashboard.Panel]:
    unit = more.get("unit", "none")
    meaning = Meaning(
        title=title,
        question=question,
        nothing=more.get("nothing", NO_TARGET),
        unit=unit,
        decimals=0 if unit == "none" else 1,
        thresholds=thresholds,
    )
    return 6, stat_panel(meaning, replace(query, instant=True))


def _targets(ask: Asker) -> dashboard.Panel:
    def each(expr: str) -> str:
        return f"max by (instance, server) ({expr})"

    number = ask.values.number
    interval = ask.of("electric_agents_server_poll_interval_seconds")
    took = ask.of("electric_agents_server_last_poll_duration_seconds")
    listed = ask.of("electric_agents_server_runners_listed")
    return table_panel(
        Meaning(
            title="Targets",
            question="Which target is it, and what is wrong with it? 0 runners listed is also what "
            "a wrong principal looks like.",
            nothing=NO_TARGET,
            unit="none",
        ),
        Column(
            title="State",
            query=each(ask.of("electric_agents_server_up")),
            width=80,
            mappings=words(*UP),
            filled=True,
        ),
        Column(title="Server", label="server"),
        Column(title="Exporter", label="instance", width=170),
        Column(
            title="Data age",
            query=each(_intervals(ask)),
            unit="suffix: intervals",
            decimals=1,
            thresholds=above((number("ExporterDataStale", "intervals"), WARNING)),
            nothing="never",
        ),
        Column(
            title="Poll, of interval",
            query=each(f"{took} / {interval}"),
            unit="percentunit",
            decimals=0,
            thresholds=above((1, WARNING)),
        ),
        Column(title="Runners listed", query=f"sum by (instance, server) ({listed})", unit="none"),
        Column(
            title="With series",
            query=each(ask.of("electric_agents_server_runners_exported")),
            unit="none",
        ),
        Column(
            title="Clock offset",
            query=each(ask.of("electric_agents_server_clock_offset_seconds")),
            unit="s",
            decimals=2,
            nothing="not known",
        ),
        sort_by="State",
        descending=False,
    )


def _up(ask: Asker) -> dashboard.Panel:
    up = ask.of("electric_agents_server_up")
    return timeline_panel(
        Meaning(
            title="Targets up",
            question=f"When was a server away, and all at once? The {SHOWN} worst at the end of "
            "the time range.",
            nothing=NO_TARGET,
            mappings=words(*UP),
        ),
        Query(
            f"min by (server) ({up})\n"
            f"and on (server) bottomk({SHOWN}, min by (server) ({up} @ end()))",
            "{{server}}",
        ),
    )


def _age(ask: Asker) -> dashboard.Panel:
    return graph_panel(
        Meaning(
            title="Age of the data",
            question="Since when is it old? Over the line is an alert; it goes on climbing until "
            "the server answers everything.",
            nothing=NO_TARGET,
            unit="suffix: intervals",
            decimals=1,
            thresholds=above((ask.values.number("ExporterDataStale", "intervals"), WARNING)),
        ),
        Query(f"topk({SHOWN}, {_intervals(ask)})", "{{server}} by {{instance}}"),
        lines=Lines(line=True, legend=()),
    )


def _errors(ask: Asker) -> dashboard.Panel:
    errors = ask.of("electric_agents_server_request_errors_total")
    return graph_panel(
        Meaning(
            title="Failed requests by reason",
            question="Why does a server not answer? timeout, connect, reset: it or the way to it. "
            "unauthorized, forbidden: the credentials. not_json, schema: something else answers.",
            nothing="no request failed",
            unit="cpm",
        ),
        Query(
            f"topk({SHOWN}, 60 * sum by (endpoint, reason) (rate({errors}[$__rate_interval])) > 0)",
            "{{endpoint}}: {{reason}}",
        ),
        lines=Lines(stacked=True),
    )


def _duration(ask: Asker) -> dashboard.Panel:
    took = ask.of("electric_agents_server_last_poll_duration_seconds")
    interval = ask.of("electric_agents_server_poll_interval_seconds")
    return graph_panel(
        Meaning(
            title="A poll's time, of its interval",
            question="Is the interval long enough? From 100% on polls are skipped: raise interval "
            "or concurrency, or poll the database.",
            nothing=NO_TARGET,
            unit="percentunit",
            thresholds=above((1, WARNING)),
        ),
        Query(f"topk({SHOWN}, {took} / {interval})", "{{server}} by {{instance}}"),
        lines=Lines(line=True, legend=()),
    )


def _latency(ask: Asker) -> dashboard.Panel:
    buckets = ask.of("electric_agents_server_request_duration_seconds_bucket")

    def quantile(share: float) -> str:
        rate = f"sum by (le, endpoint) (rate({buckets}[$__rate_interval]))"
        return f"histogram_quantile({share}, {rate})"

    return graph_panel(
        Meaning(
            title="How long requests take",
            question="Is a server getting slow? The half of all requests, and all but one in 20.",
            nothing="no requests",
            unit="s",
        ),
        Query(quantile(0.5), "{{endpoint}}, half"),
        Query(quantile(0.95), "{{endpoint}}, 95%"),
        lines=NAMES,
    )


def _requests(ask: Asker) -> dashboard.Panel:
    requests = ask.of("electric_agents_server_requests_total")
    return graph_panel(
        Meaning(
            title="Requests",
            question="How much does watching cost the servers? One for each principal and one for "
            "each runner that is not retired, every interval.",
            nothing=NO_TARGET,
            unit="reqps",
        ),
        Query(f"sum by (endpoint) (rate({requests}[$__rate_interval]))", "{{endpoint}}"),
        lines=Lines(stacked=True),
    )


def _skipped(ask: Asker) -> dashboard.Panel:
    window = ask.window("PollOverrun")
    skipped = ask.of("electric_agents_server_polls_skipped_total")
    return graph_panel(
        Meaning(
            title=f"Polls skipped within {window}",
            question="Was a poll not made, and why? overrun: the one before still ran; over the "
            "line is an alert. misfire: this process was too busy. backoff: the server had failed.",
            nothing=NO_TARGET,
            unit="none",
            decimals=0,
            thresholds=above((ask.values.number("PollOverrun", "polls"), WARNING)),
        ),
        Query(f"sum by (reason) (increase({skipped}[{window}]))", "{{reason}}"),
        lines=Lines(line=True, legend=(), up_to=5),
    )


def _listed(ask: Asker) -> dashboard.Panel:
    listed = ask.of("electric_agents_server_runners_listed")
    return graph_panel(
        Meaning(
            title="Runners listed, by principal",
            question="Does each principal see its fleet? A fall to 0 while the server answers is "
            f"a principal that is wrong or lost its runners. The {SHOWN} shortest lists.",
            nothing=NO_TARGET,
            unit="none",
            decimals=0,
        ),
        Query(
            f"bottomk({SHOWN}, max by (server, principal) ({listed}))", "{{server}}: {{principal}}"
        ),
        lines=NAMES,
    )


def _hidden(ask: Asker) -> dashboard.Panel:
    hidden = ask.of("electric_agents_server_runners_suppressed")
    return graph_panel(
        Meaning(
            title="Runners without series",
            question="Who is listed and not shown? filter and shard are configured, retired were "
            "not seen for long; limit is a fleet that outgrew max_runners.",
            nothing=NO_TARGET,
            unit="none",
            decimals=0,
            overrides=(color_of("limit", WARNING), color_of("retired", DISABLED)),
        ),
        Query(f"sum by (reason) (max by (job, server, reason) ({hidden}))", "{{reason}}"),
        lines=Lines(legend=(), up_to=5),
    )


def _drift(ask: Asker) -> dashboard.Panel:
    unknown = ask.of("electric_agents_exporter_unrecognized_values_total")
    return graph_panel(
        Meaning(
            title="Values not understood, by field",
            question="What has changed in the servers' answers? Those fields are left out, or "
            "shown as unknown or other.",
            nothing="all was understood",
            unit="cpm",
        ),
        Query(
            f"topk({SHOWN}, 60 * sum by (field) (rate({unknown}[$__rate_interval])) > 0)",
            "{{field}}",
        ),
    )


def _size(ask: Asker) -> dashboard.Panel:
    return graph_panel(
        Meaning(
            title="Size of an exposition",
            question="How much does Prometheus take in? About 60 series for each runner; "
            "per_runner: false leaves about 160 for each server. The right axis counts series.",
            nothing=NO_EXPORTER,
            unit="bytes",
            overrides=(_right_axis("/series/"),),
        ),
        Query(
            f"topk({SHOWN}, {ask.of('electric_agents_exporter_exposition_bytes')})",
            "{{instance}} bytes",
        ),
        Query(
            f"topk({SHOWN}, {ask.of('electric_agents_exporter_exposition_series')})",
            "{{instance}} series",
        ),
    )


def _right_axis(pattern: str) -> Override:
    return override("byRegexp", pattern, {"unit": "short", "custom.axisPlacement": "right"})


def _time(ask: Asker) -> dashboard.Panel:
    return graph_panel(
        Meaning(
            title="Time of a scrape",
            question="Is it far from Prometheus's scrape_timeout? build is the exporter's own "
            "share of it, scrape what Prometheus saw.",
            nothing=NO_EXPORTER,
            unit="s",
        ),
        Query(f"topk({SHOWN}, {ask.of('scrape_duration_seconds')})", "{{instance}} scrape"),
        Query(
            f"topk({SHOWN}, {ask.of('electric_agents_exporter_exposition_duration_seconds')})",
            "{{instance}} build",
        ),
    )


def _cpu(ask: Asker) -> dashboard.Panel:
    cpu = ask.of("process_cpu_seconds_total")
    return graph_panel(
        Meaning(
            title="CPU",
            question="Is it short of CPU? 100% is one core, and all that one process can use.",
            nothing=NO_EXPORTER,
            unit="percentunit",
        ),
        Query(f"topk({SHOWN}, rate({cpu}[$__rate_interval]))", "{{instance}}"),
    )


def _memory(ask: Asker) -> dashboard.Panel:
    return graph_panel(
        Meaning(
            title="Memory",
            question="Does it grow without the fleet growing? Compare it with the limit of its "
            "container.",
            nothing=NO_EXPORTER,
            unit="bytes",
        ),
        Query(f"topk({SHOWN}, {ask.of('process_resident_memory_bytes')})", "{{instance}}"),
    )


def _builds(ask: Asker) -> dashboard.Panel:
    build = ask.of("electric_agents_exporter_build_info")
    start = ask.of("process_start_time_seconds")
    return table_panel(
        Meaning(
            title="Exporters",
            question="Which versions run, and since when?",
            nothing=NO_EXPORTER,
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
