"""The files that are made of the dashboards: JSON for Grafana, and ConfigMaps for Kubernetes."""

import json
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from alert_values import Values
from electric_agents_dashboards import exporter, fleet, runner, slo

_MADE: Final = (fleet, runner, slo, exporter)


def dashboards(values: Values) -> dict[str, dashboard.Dashboard]:
    """Give every dashboard by its short name."""
    return {module.__name__.rpartition(".")[2]: module.build(values) for module in _MADE}


def files(values: Values) -> dict[str, str]:
    """Give every file, by its path below `dashboards/`."""
    made = {}
    for name, board in dashboards(values).items():
        text = _json(board)
        made[f"{name}.json"] = text
        made[f"kubernetes/{name}.yaml"] = _config_map(name, text)
    return made


def _json(board: dashboard.Dashboard) -> str:
    """Write a dashboard as Grafana reads it."""
    plain = json.loads(json.dumps(board, cls=JSONEncoder))
    # The models' only value of it would hide links and annotations in a menu from Grafana 12 on.
    for shown in (*plain["links"], *plain["annotations"]["list"]):
        del shown["placement"]
    # Theirs too, and no option of a table any more from Grafana 12 on.
    for panel in plain["panels"]:
        panel.get("options", {}).pop("footer", None)
    return json.dumps(plain, indent=2, ensure_ascii=False) + "\n"


def _config_map(name: str, text: str) -> str:
    """Wrap a dashboard as Grafana's Helm chart looks for it, by a label."""
    indented = "".join(f"    {line}\n" for line in text.splitlines())
    return f"""# Made of dashboards/source by `make generate`; do not edit.
apiVersion: v1
kind: ConfigMap
metadata:
  name: electric-agents-dashboard-{name}
  labels:
    app.kubernetes.io/name: electric-agents-exporter
    grafana_dashboard: "1"
  annotations:
    grafana_folder: Electric Agents
data:
  electric-agents-{name}.json: |
{indented}"""
