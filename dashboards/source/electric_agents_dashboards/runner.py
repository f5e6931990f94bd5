"""Runner: what happened to this one?"""

from dataclasses import replace
from typing import Final

from grafana_foundation_sdk.models import dashboard

from alert_values import Values
from electric_agents_dashboards import alerts, runner_lists, skeleton, states, tiles
from electric_agents_dashboards.layout import Line, Section, line
from electric_agents_dashboards.panels import (
    GraphStyle,
    Override,
    PanelSpec,
    Query,
    TileStyle,
    color_of,
    graph_panel,
    name_panel,
    override,
    right_axis,
    stat_panel,
    timeline_panel,
)
from electric_agents_dashboards.query_builder import (
    BY_RUNNER,
    BY_SERVER,
    ON_SERVER,
    ONE_SERVER,
    RUNNER,
    QueryBuilder,
)
from electric_agents_dashboards.theme import (
    BAD,
    DISABLED,
    GOOD,
    NEUTRAL,
    PER_MINUTE,
    PER_SECOND,
    PLAIN,
    WARNING,
    MappedValue,
    Thresholds,
    above,
    below,
    calm_until,
    value_mappings,
)
from electric_agents_exporter import conditions

NOBODY: Final = "not known: see State"
NOT_READ: Final = "not read"
SERVERS_OF_JOB: Final = f'job=~"$job", {ONE_SERVER}'
"""Matches what is of the runner's server."""
STUCK_AFTER: Final = conditions.Thresholds().stuck_after
"""From when on the exporter calls a claim stuck, unless its settings say otherwise."""
DEAD_SAYS: Final = "Of its last heartbeat: shown only while it is online."


def build(values: Values) -> dashboard.Dashboard:
    """Make the dashboard."""
    promql = QueryBuilder(values, RUNNER)
    restarts = skeleton.restarts(promql, "electric_agents_runner_client_restarts_total")
    return skeleton.Skeleton(
        name="runner",
        title="Electric Agents / Runner",
        description="What happened to this runner, is it at work now, and what holds it up?",
        since="now-3h",
        variables=skeleton.ONE,
        annotations=(skeleton.alerts_of_runner(), restarts),
    ).fill(
        Section(
            "Now", (_now(promql), _work(promql), _life(promql), line(5, (24, _alerts(promql))))
        ),
        Section(
            "History",
            (
                line(10, (24, _history(promql))),
                line(6, (12, _issues(promql)), (12, _conditions(promql))),
            ),
        ),
        Section("Heartbeat", (line(9, (12, _heartbeat(promql)), (12, _polled(promql))),)),
        Section(
            "Work",
            (
                line(9, (8, _outcomes(promql)), (8, _success(promql)), (8, _events(promql))),
                line(8, (8, _wakes(promql)), (8, _held(promql)), (8, _oldest_over_time(promql))),
            ),
        ),
        Section("Stability", (line(8, (12, _reconnects(promql)), (12, _restarts(promql))),)),
    )


def _runner_max(promql: QueryBuilder, metric: str, *matchers: str) -> str:
    return f"max {BY_RUNNER} ({promql.select(metric, *matchers)})"


def _oldest(promql: QueryBuilder) -> str:
    """Give how long ago the oldest claim sent a heartbeat, on the server's clock."""
    beaten = _runner_max(promql, "electric_agents_runner_oldest_claim_heartbeat_timestamp_seconds")
    now = f"max {BY_SERVER} (server:electric_agents_server_time:seconds{{{SERVERS_OF_JOB}}})"
    # The server's time is recorded once an interval, and a heartbeat may be newer than that.
    return f"clamp_min({now} - {ON_SERVER} group_right () {beaten}, 0)"


def _state(promql: QueryBuilder) -> str:
    """Give the runner's state, or why there is none."""
    of_server = replace(promql, scope=SERVERS_OF_JOB)
    return f"{states.state(promql)}\nor {ON_SERVER} ({runner_lists.unlisted(of_server)})"


