"""Incidents' results for readers: a line each, build/incidents.json, docs/alert-quality.md."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from incidents.catalogue import catalogue, find
from incidents.model import PAGE, TICKET, Incident
from incidents.results import Outcome, Result

_ROOT: Final = Path(__file__).parents[2]
_JSON: Final = _ROOT / "build" / "incidents.json"
_PAGE: Final = _ROOT / "docs" / "alert-quality.md"
_BEGIN: Final = "<!-- measured: begin -->"
_END: Final = "<!-- measured: end -->"


class AlertRow(msgspec.Struct):
    """The outcome of one expected alert; times are the scenario's seconds."""

    alert: str
    severity: str
    fired_after: float | None
    allowed: float
    delivered_after: float | None
    resolved_after: float | None
    late: bool
    within: float | None = None
    silent_for: float | None = None


class IncidentRow(msgspec.Struct):
    """How an incident went when it was last played."""

    incident: str
    day: str
    speed: float
    outcomes: list[AlertRow]
    false: list[str]
    false_pages: int
    naive_caught: list[bool]
    naive_false_pages: list[str]
    naive_false_tickets: list[str]


def line(result: Result) -> str:
    """Say in a line how an incident went."""
    outcomes = [f"{one.expected.alert} {_delivery(one)}" for one in result.outcomes] or ["silent"]
    wrong = [
        *(f"FALSE PAGE {label}" for label in result.false_pages),
        *(f"FALSE TICKET {label}" for label in result.false_tickets),
    ]
    mark = "ok  " if result.good else "BAD "
    return f"{mark}{result.incident.name}: {'; '.join([*outcomes, *wrong])}"


def _delivery(outcome: Outcome) -> str:
    if outcome.fired_after is None or outcome.delivered_after is None:
        return "MISSED"
    late = " LATE" if outcome.late else ""
    within = outcome.expected.within
    deadline = f", silent for {_span(outcome.silent_for)} (of {_span(within)})" if within else ""
    return (
        f"fired {_span(outcome.fired_after)} (of {_span(outcome.allowed)}){late}, delivered "
        f"{_span(outcome.delivered_after)}{deadline}, resolved {_span(outcome.resolved_after)}"
    )


def summary(rows: Sequence[IncidentRow]) -> str:
    """Say how all of them went together."""
    return "\n".join(
        f"{name}: {caught} of {due} caught, {pages} false pages, {tickets} false tickets"
        for name, due, caught, pages, tickets in _totals(rows)
    )


def keep(results: Iterable[Result]) -> list[IncidentRow]:
    """Write build/incidents.json: how every incident went when it was last played.

    Returns:
        The row of each, in the catalogue's order.
    """
    known = _kept() | {result.incident.name: _row(result) for result in results}
    rows = [known[incident.name] for incident in catalogue() if incident.name in known]
    _JSON.parent.mkdir(exist_ok=True)
    _JSON.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=2))
    return rows


def _kept() -> dict[str, IncidentRow]:
    if not _JSON.exists():
        return {}
    rows = msgspec.json.decode(_JSON.read_bytes(), type=list[IncidentRow])
    return {row.incident: row for row in rows}


def write_page(rows: Sequence[IncidentRow]) -> None:
    """Write the table into docs/alert-quality.md."""
    text = _PAGE.read_text()
    before, after = text[: text.index(_BEGIN)], text[text.index(_END) :]
    _PAGE.write_text(before + _BEGIN + "\n\n" + _table(rows) + "\n" + after)


def _row(result: Result) -> IncidentRow:
    return IncidentRow(
        incident=result.incident.name,
        day=f"{datetime.now(UTC):%Y-%m-%d}",
        speed=result.speed,
        outcomes=[
            AlertRow(
                alert=outcome.expected.alert,
                severity=outcome.expected.severity,
                fired_after=outcome.fired_after,
                allowed=outcome.allowed,
                delivered_after=outcome.delivered_after,
                resolved_after=outcome.resolved_after,
                late=outcome.late,
                within=outcome.expected.within,
                silent_for=outcome.silent_for,
            )
            for outcome in result.outcomes
        ],
        false=[*result.false_pages, *result.false_tickets],
        false_pages=len(result.false_pages),
        naive_caught=list(result.naive_caught),
        naive_false_pages=list(result.naive_false_pages),
        naive_false_tickets=list(result.naive_false_tickets),
    )


