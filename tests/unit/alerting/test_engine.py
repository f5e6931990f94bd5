"""What each alert finds, and what it does not: reports go in as polls take them in."""

from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from electric_agents_exporter.alerting.alert import Alert, AlertState
from electric_agents_exporter.alerting.definition import PREFIX, Definitions, Limit
from electric_agents_exporter.alerting.engine import Engine, Options, OwnState
from electric_agents_exporter.contract.reading import ListAnswer
from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    HealthStatus,
    Issue,
    RunnerKind,
)
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation, Reason, Skip
from watched_alerts import EVERY, OWNER, SHIPPED, Runner, Watched


def test_a_fleet_that_is_well_raises_nothing_but_the_watchdog() -> None:
    watched = Watched().go_on(Runner("a"), Runner("b"), seconds=3600)
    assert watched.told == set()
    (alert,) = watched.engine.alerts()
    assert alert.labels == {
        "alertname": "ElectricAgentsWatchdog",
        "job": "electric-agents",
        "severity": "none",
        "service": "electric-agents",
        "layer": "exporter",
    }


def test_a_death_at_work_fires_within_two_minutes_of_the_last_sign_of_life() -> None:
    watched, runner = Watched(), Runner()
    runner.entities = 1
    watched.go_on(runner, seconds=60)
    runner.dies(watched.now)
    last = watched.now
    while ("WorkAbandoned", "r") not in watched.firing:
        watched.go_on(runner)
    alert = watched.alerts()["WorkAbandoned", "r"]
    assert alert.fired_at is not None
    assert alert.fired_at - last <= 60 + 30 + EVERY
    assert alert.labels["severity"] == "critical"
    assert alert.labels["condition"] == "work_abandoned"
    assert 'server runner r "label of r" of agents' in alert.annotations["description"]


def test_work_lost_with_a_runner_that_comes_and_goes_is_a_ticket_and_waits_longer() -> None:
    watched, runner = Watched(), Runner(kind=RunnerKind.CI)
    runner.entities = 1
    watched.go_on(runner, seconds=60)
    runner.dies(watched.now)
    watched.go_on(runner, seconds=400)
    assert ("WorkAbandoned", "r") not in watched.firing
    watched.go_on(runner, seconds=400)
    assert watched.alerts()["WorkAbandoned", "r"].labels["severity"] == "warning"


def test_messages_that_wait_unheard_are_told_though_the_runner_is_alive() -> None:
    watched, runner = Watched(), Runner()
    runner.unheard = (watched.now,)
    watched.go_on(runner, seconds=150)
    assert ("WorkUnheard", "r") in watched.firing
    assert ("RunnerDeaf", "r") in watched.told
    assert (
        "1 of its agents were written to"
        in watched.alerts()["WorkUnheard", "r"].annotations["description"]
    )


def test_a_failed_claim_is_told_until_the_runner_starts_anew() -> None:
    watched, runner = Watched(), Runner()
    runner.client |= {"claims_failed": 0, "started_at": 10.0}
    watched.go_on(runner)
    runner.client["claims_failed"] = 1
    watched.go_on(runner, seconds=180)
    assert ("WorkRefused", "r") in watched.firing
    runner.client |= {"claims_failed": 0, "started_at": 20.0}
    watched.go_on(runner, seconds=240)
    assert ("WorkRefused", "r") not in watched.told


def test_a_claim_that_does_not_move_though_its_runner_lives_is_stuck() -> None:
    watched, runner = Watched(), Runner()
    runner.entities, runner.claimed_at = 1, watched.now
    watched.go_on(runner, seconds=620)
    assert ("ClaimStuck", "r") in watched.firing


def test_a_runner_that_is_gone_without_work_is_a_ticket_after_a_while() -> None:
    watched, idle, drains = Watched(), Runner("idle"), Runner("drains")
    drains.entities = 1
    watched.go_on(idle, drains, seconds=60)
    idle.dies(watched.now)
    drains.dies(watched.now)
    for _ in range(50):
        drains.claimed_at = watched.now
        watched.go_on(idle, drains)
    assert watched.firing >= {("RunnerUnhealthy", "idle")}
    assert not {who for name, who in watched.firing if name == "RunnerUnhealthy"} - {"idle"}


