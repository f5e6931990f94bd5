"""The status page: what is polled, how it goes, and which runners need a look, worst first."""

from collections.abc import Mapping
from html import escape
from typing import Final

from electric_agents_exporter.conditions import NOT_KNOWN, Condition
from electric_agents_exporter.contract.vocabulary import HealthStatus, RunnerKind
from electric_agents_exporter.fleet.aggregate import aggregate
from electric_agents_exporter.fleet.reasons import Suppression
from electric_agents_exporter.fleet.snapshot import FleetSnapshot, RunnerState, TargetSnapshot

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
    *("Last heartbeat", "Wakes waiting", "Claims"),
}


_WORDS: Final[Mapping[Condition, str]] = {
    Condition.WORK_ABANDONED: "works, and gives no sign of life",
    Condition.WORK_UNHEARD: "work waits for it",
    Condition.WORK_REFUSED: "a claim failed: its entity stands still",
    Condition.CLAIM_STUCK: "a claim gives no sign of life",
    Condition.DEAF: "does not hear its wakes",
    Condition.UNKNOWN: "no fresh report",
    Condition.LAPSED: "its lease is over",
}
_WORST_FIRST: Final = tuple(_WORDS)
_PAGES: Final = frozenset({Condition.WORK_ABANDONED, Condition.WORK_UNHEARD})
_MOST_RUNNERS = 200
_RUNNER_COLUMNS = (
    *("Runner", "Target", "Kind", "Why", "The server says"),
    *("Last heartbeat", "Wakes waiting", "Claims"),
)


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
    totals = aggregate(target, snapshot.monotonic)
    if totals is not None:
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
    name = target.name if target.tenant is None else f"{target.name}, tenant {target.tenant}"
    empty = "".join(
        f"<br>0 runners listed for {escape(principal)}"
        for principal, count in target.listed.items()
        if not count
    )
    return (
        f'<tr><th scope="row">{escape(name)}</th><td>{state}{empty}</td>'
        + "".join(f'<td class="number">{escape(cell)}</td>' for cell in cells)
        + "</tr>"
    )


def _ailing(snapshot: FleetSnapshot) -> str:
    """List the runners that need a look, as many as people can read, worst first."""
    ailing = [
        (_WORST_FIRST.index(troubles[0]), runner, target)
        for target in snapshot.targets
        for runner in target.runners
        if (troubles := _troubles(runner, target, snapshot))
    ]
    if not ailing:
        return ""
    ailing.sort(key=lambda entry: (entry[0], entry[1].listed.id))
    heads = "".join(
        f'<th scope="col"{_number_class(column)}>{column}</th>' for column in _RUNNER_COLUMNS
    )
    rows = "".join(
        _runner(runner, target, snapshot) for _, runner, target in ailing[:_MOST_RUNNERS]
    )
    left = len(ailing) - _MOST_RUNNERS
    more = f"<p>And {left} more: see the metrics.</p>" if left > 0 else ""
    return f"""<h2>Need a look</h2>
<div class="scroll"><table>
<thead><tr>{heads}</tr></thead>
<tbody>{rows}</tbody>
</table></div>
{more}"""


def _troubles(
    runner: RunnerState, target: TargetSnapshot, snapshot: FleetSnapshot
) -> list[Condition]:
    """Give the conditions of a runner that somebody should know of, the worst first."""
    fresh = runner.fresh(snapshot.monotonic, target.stale_after)
    holds = runner.conditions.holds if fresh else NOT_KNOWN.holds
    return [condition for condition in _WORST_FIRST if condition in holds]


def _runner(runner: RunnerState, target: TargetSnapshot, snapshot: FleetSnapshot) -> str:
    troubles = _troubles(runner, target, snapshot)
    why = "; ".join(_WORDS[condition] for condition in troubles)
    health, age, waits, claims = "unknown", "unknown", "unknown", "unknown"
    report, seen = runner.report, runner.observation
    if report is not None and seen is not None and Condition.UNKNOWN not in troubles:
        health = (report.health or HealthStatus.UNKNOWN).value
        if report.claims.active_count is not None:
            claims = f"{report.claims.active_count:g}"
        if seen.heartbeat_age is not None:
            age = f"{seen.heartbeat_age + snapshot.monotonic - seen.monotonic:.0f} s ago"
        elif report.last_seen_at is None:
            age = "never"
        if runner.lag is not None:
            waits = str(runner.lag.unheard)
    shade = ' class="bad"' if _PAGES.intersection(troubles) else ""
    kind = runner.listed.kind or RunnerKind.UNKNOWN
    return (
        f'<tr><th scope="row">{escape(runner.listed.id)}</th><td>{escape(target.name)}</td>'
        f"<td>{kind.value}</td><td><span{shade}>{escape(why)}</span></td><td>{health}</td>"
        f'<td class="number">{age}</td><td class="number">{waits}</td>'
        f'<td class="number">{claims}</td></tr>'
    )


def _number_class(column: str) -> str:
    return ' class="number"' if column in _NUMBERS else ""