def _work(promql: QueryBuilder) -> Line:
    """Show what it works on, what waits for it, and what it was told."""

    def tile(spec: PanelSpec, metric: str) -> tuple[int, dashboard.Panel]:
        return 4, stat_panel(spec, Query(_runner_max(promql, metric), spec.title))

    waits = calm_until((1, BAD))
    silent = calm_until((promql.values.number("RunnerUnhealthy", "for"), BAD))
    return line(
        4,
        tile(
            PanelSpec(
                title="Works on",
                description="Is it at work? Entities with an active claim of it, which its agents "
                "work on.",
                no_value=NOBODY,
                unit="none",
                thresholds=calm_until(),
            ),
            "electric_agents_runner_entities_with_active_claim",
        ),
        tile(
            PanelSpec(
                title="Wakes",
                description="What waits for it? Entities whose wakes it has not heard; a few are "
                "normal for moments.",
                no_value=NOT_READ,
                unit="none",
                thresholds=calm_until(),
            ),
            "electric_agents_runner_wakes_unheard",
        ),
        tile(
            PanelSpec(
                title="Oldest wake",
                description="Since when does work wait for it? Over a minute somebody notices.",
                no_value=NOT_READ,
                unit="s",
                thresholds=calm_until((tiles.WAITS_FROM, BAD)),
            ),
            "electric_agents_runner_wake_oldest_unheard_age_seconds",
        ),
        tile(
            PanelSpec(
                title="Unclaimed",
                description="Does the server hold wakes of it that nobody claimed? Current servers "
                "always say 0, whatever waits: believe the wakes.",
                no_value=NOBODY,
                unit="none",
                thresholds=waits,
            ),
            "electric_agents_runner_entities_with_outstanding_wake",
        ),
        tile(
            PanelSpec(
                title="Pending",
                description="Does the server know of work that waits for it? Current servers "
                "always say 0: believe the wakes.",
                no_value=NOBODY,
                unit="none",
                thresholds=waits,
            ),
            "electric_agents_runner_entities_with_pending_work",
        ),
        tile(
            PanelSpec(
                title="Sign of life",
                description="Does it live? The age of the newest of its heartbeat and those of its "
                "claims.",
                no_value=NOBODY,
                unit="s",
                thresholds=silent,
            ),
            "electric_agents_runner_sign_of_life_age_seconds",
        ),
    )


def _life(promql: QueryBuilder) -> Line:
    """Show when it did what it says of itself."""

    def when(title: str, description: str, metric: str, no_value: str) -> dashboard.Panel:
        since = (
            f"1000 * {_runner_max(promql, f'electric_agents_runner_{metric}_timestamp_seconds')}"
        )
        return stat_panel(
            PanelSpec(
                title=title,
                description=description,
                no_value=no_value,
                unit="dateTimeFromNow",
                thresholds=PLAIN,
            ),
            Query(since, title),
            style=TileStyle(filled=False, size=18),
        )

    own = "By its own clock, as of its last heartbeat."
    return line(
        3,
        (
            4,
            when(
                "Registered",
                "Since when is it known? By the server's database clock, when it "
                "was first registered.",
                "registered",
                NOBODY,
            ),
        ),
        (4, when("Started", f"Since when does it run? {own}", "client_start", "not told")),
        (
            4,
            when(
                "Connected",
                "Since when does it hear? By its own clock; shown only while it is online.",
                "client_stream_connected_since",
                "not connected, or not told",
            ),
        ),
        (
            4,
            when(
                "Last claim",
                f"When did it last try to take work? {own}",
                "client_last_claim",
                "none, or not told",
            ),
        ),
        (
            4,
            when(
                "Last dispatch",
                f"When did it last hand work to an agent? {own}",
                "client_last_dispatch",
                "none, or not told",
            ),
        ),
        (
            4,
            when(
                "Last error",
                f"When did something last go wrong in it? {own} What it was stands in its log.",
                "client_last_error",
                "none, or not told",
            ),
        ),
    )


def _lease_left(promql: QueryBuilder) -> str:
    """Give what is left of the lease, on the server's clock: its now is last_seen plus the age."""
    ends = _runner_max(promql, "electric_agents_runner_lease_expires_timestamp_seconds")
    seen = _runner_max(promql, "electric_agents_runner_last_seen_timestamp_seconds")
    age = _runner_max(promql, "electric_agents_runner_heartbeat_age_seconds")
    return f"{ends} - {seen} - {age}"


