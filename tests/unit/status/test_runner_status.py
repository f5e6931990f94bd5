"""Everything known of one runner."""

import shlex

import pytest
from tests.conftest import FakeClock

from ailing_fleet import HOSTILE, NOON, AilingFleet
from electric_agents_exporter.contract.report import ListedRunner, Report
from electric_agents_exporter.fleet.snapshot import RunnerState
from electric_agents_exporter.status.runner_status import runner_status
from electric_agents_exporter.status.states import State
from electric_agents_exporter.status.steps import Links, next_steps
from electric_agents_exporter.status.view import RunnerStatus

LINKS = Links(grafana="https://grafana.test/", runbooks="https://books.test")


@pytest.fixture
def ailing() -> AilingFleet:
    return AilingFleet(FakeClock(wall=NOON))


def told(ailing: AilingFleet, runner_id: str, target: str = "production") -> RunnerStatus:
    snapshot = ailing.fleet.snapshot()
    (found,) = [each for each in snapshot.targets if each.name == target]
    detail = ailing.fleet.detail(target, None, runner_id)
    assert detail is not None
    return runner_status(snapshot, found, detail, version="1.2.3", links=LINKS)


def test_the_wakes_that_wait_are_named_with_how_long(ailing: AilingFleet) -> None:
    status = told(ailing, "unheard")
    assert status.wakes is not None
    ((wake,), whole) = status.wakes, status.wakes_whole
    assert (wake.entity, wake.stream, wake.at_rest, whole) == (
        "/task/7",
        "task/7/main",
        False,
        True,
    )
    assert wake.age == pytest.approx(240, abs=1)


def test_claims_are_named_with_their_sign_of_life(ailing: AilingFleet) -> None:
    (claim,) = told(ailing, "stuck").claims or ()
    assert (claim.entity, claim.stream) == ("/task/1", "/task/1/main")
    assert claim.sign_of_life_age == pytest.approx(600, abs=1)


def test_of_one_without_a_fresh_report_nothing_of_the_old_one_is_told(ailing: AilingFleet) -> None:
    clock = ailing.clock
    assert isinstance(clock, FakeClock)
    clock.advance(61)
    status = told(ailing, "stuck")
    assert (status.claims, status.wakes, status.facts.liveness) == (None, None, None)
    assert status.row.state is State.UNKNOWN
    assert status.facts.last_success_at == NOON


def test_what_changed_is_told_the_newest_first(ailing: AilingFleet) -> None:
    clock = ailing.clock
    assert isinstance(clock, FakeClock)
    clock.advance(20)
    ailing.poll_states(2)
    events = told(ailing, "refused").events
    assert [(event.at - NOON, event.text) for event in events] == [
        (20, "a claim failed"),
        (0, "a claim failed; now work refused; no longer fine"),
        (0, "first seen: fine"),
    ]


def test_the_last_polls_say_what_came_of_asking_after_it(ailing: AilingFleet) -> None:
    assert [each.outcome for each in told(ailing, "silent").polls] == ["no report: timeout"] * 2
    assert [each.outcome for each in told(ailing, "fine").polls] == ["it reported"] * 2
    (after, before) = told(ailing, "dead-001", "dead").polls
    assert "no list for user:alice (tls" in after.outcome
    assert before.outcome == "not known"


def test_links_lead_to_its_board_and_the_runbooks_of_what_is_wrong(ailing: AilingFleet) -> None:
    status = told(ailing, "unheard")
    assert status.board == (
        "https://grafana.test/d/electric-agents-runner?var-server=production&var-runner=unheard"
    )
    assert status.runbooks == {
        "WorkUnheard": "https://books.test/WorkUnheard.md",
        "RunnerDeaf": "https://books.test/RunnerDeaf.md",
    }


@pytest.mark.parametrize("state", State)
def test_there_is_something_to_try_in_every_state(state: State) -> None:
    runner = RunnerState(ListedRunner("a", wake_stream="/a"), "user:alice")
    advice, *commands = next_steps(runner, state)
    assert advice.text
    assert any("/_electric/runners/a/health" in step.command for step in commands)


@pytest.mark.parametrize("foreign", [*HOSTILE, "$(reboot)", "`reboot`", 'a"; reboot; "', "a\\"])
def test_no_name_adds_a_word_to_a_command(foreign: str) -> None:
    owner = f"/principal/user%3A{foreign}"
    listed = ListedRunner(foreign, owner_principal=owner, wake_stream=f"/runners/{foreign}")
    report = Report(foreign, wake_stream_offset=foreign)
    runner = RunnerState(listed, "user:o'neil", report=report)
    for state in State:
        for step in next_steps(runner, state):
            words = shlex.split(step.command)
            assert len(words) in {0, 7, 9}
            assert all(word.isprintable() for word in words)
            if words:
                assert set(words[-1]) <= set(
                    "$URL/_-.~%?=ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                )
                assert words[-1].count("$") == 1


def test_a_principal_of_the_settings_is_asked_as_where_the_owner_cannot_be_written() -> None:
    runner = RunnerState(ListedRunner("a", owner_principal="/principal/x y"), "user:o'neil")
    words = shlex.split(next_steps(runner, State.FINE)[1].command)
    assert "electric-principal: user:o'neil" in words
