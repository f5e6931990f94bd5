"""What is seen of targets and their runners, and what is forgotten with them."""

from dataclasses import replace

import pytest
from msgspec.structs import replace as replaced

from electric_agents_exporter.alerting.definition import PREFIX
from electric_agents_exporter.alerting.engine import OwnState
from electric_agents_exporter.contract.vocabulary import HealthStatus, Issue
from electric_agents_exporter.fleet.reasons import Reason
from watched_alerts import EVERY, SHIPPED, Runner, Watched


def beside_a_database() -> Watched:
    """Watch a server, and its database as another target."""
    watched = Watched("agents", "database")
    agents, database = watched.policies
    watched.policies = [agents, replace(database, database=True)]
    watched.fleet.configure(watched.policies)
    return watched


def gone_at(watched: Watched) -> set[tuple[str, str]]:
    """Give which runners are told to be gone, and of which target."""
    return {
        (alert.labels["runner_id"], alert.labels["server"])
        for alert in watched.engine.alerts()
        if alert.labels["alertname"] == f"{PREFIX}RunnerUnhealthy"
    }


def test_only_a_runner_that_a_database_tells_of_is_left_to_it() -> None:
    watched, both, alone, new = beside_a_database(), Runner("both"), Runner("alone"), Runner("new")
    failing = {"new": Reason.SERVER_ERROR}
    for turn in range(12):
        if turn == 4:
            both.dies(watched.now)
            alone.dies(watched.now)
        watched.poll(both, new, name="database", failing=failing)
        watched.poll(both, alone, new, failing=failing)
        watched.clock.advance(EVERY)
    assert gone_at(watched) == {("both", "database"), ("alone", "agents")}
    watched.fleet.configure(watched.policies[:1])
    watched.engine.evaluate_itself()
    watched.poll(both, alone)
    assert ("both", "agents") in gone_at(watched)


def test_a_target_that_comes_back_begins_anew() -> None:
    watched, runners = Watched(), [Runner(str(number)) for number in range(10)]
    watched.own = OwnState(reloaded=True, configured_at=watched.now - 7200.0, drift={})
    watched.go_on(*runners, seconds=60)
    watched.fleet.configure([])
    watched.engine.evaluate_itself()
    watched.fleet.configure(watched.policies)
    watched.go_on(*runners[:4], seconds=60)
    assert not watched.told


def test_one_whose_report_is_old_counts_as_enabled_for_as_long_as_is_remembered() -> None:
    watched, runner = Watched(), Runner()
    runner.more = {"issues": frozenset({Issue.OTHER}), "health": HealthStatus.DEGRADED}
    watched.go_on(runner)
    for seconds, told in ((345, True), (30, False)):
        watched.go_on(runner, seconds=seconds, failing={"r": Reason.SERVER_ERROR})
        assert (("RunnerDegraded", "r") in watched.told) is told


@pytest.mark.parametrize("pattern, told", [(".+", True), (".*", False)])
def test_one_without_a_label_is_ignored_by_a_pattern_that_matches_nothing(
    pattern: str,
    told: bool,  # noqa: FBT001
) -> None:
    watched = Watched(definitions=replaced(SHIPPED, ignored_runners=(pattern,)))
    runner = Runner()
    runner.listed = replaced(runner.listed, label=None)
    runner.more = {"issues": frozenset({Issue.OTHER}), "health": HealthStatus.DEGRADED}
    watched.go_on(runner)
    assert (("RunnerDegraded", "r") in watched.told) is told


def test_definitions_may_be_few_and_none_may_look_back() -> None:
    few = tuple(one for one in SHIPPED.alerts if one.alert == f"{PREFIX}RunnerDegraded")
    watched, runner = Watched(definitions=replaced(SHIPPED, alerts=few)), Runner()
    runner.more = {"issues": frozenset({Issue.OTHER}), "health": HealthStatus.DEGRADED}
    assert watched.go_on(runner, seconds=30).told == {("RunnerDegraded", "r")}
