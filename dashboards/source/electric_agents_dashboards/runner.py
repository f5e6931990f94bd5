"""Runner: what happened to this one?"""

from typing import Final

from grafana_foundation_sdk.models import dashboard

from alert_values import Values
from electric_agents_dashboards import alerts, frame, states
from electric_agents_dashboards.asking import RUNNER, Asker
from electric_agents_dashboards.layout import Line, Section, line, place
from electric_agents_dashboards.looks import (
    BAD,
    DISABLED,
    GOOD,
    NEUTRAL,
    WARNING,
    Thresholds,
    Word,
    above,
    below,
    words,
)
from electric_agents_dashboards.panels import (
    Lines,
    Meaning,
    Override,
    Query,
    color_of,
    graph_panel,
    name_panel,
    override,
    stat_panel,
    timeline_panel,
)

NOBODY: Final = "per-runner series are off, or nobody matches"
DEAD_SAYS: Final = "Of its last heartbeat: shown only while it is online."


def build(values: Values) -> dashboard.Dashboard:
    """Make the dashboard."""
    ask = Asker(values, RUNNER)
    restarts = frame.restarts(ask, "electric_agents_runner_client_restarts_total")
    return frame.Outline(
        name="runner",
        title="Electric Agents / Runner",
        question="What happened to this runner, is it at work now, and what holds it up?",
        since="now-3h",
        variables=(frame.JOB, frame.SERVER, frame.RUNNER),
        annotations=(frame.alerts_of_runner(), restarts),
    ).fill(
        place(
            Section("Now", (_now(ask), line(5, (24, _alerts())))),
            Section("Its story", (line(10, (24, _story(ask))), line(5, (24, _issues(ask))))),
            Section("Heartbeat", (line(8, (12, _heartbeat(ask)), (12, _polled(ask))),)),
            Section(
                "Work",
                (
                    line(9, (8, _outcomes(ask)), (8, _success(ask)), (8, _events(ask))),
                    line(8, (12, _held(ask)), (12, _oldest_over_time(ask))),
                ),
            ),
            Section("Stability", (line(8, (12, _reconnects(ask)), (12, _unrest(ask))),)),
        )
    )


def _one(ask: Asker, metric: str, *matchers: str) -> str:
    return f"max {states.BY_RUNNER} ({ask.of(metric, *matchers)})"


def _oldest(ask: Asker) -> str:
    """Give how long ago the oldest claim gave a sign of life, on the server's clock."""
    beaten = _one(ask, "electric_agents_runner_oldest_claim_heartbeat_timestamp_seconds")
    now = "max by (server) (server:electric_agents_server_time:seconds"
    scope = 'job=~"$job", server=~"$server"'
    return f"{now}{{{scope}}}) - on (server) group_right () {beaten}"


def _lease_left(ask: Asker) -> str:
    """Give what is left of the lease, on the server's clock: its now is last_seen plus the age."""
    ends = _one(ask, "electric_agents_runner_lease_expires_timestamp_seconds")
    seen = _one(ask, "electric_agents_runner_last_seen_timestamp_seconds")
    age = _one(ask, "electric_agents_runner_heartbeat_age_seconds")
    return f"{ends} - {seen} - {age}"


def _now(ask: Asker) -> Line:
    number = ask.values.number
    return line(
        4,
        (
            4,
            stat_panel(
                Meaning(
                    title="State",
                    question=f"How is it? {states.STATES_EXPLAINED}",
                    nothing=NOBODY,
                    mappings=words(*states.STATES),
                ),
                Query(states.state(ask), "state", instant=True),
            ),
        ),
        (3, _who(ask)),
        (
            4,
            stat_panel(
                Meaning(
                    title="Silent for",
                    question="When did the server last hear of it? A heartbeat comes every 30 "
                    "seconds. Told on the server's clock alone.",
                    nothing="never one, or nobody matches",
                    unit="s",
                    thresholds=above((number("RunnerLeaseExpired", "silence"), BAD)),
                ),
                Query(
                    _one(ask, "electric_agents_runner_heartbeat_age_seconds"), "age", instant=True
                ),
            ),
        ),
        (
            4,
            stat_panel(
                Meaning(
                    title="Lease left",
                    question="Does the server hold it for alive? Under 0 the lease has run out. "
                    "Hours or years are a lease that it asked for itself, and say nothing.",
                    nothing="no lease",
                    unit="s",
                    thresholds=below(0),
                ),
                Query(_lease_left(ask), "left", instant=True),
            ),
        ),
        (
            4,
            stat_panel(
                Meaning(
                    title="Claims",
                    question="What does it hold? superseded are leaked by a crash, for ever: "
                    "harmless, but each was work cut short.",
                    nothing=NOBODY,
                    unit="none",
                    thresholds=Thresholds(NEUTRAL),
                    overrides=(
                        override(
                            "byName", "superseded", {"thresholds": above((1, WARNING)).model()}
                        ),
                    ),
                ),
                Query(_one(ask, "electric_agents_runner_active_claims"), "active", instant=True),
                Query(
                    _one(ask, "electric_agents_runner_superseded_claims"),
                    "superseded",
                    instant=True,
                ),
                names=True,
            ),
        ),
        (
            5,
            stat_panel(
                Meaning(
                    title="Work silent",
                    question="Is it stuck on something? The longest that one of its claims has "
                    "been silent; a claim that is worked on says so every 10 seconds.",
                    nothing="no claims",
                    unit="s",
                    thresholds=above((number("ClaimStuck", "age"), WARNING)),
                ),
                Query(_oldest(ask), "oldest", instant=True),
            ),
        ),
    )