def test_a_runner_whose_place_another_took_is_not_gone() -> None:
    watched, old, new = Watched(), Runner("old"), Runner("new")
    watched.go_on(old, seconds=60)
    old.dies(watched.now)
    new.more["created_at"] = watched.now
    watched.go_on(old, new, seconds=700)
    assert ("RunnerUnhealthy", "old") not in watched.told


@pytest.mark.parametrize(
    "issue, alert",
    [
        (Issue.NO_DIAGNOSTICS, "RunnerDegraded"),
        (Issue.HEARTBEAT_FAILED, "RunnerDegraded"),
        (Issue.OTHER, "RunnerDegraded"),
        (Issue.RECONNECTS_HIGH, None),
        (Issue.NEVER_HEARTBEAT, "RunnerNeverHeartbeat"),
    ],
)
def test_an_issue_that_does_not_pass_is_told_once(issue: Issue, alert: str | None) -> None:
    watched, runner = Watched(), Runner()
    runner.more = {"issues": frozenset({issue}), "health": HealthStatus.DEGRADED}
    watched.go_on(runner, seconds=60)
    assert {name for name, _ in watched.told} == ({alert} if alert else set())


def test_of_a_disabled_runner_nothing_is_told() -> None:
    watched, runner = Watched(), Runner()
    runner.more = {
        "admin_status": AdminStatus.DISABLED,
        "health": HealthStatus.UNHEALTHY,
        "issues": frozenset({Issue.DISABLED, Issue.NO_DIAGNOSTICS}),
    }
    runner.unheard = (watched.now,)
    runner.entities = 1
    watched.go_on(runner, seconds=60)
    runner.dies(watched.now)
    watched.go_on(runner, seconds=900)
    assert watched.told == set()


def test_a_stream_that_is_lost_again_and_again_is_a_storm_until_it_calms_down() -> None:
    watched, runner = Watched(), Runner()
    runner.client["reconnect_count"] = 100
    watched.go_on(runner, seconds=60)
    for _ in range(30):
        runner.client["reconnect_count"] += 1
        watched.go_on(runner)
    assert ("ReconnectStorm", "r") in watched.firing
    assert watched.alerts()["ReconnectStorm", "r"].labels["kind"] == "server"
    watched.go_on(runner, seconds=600)
    assert ("ReconnectStorm", "r") not in watched.told


def test_a_runner_that_is_woken_for_nothing_spins_and_one_that_gets_work_does_not() -> None:
    watched, spins, works = Watched(), Runner("spins"), Runner("works")
    for runner in (spins, works):
        runner.client |= {"events_received": 0, "claims_skipped": 0}
    for _ in range(70):
        spins.client["events_received"] += 60
        spins.client["claims_skipped"] += 60
        works.client["events_received"] += 60
        works.client["claims_skipped"] += 30
        watched.go_on(spins, works)
    assert watched.firing == {("RunnerSpinning", "spins")}
    assert (
        "is woken 4 times a second"
        in watched.alerts()["RunnerSpinning", "spins"].annotations["description"]
    )


def test_a_process_that_starts_again_and_again_is_told() -> None:
    watched, runner = Watched(), Runner()
    for start in range(5):
        runner.client["started_at"] = 1000.0 * start
        watched.go_on(runner, seconds=120)
    assert ("RunnerRestarting", "r") in watched.told


def test_health_that_comes_and_goes_is_told() -> None:
    watched, runner = Watched(), Runner()
    for health in [HealthStatus.HEALTHY, HealthStatus.DEGRADED] * 4:
        runner.more["health"] = health
        watched.go_on(runner, seconds=60)
    assert ("RunnerFlapping", "r") in watched.told


def test_two_processes_under_one_id_are_told() -> None:
    watched, runner = Watched(), Runner()
    for start in [2000.0, 1000.0] * 3:
        runner.client["started_at"] = start
        watched.go_on(runner)
    assert ("DuplicateRunnerId", "r") in watched.firing


def test_claims_that_fail_at_several_runners_are_told_of_their_server() -> None:
    watched, one, two = Watched(), Runner("one"), Runner("two")
    for runner in (one, two):
        runner.client |= {"claims_failed": 0, "claims_succeeded": 0}
    for _ in range(8):
        for runner in (one, two):
            runner.client["claims_failed"] += 1
            runner.client["claims_succeeded"] += 1
        watched.go_on(one, two)
    assert ("ClaimFailuresHigh", "agents") in watched.told
    assert (
        "50% of the claims"
        in watched.alerts()["ClaimFailuresHigh", "agents"].annotations["description"]
    )


