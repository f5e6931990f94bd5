"""Fleets to measure on: reports as a server writes them, with every field filled."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from electric_agents_exporter.contract.reading import read_health, read_list
from electric_agents_exporter.fleet.clock import SystemClock
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll

_SAMPLES = Path(__file__).parents[1] / "tests" / "contract" / "samples"
PRINCIPAL = "service:monitor"


def runner_ids(count: int) -> list[str]:
    """Name the runners of a fleet."""
    return [f"runner-{number:05d}" for number in range(count)]


def list_body(count: int, without: Collection[int] = ()) -> bytes:
    """Write the list of a fleet, some of its runners (by position) left out."""
    item = json.loads((_SAMPLES / "runner.json").read_text())
    item["owner_principal"] = "/principal/service%3Amonitor"
    names = (name for at, name in enumerate(runner_ids(count)) if at not in without)
    items = [
        {**item, "id": name, "label": name, "wake_stream": wake_stream(name)} for name in names
    ]
    return json.dumps(items).encode()


def wake_stream(name: str) -> str:
    """Give the path of a runner's wake stream."""
    return f"/runners/{name}/wake"


def wake_offset() -> str:
    """Give how far all runners have heard their streams."""
    sample = json.loads((_SAMPLES / "health-active-claim.json").read_text())
    return str(sample["runner"]["wake_stream_offset"])


def health_bodies(count: int, turn: int = 0) -> dict[str, bytes]:
    """Write a report of every runner; another `turn` changes each of them."""
    sample = _at_work()
    client = {**sample["client"], "last_error_at": sample["client"]["started_at"]}
    bodies = {}
    for number, name in enumerate(runner_ids(count)):
        grown = {"events_received": 10 * turn + number, "claims_succeeded": turn}
        report = {
            **sample,
            "runner": {**sample["runner"], "id": name},
            "client": {**client, **grown},
        }
        bodies[name] = json.dumps(report).encode()
    return bodies


def _at_work() -> dict[str, Any]:
    """Give a report whose claim is worked on: the sample's has leaked."""
    sample: dict[str, Any] = json.loads((_SAMPLES / "health-active-claim.json").read_text())
    (claim,) = sample["claims"]["active"]
    heard = {"last_heartbeat_at": sample["client"]["last_heartbeat_at"]}
    lease = {"lease_expires_at": sample["runner"]["lease_expires_at"]}
    return {
        **sample,
        "claims": {"active_count": 1, "active": [{**claim, **heard, **lease}]},
        "dispatch": {**sample["dispatch"], "entities_with_active_claim": 1},
    }


class Polled:
    """A fleet of one target that is polled without a network."""

    def __init__(self, count: int) -> None:
        self.clock = SystemClock()
        self.fleet = Fleet(self.clock)
        policy = Policy("production", (PRINCIPAL,), stale_after=3600.0, max_runners=count)
        self.fleet.configure([policy])
        self._list = list_body(count)

    def poll(self, bodies: dict[str, bytes]) -> None:
        """Take in a list and a report of every runner."""
        poll = Poll(self.fleet.targets["production"])
        poll.listed(PRINCIPAL, read_list(self._list))
        for due in poll.due():
            poll.reported(read_health(bodies[due.runner_id]), self.clock.monotonic())
        poll.end()
