"""Where the alerts on servers and fleets begin and end, and what they say."""

from dataclasses import replace
from typing import Final

import pytest
from msgspec.structs import replace as replaced

from electric_agents_exporter.alerting.definition import Limit
from electric_agents_exporter.alerting.engine import OwnState
from electric_agents_exporter.contract.reading import ListAnswer
from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    HealthStatus,
    Issue,
    RunnerKind,
)
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation, Reason, Skip
from electric_agents_exporter.fleet.selection import Selection, Shard
from watched_alerts import OWNER, SHIPPED, Runner, Watched

ADA: Final = "user:ada"


def severities(watched: Watched, name: str) -> set[str]:
    """Give how severe an alert is told, whether or not it fires yet."""
    return {
        alert.labels["severity"]
        for alert in watched.engine.alerts()
        if alert.labels["alertname"] == f"ElectricAgents{name}"
    }


def says(watched: Watched, name: str) -> str:
    return watched.alerts()[name, "agents"].annotations["description"]


def names(watched: Watched) -> set[str]:
    return {name for name, _ in watched.told}


# --- a fleet of which nobody takes work ---


def many(prefix: str, count: int, kind: RunnerKind = RunnerKind.SERVER) -> list[Runner]:
    return [Runner(f"{prefix} {number}", kind) for number in range(count)]


def fleet_of_dead(
    *others: Runner, dead: int = 2, at_work: int = 0, unknown: tuple[Runner, ...] = ()
) -> Watched:
    """Let so many runners die, some of them at work, and so many become unknown."""
    gone = many("gone", dead)
    for runner in gone[:at_work]:
        runner.entities = 1
    everybody = (*gone, *others, *unknown)
    watched = Watched().go_on(*everybody, seconds=60)
    for runner in gone:
        runner.dies(watched.now)
    failing = {runner.listed.id: Reason.NOT_FOUND for runner in unknown}
    return watched.go_on(*everybody, seconds=480, failing=failing)


def disabled() -> Runner:
    runner = Runner("disabled")
    runner.more = {"admin_status": AdminStatus.DISABLED}
    return runner


def deaf() -> Runner:
    runner = Runner("deaf")
    runner.client = {"stream_connected": False}
    return runner


def test_those_that_come_and_go_or_are_disabled_are_none_of_the_fleet() -> None:
    assert "FleetUnavailable" not in names(fleet_of_dead(Runner("well")))
    away = fleet_of_dead(Runner("ci", RunnerKind.CI), disabled())
    assert says(away, "FleetUnavailable").startswith("Of the 2 enabled server runners of agents")


def test_one_that_is_deaf_takes_no_work_either() -> None:
    assert says(fleet_of_dead(deaf()), "FleetUnavailable").startswith("Of the 3 enabled")


@pytest.mark.parametrize(
    "unknown, kind, told",
    [(2, RunnerKind.SERVER, 1), (3, RunnerKind.SERVER, 0), (3, RunnerKind.CI, 1)],
)
def test_where_most_are_not_known_nobody_says_that_none_takes_work(
    unknown: int, kind: RunnerKind, told: int
) -> None:
    watched = fleet_of_dead(unknown=tuple(many("unknown", unknown, kind)))
    assert len({"FleetUnavailable"} & names(watched)) == told


@pytest.mark.parametrize("dead, at_work, told", [(2, 1, 0), (4, 1, 1), (4, 2, 0)])
def test_where_half_are_told_one_by_one_the_fleet_is_not(
    dead: int, at_work: int, told: int
) -> None:
    watched = fleet_of_dead(dead=dead, at_work=at_work)
    assert len({"FleetUnavailable"} & names(watched)) == told


def test_where_somebody_waits_for_half_the_fleet_is_not_told() -> None:
    one, two = deaf(), Runner("two")
    two.client = one.client
    watched = Watched()
    one.unheard = (watched.now,)
    assert "FleetUnavailable" in names(watched.go_on(one, two, seconds=45))
    assert "FleetUnavailable" not in names(watched.go_on(one, two, seconds=60))


# --- runners that are not known, or not there ---