def test_the_failing_claims_of_one_runner_are_its_own() -> None:
    watched, one, two = Watched(), Runner("one"), Runner("two")
    one.client |= {"claims_failed": 0, "claims_succeeded": 0}
    for _ in range(20):
        one.client["claims_failed"] += 1
        watched.go_on(one, two)
    assert ("ClaimFailuresHigh", "agents") not in watched.told


def test_claims_that_leak_are_told_and_those_that_had_leaked_before_are_not() -> None:
    watched, old, new = Watched(), Runner("old"), Runner("new")
    old.active = 3
    watched.go_on(old, new, seconds=900)
    new.active = 2
    watched.go_on(old, new, seconds=900)
    told = {key for key in watched.told if key[0] == "ClaimsLeaking"}
    assert told == {("ClaimsLeaking", "new")}
    assert "kind" not in watched.alerts()["ClaimsLeaking", "new"].labels


def test_a_fleet_of_which_nobody_takes_work_is_told() -> None:
    watched, one, two = Watched(), Runner("one"), Runner("two")
    watched.go_on(one, two, seconds=60)
    one.dies(watched.now)
    watched.go_on(one, two, seconds=120)
    assert ("FleetUnavailable", "agents") not in watched.told
    two.dies(watched.now)
    watched.go_on(one, two, seconds=240)
    assert ("FleetUnavailable", "agents") in watched.firing
    assert (
        "Away: one two" in watched.alerts()["FleetUnavailable", "agents"].annotations["description"]
    )


def test_fewer_runners_than_are_expected_are_told_and_who_is_not_known_may_be_there() -> None:
    watched = Watched(expected_min=2)
    one, two = Runner("one"), Runner("two")
    watched.go_on(one, two, seconds=60)
    watched.go_on(one, two, seconds=300, failing={"two": Reason.SERVER_ERROR})
    assert ("TooFewRunners", "agents") not in watched.told
    watched.go_on(one, seconds=120)
    assert ("TooFewRunners", "agents") in watched.told


def test_runners_that_nothing_is_known_of_are_told_by_their_share() -> None:
    watched = Watched()
    runners = [Runner(str(number)) for number in range(10)]
    failing = {"0": Reason.SERVER_ERROR}
    watched.go_on(*runners, seconds=60)
    watched.go_on(*runners, seconds=480, failing=failing)
    firing = [
        alert.labels["share"]
        for alert in watched.engine.alerts()
        if alert.labels["alertname"] == "ElectricAgentsRunnersUnknown"
        and alert.state is AlertState.FIRING
    ]
    assert firing == ["tenth"]


def test_runners_that_left_their_list_are_told_unless_the_settings_were_read_since() -> None:
    runners = [Runner(str(number)) for number in range(10)]
    for configured_ago, told in ((7200.0, True), (600.0, False)):
        watched = Watched()
        watched.own = OwnState(reloaded=True, configured_at=watched.now - configured_ago, drift={})
        watched.go_on(*runners, seconds=120).go_on(*runners[:4], seconds=60)
        assert (("RunnersVanished", "agents") in watched.told) is told


def test_a_server_that_does_not_answer_is_told_and_nobody_dies_of_it() -> None:
    watched, runner = Watched(), Runner()
    runner.entities = 1
    watched.go_on(runner, seconds=60)
    watched.go_on(refused=Reason.CONNECT, server=Reason.CONNECT, seconds=320)
    assert watched.firing >= {("ServerUnreachable", "agents")}
    assert not {name for name, _ in watched.told} & {"WorkAbandoned", "RunnerUnhealthy"}
    assert (
        ": connect." in watched.alerts()["ServerUnreachable", "agents"].annotations["description"]
    )


def test_a_database_that_cannot_be_read_is_told_by_its_own_name() -> None:
    watched = Watched(operations=(Operation.LIST, Operation.HEALTH), database=True)
    watched.go_on(Runner(), seconds=60)
    watched.go_on(refused=Reason.DATABASE, seconds=60)
    assert {name for name, _ in watched.told} == {"DatabaseUnreachable"}


def test_credentials_that_are_refused_are_told_in_place_of_a_server_that_is_down() -> None:
    watched = Watched().go_on(Runner(), seconds=60)
    watched.go_on(refused=Reason.UNAUTHORIZED, seconds=60)
    told = [
        (alert.labels["alertname"].removeprefix(PREFIX), alert.labels["severity"])
        for alert in watched.engine.alerts()
    ]
    assert ("CredentialsRejected", "critical") in told
    assert not {name for name, _ in told} & {"ServerUnreachable", "ExporterDataStale"}


