"""The status page: what is polled, how it goes, and who is not healthy, worst first."""

from html import escape

from electric_agents_exporter.contract.vocabulary import HealthStatus, Issue, RunnerKind
from electric_agents_exporter.fleet.aggregate import aggregate
from electric_agents_exporter.fleet.reasons import Suppression
from electric_agents_exporter.fleet.snapshot import FleetSnapshot, RunnerView, TargetSnapshot

_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.4rem .8rem;border-bottom:1px solid #8884}
td,th{vertical-align:top}
th[scope=row]{overflow-wrap:anywhere}
.number{text-align:right;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}
.bad{color:#c4162a;font-weight:600}
.good{color:#1a7f37;font-weight:600}
@media(prefers-color-scheme:dark){.bad{color:#ff7383}.good{color:#73bf69}}
"""
_COLUMNS = ("Target", "State", "Runners", "Healthy", "Degraded", "Unhealthy", "Retired", "Polled")
_NUMBERS = {
    *("Runners", "Healthy", "Degraded", "Unhealthy", "Retired", "Polled"),
    *("Last heartbeat", "Claims"),
}


_WORST_FIRST = (HealthStatus.UNHEALTHY, HealthStatus.DEGRADED, HealthStatus.UNKNOWN)
_MOST_RUNNERS = 200
_RUNNER_COLUMNS = ("Runner", "Target", "Kind", "Health", "Why", "Last heartbeat", "Claims")


def status_page(snapshot: FleetSnapshot, version: str) -> str:
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
{_ailing(snapshot)}
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


def _ailing(snapshot: FleetSnapshot) -> str:
    """List the runners that are not healthy, as many as people can read."""
    ailing = [
        (_WORST_FIRST.index(health), view, target)
        for target in snapshot.targets
        for view in target.runners
        if (health := _health(view, target, snapshot)) in _WORST_FIRST
    ]
    if not ailing:
        return ""
    ailing.sort(key=lambda entry: (entry[0], entry[1].runner.id))
    heads = "".join(
        f'<th scope="col"{_number_class(column)}>{column}</th>' for column in _RUNNER_COLUMNS
    )
    rows = "".join(_runner(*entry, snapshot) for entry in ailing[:_MOST_RUNNERS])
    left = len(ailing) - _MOST_RUNNERS
    more = f"<p>And {left} more: see the metrics.</p>" if left > 0 else ""
    return f"""<h2>Not healthy</h2>
<div class="scroll"><table>
<thead><tr>{heads}</tr></thead>
<tbody>{rows}</tbody>
</table></div>
{more}"""


def _health(view: RunnerView, target: TargetSnapshot, snapshot: FleetSnapshot) -> HealthStatus:
    if view.facts is None or not view.fresh(snapshot.monotonic, target.stale_after):
        return HealthStatus.UNKNOWN
    return view.facts.report.health or HealthStatus.UNKNOWN


def _runner(rank: int, view: RunnerView, target: TargetSnapshot, snapshot: FleetSnapshot) -> str:
    health = _WORST_FIRST[rank]
    why, age, claims = "no fresh report", "unknown", "unknown"
    if health is not HealthStatus.UNKNOWN and view.facts is not None:
        report = view.facts.report
        why = ", ".join(
            issue.value.replace("_", " ") for issue in Issue if issue in (report.issues or ())
        )
        if report.claims.active_count is not None:
            claims = f"{report.claims.active_count:g}"
        if view.observation is not None and view.observation.heartbeat_age is not None:
            since = snapshot.monotonic - view.observation.monotonic
            age = f"{view.observation.heartbeat_age + since:.0f} s ago"
        elif report.last_seen_at is None:
            age = "never"
    shade = ' class="bad"' if health is HealthStatus.UNHEALTHY else ""
    kind = view.runner.kind or RunnerKind.UNKNOWN
    return (
        f'<tr><th scope="row">{escape(view.runner.id)}</th><td>{escape(target.name)}</td>'
        f"<td>{kind.value}</td><td><span{shade}>{health.value}</span></td><td>{escape(why)}</td>"
        f'<td class="number">{age}</td><td class="number">{claims}</td></tr>'
    )


def _number_class(column: str) -> str:
    return ' class="number"' if column in _NUMBERS else ""