def test_one_that_is_not_known_is_told_by_itself_and_a_tenth_by_its_share() -> None:
    for count, shares in ((20, {"one"}), (10, {"one", "tenth"}), (2, {"one", "tenth", "half"})):
        watched, runners = Watched(), many("r", count)
        watched.go_on(*runners, seconds=60)
        watched.go_on(*runners, seconds=420, failing={"r 0": Reason.SERVER_ERROR})
        told = {
            alert.labels["share"]: alert.annotations["description"]
            for alert in watched.engine.alerts()
            if alert.labels["alertname"] == "ElectricAgentsRunnersUnknown"
        }
        assert told.keys() == shares
    assert told["half"].startswith("50% of the runners of agents ")


def test_only_those_that_are_enabled_online_and_hear_are_there() -> None:
    for other in (None, disabled(), deaf()):
        watched, well, dead = Watched(expected_min=2), Runner("well"), Runner("dead")
        runners = [well, dead, *([other] if other else [])]
        watched.go_on(*runners, seconds=60)
        assert ("TooFewRunners" in names(watched)) is False
        dead.dies(watched.now)
        watched.go_on(*runners, seconds=180)
        assert says(watched, "TooFewRunners").startswith("At most 1 runners of agents")


# --- runners that left their list ---


def listing(*counts: int, **others: int) -> Watched:
    """Poll lists that name so many runners, one after the other; the settings are old."""
    watched = Watched()
    watched.own = OwnState(reloaded=True, configured_at=watched.now - 7200.0, drift={})
    (policy,) = watched.policies
    watched.fleet.configure([replace(policy, principals=(OWNER, *others))])
    for count in counts:
        watched.go_on(*many("r", count), seconds=60, others=others)
    return watched


@pytest.mark.parametrize(
    "counts, told",
    [
        ((10, 4), {"critical"}),
        ((10, 5), set()),
        ((10, 0), {"critical"}),
        ((1, 0), {"warning"}),
        ((1, 1), set()),
        ((2, 1), set()),
        ((2, 0), {"critical"}),
        ((0, 0), set()),
    ],
)
def test_a_list_that_lost_more_than_half_is_severe_and_one_that_lost_its_only_one_less_so(
    counts: tuple[int, int], told: set[str]
) -> None:
    assert severities(listing(*counts, **{ADA: 3}), "RunnersVanished") == told


def test_a_list_that_lost_runners_is_named_by_its_principal() -> None:
    text = says(listing(10, 4, **{ADA: 3}), "RunnersVanished")
    assert text.startswith("agents lists 4 runners of service:fleet and reports no error.")


def test_a_principal_that_is_new_and_lists_nobody_has_lost_nobody() -> None:
    watched = listing(10, 10)
    (policy,) = watched.policies
    watched.fleet.configure([replace(policy, principals=(OWNER, ADA))])
    watched.poll(*many("r", 10), others={ADA: 0})
    assert "RunnersVanished" not in names(watched)


# --- credentials ---


def refusing(**others: Reason) -> Watched:
    watched = Watched()
    (policy,) = watched.policies
    watched.fleet.configure([replace(policy, principals=(OWNER, *others))])
    watched.go_on(Runner(), seconds=60, others=dict.fromkeys(others, 1))
    return watched


def test_one_refused_request_of_one_principal_is_a_ticket_and_nothing_else() -> None:
    watched = refusing(**{ADA: Reason.FORBIDDEN})
    for _ in range(4):
        watched.go_on(Runner(), others={ADA: Reason.FORBIDDEN})
        assert severities(watched, "CredentialsRejected") == {"warning"}
        assert not {"ServerUnreachable", "ExporterDataStale"} & names(watched)


def test_a_page_and_a_ticket_where_every_principal_is_refused() -> None:
    watched = refusing().go_on(refused=Reason.UNAUTHORIZED)
    assert severities(watched, "CredentialsRejected") == {"critical", "warning"}


def test_a_refusal_that_is_long_over_is_told_no_more() -> None:
    watched = refusing().go_on(refused=Reason.UNAUTHORIZED).go_on(Runner(), seconds=240)
    assert names(watched) == {"CredentialsRejected"}
    assert not names(watched.go_on(Runner(), seconds=60))


# --- data that is old ---


def test_a_server_that_fails_though_it_lists_is_told_as_that_alone() -> None:
    watched = Watched().go_on(Runner(), seconds=60)
    watched.go_on(Runner(), seconds=120, server=Reason.CONNECT, failing={"r": Reason.CONNECT})
    assert "ServerUnreachable" in names(watched)
    assert "ExporterDataStale" not in names(watched)


