"""A runner's state as one number, so that it can be ranked, coloured and put into words.

Enums are one 0/1 series for each word. Here each word gets a code, worst highest, and the first
that holds of a runner is taken: `or` keeps the left side where both sides have the runner.
"""

from collections.abc import Sequence
from typing import Final

from electric_agents_dashboards import theme
from electric_agents_dashboards.query_builder import BY_RUNNER, QueryBuilder
from electric_agents_dashboards.theme import (
    BAD,
    DISABLED,
    GOOD,
    NEUTRAL,
    TEXT,
    UNKNOWN,
    WARNING,
    MappedValue,
)

RANK: Final = "server_runner:electric_agents_runner_state:rank"
ENABLED: Final = "server_runner:electric_agents_runner_enabled:info"

WORK_WAITS: Final = MappedValue(8, "work waits", BAD)
GONE: Final = MappedValue(7, "gone", BAD)
AT_A_STANDSTILL: Final = MappedValue(6, "deaf or stuck", WARNING)
DEGRADED: Final = MappedValue(5, "degraded", WARNING)
NOT_KNOWN: Final = MappedValue(4, "not known", UNKNOWN)
AWAY: Final = MappedValue(2, "away", theme.AWAY)
SWITCHED_OFF: Final = MappedValue(1, "disabled", DISABLED)
NO_FAULT: Final = MappedValue(0, "no fault", GOOD)
STATES: Final = (
    WORK_WAITS,
    GONE,
    AT_A_STANDSTILL,
    DEGRADED,
    NOT_KNOWN,
    AWAY,
    SWITCHED_OFF,
    NO_FAULT,
)
SERVER_DOWN: Final = MappedValue(12, "server down", UNKNOWN)
NO_RULES: Final = MappedValue(11, "rules not loaded", UNKNOWN)
SERIES_OFF: Final = MappedValue(10, "per-runner off", DISABLED)
NO_RUNNERS: Final = MappedValue(-1, "no runners", DISABLED)
UNLISTED: Final = (SERVER_DOWN, NO_RULES, SERIES_OFF, NO_RUNNERS)
"""Why a server has no runners to list."""

WORK: Final = {
    "work_abandoned": MappedValue(3, "abandoned", BAD),
    "work_unheard": MappedValue(2, "waits", BAD),
    "work_refused": MappedValue(1, "refused", WARNING),
}
"""Conditions in which somebody waits, the worst first."""

STATES_EXPLAINED: Final = (
    "work waits: it abandoned its work, or has not heard that somebody waits. gone: its lease is "
    "over, and it is of a kind that is meant to stay. deaf or stuck: it lives, and does not hear, "
    "or a claim of it stands still or was refused. not known: it has no fresh report, so nothing "
    "else is known. away: a laptop, job or worker that left, which is no news. disabled: by an "
    "operator, on purpose."
)

ISSUES: Final = (
    MappedValue(8, "lease_expired", BAD),
    MappedValue(7, "other", UNKNOWN),
    MappedValue(6, "stream_disconnected", WARNING),
    MappedValue(5, "heartbeat_failed", WARNING),
    MappedValue(4, "never_heartbeat", WARNING),
    MappedValue(3, "no_diagnostics", WARNING),
    MappedValue(2, "reconnects_high", NEUTRAL),
    MappedValue(1, "disabled", DISABLED),
)
NO_ISSUE: Final = MappedValue(0, "none", TEXT)
CONDITIONS: Final = {
    "unknown": UNKNOWN,
    "work_unheard": BAD,
    "work_abandoned": BAD,
    "work_refused": WARNING,
    "deaf": WARNING,
    "lapsed": WARNING,
    "claim_stuck": WARNING,
    "draining": NEUTRAL,
    "disabled": DISABLED,
}
"""The exporter's own judgement of a runner, and the colour of each where it is true."""

HEALTH: Final = (
    MappedValue(3, "unhealthy", BAD),
    MappedValue(2, "degraded", WARNING),
    MappedValue(1, "unknown", UNKNOWN),
    MappedValue(0, "healthy", GOOD),
)
LIVENESS: Final = (
    MappedValue(3, "expired", BAD),
    MappedValue(2, "offline", theme.AWAY),
    MappedValue(1, "unknown", UNKNOWN),
    MappedValue(0, "online", GOOD),
)
CLIENT: Final = (
    MappedValue(6, "stopped", BAD),
    MappedValue(5, "stopping", WARNING),
    MappedValue(4, "reconnecting", WARNING),
    MappedValue(3, "connecting", WARNING),
    MappedValue(2, "starting", NEUTRAL),
    MappedValue(1, "unknown", UNKNOWN),
    MappedValue(0, "streaming", GOOD),
)
CLAIM: Final = (
    MappedValue(4, "error", BAD),
    MappedValue(3, "unknown", UNKNOWN),
    MappedValue(2, "none", DISABLED),
    MappedValue(1, "no_work", NEUTRAL),
    MappedValue(0, "claimed", GOOD),
)
CONNECTED: Final = (MappedValue(1, "connected", GOOD), MappedValue(0, "disconnected", BAD))
LAST_OK: Final = (MappedValue(1, "ok", GOOD), MappedValue(0, "failed", WARNING))
ENABLED_OR_NOT: Final = (MappedValue(1, "enabled", GOOD), MappedValue(0, "disabled", DISABLED))
WAKES_READ: Final = (MappedValue(1, "read", GOOD), MappedValue(0, "not read", UNKNOWN))
POLLED: Final = (MappedValue(1, "polled", GOOD), MappedValue(0, "no report", UNKNOWN))


def state(promql: QueryBuilder) -> str:
    """Give every listed runner's code of `STATES`, as it is recorded."""
    return f"max {BY_RUNNER} ({promql.select(RANK)})"


def issue(promql: QueryBuilder) -> str:
    """Give the code of `ISSUES` of every runner's worst issue."""
    return enum(promql, "electric_agents_runner_health_issue", "issue", ISSUES)


def enum(promql: QueryBuilder, metric: str, label: str, known: Sequence[MappedValue]) -> str:
    """Give the code of the first of an enum's words that is true."""

    def code(value: MappedValue) -> str:
        series = promql.select(metric, f'{label}="{value.text}"')
        return f"{value.code} * group {BY_RUNNER} ({series} == 1)"

    return "\nor ".join(map(code, known))
