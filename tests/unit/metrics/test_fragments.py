"""What is kept of runners from scrape to scrape: it says what an exposition made anew would say."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from electric_agents_exporter.conditions import Condition, Conditions
from electric_agents_exporter.contract.vocabulary import HealthStatus
from electric_agents_exporter.contract.wakes import WakeReading
from electric_agents_exporter.fleet.snapshot import FleetSnapshot, RunnerState
from electric_agents_exporter.metrics.exposition import Exposer
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.process_families import ProcessState
from electric_agents_exporter.metrics.table import build_table

RUNNER = "runner-healthy-0"
Change = Callable[[Any], object]
CHANGES: dict[str, Change] = {
    "listed": lambda listed: msgspec.structs.replace(listed, label="Another"),
    "report": lambda report: msgspec.structs.replace(report, health=HealthStatus.DEGRADED),
    "counts": lambda counts: msgspec.structs.replace(counts, health_changes=7),
    "observation": lambda seen: msgspec.structs.replace(seen, heartbeat_age=seen.heartbeat_age + 7),
    "lag": lambda lag: msgspec.structs.replace(lag, unheard=7, oldest_age=7.0),
    "conditions": lambda _: Conditions(frozenset({Condition.DEAF}), frozenset({Condition.DEAF})),
    "poll_success": lambda success: not success,
    "wake_read_success": lambda success: not success,
    "last_success_at": lambda at: at + 7,
}
UNSHOWN = {"principal"}


@pytest.fixture
def polled_once(polled: Any, samples: dict[str, Any], listing: Callable[[str], Any]) -> Any:  # noqa: ANN401
    heard = {runner_id: WakeReading("-1", "0_9") for runner_id in samples}
    polled.poll([listing(runner_id) for runner_id in samples], samples, heard)
    polled.clock.advance(10)
    return polled


def exposer() -> Exposer:
    own = ProcessState("1.2.3", "3.11.7", reloaded_at=1.0, ticked_at=2.5)
    return Exposer(build_table(), replace(own), CollectorRegistry())


def of_runners(made: Exposer, snapshot: FleetSnapshot) -> list[str]:
    exposition = b"".join(made.expose(snapshot, Format.OPENMETRICS)).decode()
    return [line for line in exposition.splitlines() if "runner_id=" in line]


def changed(snapshot: FleetSnapshot, name: str) -> FleetSnapshot:
    """Give the same with another value in one field of one runner's state."""
    (target,) = snapshot.targets

    def change(state: RunnerState) -> RunnerState:
        if state.listed.id != RUNNER:
            return state
        return msgspec.structs.replace(state, **{name: CHANGES[name](getattr(state, name))})

    runners = tuple(change(state) for state in target.runners)
    changed_target = msgspec.structs.replace(target, runners=runners)
    return msgspec.structs.replace(snapshot, targets=(changed_target,))


def test_every_field_of_a_runners_state_stands_in_the_table_above() -> None:
    assert set(CHANGES) | UNSHOWN == set(RunnerState.__struct_fields__), "say how it can change"


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_one_field_alone_is_written(name: str, polled_once: Any) -> None:  # noqa: ANN401
    made, before = exposer(), polled_once.fleet.snapshot()
    first = of_runners(made, before)
    after = changed(before, name)
    assert of_runners(made, after) == of_runners(exposer(), after) != first


@pytest.mark.parametrize("seconds, fresh", [(49.9, True), (50.0, True), (50.1, False)])
def test_a_report_that_grows_stale_between_two_polls_is_told_no_more(
    seconds: float,
    fresh: bool,  # noqa: FBT001
    polled_once: Any,  # noqa: ANN401
) -> None:
    made = exposer()
    of_runners(made, polled_once.fleet.snapshot())
    polled_once.clock.advance(seconds)
    snapshot = polled_once.fleet.snapshot()
    kept = of_runners(made, snapshot)
    assert kept == of_runners(exposer(), snapshot)
    assert any("electric_agents_runner_info{" in line for line in kept) is fresh
