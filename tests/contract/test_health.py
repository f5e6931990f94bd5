import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from electric_agents_exporter.contract.health import (
    HealthInputs,
    classify_issue,
    derive_health,
    derive_liveness,
    format_number,
)
from electric_agents_exporter.contract.reading import read_health
from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    HealthStatus,
    Issue,
    LivenessStatus,
)

SAMPLES = sorted((Path(__file__).parent / "samples").glob("health-*.json"))
NOW = 1_795_346_133.0

leases = st.none() | st.floats(NOW - 1e9, NOW + 1e9)
some_evidence = st.builds(
    HealthInputs,
    admin_status=st.sampled_from([AdminStatus.ENABLED, AdminStatus.DISABLED]),
    last_seen_at=st.none() | st.just(NOW - 30),
    lease_expires_at=leases,
    diagnostics_present=st.booleans(),
    stream_connected=st.none() | st.booleans(),
    last_heartbeat_ok=st.none() | st.booleans(),
    reconnect_count=st.none()
    | st.floats(0, allow_nan=False, allow_infinity=False)
    | st.integers(0, 10**30),
)


HEALTHY = HealthInputs(
    admin_status=AdminStatus.ENABLED,
    last_seen_at=NOW - 30,
    lease_expires_at=NOW + 60,
    diagnostics_present=True,
    stream_connected=True,
    last_heartbeat_ok=True,
    reconnect_count=0,
)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_the_verdict_on_every_sample_is_the_real_servers(path: Path) -> None:
    body = path.read_bytes()
    sample = json.loads(body)
    answer = read_health(body)
    report = answer.report
    lapsed = [text for text in sample["health"]["issues"] if "expired" in text]
    if answer.server_time is not None:
        now = answer.server_time
    elif lapsed:
        assert report.lease_expires_at is not None
        now = report.lease_expires_at + float(lapsed[0].split()[3].removesuffix("s"))
    else:
        now = NOW  # without a lease the time plays no part
    client = sample["client"] or {}
    inputs = HealthInputs(
        admin_status=AdminStatus(sample["runner"]["admin_status"]),
        last_seen_at=report.last_seen_at,
        lease_expires_at=report.lease_expires_at,
        diagnostics_present=sample["client"] is not None,
        stream_connected=client.get("stream_connected"),
        last_heartbeat_ok=client.get("last_heartbeat_ok"),
        reconnect_count=client.get("reconnect_count"),
    )
    liveness = derive_liveness(inputs.admin_status, inputs.lease_expires_at, now)
    status, issues = derive_health(inputs, now)
    assert liveness == sample["runner"]["liveness_status"]
    assert status == sample["health"]["status"]
    assert list(issues) == sample["health"]["issues"]


def test_there_are_samples_to_judge() -> None:
    assert len(SAMPLES) == 11


@pytest.mark.parametrize(
    "changes, status, issues",
    [
        ({}, "healthy", ()),
        ({"admin_status": AdminStatus.DISABLED}, "unhealthy", ("Runner is disabled",)),
        ({"lease_expires_at": NOW - 90}, "unhealthy", ("Heartbeat lease expired 90s ago",)),
        (
            {"lease_expires_at": None, "last_seen_at": None, "diagnostics_present": False},
            "degraded",
            ("Runner has never sent a heartbeat",),
        ),
        ({"stream_connected": False}, "degraded", ("Client reports stream disconnected",)),
        ({"last_heartbeat_ok": False}, "degraded", ("Client reports last heartbeat failed",)),
        ({"reconnect_count": 6}, "degraded", ("Client has reconnected 6 times",)),
        ({"diagnostics_present": False}, "degraded", ("No client diagnostics available",)),
    ],
)
def test_each_ailment_has_its_text_and_its_floor(
    changes: dict[str, Any], status: str, issues: tuple[str, ...]
) -> None:
    assert derive_health(replace(HEALTHY, **changes), NOW) == (status, issues)


