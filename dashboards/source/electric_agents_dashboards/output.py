"""The files that are made of the dashboards: one of JSON for each."""

import json
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from alert_values import Values
from electric_agents_dashboards import exporter, fleet, runner, slo, wall

_MADE: Final = (fleet, runner, slo, exporter, wall)


def dashboards(values: Values) -> dict[str, dashboard.Dashboard]:
    """Give every dashboard by its short name."""
    return {module.__name__.rpartition(".")[2]: module.build(values) for module in _MADE}


def files(values: Values) -> dict[str, str]:
    """Give every file, by its name in `dashboards/`."""
    return {f"{name}.json": _json(board) for name, board in dashboards(values).items()}


def _json(board: dashboard.Dashboard) -> str:
    """Write a dashboard as Grafana reads it."""
    plain = json.loads(json.dumps(board, cls=JSONEncoder))
    # The models' only value of it would hide links and annotations in a menu from Grafana 12 on.
    for shown in (*plain["links"], *plain["annotations"]["list"]):
        del shown["placement"]
    # Theirs too, and no option of a table any more from Grafana 12 on.
    for panel in plain["panels"]:
        panel.get("options", {}).pop("footer", None)
    return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"
