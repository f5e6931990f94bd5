"""Which alerts are sent."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from electric_agents_exporter.alerting.alert import Alert


class Severity(StrEnum):
    """How bad it is, from mild to worst."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


_ORDER: Final = tuple(Severity)


@dataclass(frozen=True, slots=True)
class Choice:
    """Alerts of so much severity at least, and of these names if any are given.

    A severity that is none of ours passes: that is the Watchdog's `none`, or a word of somebody's
    own.
    """

    min_severity: Severity = Severity.INFO
    names: frozenset[str] | None = None

    def includes(self, alert: Alert) -> bool:
        """Tell whether an alert is sent."""
        if self.names is not None and alert.labels.get("alertname") not in self.names:
            return False
        severity = alert.labels.get("severity")
        if severity not in _ORDER:
            return True
        return _ORDER.index(Severity(severity)) >= _ORDER.index(self.min_severity)