def test_many_servers_at_once_are_one_more_alert() -> None:
    names = ("a", "b", "c", "d")
    watched = Watched(*names)
    for _ in range(3):
        for name in names:
            watched.poll(name=name, refused=Reason.DNS, server=Reason.DNS)
        watched.engine.evaluate_itself()
        watched.clock.advance(EVERY)
    (many,) = [alert for alert in watched.engine.alerts() if alert.labels.get("servers") == "many"]
    assert "server" not in many.labels
    assert "4 agents-servers do not answer" in many.annotations["description"]
    assert "a b c d" in many.annotations["description"]


def test_data_that_is_old_though_there_is_a_list_is_told() -> None:
    watched = Watched()
    runners = [Runner(str(number)) for number in range(4)]
    failing = dict.fromkeys(["0", "1", "2"], Reason.SERVER_ERROR)
    watched.go_on(*runners, seconds=60).go_on(*runners, seconds=120, failing=failing)
    assert ("ExporterDataStale", "agents") in watched.told


def test_polls_of_which_one_in_four_fails_are_told() -> None:
    watched, runner = Watched(), Runner()
    for turn in range(40):
        watched.go_on(runner, refused=Reason.TIMEOUT if turn % 4 == 0 else None)
    assert ("ExporterDataStale", "agents") in watched.told


def test_a_scheduler_that_stands_still_is_told_and_the_watchdog_ends_a_minute_later() -> None:
    watched = Watched().go_on(Runner(), seconds=60)
    watched.clock.advance(600)
    watched.engine.evaluate_itself()
    assert ("ExporterDataStale", "") in watched.told
    for seconds, state in ((45, AlertState.FIRING), (15, AlertState.RESOLVED)):
        watched.clock.advance(seconds)
        watched.engine.evaluate_itself()
        assert watchdog_of(watched).state is state


def watchdog_of(watched: Watched) -> Alert:
    (watchdog,) = [each for each in watched.engine.alerts() if each.labels["severity"] == "none"]
    return watchdog


def test_the_watchdog_does_not_end_with_a_host_that_slept() -> None:
    watched = Watched().go_on(Runner(), seconds=60)
    before = watchdog_of(watched)
    watched.clock.advance(8 * 3600)
    watched.engine.evaluate_itself()
    watched.fleet.tick()
    watched.go_on(Runner(), seconds=60)
    assert watchdog_of(watched).state is AlertState.FIRING
    assert watchdog_of(watched).fired_at == before.fired_at


def test_a_scheduler_that_is_late_is_no_old_data_until_it_has_stood_still_for_long() -> None:
    watched = Watched().go_on(Runner(), seconds=60)
    watched.clock.advance(240)
    watched.engine.evaluate_itself()
    assert ("ExporterDataStale", "") not in watched.told
    watched.clock.advance(60)
    watched.engine.evaluate_itself()
    assert ("ExporterDataStale", "") in watched.told


def test_polls_that_stop_while_the_scheduler_ticks_are_old_data() -> None:
    watched = Watched().go_on(Runner(), seconds=60)
    watched.clock.advance(120)
    watched.fleet.tick()
    watched.engine.evaluate_itself()
    assert ("ExporterDataStale", "") in watched.told


def test_runners_beyond_the_limit_and_polls_that_do_not_happen_are_told() -> None:
    watched = Watched(max_runners=1).go_on(Runner("a"), Runner("b"), seconds=30)
    watched.fleet.targets["agents"].skip(Skip.OVERRUN, 3)
    watched.go_on(Runner("a"), Runner("b"))
    assert watched.told == {("RunnersSuppressed", "agents"), ("PollOverrun", "agents")}


def test_a_clock_that_is_wrong_is_told() -> None:
    watched = Watched().go_on(Runner(), seconds=30)
    watched.clock.wall += 60
    watched.engine.evaluate_target("agents")
    assert ("ClockSkew", "agents") not in watched.told
    target = watched.fleet.targets["agents"]
    target.clock_offset = -45.0
    watched.engine.evaluate_target("agents")
    assert ("ClockSkew", "agents") in watched.told


