"""How a server derives liveness, status and issues, and how its issue texts are read back.

Source: `runnerHealth` in agents-server's `runners-router.ts`. Times are seconds since the epoch,
on the server's clock.
"""

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    HealthStatus,
    Issue,
    LivenessStatus,
)

RECONNECTS_TOLERATED: Final = 5
"""A server calls a runner degraded above this count. It never falls until the runner restarts."""


@dataclass(frozen=True, slots=True)
class HealthInputs:
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
) -> LivenessStatus:
    """Tell whether a runner is there: a disabled one never is, an enabled one while leased."""
    if admin_status is AdminStatus.DISABLED or lease_expires_at is None:
        return LivenessStatus.OFFLINE
    return LivenessStatus.ONLINE if lease_expires_at > now else LivenessStatus.EXPIRED


def derive_issues(inputs: HealthInputs, liveness: LivenessStatus) -> tuple[Issue, ...]:
    """Name what the server finds wrong with a runner of this liveness, in its order."""
    issues = []
    if inputs.admin_status is AdminStatus.DISABLED:
        issues.append(Issue.DISABLED)
    if liveness is LivenessStatus.EXPIRED:
        issues.append(Issue.LEASE_EXPIRED)
    elif liveness is LivenessStatus.OFFLINE and inputs.admin_status is AdminStatus.ENABLED:
        issues.append(Issue.NEVER_HEARTBEAT)
    if inputs.diagnostics_present:
        if inputs.stream_connected is False:
            issues.append(Issue.STREAM_DISCONNECTED)
        if inputs.last_heartbeat_ok is False:
            issues.append(Issue.HEARTBEAT_FAILED)
        if (inputs.reconnect_count or 0) > RECONNECTS_TOLERATED:
            issues.append(Issue.RECONNECTS_HIGH)
    elif inputs.last_seen_at is not None:
        issues.append(Issue.NO_DIAGNOSTICS)
    return tuple(issues)


def health_status(issues: Collection[Issue]) -> HealthStatus:
    """Give the server's verdict on a runner with these issues."""
    if Issue.DISABLED in issues or Issue.LEASE_EXPIRED in issues:
        return HealthStatus.UNHEALTHY
    return HealthStatus.DEGRADED if issues else HealthStatus.HEALTHY


def derive_health(inputs: HealthInputs, now: float) -> tuple[HealthStatus, tuple[str, ...]]:
    """Give the server's verdict and its issue texts, letter by letter and in its order."""
    liveness = derive_liveness(inputs.admin_status, inputs.lease_expires_at, now)
    issues = derive_issues(inputs, liveness)
    return health_status(issues), tuple(_text(issue, inputs, now) for issue in issues)


def _text(issue: Issue, inputs: HealthInputs, now: float) -> str:
    if issue is Issue.LEASE_EXPIRED:
        # A lease that ended at 0 is no date to the server, and it says 0 s.
        lapsed_for = now - inputs.lease_expires_at if inputs.lease_expires_at else 0
        # Math.round over whole milliseconds: halves go up.
        seconds = math.floor(round(lapsed_for * 1000) / 1000 + 0.5)
        return f"Heartbeat lease expired {seconds}s ago"
    if issue is Issue.RECONNECTS_HIGH:
        return f"Client has reconnected {format_number(inputs.reconnect_count or 0)} times"
    return _PATTERNS[issue]


def format_number(value: float) -> str:
    """Write a non-negative finite number as the server's JavaScript does: 7, 2.5, 1e+21."""
    shortest = Decimal(repr(float(value))).normalize()
    plain = value == 0 or 1e-6 <= value < 1e21  # noqa: PLR2004  (JavaScript's own limits)
    return f"{shortest:f}" if plain else f"{shortest:e}"


_PATTERNS: Final = {
    Issue.DISABLED: r"Runner is disabled",
    Issue.LEASE_EXPIRED: r"Heartbeat lease expired \S+s ago",
    Issue.NEVER_HEARTBEAT: r"Runner has never sent a heartbeat",
    Issue.STREAM_DISCONNECTED: r"Client reports stream disconnected",
    Issue.HEARTBEAT_FAILED: r"Client reports last heartbeat failed",
    Issue.RECONNECTS_HIGH: r"Client has reconnected \S+ times",
    Issue.NO_DIAGNOSTICS: r"No client diagnostics available",
}
"""The issue texts as patterns; without a number to tell, a pattern is the text itself."""


def classify_issue(text: str) -> Issue:
    """Name an issue text of a health report; a text that fits no pattern is `Issue.OTHER`."""
    for issue, pattern in _PATTERNS.items():
        if re.fullmatch(pattern, text):
            return issue
    return Issue.OTHER