def _now(promql: QueryBuilder) -> Line:
    number = promql.values.number
    return line(
        4,
        (
            4,
            stat_panel(
                PanelSpec(
                    title="State",
                    description=f"How is it? {states.STATES_EXPLAINED}",
                    no_value=NOBODY,
                    mappings=value_mappings(*states.STATES, *states.UNLISTED),
                ),
                Query(_state(promql), "state"),
            ),
        ),
        (3, _who(promql)),
        (
            4,
            stat_panel(
                PanelSpec(
                    title="Heartbeat",
                    description="When did the server last hear from it? A heartbeat comes every "
                    "30 seconds. The age is by the server's clock alone.",
                    no_value="never one, or not known",
                    unit="s",
                    thresholds=above((number("RunnerUnhealthy", "for"), BAD)),
                ),
                Query(_runner_max(promql, "electric_agents_runner_heartbeat_age_seconds"), "age"),
            ),
        ),
        (
            4,
            stat_panel(
                PanelSpec(
                    title="Lease left",
                    description="Does the server hold it for alive? Under 0 the lease has run "
                    "out. A lease of hours or years was asked for by the runner, and says nothing.",
                    no_value="no lease, or not known",
                    unit="s",
                    thresholds=below(0),
                ),
                Query(_lease_left(promql), "left"),
            ),
        ),
        (
            4,
            stat_panel(
                PanelSpec(
                    title="Claims",
                    description="What does it hold? superseded claims were leaked by a crash, for "
                    "ever: harmless, but each was work cut short.",
                    no_value=NOBODY,
                    unit="none",
                    thresholds=Thresholds(NEUTRAL),
                    overrides=(
                        override(
                            "byName", "superseded", {"thresholds": above((1, WARNING)).model()}
                        ),
                    ),
                ),
                Query(_runner_max(promql, "electric_agents_runner_active_claims"), "active"),
                Query(
                    _runner_max(promql, "electric_agents_runner_superseded_claims"), "superseded"
                ),
                style=TileStyle(names=True),
            ),
        ),
        (
            5,
            stat_panel(
                PanelSpec(
                    title="Oldest claim",
                    description="Is it stuck on something? The age of the oldest heartbeat of its "
                    "claims; a claim that is worked on sends one every 10 seconds.",
                    no_value="no claims, or not known",
                    unit="s",
                    thresholds=above((STUCK_AFTER, WARNING)),
                ),
                Query(_oldest(promql), "oldest"),
            ),
        ),
    )


def _who(promql: QueryBuilder) -> dashboard.Panel:
    info = promql.select("electric_agents_runner_info")
    return name_panel(
        PanelSpec(
            title="Kind",
            description="What is it for? Its kind tells whether its absence is news: of all kinds "
            f"only {promql.lasting_words} is meant to stay.",
            no_value=NOBODY,
            unit="none",
        ),
        Query(
            f"group by (kind, label) ({info})",
            "{{kind}} {{label}}",
        ),
    )


def _alerts(promql: QueryBuilder) -> dashboard.Panel:
    return alerts.firing_table(
        promql,
        "What is wrong with it, or with its server, and since when? A click on a name opens its "
        "runbook.",
        skeleton.ALERTS_OF_RUNNER,
        skeleton.ALERTS_OF_ITS_SERVER,
        whose=True,
    )


def _history(promql: QueryBuilder) -> dashboard.Panel:
    online = f"{DEAD_SAYS} A dead runner's own word would be that all is well, for ever."

    def enum(name: str, label: str, known: tuple[MappedValue, ...]) -> str:
        return states.enum(promql, f"electric_agents_runner_{name}", label, known)

    asked = (
        ("health", enum("health_status", "status", states.HEALTH), states.HEALTH),
        ("liveness", enum("liveness_status", "status", states.LIVENESS), states.LIVENESS),
        ("client status", enum("client_status", "status", states.CLIENT), states.CLIENT),
        (
            "wake stream",
            _runner_max(promql, "electric_agents_runner_client_stream_connected"),
            states.CONNECTED,
        ),
        (
            "last heartbeat",
            _runner_max(promql, "electric_agents_runner_client_last_heartbeat_ok"),
            states.LAST_OK,
        ),
        ("last claim", enum("client_last_claim_result", "result", states.CLAIM), states.CLAIM),
        (
            "admin status",
            _runner_max(promql, "electric_agents_runner_admin_enabled"),
            states.ENABLED_OR_NOT,
        ),
        ("poll", _runner_max(promql, "electric_agents_runner_poll_success"), states.POLLED),
        (
            "wakes",
            _runner_max(promql, "electric_agents_runner_wake_read_success"),
            states.WAKES_READ,
        ),
    )
    return timeline_panel(
        PanelSpec(
            title="Status over time",
            description="What came first? health and liveness are the server's judgement; client "
            "status, wake stream, last heartbeat and last claim are the runner's own words. "
            f"{online}",
            no_value=NOBODY,
            mappings=value_mappings(*states.HEALTH),
            overrides=[_mapped(name, known) for name, _, known in asked],
        ),
        *(Query(expr, name) for name, expr, _ in asked),
    )


