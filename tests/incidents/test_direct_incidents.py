"""Incidents played whole without rules in Prometheus: the exporter sends its alerts by itself.

`make incidents ARGS=--direct` plays all of them.
"""

import os
import shutil
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from incidents.catalogue import MINUTE, find
from incidents.model import Incident, StackAction
from incidents.pace import PaceLostError
from incidents.results import Result
from incidents.run import SLOWEST, SPEED, play
from incidents.stack import Stack

# On a busy machine they are played again, ever slower: so nothing is run beside them.
pytestmark = [pytest.mark.alone, pytest.mark.timeout(7200)]

PLAYED = ("death-at-work", "server-down")
DEATH = 30.0
LIVES = 4 * MINUTE
"""For how long an alert is believed that nobody sends again."""


@dataclass(frozen=True)
class Told:
    """What a receiver was told of an alert: the scenario's seconds, the name, whether it fires."""

    at: float
    alert: str
    fires: bool


@dataclass(frozen=True)
class Results:
    """What came of all: results by incident, and what was told as an exporter was killed."""

    of: dict[str, Result]
    killed_at: float
    told: list[Told]


@pytest.fixture(scope="module")
def results() -> Results:
    """They are played at once, as they mostly wait."""
    for program in ("prometheus", "prometheus-alertmanager"):
        if shutil.which(program) is None:
            assert not os.environ.get("CI"), f"{program} is missing: run `make tools`"
            pytest.skip(f"{program} is missing: run `make tools`")

    def played(name: str) -> Result:
        return play(find(name), SPEED, threading.Event(), direct=True)

    with ThreadPoolExecutor(len(PLAYED) + 1) as pool:
        killed = pool.submit(_kill_the_exporter, SPEED)
        of = dict(zip(PLAYED, pool.map(played, PLAYED), strict=True))
        return Results(of, *killed.result())


def _kill_the_exporter(speed: float) -> tuple[float, list[Told]]:
    """Let a runner die at work and, once that is told, its exporter."""
    while True:
        try:
            return _killed_at(speed, find("death-at-work"))
        except PaceLostError:
            if speed / 2 < SLOWEST:
                raise
            speed /= 2


def _killed_at(speed: float, incident: Incident) -> tuple[float, list[Told]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Stack(incident, speed, Path(folder), threading.Event(), direct=True) as stack,
    ):
        stack.wait_until(DEATH + 4 * MINUTE)
        stack.take(StackAction.EXPORTER_STOPS)
        stopped = stack.now
        stack.wait_until(stopped + 2 * LIVES)
        return stopped, [
            Told(stack.scenario_time(delivery.at), alert["labels"]["alertname"], fires)
            for delivery in stack.webhook.deliveries
            for alert in delivery.payload["alerts"]
            for fires in [alert["status"] == "firing"]
            if alert["labels"]["severity"] != "none"
        ]


@pytest.mark.parametrize("name", PLAYED)
def test_an_incident_brings_what_is_expected_of_it_and_nothing_else(
    name: str, results: Results
) -> None:
    result = results.of[name]
    assert not result.false_pages
    assert not result.false_tickets
    assert [outcome.expected.alert for outcome in result.outcomes if outcome.missed] == []
    assert [outcome for outcome in result.outcomes if outcome.late] == []


def test_a_page_is_resolved_when_the_fault_is_mended(results: Results) -> None:
    for name in PLAYED:
        (outcome,) = results.of[name].outcomes
        assert outcome.resolved_after is not None


def test_the_alerts_of_an_exporter_that_is_killed_end_by_themselves(results: Results) -> None:
    before = [told for told in results.told if told.at <= results.killed_at]
    after = [told for told in results.told if told.at > results.killed_at]
    assert [(told.alert, told.fires) for told in before] == [("ElectricAgentsWorkAbandoned", True)]
    assert [(told.alert, told.fires) for told in after] == [("ElectricAgentsWorkAbandoned", False)]
    # It is told within a group interval of its end.
    assert after[0].at - results.killed_at <= LIVES + 5 * MINUTE
