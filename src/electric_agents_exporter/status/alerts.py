"""What is told of the alerts that this exporter sends by itself, but for its Watchdog."""

from collections.abc import Iterable
from typing import Final

from electric_agents_exporter.alerting.alert import Alert, AlertState
from electric_agents_exporter.status.view import AlertRow

_MOST: Final = 100
_ORDER: Final = ("critical", "warning", "info")


def alert_rows(alerts: Iterable[Alert]) -> tuple[tuple[AlertRow, ...], int]:
    """Tell of the alerts that fire or are pending: those that fire first, the worst and oldest.

    Returns:
        A hundred of them at most, and how many there are beside.
    """
    live = [
        each
        for each in alerts
        if each.state is not AlertState.RESOLVED and each.labels.get("severity") != "none"
    ]
    live.sort(key=_rank)
    return tuple(map(_alert_row, live[:_MOST])), len(live[_MOST:])


def _rank(alert: Alert) -> tuple[bool, int, float]:
    severity = alert.labels.get("severity")
    worst = _ORDER.index(severity) if severity in _ORDER else len(_ORDER)
    return alert.state is not AlertState.FIRING, worst, alert.active_at


def _alert_row(alert: Alert) -> AlertRow:
    says = alert.annotations
    return AlertRow(
        name=alert.labels.get("alertname", ""),
        severity=alert.labels.get("severity", ""),
        state=alert.state.value,
        since=alert.active_at if alert.fired_at is None else alert.fired_at,
        summary=says.get("summary") or says.get("description") or "",
        labels={
            name: value
            for name, value in alert.labels.items()
            if name not in {"alertname", "severity"}
        },
        runbook_url=_link(says.get("runbook_url", "")),
        dashboard_url=_link(says.get("dashboard_url", "")),
    )


def _link(url: str) -> str:
    """Give a link that a browser may follow; nothing for any other."""
    return url if url.startswith(("https://", "http://")) else ""
