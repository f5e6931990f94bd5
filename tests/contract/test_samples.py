"""What every captured sample says, written down by hand from reading it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from electric_agents_exporter.contract.reading import ShapeError, read_health, read_list
from electric_agents_exporter.contract.report import (
    Claims,
    Client,
    Dispatch,
    ListedRunner,
    Report,
)
from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    ClaimResult,
    ClientStatus,
    HealthStatus,
    Issue,
    LivenessStatus,
    RunnerKind,
)

SAMPLES = Path(__file__).parent / "samples"


def at(hour: int, minute: int, second: int, millisecond: int) -> float:
    """Give a moment of the day on which the samples were captured."""
    day = datetime(2026, 11, 22, hour, minute, second, 1000 * millisecond, tzinfo=UTC)
    return day.timestamp()


IDLE = Claims(active_count=0, superseded=0, oldest_heartbeat_at=None, newest_heartbeat_at=None)
NOTHING_WAITS = Dispatch(
    entities_with_active_claim=0, entities_with_outstanding_wake=0, entities_with_pending_work=0
)

REPORTS: dict[str, tuple[Report, float | None]] = {
    "health-active-claim": (
        Report(
            runner_id="runner-busy-0",
            admin_status=AdminStatus.ENABLED,
            liveness=LivenessStatus.ONLINE,
            health=HealthStatus.HEALTHY,
            issues=frozenset(),
            created_at=at(11, 15, 32, 482),
            last_seen_at=at(11, 29, 30, 664),
            lease_expires_at=at(11, 30, 0, 664),
            client_present=True,
            client=Client(
                status=ClientStatus.STREAMING,
                started_at=at(11, 28, 48, 111),
                stream_connected=True,
                stream_connected_since=at(11, 28, 48, 256),
                last_error_at=None,
                last_heartbeat_at=at(11, 29, 28, 118),
                last_heartbeat_ok=True,
                last_claim_at=at(11, 29, 28, 661),
                last_claim_result=ClaimResult.CLAIMED,
                last_dispatch_at=at(11, 29, 28, 674),
                reconnect_count=0,
                events_received=135,
                claims_succeeded=9,
                claims_skipped=130,
                claims_failed=0,
            ),
            # Leaked: it gave no sign of life for minutes, and no entity is worked on.
            claims=Claims(
                active_count=1,
                superseded=0,
                oldest_heartbeat_at=None,
                newest_heartbeat_at=at(11, 26, 52, 867),
            ),
            dispatch=NOTHING_WAITS,
            wake_stream_offset="0000000000000000_0000000000021551",
        ),
        at(11, 29, 31, 897),
    ),
    "health-disabled": (
        Report(
            runner_id="runner-disabled",
            admin_status=AdminStatus.DISABLED,
            liveness=LivenessStatus.OFFLINE,
            health=HealthStatus.UNHEALTHY,
            issues=frozenset({Issue.DISABLED}),
            created_at=at(11, 15, 32, 964),
            last_seen_at=at(11, 29, 29, 258),
            lease_expires_at=at(11, 29, 59, 258),
            client_present=True,
            client=Client(
                status=ClientStatus.STREAMING,
                started_at=at(11, 28, 49, 248),
                stream_connected=True,
                stream_connected_since=at(11, 28, 49, 289),
                last_error_at=None,
                last_heartbeat_at=at(11, 29, 19, 269),
                last_heartbeat_ok=True,
                last_claim_at=None,
                last_claim_result=ClaimResult.NONE,
                last_dispatch_at=None,
                reconnect_count=0,
                events_received=0,
                claims_succeeded=0,
                claims_skipped=0,
                claims_failed=0,
            ),
            claims=IDLE,
            dispatch=NOTHING_WAITS,
            wake_stream_offset="-1",
        ),
        at(11, 29, 31, 946),
    ),
    "health-healthy": (
        Report(
            runner_id="runner-healthy-0",
            admin_status=AdminStatus.ENABLED,
            liveness=LivenessStatus.ONLINE,
            health=HealthStatus.HEALTHY,
            issues=frozenset(),
            created_at=at(11, 15, 32, 205),
            last_seen_at=at(11, 29, 27, 738),
            lease_expires_at=at(11, 29, 57, 738),
            client_present=True,
            client=Client(
                status=ClientStatus.STREAMING,
                started_at=at(11, 28, 47, 727),
                stream_connected=True,
                stream_connected_since=at(11, 28, 47, 816),
                last_error_at=None,
                last_heartbeat_at=at(11, 29, 17, 740),
                last_heartbeat_ok=True,
                last_claim_at=None,
                last_claim_result=ClaimResult.NONE,
                last_dispatch_at=None,
                reconnect_count=0,
                events_received=0,
                claims_succeeded=0,
                claims_skipped=0,
                claims_failed=0,
            ),
            claims=IDLE,
            dispatch=NOTHING_WAITS,
            wake_stream_offset="-1",
        ),
        at(11, 29, 31, 847),
    ),
    "health-heartbeat-failed": (
        Report(
            runner_id="runner-hbfailed",
            admin_status=AdminStatus.ENABLED,
            liveness=LivenessStatus.ONLINE,
            health=HealthStatus.DEGRADED,
            issues=frozenset({Issue.HEARTBEAT_FAILED}),
            created_at=at(11, 15, 33, 388),
            last_seen_at=at(11, 29, 29, 660),
            lease_expires_at=at(11, 29, 59, 660),
            client_present=True,
            client=Client(
                status=ClientStatus.STREAMING,
                started_at=at(11, 29, 29, 657),
                stream_connected=True,
                stream_connected_since=at(11, 29, 29, 657),
                last_error_at=at(11, 29, 29, 657),
                last_heartbeat_at=at(11, 29, 29, 657),
                last_heartbeat_ok=False,
                last_claim_at=None,
                last_claim_result=ClaimResult.NONE,
                last_dispatch_at=None,
                reconnect_count=0,
                events_received=0,
                claims_succeeded=0,
                claims_skipped=0,
                claims_failed=0,
            ),
            claims=IDLE,
            dispatch=NOTHING_WAITS,
            wake_stream_offset="-1",
        ),
        at(11, 29, 32, 80),
    ),
    "health-leaked-claims": (
        Report(
            runner_id="runner-stuckclaim",
            admin_status=AdminStatus.ENABLED,
            liveness=LivenessStatus.ONLINE,
            health=HealthStatus.HEALTHY,
            issues=frozenset(),
            created_at=at(11, 15, 33, 624),
            last_seen_at=at(11, 29, 30, 69),
            lease_expires_at=at(11, 30, 0, 69),
            client_present=True,
            client=Client(
                status=ClientStatus.STREAMING,
                started_at=at(11, 28, 50, 65),
                stream_connected=True,
                stream_connected_since=at(11, 28, 50, 121),
                last_error_at=None,
                last_heartbeat_at=at(11, 29, 20, 72),
                last_heartbeat_ok=True,
                last_claim_at=at(11, 28, 50, 230),
                last_claim_result=ClaimResult.CLAIMED,
                last_dispatch_at=at(11, 28, 50, 282),
                reconnect_count=0,
                events_received=4,
                claims_succeeded=1,
                claims_skipped=4,
                claims_failed=0,
            ),
            claims=Claims(
                active_count=3,
                superseded=2,
                oldest_heartbeat_at=at(11, 29, 30, 300),
                newest_heartbeat_at=at(11, 29, 30, 300),
            ),
            dispatch=Dispatch(
                entities_with_active_claim=1,
                entities_with_outstanding_wake=0,
                entities_with_pending_work=0,
            ),
            wake_stream_offset="0000000000000000_0000000000000628",
        ),
        at(11, 29, 32, 322),
    ),
    "health-lease-expired": (
        Report(
            runner_id="runner-stopped",
            admin_status=AdminStatus.ENABLED,
            liveness=LivenessStatus.EXPIRED,
            health=HealthStatus.UNHEALTHY,
            issues=frozenset({Issue.LEASE_EXPIRED}),
            created_at=at(11, 15, 32, 941),
            last_seen_at=at(11, 28, 53, 190),
            lease_expires_at=at(11, 28, 56, 190),
            client_present=True,
            client=Client(
                status=ClientStatus.STREAMING,
                started_at=at(11, 28, 49, 186),
                stream_connected=True,
                stream_connected_since=at(11, 28, 49, 228),
                last_error_at=None,
                last_heartbeat_at=at(11, 28, 52, 226),
                last_heartbeat_ok=True,
                last_claim_at=None,
                last_claim_result=ClaimResult.NONE,
                last_dispatch_at=None,
                reconnect_count=0,
                events_received=0,
                claims_succeeded=0,
                claims_skipped=0,
                claims_failed=0,
            ),
            claims=IDLE,
            dispatch=NOTHING_WAITS,
            wake_stream_offset="-1",
        ),
        None,
    ),
    "health-never-heartbeat": (
        Report(
            runner_id="runner-neverhb",
            admin_status=AdminStatus.ENABLED,
            liveness=LivenessStatus.OFFLINE,
            health=HealthStatus.DEGRADED,
            issues=frozenset({Issue.NEVER_HEARTBEAT}),
            created_at=at(11, 15, 33, 305),
            last_seen_at=None,
            lease_expires_at=None,
            client_present=False,
            client=None,
            claims=IDLE,
            dispatch=NOTHING_WAITS,
            wake_stream_offset=None,
        ),
        None,
    ),
    "health-no-diagnostics": (
        Report(
            runner_id="runner-nodiag",
            admin_status=AdminStatus.ENABLED,
            liveness=LivenessStatus.ONLINE,
            health=HealthStatus.DEGRADED,
            issues=frozenset({Issue.NO_DIAGNOSTICS}),
            created_at=at(11, 15, 33, 411),
            last_seen_at=at(11, 29, 29, 724),
            lease_expires_at=at(11, 29, 59, 724),
            client_present=False,
            client=None,
            claims=IDLE,
            dispatch=NOTHING_WAITS,
            wake_stream_offset="-1",
        ),
        at(11, 29, 32, 102),
    ),
    "health-reconnects": (
        Report(
            runner_id="runner-flappy",
            admin_status=AdminStatus.ENABLED,
            liveness=LivenessStatus.ONLINE,
            health=HealthStatus.DEGRADED,
            issues=frozenset({Issue.RECONNECTS_HIGH}),
            created_at=at(11, 15, 33, 372),
            last_seen_at=at(11, 29, 29, 638),
            lease_expires_at=at(11, 29, 59, 638),
            client_present=True,
            client=Client(
                status=ClientStatus.STREAMING,
                started_at=at(11, 28, 49, 634),
                stream_connected=True,
                stream_connected_since=at(11, 28, 56, 668),
                last_error_at=at(11, 28, 55, 644),
                last_heartbeat_at=at(11, 29, 19, 641),
                last_heartbeat_ok=True,
                last_claim_at=None,
                last_claim_result=ClaimResult.NONE,
                last_dispatch_at=None,
                reconnect_count=7,
                events_received=0,
                claims_succeeded=0,
                claims_skipped=0,
                claims_failed=0,
            ),
            claims=IDLE,
            dispatch=NOTHING_WAITS,
            wake_stream_offset="-1",
        ),
        at(11, 29, 32, 42),
    ),
    "health-stream-disconnected": (
        Report(
            runner_id="runner-streamdown",
            admin_status=AdminStatus.ENABLED,
            liveness=LivenessStatus.ONLINE,
            health=HealthStatus.DEGRADED,
            issues=frozenset({Issue.STREAM_DISCONNECTED, Issue.RECONNECTS_HIGH}),
            created_at=at(11, 15, 33, 314),
            last_seen_at=at(11, 29, 29, 592),
            lease_expires_at=at(11, 29, 59, 592),
            client_present=True,
            client=Client(
                status=ClientStatus.RECONNECTING,
                started_at=at(11, 28, 49, 588),
                stream_connected=False,
                stream_connected_since=None,
                last_error_at=at(11, 29, 20, 604),
                last_heartbeat_at=at(11, 29, 22, 611),
                last_heartbeat_ok=True,
                last_claim_at=None,
                last_claim_result=ClaimResult.NONE,
                last_dispatch_at=None,
                reconnect_count=6,
                events_received=0,
                claims_succeeded=0,
                claims_skipped=0,
                claims_failed=0,
            ),
            claims=IDLE,
            dispatch=NOTHING_WAITS,
            wake_stream_offset="-1",
        ),
        at(11, 29, 31, 992),
    ),
    "health-three-issues": (
        Report(
            runner_id="runner-multi",
            admin_status=AdminStatus.ENABLED,
            liveness=LivenessStatus.ONLINE,
            health=HealthStatus.DEGRADED,
            issues=frozenset(
                {Issue.STREAM_DISCONNECTED, Issue.HEARTBEAT_FAILED, Issue.RECONNECTS_HIGH}
            ),
            created_at=at(11, 15, 33, 462),
            last_seen_at=at(11, 29, 29, 822),
            lease_expires_at=at(11, 29, 59, 822),
            client_present=True,
            client=Client(
                status=ClientStatus.RECONNECTING,
                started_at=at(11, 29, 29, 818),
                stream_connected=False,
                stream_connected_since=at(11, 29, 29, 818),
                last_error_at=None,
                last_heartbeat_at=at(11, 29, 29, 818),
                last_heartbeat_ok=False,
                last_claim_at=None,
                last_claim_result=ClaimResult.NONE,
                last_dispatch_at=None,
                reconnect_count=9,
                events_received=0,
                claims_succeeded=0,
                claims_skipped=0,
                claims_failed=0,
            ),
            claims=IDLE,
            dispatch=NOTHING_WAITS,
            wake_stream_offset="-1",
        ),
        at(11, 29, 32, 177),
    ),
}

LISTED = (
    # id, created_at, updated_at
    ("runner-stuckclaim", at(11, 15, 33, 624), at(11, 28, 50, 52)),
    ("runner-skewed", at(11, 15, 33, 610), at(11, 28, 50, 23)),
    ("runner-pastlease", at(11, 15, 33, 580), at(11, 28, 50, 4)),
    ("runner-farlease", at(11, 15, 33, 549), at(11, 28, 49, 985)),
    ("runner-oddnum", at(11, 15, 33, 492), at(11, 28, 49, 945)),
    ("runner-multiexpired", at(11, 15, 33, 477), at(11, 28, 49, 853)),
    ("runner-multi", at(11, 15, 33, 462), at(11, 28, 49, 797)),
    ("runner-partial", at(11, 15, 33, 449), at(11, 28, 49, 774)),
    ("runner-emptydiag", at(11, 15, 33, 430), at(11, 28, 49, 744)),
    ("runner-nodiag", at(11, 15, 33, 411), at(11, 28, 49, 696)),
    ("runner-hbfailed", at(11, 15, 33, 388), at(11, 28, 49, 647)),
    ("runner-flappy", at(11, 15, 33, 372), at(11, 28, 49, 627)),
    ("runner-streamdownhand", at(11, 15, 33, 333), at(11, 28, 49, 603)),
    ("runner-streamdown", at(11, 15, 33, 314), at(11, 28, 49, 582)),
    ("runner-neverhb", at(11, 15, 33, 305), at(11, 28, 49, 567)),
    ("runner-disabled", at(11, 15, 32, 964), at(11, 28, 49, 562)),
    ("runner-stopped", at(11, 15, 32, 941), at(11, 28, 49, 177)),
    ("runner-busy-1", at(11, 15, 32, 758), at(11, 28, 48, 647)),
    ("runner-busy-0", at(11, 15, 32, 482), at(11, 28, 48, 80)),
    ("runner-healthy-4", at(11, 15, 32, 451), at(11, 28, 48, 1)),
    ("runner-healthy-3", at(11, 15, 32, 405), at(11, 28, 47, 940)),
    ("runner-healthy-2", at(11, 15, 32, 367), at(11, 28, 47, 870)),
    ("runner-healthy-1", at(11, 15, 32, 285), at(11, 28, 47, 775)),
    ("runner-healthy-0", at(11, 15, 32, 205), at(11, 28, 47, 689)),
    ("smoke-1", at(11, 13, 30, 837), at(11, 13, 30, 836)),
)


def body(name: str) -> bytes:
    return (SAMPLES / f"{name}.json").read_bytes()


def test_every_sample_has_its_oracle() -> None:
    others = {"runners-list", "runner", "server-health"}
    names = {path.stem for path in SAMPLES.glob("*.json")}
    assert names == {*REPORTS, *others, *(name for name in names if name.startswith("error-"))}


@pytest.mark.parametrize("name", REPORTS)
def test_a_health_sample_reads_as_exactly_what_it_says(name: str) -> None:
    report, server_time = REPORTS[name]
    answer = read_health(body(name))
    assert answer.report == report
    assert answer.server_time == (
        None if server_time is None else pytest.approx(server_time, rel=0, abs=1e-5)
    )
    assert answer.drift == ()


def test_the_list_sample_reads_as_exactly_what_it_says() -> None:
    answer = read_list(body("runners-list"))
    assert answer.runners == tuple(
        ListedRunner(
            id=runner_id,
            owner_principal="/principal/service%3Amonitor",
            label="Smoke 1" if runner_id == "smoke-1" else f"Runner {runner_id}",
            kind=RunnerKind.LOCAL,
            admin_status=(
                AdminStatus.DISABLED if runner_id == "runner-disabled" else AdminStatus.ENABLED
            ),
            wake_stream=f"/runners/{runner_id}/wake",
            created_at=created_at,
            updated_at=updated_at,
        )
        for runner_id, created_at, updated_at in LISTED
    )
    assert answer.drift == ()


@pytest.mark.parametrize(
    "name", ["server-health", "error-not-found", "error-other-owner", "runner", "runners-list"]
)
def test_an_answer_of_another_route_is_no_health_report(name: str) -> None:
    with pytest.raises(ShapeError):
        read_health(body(name))


@pytest.mark.parametrize("name", ["server-health", "error-not-found", "runner", "health-healthy"])
def test_an_answer_of_another_route_is_no_list(name: str) -> None:
    with pytest.raises(ShapeError):
        read_list(body(name))
