"""Ten thousand polls of a fleet that comes and goes, in simulated time: nothing is left behind."""

import gc
import json
import sys
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from tests.conftest import FakeClock

from electric_agents_exporter.contract.claims import ClaimNews, EndedClaim, StartedClaim
from electric_agents_exporter.contract.reading import read_health, read_list
from electric_agents_exporter.contract.vocabulary import ClaimStatus
from electric_agents_exporter.contract.wakes import Wake, WakeReading
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.heard import WakeQuestion
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation, Reason
from electric_agents_exporter.fleet.snapshot import FullScan
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
    return [
        {"id": f"runner-{number}", "kind": "ci", "wake_stream": f"/runners/{number}/wake"}
        for number in range(first, first + RUNNERS)
    ]


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
            "wake_stream_offset": f"0_{turn - turn % 3}",
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


def heard(question: WakeQuestion, turn: int) -> WakeReading | Reason:
    """A stream on which one of a hundred entities is woken now and then, or not readable."""
    if turn % 19 == 0:
        return Reason.TIMEOUT
    wakes = (Wake(f"task/{turn % 100}/main", 1_795_346_000.0 + turn, turn),) * (turn % 3 > 0)
    return WakeReading(question.offset, f"0_{turn}", wakes, news=wakes)


def claimed(turn: int) -> ClaimNews:
    """A claim of every other wake, which ends with the next poll."""
    stream, at = f"task/{turn % 100}/main", 1_795_346_001.0 + turn
    runner_id = f"runner-{turn // 10}"
    return ClaimNews(
        started=(StartedClaim(stream, turn, at),) * (turn % 2),
        ended=(EndedClaim(runner_id, ClaimStatus.RELEASED, 5.0),),
        held=frozenset({stream} if turn % 2 else ()),
    )


class ChurningFleet:
    """A target whose runners come and go, and whose state is exposed now and then."""

    def __init__(self) -> None:
        self._clock = FakeClock()
        self._fleet = Fleet(self._clock)
        policy = Policy("production", (PRINCIPAL,), operations=tuple(Operation), database=True)
        self._fleet.configure([policy])
        self._exposer = Exposer(build_table(), ProcessState("1", "3"), CollectorRegistry())

    def poll(self, turn: int) -> None:
        poll = Poll(self._fleet.targets["production"])
        poll.listed(PRINCIPAL, read_list(json.dumps(listed(turn)).encode()))
        for due in poll.due():
            if turn % 17 == 0:
                poll.requested(Operation.HEALTH, 1.0, Reason.TIMEOUT)
                poll.failed(due.runner_id, Reason.TIMEOUT)
            else:
                body = json.dumps(report(due.runner_id, turn)).encode()
                poll.reported(read_health(body), self._clock.monotonic())
            for question in poll.wake_questions():
                poll.wakes_read(question, heard(question, turn))
        poll.claims_read(claimed(turn), FullScan(self._clock.time(), 0.1))
        poll.end()
        self._clock.advance(15)

    def expose(self) -> None:
        for fmt in Format:
            for _ in self._exposer.expose(self._fleet.snapshot(), fmt):
                pass


@pytest.mark.timeout(600)
def test_ten_thousand_polls_of_a_churning_fleet_leave_nothing_behind() -> None:
    fleet = ChurningFleet()

    def poll(turns: range) -> int:
        for turn in turns:
            fleet.poll(turn)
            if turn % 20 == 0:
                fleet.expose()
        gc.collect()
        return sys.getallocatedblocks()

    before = poll(range(POLLS // 10))
    # Every runner holds over 100 blocks while it is known, and 900 of them came and went.
    assert poll(range(POLLS // 10, POLLS)) - before < 1_000
