"""What the alerts are called that one exporter can know."""

from pathlib import Path
from typing import Final

import msgspec

from electric_agents_exporter.alerting.definition import Definitions

PREFIX: Final = "ElectricAgents"
"""How the name of every alert begins."""

_NAMES: Final = (
    "ClaimFailuresHigh",
    "ClaimStuck",
    "ClaimsLeaking",
    "ClockSkew",
    "ConfigReloadFailed",
    "ContractDrift",
    "CredentialsRejected",
    "DatabaseUnreachable",
    "DuplicateRunnerId",
    "ExporterDataStale",
    "FleetUnavailable",
    "PollOverrun",
    "ReconnectStorm",
    "RunnerDeaf",
    "RunnerDegraded",
    "RunnerFlapping",
    "RunnerNeverHeartbeat",
    "RunnerRestarting",
    "RunnerSpinning",
    "RunnerUnhealthy",
    "RunnersSuppressed",
    "RunnersUnknown",
    "RunnersVanished",
    "ServerUnreachable",
    "TooFewRunners",
    "Watchdog",
    "WorkAbandoned",
    "WorkRefused",
    "WorkUnheard",
)


def alert_names(definitions: Path | None) -> tuple[str, ...]:
    """Give the names, in full, of those that come along, or of those that a file defines.

    Raises:
        OSError: the file cannot be read.
        msgspec.DecodeError: it holds something else.
    """
    if definitions is None:
        return tuple(PREFIX + name for name in _NAMES)
    defined = msgspec.json.decode(definitions.read_bytes(), type=Definitions)
    return tuple(dict.fromkeys(each.alert for each in defined.alerts))
