"""An alert as it stands: what is said, since when, and whether it fires."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias

import msgspec

Identity: TypeAlias = frozenset[tuple[str, str]]
"""Which alert it is: all of its labels, as Alertmanager tells alerts apart."""


class AlertState(StrEnum):
    """How far an alert is, in Prometheus's words."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class Alert(msgspec.Struct, frozen=True):
    """One alert at a moment. Every `*_at` is seconds since the epoch on this exporter's clock.

    Attributes:
        labels: all of its labels, `alertname` and `severity` among them.
        annotations: what it says, rendered.
        state: whether it waits for its `for`, fires, or is over.
        active_at: since when it holds.
        fired_at: since when it fires: Alertmanager's `startsAt`.
        resolved_at: when it was over: Alertmanager's `endsAt`.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    state: AlertState
    active_at: float
    fired_at: float | None = None
    resolved_at: float | None = None

    @property
    def identity(self) -> Identity:
        """Which alert it is."""
        return frozenset(self.labels.items())