def test_issues_stand_in_the_servers_order_and_any_unhealthy_one_wins() -> None:
    inputs = replace(
        HEALTHY,
        lease_expires_at=NOW - 2,
        stream_connected=False,
        last_heartbeat_ok=False,
        reconnect_count=9,
    )
    assert derive_health(inputs, NOW) == (
        HealthStatus.UNHEALTHY,
        (
            "Heartbeat lease expired 2s ago",
            "Client reports stream disconnected",
            "Client reports last heartbeat failed",
            "Client has reconnected 9 times",
        ),
    )


def test_a_disabled_runner_keeps_the_issues_of_its_client() -> None:
    disabled = replace(HEALTHY, admin_status=AdminStatus.DISABLED)
    ailing = replace(disabled, stream_connected=False, last_heartbeat_ok=False, reconnect_count=9)
    assert derive_health(ailing, NOW) == (
        HealthStatus.UNHEALTHY,
        (
            "Runner is disabled",
            "Client reports stream disconnected",
            "Client reports last heartbeat failed",
            "Client has reconnected 9 times",
        ),
    )
    silent = replace(disabled, diagnostics_present=False)
    assert derive_health(silent, NOW)[1] == (
        "Runner is disabled",
        "No client diagnostics available",
    )


@pytest.mark.parametrize("unsaid", [None, True])
def test_what_a_client_leaves_unsaid_ails_nobody(unsaid: bool | None) -> None:  # noqa: FBT001
    inputs = replace(
        HEALTHY, stream_connected=unsaid, last_heartbeat_ok=unsaid, reconnect_count=None
    )
    assert derive_health(inputs, NOW) == (HealthStatus.HEALTHY, ())


def test_what_a_client_once_said_counts_for_nothing_without_diagnostics() -> None:
    inputs = replace(HEALTHY, diagnostics_present=False, stream_connected=False, reconnect_count=9)
    assert derive_health(inputs, NOW)[1] == ("No client diagnostics available",)


@pytest.mark.parametrize(
    "admin, lease, liveness",
    [
        (AdminStatus.ENABLED, NOW + 0.001, LivenessStatus.ONLINE),
        (AdminStatus.ENABLED, NOW, LivenessStatus.EXPIRED),
        (AdminStatus.ENABLED, NOW - 0.001, LivenessStatus.EXPIRED),
        (AdminStatus.ENABLED, None, LivenessStatus.OFFLINE),
        (AdminStatus.DISABLED, NOW + 60, LivenessStatus.OFFLINE),
        (AdminStatus.DISABLED, NOW - 60, LivenessStatus.OFFLINE),
        (AdminStatus.DISABLED, None, LivenessStatus.OFFLINE),
    ],
)
def test_liveness_follows_the_lease_unless_disabled(
    admin: AdminStatus, lease: float | None, liveness: LivenessStatus
) -> None:
    assert derive_liveness(admin, lease, NOW) is liveness


@pytest.mark.parametrize(
    "lapsed, seconds",
    [
        (0, 0),
        (0.499, 0),
        (0.5, 1),
        (1.499, 1),
        (1.5, 2),
        (2.5, 3),
        (35.947, 36),
        (1e8 + 0.5, 1e8 + 1),
    ],
)
def test_the_age_of_a_lapse_is_rounded_half_up(lapsed: float, seconds: float) -> None:
    texts = derive_health(replace(HEALTHY, lease_expires_at=NOW - lapsed), NOW)[1]
    assert texts == (f"Heartbeat lease expired {seconds:.0f}s ago",)


def test_a_lease_that_ended_at_the_epoch_lapsed_zero_seconds_ago() -> None:
    assert derive_health(replace(HEALTHY, lease_expires_at=0.0), NOW) == (
        HealthStatus.UNHEALTHY,
        ("Heartbeat lease expired 0s ago",),
    )


