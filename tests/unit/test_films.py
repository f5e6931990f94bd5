"""Incidents of a real server, played to the exporter: what it judges, beside what the server said.

`work` is 14 minutes with an incident at nearly every runner, `frozen` has a database that stood
still for a minute. Times are seconds of the film; polls are 15 s apart.
"""

import asyncio
from functools import cache

import pytest

from electric_agents_exporter.conditions import Condition
from films import Screening, play

POLL = 15.0


@cache
def screening(name: str, *, wakes: bool = True) -> Screening:
    return asyncio.run(play(name, wakes=wakes))


@pytest.fixture(scope="module")
def work() -> Screening:
    return screening("work")


@pytest.fixture(scope="module")
def frozen() -> Screening:
    return screening("frozen")


def began(film: Screening, runner_id: str, condition: Condition) -> float:
    ((first, _),) = film.spans(runner_id, condition)
    return first


def ended(film: Screening, runner_id: str, condition: Condition) -> float:
    ((_, last),) = film.spans(runner_id, condition)
    return last


def said(film: Screening, runner_id: str, since: float, until: float) -> set[str]:
    return {seen.verdict(runner_id) for seen in film.polls if since <= seen.at <= until}


def test_a_deaf_runner_that_the_server_calls_healthy_has_work_that_waits(work: Screening) -> None:
    # Its stream is cut at 60, and it is written to every 20 s; at 540 the stream is restored.
    assert 60 < began(work, "deaf", Condition.DEAF) <= 60 + 20 + 30 + POLL
    assert 60 < began(work, "deaf", Condition.WORK_UNHEARD) <= 60 + 20 + 60 + POLL
    assert ended(work, "deaf", Condition.WORK_UNHEARD) == 540
    assert said(work, "deaf", 60, 540) == {"healthy"}


def test_a_drain_is_no_death_however_long_it_takes(work: Screening) -> None:
    # SIGTERM at 90 in a run that ends at 700.
    assert not work.spans("drain", Condition.WORK_ABANDONED)
    assert 90 + 60 <= began(work, "drain", Condition.DRAINING) <= 90 + 90 + POLL
    assert ended(work, "drain", Condition.DRAINING) >= 690
    assert said(work, "drain", 180, 700) == {"unhealthy"}


def test_who_writes_to_a_runner_that_drains_waits(work: Screening) -> None:
    # A message at 200 to another of its entities; it starts again at 760.
    assert 260 < began(work, "drain", Condition.WORK_UNHEARD) <= 260 + POLL
    assert ended(work, "drain", Condition.WORK_UNHEARD) <= 760 + POLL


def test_a_runner_killed_at_work_abandons_it_a_minute_after_its_last_sign_of_life(
    work: Screening,
) -> None:
    # Killed at 120; its claim was renewed every 10 s. It starts again at 660.
    assert 120 + 50 < began(work, "work-killed", Condition.WORK_ABANDONED) <= 180 + POLL
    assert ended(work, "work-killed", Condition.WORK_ABANDONED) <= 660 + POLL
    assert said(work, "work-killed", 120, 190) == {"healthy"}


def test_a_runner_killed_idle_abandons_nothing_until_somebody_writes_to_it(work: Screening) -> None:
    # Killed at 100, written to from 160 on, started again at 600.
    assert not work.spans("idle-killed", Condition.WORK_ABANDONED)
    assert 220 < began(work, "idle-killed", Condition.WORK_UNHEARD) <= 220 + POLL
    assert ended(work, "idle-killed", Condition.WORK_UNHEARD) == 600


def test_a_wake_that_came_while_disabled_is_refused_until_the_runner_starts_anew(
    work: Screening,
) -> None:
    # Disabled at 120, written to at 150, enabled at 240, started again at 723.
    assert began(work, "disabled", Condition.DISABLED) == 120
    assert ended(work, "disabled", Condition.DISABLED) < 240
    assert 150 < began(work, "disabled", Condition.WORK_REFUSED) <= 150 + 2 * POLL
    assert 705 <= ended(work, "disabled", Condition.WORK_REFUSED) < 735
    assert said(work, "disabled", 240, 720) == {"healthy"}
    assert not work.spans("disabled", Condition.WORK_UNHEARD)


def test_nobody_waits_for_entities_that_were_killed_or_stopped(work: Screening) -> None:
    # Its runner is dead from 240 on; messages at 300 to two entities, ended at 460 and 520.
    assert 360 < began(work, "doomed", Condition.WORK_UNHEARD) <= 360 + POLL
    remembered = 120.0
    assert ended(work, "doomed", Condition.WORK_UNHEARD) <= 520 + remembered + POLL


def test_a_closed_laptop_to_which_nobody_writes_lapses_and_nothing_else(work: Screening) -> None:
    assert {condition for condition in Condition if work.spans("laptop", condition)} == {
        Condition.LAPSED
    }


@pytest.mark.parametrize("runner_id", ["ok", "cloud", "storm", "twins"])
def test_nothing_is_true_of_who_works_is_paused_or_shares_an_id(
    runner_id: str, work: Screening
) -> None:
    assert not [condition for condition in Condition if work.spans(runner_id, condition)]


def test_after_a_freeze_of_the_database_nobody_who_lives_is_called_silent(
    frozen: Screening,
) -> None:
    # Frozen from 90 to 150: no heartbeat is recorded, and health calls do not answer.
    living = ["busy", "idle", "quiet", "short", "working"]
    assert not [
        (runner_id, condition)
        for runner_id in living
        for condition in Condition
        if frozen.spans(runner_id, condition)
    ]


def test_who_died_just_before_a_freeze_is_found_a_minute_after_it(frozen: Screening) -> None:
    # Killed at 70; the silence of the freeze, and of a minute after it, counts for nothing.
    first = began(frozen, "killed", Condition.WORK_ABANDONED)
    assert 150 + 60 < first <= 150 + 60 + 60 + POLL
    assert not frozen.spans("killed", Condition.DRAINING)


def test_a_freeze_is_told_as_lists_that_cannot_be_had(frozen: Screening) -> None:
    told = {fault for seen in frozen.polls if 100 <= seen.at <= 140 for fault in seen.faults}
    assert told == {
        "no list for service:fleet (timeout)",
        "no list for user:alice (timeout)",
    }


def test_without_wakes_nothing_is_said_of_work_that_waits() -> None:
    film = screening("work", wakes=False)
    assert not any(
        Condition.WORK_UNHEARD in runner.conditions.known
        for seen in film.polls
        for runner in seen.snapshot.runners
        if Condition.DISABLED not in runner.conditions.holds
    )
    assert film.spans("work-killed", Condition.WORK_ABANDONED)


@pytest.mark.parametrize("runner_id", ["busy", "idle", "short", "working", "pending"])
def test_while_a_server_restarts_nothing_is_said_of_its_runners(runner_id: str) -> None:
    # SIGTERM at 60, gone at 93, answering again at 108.
    film = screening("restart")
    assert not [condition for condition in Condition if film.spans(runner_id, condition)]


def test_a_server_that_is_down_is_told_as_one() -> None:
    film = screening("restart")
    down = [seen for seen in film.polls if 60 <= seen.at <= 106]
    assert not any(seen.snapshot.up for seen in down)
    assert all("the server does not answer (timeout)" in seen.faults for seen in down)
    assert film.polls[-1].snapshot.up
