"""How a server derives liveness, status and issues, and how its issue texts are read back.

Source: `runnerHealth` in agents-server's `runners-router.ts`. Times are seconds since the epoch,
on the server's clock.
"""

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    HealthStatus,
    Issue,
    Liveness,
)

RECONNECTS_TOLERATED: Final = 5
"""A server calls a runner degraded above this count. It never falls until the runner restarts."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the verdict on one runner rests on."""

    admin_status: AdminStatus
    last_seen_at: float | None
    lease_expires_at: float | None
    diagnostics_present: bool
    stream_connected: bool | None = None
    last_heartbeat_ok: bool | None = None
    reconnect_count: float | None = None


def derive_liveness(
    admin_status: AdminStatus, lease_expires_at: float | None, now: float
) -> Liveness:
    """Tell whether a runner is there: a disabled one never is, an enabled one while leased."""
    if admin_status is AdminStatus.DISABLED or lease_expires_at is None:
        return Liveness.OFFLINE
    return Liveness.ONLINE if lease_expires_at > now else Liveness.EXPIRED


def derive_health(evidence: Evidence, now: float) -> tuple[HealthStatus, tuple[str, ...]]:
    """Give the server's verdict and its issue texts, letter by letter and in its order."""
    liveness = derive_liveness(evidence.admin_status, evidence.lease_expires_at, now)
    unhealthy = _unhealthy_texts(evidence, liveness, now)
    degraded = _degraded_texts(evidence, liveness)
    status = HealthStatus.HEALTHY
    if degraded:
        status = HealthStatus.DEGRADED
    if unhealthy:
        status = HealthStatus.UNHEALTHY
    return status, (*unhealthy, *degraded)


def _unhealthy_texts(evidence: Evidence, liveness: Liveness, now: float) -> list[str]:
    texts = []
    if evidence.admin_status is AdminStatus.DISABLED:
        texts.append("Runner is disabled")
    if liveness is Liveness.EXPIRED and evidence.lease_expires_at is not None:
        # A lease that ended at 0 is no date to the server, and it says 0 s.
        lapsed_for = now - evidence.lease_expires_at if evidence.lease_expires_at else 0
        # Math.round over whole milliseconds: halves go up.
        seconds = math.floor(round(lapsed_for * 1000) / 1000 + 0.5)
        texts.append(f"Heartbeat lease expired {seconds}s ago")
    return texts


def _degraded_texts(evidence: Evidence, liveness: Liveness) -> list[str]:
    texts = []
    if evidence.admin_status is AdminStatus.ENABLED and liveness is Liveness.OFFLINE:
        texts.append("Runner has never sent a heartbeat")
    if evidence.diagnostics_present:
        if evidence.stream_connected is False:
            texts.append("Client reports stream disconnected")
        if evidence.last_heartbeat_ok is False:
            texts.append("Client reports last heartbeat failed")
        count = evidence.reconnect_count
        if count is not None and count > RECONNECTS_TOLERATED:
            texts.append(f"Client has reconnected {format_number(count)} times")
    elif evidence.last_seen_at is not None:
        texts.append("No client diagnostics available")
    return texts


def format_number(value: float) -> str:
    """Write a non-negative finite number as the server's JavaScript does: 7, 2.5, 1e+21."""
    shortest = Decimal(repr(float(value))).normalize()
    plain = value == 0 or 1e-6 <= value < 1e21  # noqa: PLR2004  (JavaScript's own limits)
    return f"{shortest:f}" if plain else f"{shortest:e}"


_PATTERNS: Final = tuple(
    (issue, re.compile(pattern))
    for issue, pattern in (
        (Issue.DISABLED, r"Runner is disabled"),
        (Issue.LEASE_EXPIRED, r"Heartbeat lease expired \S+s ago"),
        (Issue.NEVER_HEARTBEAT, r"Runner has never sent a heartbeat"),
        (Issue.STREAM_DISCONNECTED, r"Client reports stream disconnected"),
        (Issue.HEARTBEAT_FAILED, r"Client reports last heartbeat failed"),
        (Issue.RECONNECTS_HIGH, r"Client has reconnected \S+ times"),
        (Issue.NO_DIAGNOSTICS, r"No client diagnostics available"),
    )
)


def classify_issue(text: str) -> Issue:
    """Name an issue text of a health report; a text that fits no pattern is `Issue.OTHER`."""
    for issue, pattern in _PATTERNS:
        if pattern.fullmatch(text):
            return issue
    return Issue.OTHER