def test_settings_that_were_refused_and_drift_are_told() -> None:
    watched = Watched().go_on(Runner(), seconds=30)
    watched.own = OwnState(reloaded=False, configured_at=0.0, drift={"list.kind": 1})
    watched.fleet.tick()
    watched.engine.evaluate_itself()
    assert watched.told == {("ConfigReloadFailed", "")}
    watched.clock.advance(EVERY)
    watched.own = OwnState(reloaded=True, configured_at=0.0, drift={"list.kind": 2})
    watched.fleet.tick()
    watched.engine.evaluate_itself()
    told = watched.alerts()
    assert told["ContractDrift", ""].labels["field"] == "list.kind"
    text = told["ContractDrift", ""].annotations["description"]
    assert text.startswith("1 values of list.kind within 1h")


def test_what_the_exporter_tells_of_itself_is_resolved_as_soon_as_it_is_well() -> None:
    watched = Watched().go_on(Runner(), seconds=30)
    watched.own = OwnState(reloaded=False, configured_at=0.0, drift={})
    watched.go_on(Runner(), seconds=620)
    assert watched.firing == {("ConfigReloadFailed", "")}
    watched.own = OwnState(reloaded=True, configured_at=0.0, drift={})
    watched.go_on(Runner())
    assert set(watched.alerts(AlertState.RESOLVED)) == {("ConfigReloadFailed", "")}


def test_a_poll_that_fails_now_and_then_ends_nothing() -> None:
    watched, runner = Watched(), Runner()
    runner.entities = 1
    watched.go_on(runner, seconds=60)
    runner.dies(watched.now)
    watched.go_on(runner, seconds=150)
    fired = watched.alerts()["WorkAbandoned", "r"].fired_at
    for refused in (Reason.TIMEOUT, None, Reason.TIMEOUT, Reason.TIMEOUT, None):
        watched.go_on(runner, refused=refused)
    watched.go_on(runner, seconds=120, failing={"r": Reason.SERVER_ERROR})
    assert watched.alerts(AlertState.FIRING)["WorkAbandoned", "r"].fired_at == fired


def test_a_runner_that_is_told_by_its_database_too_is_told_once() -> None:
    watched, runner = Watched("agents", "database"), Runner()
    watched.fleet.configure([watched.policies[0], replaced(watched.policies[1], database=True)])
    runner.entities = 1
    for _ in range(4):
        watched.poll(runner)
        watched.poll(runner, name="database")
        watched.clock.advance(EVERY)
    runner.dies(watched.now)
    for _ in range(10):
        watched.poll(runner)
        watched.poll(runner, name="database")
        watched.clock.advance(EVERY)
    servers = [
        alert.labels["server"]
        for alert in watched.engine.alerts()
        if alert.labels["alertname"] == "ElectricAgentsWorkAbandoned"
    ]
    assert servers == ["database"]


def replaced(policy: Policy, **changes: Any) -> Policy:  # noqa: ANN401
    fields = {name: getattr(policy, name) for name in Policy.__dataclass_fields__}
    return Policy(**{**fields, **changes})


def test_without_series_of_runners_an_alert_counts_them_by_kind() -> None:
    watched, one, two = Watched(per_runner=False), Runner("one"), Runner("two")
    one.unheard = two.unheard = (watched.now,)
    watched.go_on(one, two, seconds=90)
    (alert,) = [each for (name, _), each in watched.alerts().items() if name == "WorkUnheard"]
    assert "runner_id" not in alert.labels
    assert alert.labels["kind"] == "server"
    text = alert.annotations["description"]
    assert text.startswith("2 server runners of agents have not heard")


def test_without_series_of_runners_those_without_a_condition_are_named_all_the_same() -> None:
    watched, one, two = Watched(per_runner=False), Runner("one"), Runner("two")
    one.more = two.more = {"issues": frozenset({Issue.OTHER}), "health": HealthStatus.DEGRADED}
    watched.go_on(one, two, seconds=30)
    assert watched.told == {("RunnerDegraded", "one"), ("RunnerDegraded", "two")}


def test_a_count_of_runners_may_tell_of_its_target() -> None:
    runners = 'facts.of_server("electric_agents_runner_condition", "runner_id", {})'
    asks = f'{{{{ {runners} | first | label("runner_id") }}}}'
    definitions = saying("WorkUnheard", more=asks)
    watched, runner = Watched(definitions=definitions, per_runner=False), Runner()
    runner.unheard = (watched.now,)
    watched.go_on(runner, seconds=90)
    assert watched.alerts()["WorkUnheard", "agents"].annotations == {"more": "r"}


