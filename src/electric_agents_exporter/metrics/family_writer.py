"""One family in one format: its head, how its lines are written, and what comes of that."""

from collections.abc import Iterable, Sequence
from typing import Generic, TypeAlias, TypeVar

from electric_agents_exporter.metrics.family import Family, Kind
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.lines import fastest_writer

Subject = TypeVar("Subject")


class FamilyWriter(Generic[Subject]):
    """One row in one format: its head, and how its lines are written."""

    def __init__(self, row: Family[Subject], fmt: Format) -> None:
        self.row = row
        suffixes = ("_bucket", "_sum", "_count") if row.kind is Kind.HISTOGRAM else ("",)
        self.sample_names = frozenset(row.name + suffix for suffix in suffixes) | {row.name}
        self.head = _head(row, fmt).encode()
        self.writer = fastest_writer(row, created=fmt is Format.OPENMETRICS)


Part: TypeAlias = tuple[FamilyWriter[Subject], Iterable[bytes], int]
"""A family, its lines in pieces, and how many samples these are."""


def part(family: FamilyWriter[Subject], lines: Sequence[str]) -> Part[Subject]:
    """Make a part of the lines of a few subjects."""
    text = "".join(lines)
    return family, (text.encode(),), text.count("\n")


def _head(row: Family[Subject], fmt: Format) -> str:
    if fmt is Format.OPENMETRICS:
        unit = f"# UNIT {row.family} {row.unit}\n" if row.unit else ""
        return f"# HELP {row.family} {row.help}\n# TYPE {row.family} {row.kind}\n{unit}"
    kind = Kind.GAUGE if row.kind is Kind.INFO else row.kind
    return f"# HELP {row.name} {row.help}\n# TYPE {row.name} {kind}\n"