def _who(ask: Asker) -> dashboard.Panel:
    info = ask.of("electric_agents_runner_info")
    return name_panel(
        Meaning(
            title="Who",
            question="What is it for? Its kind tells whether its absence is news: server and "
            "cloud-worker are meant to stay.",
            nothing=NOBODY,
            unit="none",
        ),
        Query(
            f"group by (server, runner_id, kind, label) ({info})",
            "{{kind}} {{label}}",
            instant=True,
        ),
    )


def _alerts() -> dashboard.Panel:
    return alerts.table_of(
        "Firing alerts",
        "What is wrong with it, and since when? The name of an alert is the name of its runbook.",
        alerts.OF_RUNNER,
    )


def _story(ask: Asker) -> dashboard.Panel:
    online = f"{DEAD_SAYS} A dead runner's own word would be that all is well, for ever."

    def enum(name: str, label: str, known: tuple[Word, ...]) -> str:
        return states.enum(ask, f"electric_agents_runner_{name}", label, known)

    asked = (
        ("verdict", enum("health_status", "status", states.HEALTH), states.HEALTH),
        ("lease", enum("liveness_status", "status", states.LIVENESS), states.LIVENESS),
        ("client", enum("client_status", "status", states.CLIENT), states.CLIENT),
        (
            "wake stream",
            _one(ask, "electric_agents_runner_client_stream_connected"),
            states.CONNECTED,
        ),
        (
            "heartbeat",
            _one(ask, "electric_agents_runner_client_last_heartbeat_ok"),
            states.LAST_OK,
        ),
        ("last claim", enum("client_last_claim_result", "result", states.CLAIM), states.CLAIM),
        ("operator", _one(ask, "electric_agents_runner_admin_enabled"), states.ENABLED_OR_NOT),
        ("exporter", _one(ask, "electric_agents_runner_poll_success"), states.POLLED),
    )
    return timeline_panel(
        Meaning(
            title="What it went through",
            question="What came first? verdict is the server's, lease what it is made of; client, "
            f"wake stream, heartbeat and last claim are the runner's own words. {online}",
            nothing=NOBODY,
            mappings=words(*states.HEALTH),
            overrides=[_worded(name, known) for name, _, known in asked],
        ),
        *(Query(expr, name) for name, expr, _ in asked),
    )


def _worded(series: str, known: tuple[Word, ...]) -> Override:
    return override("byName", series, {"mappings": words(*known)})


def _issues(ask: Asker) -> dashboard.Panel:
    issue = ask.of("electric_agents_runner_health_issue")
    return timeline_panel(
        Meaning(
            title="Issues",
            question="Why is it not healthy? A row for each issue that the server named, while it "
            "did. reconnects_high stays until the runner restarts, whatever became of it.",
            nothing="no issue, or nobody matches",
            mappings=words(Word(1, "named", WARNING)),
        ),
        Query(f"max by (issue) ({issue}) == 1", "{{issue}}"),
    )


def _heartbeat(ask: Asker) -> dashboard.Panel:
    ends = _one(ask, "electric_agents_runner_lease_expires_timestamp_seconds")
    seen = _one(ask, "electric_agents_runner_last_seen_timestamp_seconds")
    return graph_panel(
        Meaning(
            title="Silence, against its lease",
            question="When did it fall silent? A saw-tooth under the dashed line is well; a line "
            "that climbs over it is a runner that is gone, from where it began to climb.",
            nothing=NOBODY,
            unit="s",
            overrides=(
                color_of("since the last heartbeat", NEUTRAL),
                color_of("length of the lease", BAD, dashed=True),
            ),
        ),
        Query(
            _one(ask, "electric_agents_runner_heartbeat_age_seconds"), "since the last heartbeat"
        ),
        Query(f"{ends} - {seen}", "length of the lease"),
    )


def _polled(ask: Asker) -> dashboard.Panel:
    last = _one(ask, "electric_agents_runner_last_poll_success_timestamp_seconds")
    scope = 'job=~"$job", server=~"$server"'
    stale = (
        f"max by (server) (electric_agents_server_stale_after_seconds{{{scope}}}"
        f" and on (job, server) {ask.of('electric_agents_runner_poll_success')})"
    )
    return graph_panel(
        Meaning(
            title="Age of its report",
            question="Can this page be believed? Over the dashed line all that it shows is "
            "dropped, rather than told though it is old.",
            nothing=NOBODY,
            unit="s",
            overrides=(
                color_of("age", NEUTRAL),
                color_of("dropped from here on", DISABLED, dashed=True),
            ),
        ),
        Query(f"time() - {last}", "age"),
        Query(stale, "dropped from here on"),
    )


