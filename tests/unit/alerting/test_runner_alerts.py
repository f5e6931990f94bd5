"""Where the alerts on runners begin and end: whom they are on, and from which number on."""

from dataclasses import replace
from typing import Any

import pytest

from electric_agents_exporter.alerting.definition import PREFIX
from electric_agents_exporter.contract.vocabulary import HealthStatus, RunnerKind
from watched_alerts import EVERY, Runner, Watched


def on(watched: Watched, name: str) -> set[str]:
    """Give whom an alert is on, whether or not it fires yet."""
    return {whom for alert, whom in watched.told if alert == name}


def text(watched: Watched, name: str, whom: str = "r") -> str:
    return watched.alerts()[name, whom].annotations["description"]


# --- gone ---


def test_each_that_is_gone_is_told_whoever_is_listed_before_it() -> None:
    well, ci = Runner("well"), Runner("ci", RunnerKind.CI)
    one, two = Runner("one"), Runner("two")
    watched = Watched().go_on(well, ci, one, two, seconds=60)
    for runner in (ci, one, two):
        runner.dies(watched.now)
    watched.go_on(well, ci, one, two, seconds=120)
    assert on(watched, "RunnerUnhealthy") == {"one", "two"}
    assert watched.alerts()["RunnerUnhealthy", "one"].labels["condition"] == "lapsed"


def test_one_that_is_gone_long_after_another_took_a_place_has_its_own() -> None:
    watched, old, other, new = Watched(), Runner("old"), Runner("other"), Runner("new")
    watched.go_on(old, other, seconds=60)
    old.dies(watched.now)
    new.more["created_at"] = watched.now
    watched.go_on(old, other, new, seconds=960)
    other.dies(watched.now)
    watched.go_on(old, other, new, seconds=120)
    assert on(watched, "RunnerUnhealthy") == {"other"}


@pytest.mark.parametrize(
    "kind, registered", [(RunnerKind.CI, 1_900_000_000.0), (RunnerKind.SERVER, None)]
)
def test_only_one_that_is_meant_to_stay_and_is_known_to_be_newer_takes_a_place(
    kind: RunnerKind, registered: float | None
) -> None:
    watched, old, new, known = Watched(), Runner("old"), Runner("new", kind), Runner("known")
    watched.go_on(old, known, seconds=60)
    old.dies(watched.now)
    new.more["created_at"] = registered
    watched.go_on(old, new, known, seconds=120)
    assert on(watched, "RunnerUnhealthy") == {"old"}


def test_what_a_database_cannot_tell_is_told_though_it_tells_of_the_runner_too() -> None:
    watched = Watched("agents", "database")
    agents, database = watched.policies
    watched.fleet.configure([agents, replace(database, database=True)])
    runner = Runner()
    runner.unheard = (watched.now,)
    for _ in range(6):
        watched.poll(runner, name="database")
        watched.poll(runner)
        watched.clock.advance(EVERY)
    told = [
        (alert.labels["alertname"].removeprefix(PREFIX), alert.labels["server"])
        for alert in watched.engine.alerts()
    ]
    assert set(told) == {
        ("WorkUnheard", "database"),
        ("RunnerDeaf", "database"),
        ("RunnerDeaf", "agents"),
    }


# --- counters ---


def times(count: int, **client: int) -> list[dict[str, int]]:
    """Give what a client tells, poll by poll: its counters grow by one each time."""
    return [{name: first + turn for name, first in client.items()} for turn in range(count + 1)]


def starts(count: int) -> list[dict[str, float]]:
    return [{"started_at": 1000.0 * (turn + 1)} for turn in range(count + 1)]


def back_and_forth(count: int) -> list[dict[str, float]]:
    """Give start times that move back so often."""
    return [{"started_at": 1000.0 if turn % 2 else 2000.0} for turn in range(2 * count)]


