"""A fleet that was polled, without a network: reports go in by hand, on a clock that stands."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import FakeClock

from electric_agents_exporter.contract.reading import read_health, read_list
from electric_agents_exporter.contract.wakes import WakeReading
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.heard import WakeQuestion
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation, Reason

SAMPLES = Path(__file__).parents[2] / "contract" / "samples"
NOON = 1_795_348_800.0


def noon() -> FakeClock:
    """Make a clock that stands, at a moment that the golden files know."""
    return FakeClock(wall=NOON)


Heard = WakeReading | Reason
"""What comes of reading a wake stream."""


class PolledFleet:
    """One target named `production`, and polls of it whose answers are given as JSON values."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.fleet = Fleet(clock)
        self.fleet.configure(
            [Policy("production", ("service:monitor",), operations=tuple(Operation))]
        )

    def poll(
        self, listed: list[Any], reports: dict[str, Any], heard: Mapping[str, Heard] | None = None
    ) -> None:
        """Poll once; who is not in `reports` does not answer, who not in `heard` has heard all."""
        poll = Poll(self.fleet.targets["production"])
        poll.requested(Operation.SERVER, 0.001, None)
        poll.requested(Operation.LIST, 0.004, None)
        poll.listed("service:monitor", read_list(json.dumps(listed).encode()))
        for due in poll.due():
            report = reports.get(due.runner_id)
            if report is None:
                poll.requested(Operation.HEALTH, 5.0, Reason.TIMEOUT)
                poll.failed(due.runner_id, Reason.TIMEOUT)
            else:
                poll.requested(Operation.HEALTH, 0.02, None)
                poll.reported(read_health(json.dumps(report).encode()), self.clock.monotonic())
            for question in poll.wake_questions():
                self._read_wakes(poll, question, heard or {})
        poll.end()

    def _read_wakes(self, poll: Poll, question: WakeQuestion, heard: Mapping[str, Heard]) -> None:
        answer = heard.get(question.runner_id, WakeReading(question.offset, question.offset))
        failed = answer if isinstance(answer, Reason) else None
        poll.requested(Operation.WAKES, 0.003, failed)
        poll.wakes_read(question, answer)


@pytest.fixture
def clock() -> FakeClock:
    return noon()


@pytest.fixture
def polled(clock: FakeClock) -> PolledFleet:
    return PolledFleet(clock)


@pytest.fixture(scope="session")
def samples() -> dict[str, Any]:
    """Every captured health report, by the id of its runner."""
    reports = [json.loads(path.read_text()) for path in sorted(SAMPLES.glob("health-*.json"))]
    return {report["runner"]["id"]: report for report in reports}


@pytest.fixture(scope="session")
def listing() -> Callable[[str], dict[str, Any]]:
    """Makes a list item for a runner id."""
    base = json.loads((SAMPLES / "runner.json").read_text())

    def item(runner_id: str) -> dict[str, Any]:
        return {**base, "id": runner_id, "label": f"Runner {runner_id}"}

    return item


@pytest.fixture(scope="session")
def fresh_fleet() -> Callable[[], PolledFleet]:
    """Makes a fleet per example, for tests that try many."""
    return lambda: PolledFleet(noon())