def _outcomes(ask: Asker) -> dashboard.Panel:
    rate = ask.rate("electric_agents_runner_claims_total")
    return graph_panel(
        Meaning(
            title="Claims by outcome",
            question="Does it work? no_work is normal: another was faster; a flood of it is a "
            "paused agent or a replayed stream. error needs a cause.",
            nothing=NOBODY,
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
    window = ask.window("ClaimFailuresHigh")
    limit = ask.values.number("ClaimFailuresHigh", "ratio")
    claims = "electric_agents_runner_claims_total"
    good = ask.increase(claims, window, 'outcome="claimed"')
    tried = ask.increase(claims, window, 'outcome=~"claimed|error"')
    return graph_panel(
        Meaning(
            title=f"Claims that succeed, {window}",
            question=f"Do its claims fail? Under the line ({1 - limit:.0%}) is an alert, if there "
            "are enough of them.",
            nothing="no claims, or nobody matches",
            unit="percentunit",
            least=0,
            most=1,
            thresholds=below(1 - limit, WARNING),
        ),
        Query(
            f"sum {states.BY_RUNNER} ({good}) / (sum {states.BY_RUNNER} ({tried}) > 0)", "success"
        ),
        lines=Lines(line=True, legend=("lastNotNull", "min")),
    )


def _events(ask: Asker) -> dashboard.Panel:
    limit = ask.values.number("RunnerSpinning", "events_per_second")
    return graph_panel(
        Meaning(
            title="Wake events",
            question="Is it woken? None for long while others are is a deaf runner; over the line "
            "without end it spins, usually on an agent that was paused.",
            nothing=NOBODY,
            unit="cps",
            thresholds=above((limit, WARNING)),
        ),
        Query(
            f"max {states.BY_RUNNER} ({ask.rate('electric_agents_runner_events_received_total')})",
            "events",
        ),
        lines=Lines(line=True),
    )


def _held(ask: Asker) -> dashboard.Panel:
    return graph_panel(
        Meaning(
            title="Claims held",
            question="What does it hold, and since when? A step of superseded is a crash in the "
            "middle of work.",
            nothing=NOBODY,
            unit="none",
            decimals=0,
            overrides=(color_of("active", NEUTRAL), color_of("superseded", WARNING)),
        ),
        Query(_one(ask, "electric_agents_runner_active_claims"), "active"),
        Query(_one(ask, "electric_agents_runner_superseded_claims"), "superseded"),
        lines=Lines(up_to=2),
    )


def _oldest_over_time(ask: Asker) -> dashboard.Panel:
    return graph_panel(
        Meaning(
            title="Oldest sign of work",
            question="Is it stuck? A line that climbs is a claim that nobody works on any more.",
            nothing="no claims, or nobody matches",
            unit="s",
            thresholds=above((ask.values.number("ClaimStuck", "age"), WARNING)),
        ),
        Query(_oldest(ask), "silent for"),
        lines=Lines(line=True),
    )


def _reconnects(ask: Asker) -> dashboard.Panel:
    window = ask.window("ReconnectStorm")
    counted = ask.increase("electric_agents_runner_reconnects_total", window)
    return graph_panel(
        Meaning(
            title=f"Reconnects within {window}",
            question="Does it lose its wake stream? Over the line is an alert: usually a proxy "
            "that cuts long-lived connections.",
            nothing=NOBODY,
            unit="none",
            thresholds=above((ask.values.number("ReconnectStorm", "reconnects"), WARNING)),
        ),
        Query(f"max {states.BY_RUNNER} ({counted})", "reconnects"),
        lines=Lines(line=True, up_to=10),
    )


def _unrest(ask: Asker) -> dashboard.Panel:
    window = ask.window("RunnerRestarting")

    def counted(name: str) -> str:
        increase = ask.increase(f"electric_agents_runner_{name}_total", window)
        return f"max {states.BY_RUNNER} ({increase})"

    return graph_panel(
        Meaning(
            title=f"Restarts and other unrest within {window}",
            question="Does it crash, flap, or share its id? Any conflict is two processes with "
            "one id (or a clock set back); restarts over the line are an alert.",
            nothing=NOBODY,
            unit="none",
            thresholds=above((ask.values.number("RunnerRestarting", "restarts"), WARNING)),
            overrides=(color_of("id conflicts", BAD),),
        ),
        Query(counted("client_restarts"), "restarts"),
        Query(counted("lease_lapses"), "lease lapses"),
        Query(counted("health_changes"), "changes of verdict"),
        Query(counted("client_identity_conflicts"), "id conflicts"),
        lines=Lines(line=True, legend=(), up_to=5),
    )