def test_alerts_carry_the_labels_that_settings_add() -> None:
    watched = Watched(labels={"cluster": "eu", "job": "mine"}).go_on(Runner(), seconds=30)
    (watchdog,) = watched.engine.alerts()
    assert watchdog.labels["cluster"] == "eu"
    assert watchdog.labels["job"] == "mine"


def test_what_an_override_leaves_out_is_not_told() -> None:
    def without(alerts: Iterable[str], limit: Limit) -> Definitions:
        return replace(
            SHIPPED,
            alerts=tuple(
                replace(one, limits=(limit,)) if one.alert in alerts else one
                for one in SHIPPED.alerts
            ),
        )

    for pattern, matches, told in (
        ("agents", False, False),
        ("agents", True, True),
        ("agent", False, True),
        ("agent.*", True, True),
    ):
        limit = Limit("server", pattern, matches)
        watched = Watched(definitions=without(["ElectricAgentsWorkUnheard"], limit))
        runner = Runner()
        runner.unheard = (watched.now,)
        watched.go_on(runner, seconds=90)
        assert (("WorkUnheard", "r") in watched.told) is told


def test_a_runner_whose_label_is_ignored_raises_nothing() -> None:
    watched = Watched(definitions=replace(SHIPPED, ignored_runners=("label of .*",)))
    runner = Runner()
    runner.unheard = (watched.now,)
    assert watched.go_on(runner, seconds=90).told == set()


def test_a_target_that_is_taken_out_of_the_settings_has_its_alerts_resolved() -> None:
    watched, runner = Watched(), Runner()
    runner.unheard = (watched.now,)
    watched.go_on(runner, seconds=150)
    assert watched.firing
    watched.fleet.configure([])
    watched.fleet.tick()
    assert watched.engine.evaluate_itself()
    assert not watched.told
    assert ("WorkUnheard", "r") in watched.alerts(AlertState.RESOLVED)


def test_a_target_that_went_with_the_options_has_its_alerts_resolved() -> None:
    watched, runner = Watched(), Runner()
    runner.unheard = (watched.now,)
    watched.go_on(runner, seconds=150)
    watched.engine.configure(Options(replace(SHIPPED, interval=20.0)))
    watched.fleet.configure([])
    watched.engine.evaluate_itself()
    assert ("WorkUnheard", "r") in watched.alerts(AlertState.RESOLVED)


def test_a_target_that_is_taken_out_is_none_of_the_many() -> None:
    down = [f"down-{number}" for number in range(3)]
    well = [f"well-{number}" for number in range(4)]
    watched = Watched(*down, *well)

    def many() -> bool:
        watched.engine.evaluate_itself()
        return any(alert.labels.get("servers") == "many" for alert in watched.engine.alerts())

    for name in well:
        watched.poll(Runner(), name=name)
    for name in down:
        watched.poll(name=name, refused=Reason.DNS, server=Reason.DNS)
    assert not many()
    watched.fleet.configure(watched.policies[:-1])
    assert many()


def test_a_target_that_is_unknown_or_was_never_polled_is_not_evaluated() -> None:
    watched = Watched()
    for name in ("agents", "nobody"):
        assert not watched.engine.evaluate_target(name)
    assert watched.engine.alerts() == []


def test_a_change_is_told_when_an_alert_begins_to_fire_and_when_it_ends() -> None:
    watched = Watched()
    assert watched.engine.evaluate_itself() is False
    watched.fleet.tick()
    assert watched.engine.evaluate_itself() is True  # the watchdog
    assert watched.engine.evaluate_itself() is False


def test_what_fires_goes_on_after_a_restart_under_its_first_moment() -> None:
    watched, runner = Watched(), Runner()
    runner.unheard = (watched.now,)
    watched.go_on(runner, seconds=150)
    before = watched.alerts()["WorkUnheard", "r"]
    again = Watched()
    again.clock = watched.clock
    assert before.fired_at is not None
    again.known = {before.identity: before.fired_at}
    started_anew(again, watched)
    again.go_on(runner)
    after = again.alerts()["WorkUnheard", "r"]
    assert (after.state, after.fired_at) == (AlertState.FIRING, before.fired_at)
    assert again.alerts()["RunnerDeaf", "r"].state is AlertState.PENDING


