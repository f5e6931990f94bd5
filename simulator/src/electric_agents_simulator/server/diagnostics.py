"""What a server keeps of the diagnostics that a runner sends: what is valid, field by field.

Source: `sanitizeRunnerDiagnostics` in `runners-router.ts`. Applied when they are stored and again
when they are read.
"""

import math
from typing import Final

from electric_agents_exporter.contract.vocabulary import ClaimResult, ClientStatus
from electric_agents_simulator.values import Json

_STATUSES: Final = frozenset(ClientStatus) - {ClientStatus.UNKNOWN}
_CLAIM_RESULTS: Final = frozenset({ClaimResult.CLAIMED, ClaimResult.NO_WORK, ClaimResult.ERROR})
_BOOLEANS: Final = ("stream_connected", "last_heartbeat_ok")
_TEXTS: Final = (
    "started_at",
    "stream_connected_since",
    "last_error",
    "last_error_at",
    "last_heartbeat_at",
    "last_claim_at",
    "last_dispatch_at",
)
_NUMBERS: Final = (
    "reconnect_count",
    "events_received",
    "claims_succeeded",
    "claims_skipped",
    "claims_failed",
)
_LARGEST_PLAIN: Final = 1e21
"""From here on JavaScript writes an integer with an exponent."""


def sanitise(diagnostics: Json | None) -> Json | None:
    """Keep the valid fields, in the server's order; None when there are none."""
    given = diagnostics or {}
    kept: Json = {}
    if isinstance(given.get("status"), str) and given["status"] in _STATUSES:
        kept["status"] = given["status"]
    for name in _BOOLEANS:
        if isinstance(given.get(name), bool):
            kept[name] = given[name]
    if "last_claim_result" in given and _is_claim_result(given["last_claim_result"]):
        kept["last_claim_result"] = given["last_claim_result"]
    for name in _TEXTS:
        if name in given and isinstance(given[name], str | None):
            kept[name] = given[name]
    for name in _NUMBERS:
        number = _number(given.get(name))
        if number is not None:
            kept[name] = number
    return kept or None


def _is_claim_result(value: object) -> bool:
    return value is None or (isinstance(value, str) and value in _CLAIM_RESULTS)


def _number(value: object) -> float | None:
    """Give a finite number from 0 up as JavaScript would write it; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer beyond the doubles is infinite in JavaScript
        return None
    if not math.isfinite(number) or number < 0:
        return None
    return int(number) if number.is_integer() and number < _LARGEST_PLAIN else number
