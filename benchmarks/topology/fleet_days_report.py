"""The results of fleet-days for readers: lines for a terminal, a table for a page."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final

from topology.fleet_day_kinds import KINDS
from topology.fleet_days_verdict import DayVerdict
from topology.verdict import span

_PAGE: Final = Path(__file__).parents[2] / "docs" / "alert-quality.md"
_BEGIN: Final = "<!-- fleet-days: begin -->"
_END: Final = "<!-- fleet-days: end -->"
_HEAD: Final = (
    "kind of day",
    "days",
    "false pages",
    "false tickets a day",
    "work lay: tickets a day",
    "incidents",
    "missed or late",
    "to page, median",
    "worst",
)


def rows(verdicts: Sequence[DayVerdict]) -> Iterator[tuple[str, ...]]:
    """Give a row of each kind of day, and one of all."""
    for kind in KINDS:
        some = [one for one in verdicts if one.day.kind == kind]
        if some:
            yield _row(kind, some)
    yield _row("all", verdicts)


def _row(name: str, verdicts: Sequence[DayVerdict]) -> tuple[str, ...]:
    days = len(verdicts)
    pages = [after for one in verdicts for after in one.pages]
    lay = sum(sum(one.true_tickets.values()) for one in verdicts)
    return (
        name,
        f"{days}",
        f"{sum(one.false_pages for one in verdicts)}",
        f"{sum(one.false_tickets for one in verdicts) / days:.3f}",
        f"{lay / days:.2f}",
        f"{sum(one.incidents for one in verdicts)}",
        f"{sum(len(one.missed) for one in verdicts)}",
        span(median(pages)) if pages else "",
        span(max(pages)) if pages else "",
    )


def lines(name: str, verdicts: Sequence[DayVerdict], *, told: bool = False) -> str:
    """Write a table for a terminal, and what was false."""
    table = [_HEAD, *rows(verdicts)]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEAD))]
    found = [f"{name} rules"]
    found += [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
    for one in verdicts if told else ():
        if one.false or one.missed:
            found.append(f"{one.day.name} ({one.day.kind}): {'; '.join(one.false + one.missed)}")
            found += [f"    {event}" for event in one.day.story]
    return "\n".join(found)


def write_page(found: Mapping[str, Sequence[DayVerdict]], seed: int) -> None:
    """Write the tables into docs/alert-quality.md."""
    text = _PAGE.read_text()
    before, after = text[: text.index(_BEGIN)], text[text.index(_END) :]
    tables = "\n\n".join(_table(name, verdicts) for name, verdicts in found.items())
    _PAGE.write_text(f"{before}{_BEGIN}\n\nSeed {seed}.\n\n{tables}\n\n{after}")


def _table(name: str, verdicts: Sequence[DayVerdict]) -> str:
    many = len(verdicts)
    written = [
        f"{name.replace('-', ' ').capitalize()} rules, {many} days:",
        "",
        f"| {' | '.join(_HEAD)} |",
        f"|{'---|' * len(_HEAD)}",
    ]
    written += [f"| {' | '.join((_words(row[0]), *row[1:]))} |" for row in rows(verdicts)]
    return "\n".join(written)


def _words(kind: str) -> str:
    return f"{kind}: {KINDS[kind][2]}" if kind in KINDS else f"**{kind}**"