def started_anew(again: Watched, before: Watched) -> None:
    """Let a new process look at the same world, at the same time."""
    again.fleet = Fleet(before.clock)
    again.fleet.configure(before.policies)
    again.engine = Engine(
        again.fleet, before.clock, again.options, lambda: again.own, lambda: again.known
    )


def test_new_options_keep_what_fires_where_it_is_called_the_same() -> None:
    watched, runner = Watched(), Runner()
    runner.unheard = (watched.now,)
    watched.go_on(runner, seconds=150)
    before = watched.alerts()["WorkUnheard", "r"].fired_at
    watched.engine.configure(Options(replace(SHIPPED, interval=20.0)))
    watched.go_on(runner)
    assert watched.alerts()["WorkUnheard", "r"].fired_at == before


def test_new_options_are_followed() -> None:
    watched = Watched().go_on(Runner(), seconds=30)
    watched.engine.configure(Options(SHIPPED, {"cluster": "eu"}))
    watched.go_on(Runner())
    assert "eu" in {alert.labels.get("cluster") for alert in watched.engine.alerts()}


def test_an_owner_is_named_where_the_options_say_so() -> None:
    for owner_label in (False, True):
        watched, runner = Watched(), Runner()
        watched.engine.configure(Options(SHIPPED, owner_label=owner_label))
        runner.unheard = (watched.now,)
        watched.go_on(runner, seconds=90)
        text = watched.alerts()["WorkUnheard", "r"].annotations["description"]
        assert ("owned by service:fleet" in text) is owner_label


def saying(alert: str, **texts: str) -> Definitions:
    """Give what is shipped, with other texts in the annotations and labels of one alert."""
    alerts = (
        replace(one, annotations=texts, labels={**one.labels, **texts})
        if one.alert == PREFIX + alert
        else one
        for one in SHIPPED.alerts
    )
    return replace(SHIPPED, alerts=tuple(alerts))


def test_labels_and_texts_may_tell_the_number_and_the_facts() -> None:
    asks = "{{ value }} {{ facts.hour_ago() | first | value | fixed(0) }}"
    watched = Watched(definitions=saying("RunnersSuppressed", more=asks), max_runners=1)
    watched.poll(Runner("a"), Runner("b"))
    (alert,) = watched.alerts().values()
    said = f"1 {(watched.now - 3600) * 1000:.0f}"
    assert (alert.labels["more"], alert.annotations["more"]) == (said, said)


def test_an_alert_on_a_fleet_may_tell_why_requests_fail() -> None:
    asks = '{{ facts.reasons() | first | label("reason") }}'
    definitions = saying("RunnersUnknown", more=asks)
    watched = Watched(definitions=definitions).go_on(Runner(), seconds=60)
    watched.go_on(Runner(), failing={"r": Reason.SERVER_ERROR}, seconds=420)
    assert watched.alerts()["RunnersUnknown", "agents"].annotations == {"more": "server_error"}


def why(watched: Watched) -> str:
    """Give the reasons that the text of an unreachable server names."""
    text = watched.alerts()["ServerUnreachable", "agents"].annotations["description"]
    return text.partition("or more")[2].partition(".")[0]


def test_a_reason_is_named_from_the_first_time_on_and_for_five_minutes() -> None:
    watched = Watched().go_on(Runner(), seconds=60)
    watched.go_on(refused=Reason.CONNECT, server=Reason.CONNECT)
    assert why(watched) == ": connect"
    watched.go_on(refused=Reason.DNS, server=Reason.DNS, seconds=285)
    assert why(watched) == ": connect dns"
    watched.go_on(refused=Reason.DNS, server=Reason.DNS, seconds=30)
    assert why(watched) == ": dns"


def test_a_reason_that_one_tenant_meets_is_named_though_another_met_it_long_before() -> None:
    watched = Watched()
    target = watched.fleet.targets["agents"]
    for failing in ("b", "nobody", "a"):
        poll = Poll(target)
        poll.requested(Operation.SERVER, 0.01, Reason.CONNECT if failing == "a" else None)
        for name, part in poll.tenants(["a", "b"]).items():
            part.listed(OWNER, ListAnswer((), ()))
            part.requested(Operation.LIST, 0.01, Reason.DNS if name == failing else None)
        poll.end()
        watched.engine.evaluate_target("agents")
        watched.clock.advance(200)
    assert why(watched) == ": connect dns"