def _totals(rows: Sequence[IncidentRow]) -> list[tuple[str, int, int, int, int]]:
    outcomes = [outcome for row in rows for outcome in row.outcomes]
    return [
        (
            "our rules",
            len(outcomes),
            sum(outcome.delivered_after is not None for outcome in outcomes),
            sum(row.false_pages for row in rows),
            sum(len(row.false) - row.false_pages for row in rows),
        ),
        (
            "naive rules",
            len(outcomes),
            sum(sum(row.naive_caught) for row in rows),
            sum(len(row.naive_false_pages) for row in rows),
            sum(len(row.naive_false_tickets) for row in rows),
        ),
    ]


def _table(rows: Sequence[IncidentRow]) -> str:
    if not rows:
        head = "No incident has been played yet with these rules.\n"
        return "\n".join([head, *_incident_table(rows), ""])
    days = " to ".join(sorted({row.day for row in rows}))
    fastest = max(row.speed for row in rows)
    late = sum(outcome.late for row in rows for outcome in row.outcomes)
    left = len(catalogue()) - len(rows)
    head = (
        f"{len(rows)} incidents, played on {days}, up to {fastest:g} times as fast as in reality. "
        f"Times are the scenario's. Fired too late: {late or 'none'}. Not played yet with these "
        f"rules: {left or 'none'}.\n"
    )
    return "\n".join([head, *_totals_table(rows), "", *_incident_table(rows), ""])


def _totals_table(rows: Sequence[IncidentRow]) -> Iterable[str]:
    yield "| rules | expected | delivered | false pages | false tickets |"
    yield "|---|---|---|---|---|"
    for name, due, caught, pages, tickets in _totals(rows):
        share = f"{caught} ({caught / due:.0%})" if due else "-"
        yield f"| {name} | {due} | {share} | {pages} | {tickets} |"


def _incident_table(rows: Sequence[IncidentRow]) -> Iterable[str]:
    yield (
        "| incident | what happens | expected | fault to firing (at most) | to delivery "
        "| repair to resolved | missed | false | naive rules |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    played = {row.incident: row for row in rows}
    for incident in catalogue():
        row = played.get(incident.name)
        yield _unplayed(incident) if row is None else _played(row)


def _unplayed(incident: Incident) -> str:
    expected = _lines(f"{_SORT[one.severity]} {one.alert}" for one in incident.expected)
    words = "not played yet"
    return f"| {incident.name} | {incident.what} | {expected or 'silence'} |{f' {words} |' * 6}"


def _played(row: IncidentRow) -> str:
    outcomes = row.outcomes
    cells = (
        row.incident,
        find(row.incident).what,
        _lines(f"{_SORT[one.severity]} {one.alert}" for one in outcomes) or "silence",
        _lines(f"{_span(one.fired_after)} ({_span(one.allowed)})" for one in outcomes),
        _lines(map(_delivered, outcomes)),
        _lines(_span(one.resolved_after) for one in outcomes),
        _lines(one.alert for one in outcomes if one.delivered_after is None) or "-",
        _lines(row.false) or "-",
        _naive(row),
    )
    return f"| {' | '.join(cells)} |"


def _delivered(one: AlertRow) -> str:
    if one.within is None:
        return _span(one.delivered_after)
    return f"{_span(one.delivered_after)}; silent for {_span(one.silent_for)} ({_span(one.within)})"


_SORT: Final = {PAGE: "page", TICKET: "ticket"}


def _naive(row: IncidentRow) -> str:
    missed = sum(not caught for caught in row.naive_caught)
    faults = [
        *([f"misses {missed} of {len(row.naive_caught)}"] if missed else []),
        *(f"false page {label}" for label in row.naive_false_pages),
        *(f"false ticket {label}" for label in row.naive_false_tickets),
    ]
    return _lines(faults) or "right"


def _lines(cells: Iterable[str]) -> str:
    return "<br>".join(cells)


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
