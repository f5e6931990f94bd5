"""What the texts of alerts ask for: the answers are those of the metric table."""

from typing import Any

import pytest
from msgspec.structs import replace

from electric_agents_exporter.alerting.facts import Facts, RunnerFamilies
from electric_agents_exporter.alerting.templates import Sample
from electric_agents_exporter.conditions import Condition
from electric_agents_exporter.contract.vocabulary import Issue, RunnerKind
from electric_agents_exporter.fleet.reasons import Reason
from electric_agents_exporter.fleet.snapshot import RunnerState
from judged_targets import MONOTONIC, STALE_AFTER, judged_runner, judged_target, unreported

AT_WORK = "electric_agents_runner_entities_with_active_claim"
SIGN_OF_LIFE = "electric_agents_runner_sign_of_life_age_seconds"
UNHEARD = "electric_agents_runner_wakes_unheard"
WAITS = "electric_agents_runner_wake_oldest_unheard_age_seconds"
HEARTBEAT = "electric_agents_runner_heartbeat_age_seconds"
RESTARTS = "electric_agents_runner_client_restarts_total"
ISSUE = "electric_agents_runner_health_issue"
CONDITION = "electric_agents_runner_condition"
AWAY = {"condition": "lapsed|deaf", "kind": "server"}


def facts(runner: RunnerState | None = None, *, owner: bool = False, **more: Any) -> Facts:  # noqa: ANN401
    target = judged_target(runner) if runner is not None else None
    families = RunnerFamilies(owner_label=owner)
    known = {"target": target, "runner": runner, **more}
    return Facts(time=7_200.0, monotonic=MONOTONIC, families=families, **known)


def number(asked: Facts, family: str) -> float | None:
    samples = asked.of_runner(family)
    assert all(not one.labels for one in samples)
    return samples[0].value if samples else None


def test_a_familys_number_is_the_one_that_is_exposed() -> None:
    known = facts(judged_runner(at_work=3, ages=(70.25, 65.0), lag=(2, 30.0), age=10.0))
    assert number(known, AT_WORK) == 3
    assert number(known, HEARTBEAT) == 80.25
    assert number(known, SIGN_OF_LIFE) == 75
    assert number(known, UNHEARD) == 2
    assert number(known, WAITS) == 40


def test_what_is_not_known_has_no_sample() -> None:
    known = facts(judged_runner())
    for family in (AT_WORK, SIGN_OF_LIFE, UNHEARD, WAITS, HEARTBEAT):
        assert known.of_runner(family) == []


@pytest.mark.parametrize(
    "runner", [judged_runner(at_work=3, age=STALE_AFTER + 1), unreported(judged_runner(at_work=3))]
)
def test_without_a_fresh_report_only_what_is_kept_when_stale_is_there(runner: RunnerState) -> None:
    assert facts(runner).of_runner(AT_WORK) == []
    assert number(facts(runner), RESTARTS) == 0


def test_flags_are_those_that_are_up_by_their_label() -> None:
    issues = frozenset({Issue.NO_DIAGNOSTICS, Issue.HEARTBEAT_FAILED})
    samples = facts(judged_runner(issues=issues)).of_runner(ISSUE, "issue")
    assert {one.labels["issue"] for one in samples} == set(issues)
    assert {one.value for one in samples} == {1.0}


def test_what_a_runner_is_is_known_though_its_report_is_old() -> None:
    runner = judged_runner(owner="user:ada", age=STALE_AFTER + 1)
    assert facts(runner).info() == [Sample({"label": "Builder", "kind": "server"}, 1.0)]


def test_its_owner_is_told_where_the_settings_expose_owners() -> None:
    (told,) = facts(judged_runner(owner="user:ada"), owner=True).info()
    assert told.labels["owner_principal"] == "user:ada"


def test_the_runners_of_a_server_are_counted_by_what_holds_of_them() -> None:
    both = frozenset({Condition.LAPSED, Condition.DEAF})
    target = judged_target(
        judged_runner("b", holds=both),
        judged_runner("a", holds=frozenset({Condition.LAPSED})),
        judged_runner("local", kind=RunnerKind.LOCAL, holds=both),
        judged_runner("well"),
        judged_runner("stale", holds=both, age=STALE_AFTER + 1),
    )
    assert facts(target=target).of_server(CONDITION, "runner_id", AWAY) == [
        Sample({"runner_id": "b"}, 2.0),
        Sample({"runner_id": "a"}, 1.0),
    ]


def test_of_no_target_and_no_runner_there_is_nothing_to_tell() -> None:
    nobody = facts()
    assert nobody.info() == nobody.of_runner(AT_WORK) == nobody.of_job() == nobody.reasons() == []
    assert nobody.of_server(CONDITION, "runner_id", AWAY) == []


def test_an_alert_on_many_names_its_servers() -> None:
    assert facts(servers=("b", "a")).of_job() == [
        Sample({"server": "b"}, 1.0),
        Sample({"server": "a"}, 1.0),
    ]


def test_reasons_are_those_of_which_there_were_some() -> None:
    failing = {Reason.TIMEOUT: 2.0, Reason.DNS: 0.0}
    assert facts(failing=failing).reasons() == [Sample({"reason": "timeout"}, 2.0)]


def test_an_hour_ago_is_in_milliseconds() -> None:
    assert facts().hour_ago() == [Sample({}, 3_600_000.0)]


def test_a_family_that_there_is_not_is_told() -> None:
    with pytest.raises(LookupError, match="no family 'none'"):
        facts(judged_runner()).of_runner("none")


def test_a_runner_without_a_target_has_no_numbers() -> None:
    lone = replace(judged_runner(at_work=1))
    assert facts(lone, target=None).of_runner(AT_WORK) == []
