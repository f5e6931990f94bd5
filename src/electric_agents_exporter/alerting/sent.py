"""What one Alertmanager was told, and what it has to be told next."""

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from electric_agents_exporter.alerting.alert import Alert, AlertState, Identity


class _Told(NamedTuple):
    """What was said of an alert last, and when on our steady clock."""

    state: AlertState
    fired_at: float | None
    resolved_at: float | None
    at: float

    def is_news(self, alert: Alert) -> bool:
        """Tell whether an alert is not any more as was said."""
        now = (alert.state, alert.fired_at, alert.resolved_at)
        return now != (self.state, self.fired_at, self.resolved_at)


Due: TypeAlias = list[tuple[Identity, Alert]]
"""Alerts that have to be told of."""


class Sent:
    """What was told of the alerts that there are. It never holds more than these."""

    def __init__(self) -> None:
        self._told: dict[Identity, _Told] = {}

    def due(self, alerts: Iterable[Alert], now: float, resend_after: float) -> Due:
        """Give what is new or has changed, then what was last told so many seconds ago.

        `alerts` are all that there are: what is not among them is forgotten, and ends by itself.
        """
        news: Due = []
        again: Due = []
        kept = {}
        for alert in alerts:
            identity = alert.identity
            told = self._told.get(identity)
            if told is not None:
                kept[identity] = told
            if told is None or told.is_news(alert):
                news.append((identity, alert))
            elif now - told.at >= resend_after:
                again.append((identity, alert))
        self._told = kept
        return news + again

    def told(self, batch: Due, now: float) -> None:
        """Note that these were told."""
        for identity, alert in batch:
            self._told[identity] = _Told(alert.state, alert.fired_at, alert.resolved_at, now)

    def forget(self) -> None:
        """Forget everything, as the other side may have."""
        self._told.clear()
