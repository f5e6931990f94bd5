"""The landing page: what is polled, how it goes, and where the metrics are."""

from html import escape

from electric_agents_exporter.fleet.aggregate import aggregate
from electric_agents_exporter.fleet.faults import Suppression
from electric_agents_exporter.fleet.snapshot import FleetSnapshot, TargetSnapshot

_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.4rem .8rem;border-bottom:1px solid #8884}
.number{text-align:right;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}
.bad{color:#c4162a;font-weight:600}
.good{color:#1a7f37;font-weight:600}
@media(prefers-color-scheme:dark){.bad{color:#ff7383}.good{color:#73bf69}}
"""
_COLUMNS = ("Target", "State", "Runners", "Healthy", "Degraded", "Unhealthy", "Retired", "Polled")
_NUMBERS = ("Runners", "Healthy", "Degraded", "Unhealthy", "Retired", "Polled")


def landing_page(snapshot: FleetSnapshot, version: str) -> str:
    """Write the page. Whatever came from outside is escaped."""
    heads = "".join(f'<th scope="col"{_number_class(column)}>{column}</th>' for column in _COLUMNS)
    rows = "".join(_row(target, snapshot) for target in snapshot.targets)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Electric Agents exporter</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Electric Agents exporter</h1>
<p>Version {escape(version)}. <a href="/metrics">Metrics</a> ·
<a href="/-/healthy">healthy</a> · <a href="/-/ready">ready</a></p>
<div class="scroll"><table>
<thead><tr>{heads}</tr></thead>
<tbody>{rows}</tbody>
</table></div>
</body>
</html>
"""


def _row(target: TargetSnapshot, snapshot: FleetSnapshot) -> str:
    state = '<span class="good">up</span>' if target.up else '<span class="bad">down</span>'
    counts = ["unknown"] * 4
    if target.listed:
        totals = aggregate(target, snapshot.monotonic)
        by_health = {"healthy": 0, "degraded": 0, "unhealthy": 0}
        for each, count in totals.states.items():
            if each.health in by_health:
                by_health[each.health] += count
        counts = [str(totals.exported), *map(str, by_health.values())]
    polled = "not yet"
    if target.last_poll_at is not None:
        polled = f"{max(0, round(snapshot.time - target.last_poll_at))} s ago"
    retired = str(target.suppressed.get(Suppression.RETIRED, 0)) if target.listed else "unknown"
    cells = [*counts, retired, polled]
    return (
        f'<tr><th scope="row">{escape(target.name)}</th><td>{state}</td>'
        + "".join(f'<td class="number">{escape(cell)}</td>' for cell in cells)
        + "</tr>"
    )


def _number_class(column: str) -> str:
    return ' class="number"' if column in _NUMBERS else ""
