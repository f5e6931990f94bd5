"""The incidents' outcome for readers: a line each, build/incidents.json, docs/alert-quality.md."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from incidents.judge import Outcome, Verdict
from incidents.model import PAGE, TICKET

_ROOT: Final = Path(__file__).parents[2]
_JSON: Final = _ROOT / "build" / "incidents.json"
_PAGE: Final = _ROOT / "docs" / "alert-quality.md"
_BEGIN: Final = "<!-- measured: begin -->"
_END: Final = "<!-- measured: end -->"
_MINUTE: Final = 60.0


def line(verdict: Verdict) -> str:
    """Say in a line how an incident went."""
    told = [f"{outcome.expected.alert} {_told(outcome)}" for outcome in verdict.outcomes] or [
        "silent"
    ]
    wrong = [
        *(f"FALSE PAGE {words}" for words in verdict.false_pages),
        *(f"FALSE TICKET {words}" for words in verdict.false_tickets),
    ]
    mark = "ok  " if verdict.good else "BAD "
    return f"{mark}{verdict.incident.name}: {'; '.join([*told, *wrong])}"


def _told(outcome: Outcome) -> str:
    if outcome.fired_after is None or outcome.delivered_after is None:
        return "MISSED"
    late = " LATE" if outcome.late else ""
    return (
        f"fired {_span(outcome.fired_after)} (of {_span(outcome.allowed)}){late}, delivered "
        f"{_span(outcome.delivered_after)}, resolved {_span(outcome.resolved_after)}"
    )


def summary(verdicts: Sequence[Verdict]) -> str:
    """Say how all of them went together."""
    return "\n".join(
        f"{name}: {caught} of {due} caught, {pages} false pages, {tickets} false tickets"
        for name, due, caught, pages, tickets in _totals(verdicts)
    )


def _totals(verdicts: Sequence[Verdict]) -> list[tuple[str, int, int, int, int]]:
    outcomes = [outcome for verdict in verdicts for outcome in verdict.outcomes]
    return [
        (
            "our rules",
            len(outcomes),
            sum(not outcome.missed for outcome in outcomes),
            sum(len(verdict.false_pages) for verdict in verdicts),
            sum(len(verdict.false_tickets) for verdict in verdicts),
        ),
        (
            "naive rules",
            len(outcomes),
            sum(sum(verdict.naive_caught) for verdict in verdicts),
            sum(len(verdict.naive_false_pages) for verdict in verdicts),
            sum(len(verdict.naive_false_tickets) for verdict in verdicts),
        ),
    ]


def keep(verdicts: Sequence[Verdict], speed: float, seconds: float, *, write: bool) -> None:
    """Write build/incidents.json, and the page if wanted."""
    _JSON.parent.mkdir(exist_ok=True)
    rows = [
        {
            "incident": verdict.incident.name,
            "good": verdict.good,
            "outcomes": [
                {
                    "alert": outcome.expected.alert,
                    "severity": outcome.expected.severity,
                    "fired_after": outcome.fired_after,
                    "allowed": outcome.allowed,
                    "delivered_after": outcome.delivered_after,
                    "resolved_after": outcome.resolved_after,
                }
                for outcome in verdict.outcomes
            ],
            "false_pages": verdict.false_pages,
            "false_tickets": verdict.false_tickets,
            "naive_caught": verdict.naive_caught,
            "naive_false_pages": verdict.naive_false_pages,
            "naive_false_tickets": verdict.naive_false_tickets,
        }
        for verdict in verdicts
    ]
    _JSON.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=2))
    if write:
        text = _PAGE.read_text()
        before, after = text[: text.index(_BEGIN)], text[text.index(_END) :]
        _PAGE.write_text(before + _BEGIN + "\n\n" + _table(verdicts, speed, seconds) + "\n" + after)


def _table(verdicts: Sequence[Verdict], speed: float, seconds: float) -> str:
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    head = (
        f"Played on {day}, {len(verdicts)} incidents {speed:g} times as fast as the world, in "
        f"{seconds / _MINUTE:.0f} minutes. Times are the story's.\n"
    )
    return "\n".join([head, *_totals_table(verdicts), "", *_incident_table(verdicts), ""])


def _totals_table(verdicts: Sequence[Verdict]) -> Iterable[str]:
    yield "| rules | expected | delivered | false pages | false tickets |"
    yield "|---|---|---|---|---|"
    for name, due, caught, pages, tickets in _totals(verdicts):
        share = f"{caught} ({caught / due:.0%})" if due else "-"
        yield f"| {name} | {due} | {share} | {pages} | {tickets} |"


def _incident_table(verdicts: Sequence[Verdict]) -> Iterable[str]:
    yield (
        "| incident | what happens | expected | fault to firing (at most) | to delivery "
        "| repair to resolved | missed | false | naive rules |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for verdict in verdicts:
        outcomes = verdict.outcomes
        cells = (
            verdict.incident.name,
            verdict.incident.what,
            _lines(f"{_SORT[o.expected.severity]} {o.expected.alert}" for o in outcomes)
            or "silence",
            _lines(f"{_span(o.fired_after)} ({_span(o.allowed)})" for o in outcomes),
            _lines(_span(o.delivered_after) for o in outcomes),
            _lines(_span(o.resolved_after) for o in outcomes),
            _lines(o.expected.alert for o in outcomes if o.missed) or "-",
            _lines((*verdict.false_pages, *verdict.false_tickets)) or "-",
            _naive(verdict),
        )
        yield f"| {' | '.join(cells)} |"


_SORT: Final = {PAGE: "page", TICKET: "ticket"}


def _naive(verdict: Verdict) -> str:
    missed = sum(not caught for caught in verdict.naive_caught)
    said = [
        *([f"misses {missed} of {len(verdict.naive_caught)}"] if missed else []),
        *(f"false page {words}" for words in verdict.naive_false_pages),
        *(f"false ticket {words}" for words in verdict.naive_false_tickets),
    ]
    return _lines(said) or "right"


def _lines(cells: Iterable[str]) -> str:
    return "<br>".join(cells)


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
