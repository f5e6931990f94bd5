"""What is told of the alerts that this exporter sends by itself."""

from collections.abc import Iterable

from electric_agents_exporter.alerting.alert import Alert, AlertState
from electric_agents_exporter.status.view import AlertRow


def alert_rows(alerts: Iterable[Alert]) -> tuple[AlertRow, ...]:
    """Tell of the alerts that fire or are pending, those that fire first, each the oldest first."""
    live = [each for each in alerts if each.state is not AlertState.RESOLVED]
    live.sort(key=lambda each: (each.state is not AlertState.FIRING, each.active_at))
    return tuple(map(_alert_row, live))


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