def _mapped(series: str, known: tuple[MappedValue, ...]) -> Override:
    return override("byName", series, {"mappings": value_mappings(*known)})


def _issues(promql: QueryBuilder) -> dashboard.Panel:
    issue = promql.select("electric_agents_runner_health_issue")
    return timeline_panel(
        PanelSpec(
            title="Issues",
            description="Why is it not healthy? A row for each issue, while the server named it. "
            "reconnects_high stays until the runner restarts, however well it is since.",
            no_value="no issue, or not known",
            mappings=value_mappings(MappedValue(1, "named", WARNING)),
        ),
        Query(f"max by (issue) ({issue}) == 1", "{{issue}}"),
    )


def _conditions(promql: QueryBuilder) -> dashboard.Panel:
    condition = promql.select("electric_agents_runner_condition")
    return timeline_panel(
        PanelSpec(
            title="Conditions",
            description="What does this exporter judge? A row for each condition, while it was "
            "true: by its wakes and its signs of life, not by what it says of itself. draining is "
            "no fault: it was stopped and ends its work.",
            no_value="none is true, or not known",
            mappings=value_mappings(MappedValue(1, "true", WARNING)),
            overrides=[
                _mapped(name, (MappedValue(1, "true", color),))
                for name, color in states.CONDITIONS.items()
            ],
        ),
        Query(f"max by (condition) ({condition}) == 1", "{{condition}}"),
    )


def _wakes(promql: QueryBuilder) -> dashboard.Panel:
    return graph_panel(
        PanelSpec(
            title="Wakes unheard",
            description="Does work wait for it? The age of the oldest wake that it has not heard, "
            "and on the right axis how many there are. A line that climbs is a runner that is "
            "dead or deaf.",
            no_value="not known",
            unit="s",
            overrides=(color_of("age of the oldest", BAD), right_axis("wakes")),
        ),
        Query(
            _runner_max(promql, "electric_agents_runner_wake_oldest_unheard_age_seconds"),
            "age of the oldest",
        ),
        Query(_runner_max(promql, "electric_agents_runner_wakes_unheard"), "wakes"),
        style=GraphStyle(soft_max=10),
    )


def _heartbeat(promql: QueryBuilder) -> dashboard.Panel:
    ends = _runner_max(promql, "electric_agents_runner_lease_expires_timestamp_seconds")
    seen = _runner_max(promql, "electric_agents_runner_last_seen_timestamp_seconds")
    return graph_panel(
        PanelSpec(
            title="Heartbeat age against the lease",
            description="When did it fall silent? A saw-tooth under the dashed line is well. A "
            "line that climbs over it is a runner that is gone since it began to climb. Where "
            "only the sign of life stays low, it drains: its claims go on.",
            no_value=NOBODY,
            unit="s",
            overrides=(
                color_of("since the last heartbeat", NEUTRAL),
                color_of("since the last sign of life", GOOD),
                color_of("length of the lease", BAD, dashed=True),
            ),
        ),
        Query(
            _runner_max(promql, "electric_agents_runner_heartbeat_age_seconds"),
            "since the last heartbeat",
        ),
        Query(
            _runner_max(promql, "electric_agents_runner_sign_of_life_age_seconds"),
            "since the last sign of life",
        ),
        Query(f"{ends} - {seen}", "length of the lease"),
    )


def _polled(promql: QueryBuilder) -> dashboard.Panel:
    last = _runner_max(promql, "electric_agents_runner_last_poll_success_timestamp_seconds")
    stale = (
        f"max {BY_SERVER} (electric_agents_server_stale_after_seconds{{{SERVERS_OF_JOB}}}"
        f" and {ON_SERVER} "
        f"{promql.select('electric_agents_runner_poll_success')})"
    )
    return graph_panel(
        PanelSpec(
            title="Report age",
            description="Can this page be believed? Over the dashed line everything is dropped, "
            "rather than shown though it is old.",
            no_value=NOBODY,
            unit="s",
            overrides=(
                color_of("age", NEUTRAL),
                color_of("dropped from here on", DISABLED, dashed=True),
            ),
        ),
        Query(f"time() - {last}", "age"),
        Query(stale, "dropped from here on"),
    )