@pytest.mark.parametrize(
    "value, text",
    [
        (0, "0"),
        (7, "7"),
        (7.0, "7"),
        (2.5, "2.5"),
        (6.5, "6.5"),
        (0.1, "0.1"),
        (100.0, "100"),
        (0.000001, "0.000001"),
        (0.00001234, "0.00001234"),
        (1e-7, "1e-7"),
        (1.5e-10, "1.5e-10"),
        (1e16, "10000000000000000"),
        (2.0**53, "9007199254740992"),
        (1.2345678901234568e20, "123456789012345680000"),
        (999999999999999868928.0, "999999999999999900000"),
        (1e21, "1e+21"),
        (1.2345678901234568e22, "1.2345678901234568e+22"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
    ],
)
def test_numbers_are_written_as_javascript_writes_them(value: float, text: str) -> None:
    assert format_number(value) == text


@given(st.floats(0, allow_nan=False, allow_infinity=False))
def test_a_written_number_reads_back_as_itself(value: float) -> None:
    assert float(format_number(value)) == value


@pytest.mark.parametrize("count", [None, 0, 2.5, 5])
def test_five_reconnects_are_tolerated(count: float | None) -> None:
    assert derive_health(replace(HEALTHY, reconnect_count=count), NOW)[0] is HealthStatus.HEALTHY


@pytest.mark.parametrize("count, text", [(5.5, "5.5"), (6, "6"), (1e21, "1e+21")])
def test_more_than_five_reconnects_are_told_by_their_number(count: float, text: str) -> None:
    assert derive_health(replace(HEALTHY, reconnect_count=count), NOW) == (
        HealthStatus.DEGRADED,
        (f"Client has reconnected {text} times",),
    )


@given(some_evidence)
def test_every_text_of_a_verdict_is_classified_as_the_issue_that_caused_it(
    inputs: HealthInputs,
) -> None:
    client = inputs.diagnostics_present
    disabled = inputs.admin_status is AdminStatus.DISABLED
    lease = inputs.lease_expires_at
    expected = {
        Issue.DISABLED: disabled,
        Issue.LEASE_EXPIRED: not disabled and lease is not None and lease <= NOW,
        Issue.NEVER_HEARTBEAT: not disabled and lease is None,
        Issue.STREAM_DISCONNECTED: client and inputs.stream_connected is False,
        Issue.HEARTBEAT_FAILED: client and inputs.last_heartbeat_ok is False,
        Issue.RECONNECTS_HIGH: client and (inputs.reconnect_count or 0) > 5,
        Issue.NO_DIAGNOSTICS: not client and inputs.last_seen_at is not None,
    }
    status, texts = derive_health(inputs, NOW)
    issues = [classify_issue(text) for text in texts]
    assert issues == [issue for issue, present in expected.items() if present]
    assert (status is HealthStatus.HEALTHY) == (not texts)
    unhealthy = expected[Issue.DISABLED] or expected[Issue.LEASE_EXPIRED]
    assert (status is HealthStatus.UNHEALTHY) == unhealthy


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_no_issue_of_a_sample_is_unknown(path: Path) -> None:
    texts = json.loads(path.read_bytes())["health"]["issues"]
    assert Issue.OTHER not in map(classify_issue, texts)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Runner is disabled.",
        "Runner is disabled\n",
        " Runner is disabled",
        "runner is disabled",
        "Heartbeat lease expired ago",
        "Heartbeat lease expired a while ago",
        "Client has reconnected many many times",
        "Runner is disabled, Client reports stream disconnected",
    ],
)
def test_a_text_that_only_resembles_an_issue_is_other(text: str) -> None:
    assert classify_issue(text) is Issue.OTHER


@given(st.text())
def test_any_text_is_classified(text: str) -> None:
    assert classify_issue(text) in Issue


def test_disabled_is_offline_whatever_the_lease() -> None:
    for lease, now in product((None, 0.0, NOW), (0.0, NOW, 2 * NOW)):
        assert derive_liveness(AdminStatus.DISABLED, lease, now) is LivenessStatus.OFFLINE
