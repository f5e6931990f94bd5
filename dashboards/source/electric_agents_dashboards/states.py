"""A runner's state as one number, so that it can be ranked, coloured and put into words.

Enums are one 0/1 series for each word. Here each word gets a code, worst highest, and the first
that holds of a runner is taken: `or` keeps the left side where both sides have the runner.
"""

from collections.abc import Sequence
from typing import Final

from electric_agents_dashboards.asking import Asker
from electric_agents_dashboards.looks import BAD, DISABLED, GOOD, NEUTRAL, UNKNOWN, WARNING, Word

RANK: Final = "server_runner:electric_agents_runner_state:rank"
ENABLED: Final = "server_runner:electric_agents_runner_enabled:info"
BY_RUNNER: Final = "by (server, runner_id)"
ON_RUNNER: Final = "on (job, server, runner_id)"

GONE_AT_WORK: Final = Word(8, "gone with work", BAD)
LOST: Final = Word(7, "gone", BAD)
UNHEALTHY: Final = Word(6, "unhealthy", BAD)
DEGRADED: Final = Word(5, "degraded", WARNING)
NOT_REPORTED: Final = Word(4, "no report", UNKNOWN)
NOT_KNOWN: Final = Word(3, "unknown", UNKNOWN)
AWAY: Final = Word(2, "away", DISABLED)
SWITCHED_OFF: Final = Word(1, "disabled", DISABLED)
HEALTHY: Final = Word(0, "healthy", GOOD)
STATES: Final = (
    GONE_AT_WORK,
    LOST,
    UNHEALTHY,
    DEGRADED,
    NOT_REPORTED,
    NOT_KNOWN,
    AWAY,
    SWITCHED_OFF,
    HEALTHY,
)
STATES_EXPLAINED: Final = (
    "gone with work: not heard of, and agents wait for it to end their work. gone: not heard of, "
    "and of a kind that is meant to stay. no report: the last call for it failed, so nothing else "
    "is known. away: a laptop, job or sandbox that left, which is no news. disabled: by an "
    "operator, on purpose."
)

ISSUES: Final = (
    Word(8, "lease expired", BAD),
    Word(7, "unknown text", UNKNOWN),
    Word(6, "stream disconnected", WARNING),
    Word(5, "heartbeat failed", WARNING),
    Word(4, "never a heartbeat", WARNING),
    Word(3, "no diagnostics", WARNING),
    Word(2, "has reconnected", NEUTRAL),
    Word(1, "disabled", DISABLED),
)
ISSUE_LABELS: Final = (
    "lease_expired",
    "other",
    "stream_disconnected",
    "heartbeat_failed",
    "never_heartbeat",
    "no_diagnostics",
    "reconnects_high",
    "disabled",
)

HEALTH: Final = (
    Word(3, "unhealthy", BAD),
    Word(2, "degraded", WARNING),
    Word(1, "unknown", UNKNOWN),
    Word(0, "healthy", GOOD),
)
LIVENESS: Final = (
    Word(3, "expired", BAD),
    Word(2, "offline", DISABLED),
    Word(1, "unknown", UNKNOWN),
    Word(0, "online", GOOD),
)
CLIENT: Final = (
    Word(6, "stopped", BAD),
    Word(5, "stopping", WARNING),
    Word(4, "reconnecting", WARNING),
    Word(3, "connecting", WARNING),
    Word(2, "starting", NEUTRAL),
    Word(1, "unknown", UNKNOWN),
    Word(0, "streaming", GOOD),
)
CLAIM: Final = (
    Word(4, "error", BAD),
    Word(3, "unknown", UNKNOWN),
    Word(2, "none", DISABLED),
    Word(1, "no work", NEUTRAL),
    Word(0, "claimed", GOOD),
)
CONNECTED: Final = (Word(1, "connected", GOOD), Word(0, "deaf", BAD))
LAST_OK: Final = (Word(1, "ok", GOOD), Word(0, "failed", WARNING))
ENABLED_OR_NOT: Final = (Word(1, "enabled", GOOD), Word(0, "disabled", DISABLED))
POLLED: Final = (Word(1, "polled", GOOD), Word(0, "no report", UNKNOWN))


def state(ask: Asker) -> str:
    """Give every listed runner's code of `STATES`, as it is recorded."""
    return f"max {BY_RUNNER} ({ask.of(RANK)})"


def issue(ask: Asker) -> str:
    """Give the code of `ISSUES` of every runner's worst issue."""
    return _first(
        *(
            (word, ask.of("electric_agents_runner_health_issue", f'issue="{label}"') + " == 1")
            for word, label in zip(ISSUES, ISSUE_LABELS, strict=True)
        )
    )


def enum(ask: Asker, metric: str, label: str, known: Sequence[Word]) -> str:
    """Give the code of an enum's present word."""
    return _first(
        *(
            (word, ask.of(metric, f'{label}="{word.text.replace(" ", "_")}"') + " == 1")
            for word in known
        )
    )


def _first(*cases: tuple[Word, str]) -> str:
    return "\nor ".join(f"{word.code} * group {BY_RUNNER} ({held})" for word, held in cases)