def _outcomes(promql: QueryBuilder) -> dashboard.Panel:
    rate = promql.rate("electric_agents_runner_claims_total")
    return graph_panel(
        PanelSpec(
            title="Claims/min by outcome",
            description="Does it work? no_work: another runner was faster, which is normal; a "
            "flood of it is a paused agent or a replayed stream. error needs a cause.",
            no_value=NOBODY,
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
    limit = promql.values.number("ClaimFailuresHigh", "ratio")
    claims = "electric_agents_runner_claims_total"
    good = promql.increase(claims, window, 'outcome="claimed"')
    tried = promql.increase(claims, window, 'outcome=~"claimed|error"')
    return graph_panel(
        PanelSpec(
            title=f"Claims that succeed, {window}",
            description=f"Do its claims fail? An alert fires under the line ({1 - limit:.0%}), if "
            "there are enough of them.",
            no_value="no claims, or not known",
            unit="percentunit",
            min_value=0,
            max_value=1,
            thresholds=below(1 - limit, WARNING),
        ),
        Query(f"sum {BY_RUNNER} ({good}) / (sum {BY_RUNNER} ({tried}) > 0)", "success"),
        style=GraphStyle(threshold_line=True, legend_calcs=("last", "min")),
    )


def _events(promql: QueryBuilder) -> dashboard.Panel:
    received = promql.rate("electric_agents_runner_events_received_total")
    limit = promql.values.number("RunnerSpinning", "events_per_second")
    return graph_panel(
        PanelSpec(
            title="Wake events/s",
            description="Is it woken? None for long, while others have some, is a deaf runner. "
            "Over the line without end it spins, usually on an agent that was paused.",
            no_value=NOBODY,
            unit=PER_SECOND,
            thresholds=above((limit, WARNING)),
        ),
        Query(
            f"max {BY_RUNNER} ({received})",
            "events",
        ),
        style=GraphStyle(threshold_line=True),
    )


def _held(promql: QueryBuilder) -> dashboard.Panel:
    return graph_panel(
        PanelSpec(
            title="Claims held",
            description="What does it hold, and since when? A step of superseded is a crash in "
            "the middle of work.",
            no_value=NOBODY,
            unit="none",
            decimals=0,
            overrides=(color_of("active", NEUTRAL), color_of("superseded", WARNING)),
        ),
        Query(_runner_max(promql, "electric_agents_runner_active_claims"), "active"),
        Query(_runner_max(promql, "electric_agents_runner_superseded_claims"), "superseded"),
        style=GraphStyle(soft_max=2),
    )


def _oldest_over_time(promql: QueryBuilder) -> dashboard.Panel:
    return graph_panel(
        PanelSpec(
            title="Age of the oldest claim heartbeat",
            description="Is it stuck? A line that climbs is a claim that nobody works on any more.",
            no_value="no claims, or not known",
            unit="s",
            thresholds=above((STUCK_AFTER, WARNING)),
        ),
        Query(_oldest(promql), "since its last heartbeat"),
        style=GraphStyle(threshold_line=True),
    )


def _reconnects(promql: QueryBuilder) -> dashboard.Panel:
    window = promql.window("ReconnectStorm")
    counted = promql.increase("electric_agents_runner_reconnects_total", window)
    return graph_panel(
        PanelSpec(
            title=f"Reconnects within {window}",
            description="Does it lose its wake stream? Over the line is an alert: usually a proxy "
            "that cuts long-lived connections.",
            no_value=NOBODY,
            unit="none",
            thresholds=above((promql.values.number("ReconnectStorm", "reconnects"), WARNING)),
        ),
        Query(f"max {BY_RUNNER} ({counted})", "reconnects"),
        style=GraphStyle(threshold_line=True, soft_max=10),
    )


def _restarts(promql: QueryBuilder) -> dashboard.Panel:
    window = promql.window("RunnerRestarting")

    def counted(name: str) -> str:
        increase = promql.increase(f"electric_agents_runner_{name}_total", window)
        return f"max {BY_RUNNER} ({increase})"

    return graph_panel(
        PanelSpec(
            title=f"Restarts, lapses and conflicts within {window}",
            description="Does it crash, flap, or share its id? Conflicts are two processes with "
            "one id; a single one may be a clock set back. Restarts over the line are an alert.",
            no_value=NOBODY,
            unit="none",
            thresholds=above((promql.values.number("RunnerRestarting", "restarts"), WARNING)),
            overrides=(color_of("id conflicts", BAD),),
        ),
        Query(counted("client_restarts"), "restarts"),
        Query(counted("lease_lapses"), "lease lapses"),
        Query(counted("health_changes"), "health changes"),
        Query(counted("client_identity_conflicts"), "id conflicts"),
        style=GraphStyle(threshold_line=True, legend_calcs=(), soft_max=5),
    )
