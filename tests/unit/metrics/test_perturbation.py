"""Change the value at a row's declared source, and exactly that row's samples change."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from electric_agents_exporter.contract.reading import read_health, read_list
from electric_agents_exporter.fleet.changes import EventCounts
from electric_agents_exporter.fleet.snapshot import Facts, Observation, RunnerState
from electric_agents_exporter.metrics.runner_families import (
    PollSubject,
    RunnerFamily,
    poll_families,
    runner_families,
    runner_subject,
)

LATER = "2026-11-22T12:34:56.789Z"
PERTURBED: dict[str, object] = {
    "list.label": "Another label",
    "list.kind": "ci",
    "list.owner_principal": "/principal/user%3Asomeone",
    "runner.created_at": LATER,
    "runner.admin_status": "disabled",
    "runner.liveness_status": "expired",
    "runner.last_seen_at": LATER,
    "runner.lease_expires_at": LATER,
    "runner.lease_remaining_ms": 1,
    "health.status": "degraded",
    "health.issues": ["Client reports last heartbeat failed"],
    "client": None,
    "client.status": "connecting",
    "client.started_at": LATER,
    "client.stream_connected": False,
    "client.stream_connected_since": LATER,
    "client.last_error_at": LATER,
    "client.last_heartbeat_at": LATER,
    "client.last_heartbeat_ok": False,
    "client.last_claim_at": LATER,
    "client.last_claim_result": "error",
    "client.last_dispatch_at": LATER,
    "client.reconnect_count": 3,
    "client.events_received": 1,
    "client.claims_succeeded": 1,
    "client.claims_skipped": 1,
    "client.claims_failed": 1,
    "claims.active_count": 7,
    "claims.active": [
        {"stream_path": "/a", "claimed_at": "2026-11-22T09:00:00.000Z", "epoch": 1},
        {"stream_path": "/a", "claimed_at": "2026-11-22T10:00:00.000Z", "epoch": 2},
    ],
    "dispatch.entities_with_active_claim": 0,
    "dispatch.entities_with_outstanding_wake": 4,
    "dispatch.entities_with_pending_work": 5,
}
# These read more than their own field, by the schema: what describes "now" hides with liveness,
# a diagnostic goes with the diagnostics as a whole, and `_created` is when the counters began.
NOW_ONLY = {
    "electric_agents_runner_client_status",
    "electric_agents_runner_client_stream_connected",
    "electric_agents_runner_client_stream_connected_since_timestamp_seconds",
    "electric_agents_runner_client_last_heartbeat_ok",
    "electric_agents_runner_client_last_claim_result",
}


def _samples(listed: dict[str, Any], report: dict[str, Any]) -> dict[str, object]:
    """Everything that is known of one runner, by family."""
    runner = read_list(_json([listed])).runners[0]
    answer = read_health(_json(report))
    age = None
    if answer.server_time is not None and answer.report.last_seen_at is not None:
        age = answer.server_time - answer.report.last_seen_at
    counts = EventCounts()
    view = RunnerState(
        runner=runner,
        principal="service:monitor",
        facts=Facts(runner, answer.report, counts),
        observation=Observation(0.0, age),
        poll_success=True,
        last_success_at=0.0,
        counts=counts,
    )
    families: dict[str, object] = {
        row.name: tuple(row.samples(runner_subject(view))) for row in _rows()
    }
    moving = PollSubject(view, 0.0, fresh=True)
    return families | {row.name: tuple(row.samples(moving)) for row in poll_families()}


def _rows() -> tuple[RunnerFamily, ...]:
    return runner_families(owner_label=True)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _sources() -> dict[str, tuple[str, ...]]:
    fixed = {row.name: row.source for row in _rows()}
    return fixed | {row.name: row.source for row in poll_families()}


def _declared(source: str) -> set[str]:
    return {name for name, sources in _sources().items() if source in sources}


@pytest.fixture
def full(samples: dict[str, Any]) -> dict[str, Any]:
    """A report in which every field holds something."""
    report: dict[str, Any] = copy.deepcopy(samples["runner-busy-0"])
    report["client"]["last_error_at"] = "2026-11-22T11:00:00.000Z"
    report["dispatch"]["entities_with_active_claim"] = 1
    return report


def test_every_source_that_a_row_declares_is_perturbed_and_none_else() -> None:
    declared = {path for sources in _sources().values() for path in sources}
    assert declared == set(PERTURBED)


@pytest.mark.parametrize("source", sorted(set(PERTURBED) - {"client", "runner.liveness_status"}))
def test_a_change_at_a_rows_source_changes_that_rows_samples_and_no_others(
    source: str, full: dict[str, Any], listing: Callable[[str], dict[str, Any]]
) -> None:
    listed = listing(full["runner"]["id"])
    before = _samples(listed, full)
    section, name = source.split(".")
    changed, relisted = copy.deepcopy(full), dict(listed)
    (relisted if section == "list" else changed[section])[name] = PERTURBED[source]

    after = _samples(relisted, changed)

    assert {family for family in before if before[family] != after[family]} == _declared(source)


def test_a_runner_that_is_not_online_shows_no_diagnostic_that_describes_now(
    full: dict[str, Any], listing: Callable[[str], dict[str, Any]]
) -> None:
    listed = listing(full["runner"]["id"])
    before = _samples(listed, full)
    full["runner"]["liveness_status"] = "expired"

    after = _samples(listed, full)

    assert {family for family in before if before[family] != after[family]} == {
        "electric_agents_runner_liveness_status",
        *NOW_ONLY,
    }
    assert not any(after[family] for family in NOW_ONLY)


def test_without_diagnostics_every_family_of_theirs_is_absent(
    full: dict[str, Any], listing: Callable[[str], dict[str, Any]]
) -> None:
    listed = listing(full["runner"]["id"])
    before = _samples(listed, full)
    of_client = {
        row.name for row in _rows() if any(path.startswith("client.") for path in row.source)
    }
    full["client"] = None

    after = _samples(listed, full)

    assert {family for family in before if before[family] != after[family]} == {
        "electric_agents_runner_client_diagnostics_present",
        *of_client,
    }
    assert not any(after[family] for family in of_client)
