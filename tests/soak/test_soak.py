"""Ten thousand polls of a fleet that comes and goes, in simulated time: nothing is left behind."""

import gc
import json
import sys
from typing import Any

from prometheus_client import CollectorRegistry
from tests.conftest import FakeClock

from electric_agents_exporter.contract.reading import read_health, read_list
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.reasons import Operation, Reason
from electric_agents_exporter.metrics.exposition import Exposer
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.process_families import ProcessState
from electric_agents_exporter.metrics.table import build_table

POLLS = 10_000
RUNNERS = 4
PRINCIPAL = "service:monitor"


def listed(turn: int) -> list[dict[str, Any]]:
    """A window over an endless row of runners, that moves on at every tenth poll."""
    first = turn // 10
    return [{"id": f"runner-{number}", "kind": "ci"} for number in range(first, first + RUNNERS)]


def report(runner_id: str, turn: int) -> dict[str, Any]:
    """A runner that works, restarts, changes its verdict and leaks a claim now and then."""
    start = turn // 7
    return {
        "runner": {
            "id": runner_id,
            "admin_status": "enabled",
            "liveness_status": "expired" if turn % 11 == 0 else "online",
            "lease_expires_at": f"2026-11-22T11:{turn % 60:02}:30.000Z",
            "lease_remaining_ms": 1000 * (turn % 30),
            "last_seen_at": f"2026-11-22T11:{turn % 60:02}:00.000Z",
            "created_at": "2026-11-22T10:00:00.000Z",
        },
        "client": {
            "status": f"state-{turn}" if turn % 13 == 0 else "streaming",
            "stream_connected": turn % 5 != 0,
            "started_at": f"2026-11-{1 + start % 28:02}T{start % 24:02}:00:00.000Z",
            "claims_succeeded": turn,
            "claims_skipped": turn % 7,
            "claims_failed": turn % 3,
            "reconnect_count": turn % 9,
            "events_received": turn * 2,
        },
        "claims": {
            "active_count": turn % 4,
            "active": [
                {"stream_path": f"/e/{turn}/{number}", "claimed_at": "2026-11-22T11:00:00.000Z"}
                for number in range(turn % 4)
            ],
        },
        "dispatch": {},
        "health": {"status": ("healthy", "degraded")[turn % 2], "issues": [f"text {turn}"]},
    }


def test_ten_thousand_polls_of_a_churning_fleet_leave_nothing_behind() -> None:
    clock = FakeClock()
    fleet = Fleet(clock)
    fleet.configure({Policy("production"): [PRINCIPAL]})
    exposer = Exposer(build_table(), ProcessState("1", "3"), CollectorRegistry())

    def poll(turn: int) -> None:
        begun = Poll(fleet.targets["production"])
        begun.listed(PRINCIPAL, read_list(json.dumps(listed(turn)).encode()))
        for due in begun.due():
            if turn % 17 == 0:
                begun.requested(Operation.HEALTH, 1.0, Reason.TIMEOUT)
                begun.failed(due.runner_id, Reason.TIMEOUT)
            else:
                body = json.dumps(report(due.runner_id, turn)).encode()
                begun.reported(read_health(body), clock.monotonic())
        begun.end()
        clock.advance(15)
        if turn % 20 == 0:
            for fmt in Format:
                for _ in exposer.expose(fleet.snapshot(), fmt):
                    pass

    def held() -> int:
        gc.collect()
        return sys.getallocatedblocks()

    for turn in range(POLLS // 10):
        poll(turn)
    before = held()
    for turn in range(POLLS // 10, POLLS):
        poll(turn)
    # Every runner holds over 100 blocks while it is known, and 900 of them came and went.
    assert held() - before < 1_000