def test_wakes_that_cannot_be_read_are_told_at_once() -> None:
    watched, runner = Watched(), Runner()
    watched.go_on(runner, seconds=30)
    runner.wakes_fail = Reason.SERVER_ERROR
    assert names(watched.go_on(runner)) == {"ExporterDataStale"}


def test_wakes_that_nobody_reads_are_not_missed() -> None:
    operations = (Operation.LIST, Operation.HEALTH)
    assert not names(Watched(operations=operations).go_on(Runner(), seconds=30))


def half_failing() -> dict[str, Reason]:
    return {"r 0": Reason.SERVER_ERROR, "r 1": Reason.SERVER_ERROR}


def test_data_is_old_after_three_polls_that_did_not_succeed() -> None:
    watched, runners = Watched(), many("r", 3)
    watched.go_on(*runners, seconds=30)
    watched.go_on(*runners, seconds=45, failing=half_failing())
    assert not names(watched)
    assert names(watched.go_on(*runners, failing=half_failing())) == {"ExporterDataStale"}


def test_data_that_never_came_is_old() -> None:
    watched = Watched().go_on(*many("r", 3), failing=half_failing())
    assert "ExporterDataStale" in names(watched)


@pytest.mark.parametrize(
    "polls, told",
    [
        ("+-+-+", 0),  # four changes
        ("+-+-+-", 1),
        ("++++-++++-++++-", 1),  # four of five go well
        ("++++-++++-++++-+", 0),
    ],
)
def test_polls_come_and_go_from_five_changes_and_one_in_five_that_fails(
    polls: str, told: int
) -> None:
    watched = Watched()
    for poll in polls:
        watched.go_on(Runner(), refused=None if poll == "+" else Reason.TIMEOUT)
    assert len({"ExporterDataStale"} & names(watched)) == told


def test_what_is_about_one_exporters_polls_names_its_shard_and_nothing_else_does() -> None:
    watched = Watched(selection=Selection(shard=Shard(1, 2)), expected_min=9)
    runners = many("r", 10)
    for runner in runners:
        runner.more = {"issues": frozenset({Issue.OTHER}), "health": HealthStatus.DEGRADED}
    failing = {runner.listed.id: Reason.SERVER_ERROR for runner in runners}
    watched.go_on(*runners)
    watched.fleet.targets["agents"].skip(Skip.OVERRUN, 3)
    watched.go_on(*runners, failing=failing, seconds=90)
    shards: dict[str, set[str | None]] = {}
    for (name, _), alert in watched.alerts().items():
        shards.setdefault(name, set()).add(alert.labels.get("shard"))
    assert shards == {
        "ExporterDataStale": {"1"},
        "PollOverrun": {"1"},
        "RunnersUnknown": {None},
        "RunnerDegraded": {None},
    }
    assert says(watched, "PollOverrun").startswith("3 polls of agents by shard 1 did not happen")


# --- whom an alert is on ---


def test_what_is_found_in_a_tenant_names_it() -> None:
    watched = Watched(max_runners=1)
    poll = Poll(watched.fleet.targets["agents"])
    for part in poll.tenants(["acme"]).values():
        part.listed(OWNER, ListAnswer(tuple(each.listed for each in many("r", 2)), ()))
        part.due()
    poll.end()
    watched.engine.evaluate_target("agents")
    tenants = {name: alert.labels.get("tenant") for (name, _), alert in watched.alerts().items()}
    assert tenants["RunnersSuppressed"] == "acme"
    assert tenants["ServerUnreachable"] is None
    assert says(watched, "RunnersSuppressed").startswith("1 runners of agents/acme are beyond")


def test_an_override_for_some_kinds_leaves_an_alert_that_has_none_to_all_others() -> None:
    for matches in (True, False):
        alerts = tuple(
            replaced(one, limits=(Limit("kind", ".+", matches),)) for one in SHIPPED.alerts
        )
        watched = Watched(definitions=replaced(SHIPPED, alerts=alerts))
        watched.go_on(refused=Reason.DNS, server=Reason.DNS)
        assert ("ServerUnreachable" in names(watched)) is not matches


# --- clocks ---


def test_clocks_differ_by_more_than_half_a_minute() -> None:
    watched = Watched().go_on(Runner(), seconds=30)
    target = watched.fleet.targets["agents"]
    for offset, told in ((30.0, set()), (-31.0, {"ClockSkew"})):
        target.clock_offset = offset
        watched.engine.evaluate_target("agents")
        assert names(watched) == told
    assert "differ by 31s" in says(watched, "ClockSkew")