@pytest.mark.parametrize(
    "alert, few, many, says",
    [
        (
            "ReconnectStorm",
            times(5, reconnect_count=10),
            times(6, reconnect_count=10),
            "reconnected 6 times",
        ),
        ("RunnerRestarting", starts(3), starts(4), "started 4 times"),
        ("DuplicateRunnerId", back_and_forth(1), back_and_forth(2), "moved back 2 times"),
    ],
)
def test_a_counter_is_told_from_one_number_on(
    alert: str, few: list[dict[str, Any]], many: list[dict[str, Any]], says: str
) -> None:
    watched, quiet, runners = Watched(), Runner("quiet"), (Runner("few"), Runner("r"))
    for turn in range(max(len(few), len(many))):
        for runner, tells in zip(runners, (few, many), strict=True):
            runner.client |= tells[min(turn, len(tells) - 1)]
        watched.go_on(quiet, *runners)
    assert on(watched, alert) == {"r"}
    assert says in text(watched, alert)


def test_health_that_changed_as_often_as_is_usual_is_not_told() -> None:
    watched, few, many = Watched(), Runner("few"), Runner("r")
    for turn in range(8):
        healths = (HealthStatus.HEALTHY, HealthStatus.DEGRADED)
        few.more["health"], many.more["health"] = healths[min(turn, 6) % 2], healths[turn % 2]
        watched.go_on(few, many)
    assert on(watched, "RunnerFlapping") == {"r"}
    assert "changed 7 times" in text(watched, "RunnerFlapping")


# --- spinning ---


def test_of_one_that_does_not_tell_both_counters_all_the_while_nothing_is_said() -> None:
    both = {"events_received": 0, "claims_skipped": 0}
    tells_first = {"none": (), "events": ("events_received",), "skipped": ("claims_skipped",)}
    changing = {
        (before, after): Runner(f"{before}-{after}")
        for before in (*tells_first, "both")
        for after in (*tells_first, "both")
        if (before, after) != ("both", "both")
    }
    spins, comes = Runner("spins"), Runner("comes")
    watched = Watched()
    for turn in range(18):
        tells = dict.fromkeys(both, 60 * turn)
        for (before, after), runner in changing.items():
            names = tells_first.get(before if turn < 9 else after, tuple(both))
            runner.client = {"stream_connected": True, **{name: tells[name] for name in names}}
        spins.client |= tells
        comes.client |= tells
        watched.go_on(*([comes] if turn > 9 else []), *changing.values(), spins)
    assert on(watched, "RunnerSpinning") == {"spins"}


# --- claims that fail ---


def failing(*, runners: int, times: int, claimed: int) -> Watched:
    """Let runners fail so often each, and claim so often in all; more was claimed long before."""
    watched, many = Watched(), [Runner(str(number)) for number in range(runners)]
    for runner in many:
        runner.client |= {"claims_failed": 0, "claims_succeeded": 0}
    watched.go_on(*many)
    many[0].client["claims_succeeded"] = 100
    watched.go_on(*many, seconds=960)
    for _ in range(times):
        for runner in many:
            runner.client["claims_failed"] += 1
        watched.go_on(*many)
    many[0].client["claims_succeeded"] += claimed
    return watched.go_on(*many)


@pytest.mark.parametrize(
    "runners, times, claimed, alerts",
    [(5, 1, 14, 1), (5, 1, 15, 0), (4, 1, 0, 0), (2, 3, 0, 1), (1, 9, 0, 0)],
)
def test_failed_claims_are_told_from_five_of_two_runners_and_over_a_quarter_of_all(
    runners: int, times: int, claimed: int, alerts: int
) -> None:
    watched = failing(runners=runners, times=times, claimed=claimed)
    assert len(on(watched, "ClaimFailuresHigh")) == alerts


# --- claims that leak ---


def test_a_claim_that_leaked_is_told_for_a_day() -> None:
    watched, runner = Watched(), Runner()

    def go_on(minutes: int) -> Watched:
        for _ in range(0, minutes, 10):
            watched.poll(runner)
            watched.clock.advance(600)
        return watched

    go_on(120)
    runner.active = 1
    assert text(go_on(60), "ClaimsLeaking").startswith("1 more claims of agents, held by runner r")
    runner.active = 3
    assert text(go_on(60), "ClaimsLeaking").startswith("3 more claims of agents, held by runner r")
    runner.active = 1
    assert on(go_on(21 * 60 + 30), "ClaimsLeaking") == {"r"}
    assert not on(go_on(70), "ClaimsLeaking")
