"""Incidents of a real server, played to the exporter: which alerts it sends, and when.

Times are seconds of the film; polls are 15 s apart.
"""

import asyncio
from collections.abc import Callable
from functools import cache

from electric_agents_exporter.alerting.alert import AlertState
from electric_agents_exporter.alerting.definition import load
from electric_agents_exporter.alerting.engine import Engine, Options, OwnState
from electric_agents_exporter.fleet.fleet import Fleet
from films import FilmClock, play

POLL = 15.0
Spans = dict[tuple[str, str], tuple[float, float | None]]


@cache
def fired(name: str) -> Spans:
    """Give from when to when each alert on a runner fired, by its name and the runner."""
    spans: Spans = {}

    def watched_by(fleet: Fleet, clock: FilmClock) -> Callable[[float], None]:
        own = OwnState(reloaded=True, configured_at=0.0, drift={})
        engine = Engine(fleet, clock, Options(load()), lambda: own, dict)

        def watch(at: float) -> None:
            engine.evaluate_target("film")
            for alert in engine.alerts():
                who = (alert.labels["alertname"], alert.labels.get("runner_id", ""))
                key = (who[0].removeprefix("ElectricAgents"), who[1])
                if alert.state is AlertState.FIRING:
                    spans.setdefault(key, (at, None))
                elif alert.state is AlertState.RESOLVED and spans[key][1] is None:
                    spans[key] = (spans[key][0], at)

        return watch

    asyncio.run(play(name, watched_by=watched_by))
    return spans


def test_a_runner_killed_at_work_is_paged_within_two_minutes_of_its_last_sign_of_life() -> None:
    # Killed at 120; its claim was renewed every 10 s. A minute of silence, 30 s of `for`, polls.
    began, _ = fired("work")["WorkAbandoned", "work-killed"]
    assert began <= 110 + 60 + 30 + 2 * POLL


def test_messages_that_a_healthy_runner_does_not_hear_are_paged() -> None:
    # Its stream is cut at 60, it is written to every 20 s, and the stream is restored at 540.
    began, ended = fired("work")["WorkUnheard", "deaf"]
    assert began <= 60 + 20 + 60 + 60 + 2 * POLL
    assert ended is None or ended > 540


def test_a_drain_is_no_abandoned_work() -> None:
    assert ("WorkAbandoned", "drain") not in fired("work")


def test_a_database_that_stands_still_is_no_death_and_who_died_before_it_is_found_after_it() -> (
    None
):
    # It stands from 90 to 150; `killed` was killed at 70, and the silence until 210 says nothing.
    told = {who: span for who, span in fired("frozen").items() if who[1]}
    assert set(told) == {("WorkAbandoned", "killed")}
    assert 210 + 60 < told["WorkAbandoned", "killed"][0] <= 210 + 60 + 30 + 2 * POLL


def test_a_server_that_starts_anew_is_no_death() -> None:
    assert not {name for name, _ in fired("restart")} & {"WorkAbandoned", "RunnerUnhealthy"}
