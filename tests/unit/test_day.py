"""A day in an hour: that its server says what it should, and that growth is told."""

from collections.abc import Sequence

import pytest

from chaos.churning_server import RUNNERS, ChurningFleet, Fault, fault_at, listed_at
from chaos.day import Hour, grown
from electric_agents_exporter.contract.reading import read_health, read_list
from electric_agents_exporter.contract.vocabulary import LivenessStatus, RunnerKind
from electric_agents_exporter.contract.wakes import read_wakes

NOW = 1_790_000_000.0
QUIET = 1


def hours(memory: Sequence[float]) -> list[Hour]:
    return [
        Hour(ends, memory=[each, 2 * each], descriptors=[9, 19], threads=[4])
        for ends, each in enumerate(memory, 1)
    ]


def test_every_fault_comes_within_five_hundred_polls_and_most_polls_have_none() -> None:
    faults = [fault_at(turn) for turn in range(500)]
    assert set(faults) == {*Fault, None}
    assert faults.count(None) > 350


def test_as_many_runners_are_listed_at_every_turn_and_they_are_others_in_the_end() -> None:
    assert {len(listed_at(turn)) for turn in range(0, 5_000, 7)} == {RUNNERS}
    assert not set(listed_at(0)) & set(listed_at(1_100))


def test_what_is_said_when_nothing_is_wrong_is_read_in_full() -> None:
    fleet = ChurningFleet(QUIET, NOW)
    listed = fleet.reply("/_electric/runners")
    assert listed is not None
    assert (len(read_list(listed.body).runners), read_list(listed.body).drift) == (RUNNERS, ())
    # At its first turn it says something odd of the runner with number 98, and only of that.
    reports = {number: read_health(fleet.report(number)) for number in range(98)}
    assert [number for number, answer in reports.items() if answer.drift] == [1]
    assert reports[57].report.runner_id == "läufer 57/ä?"


def test_runners_of_every_kind_lapse() -> None:
    fleet = ChurningFleet(QUIET, NOW)
    listed = fleet.reply("/_electric/runners")
    assert listed is not None
    lapsed = {
        runner.kind
        for number, runner in zip(listed_at(QUIET), read_list(listed.body).runners, strict=True)
        if read_health(fleet.report(number)).report.liveness is LivenessStatus.EXPIRED
    }
    assert lapsed == set(RunnerKind) - {RunnerKind.UNKNOWN}


def test_a_runner_that_is_behind_has_a_wake_and_one_that_is_not_has_none() -> None:
    fleet = ChurningFleet(QUIET, NOW)
    heard = {
        number: read_health(fleet.report(number)).report.wake_stream_offset for number in range(20)
    }
    wakes = [
        len(read_wakes(fleet.wakes(number, str(offset)).body)) for number, offset in heard.items()
    ]
    assert sorted(wakes[1:]) == [0] * 18 + [1]


@pytest.mark.parametrize(
    "memory, told",
    [
        ([60, 100, 100, 100, 101, 100], []),
        ([60, 100, 100, 110, 120, 130], ["memory grew from 150 to 195"]),
        ([60, 100], ["too short a day to tell"]),
    ],
)
def test_growth_after_the_warm_up_is_told(memory: list[float], told: list[str]) -> None:
    assert grown(hours(memory)) == told
