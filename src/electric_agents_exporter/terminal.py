"""The status in a terminal: what a running exporter says, as tables or as plain lines.

An exporter's answer holds foreign text, and a terminal obeys what it is sent: nothing that is not
printable gets there.
"""

import http
from collections.abc import Iterable, Mapping
from typing import IO, Final
from urllib.parse import urlencode

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from electric_agents_exporter import client
from electric_agents_exporter.client import AskError, Exporter
from electric_agents_exporter.status.ages import plural, spell_age, spell_duration
from electric_agents_exporter.status.states import MEANINGS, Severity, State
from electric_agents_exporter.status.view import FleetStatus, RunnerRow, TargetRow

EXIT_CODES: Final[Mapping[Severity, int]] = {
    Severity.GOOD: 0,
    Severity.QUIET: 0,
    Severity.UNKNOWN: 3,
    Severity.LOOK: 4,
    Severity.BAD: 5,
}
"""The exit code by what the verdict says; 1 is for an exporter that does not answer."""

_TIMEOUT: Final = 10.0
_STYLES: Final[Mapping[Severity, str]] = {
    Severity.BAD: "bold red",
    Severity.LOOK: "yellow",
    Severity.UNKNOWN: "bold",
    Severity.QUIET: "dim",
    Severity.GOOD: "green",
}
_UNEVENTFUL: Final = frozenset({State.FINE, State.DISABLED, State.GONE, State.NEVER_SEEN})


def ask(exporter: Exporter, most: int) -> FleetStatus:
    """Ask an exporter for its status, and for so many runners.

    Raises:
        AskError: it does not answer, or with something else.
    """
    path = f"/api/v1/fleet?{urlencode({'per_page': most})}"
    status, body = client.ask(exporter, path, _TIMEOUT)
    if status == http.HTTPStatus.UNAUTHORIZED:
        raise AskError("it asks for a name and a password; give --username and --password-file")
    if status != http.HTTPStatus.OK:
        raise AskError(f"status {status}")
    try:
        return msgspec.json.decode(body, type=FleetStatus)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AskError("it answers with something else") from error


def show(status: FleetStatus, output: IO[str]) -> int:
    """Write the verdict, the targets and the runners that need a look.

    Returns:
        The exit code, by how bad it is.
    """
    if output.isatty():
        _draw(status, Console(file=output, highlight=False))
    else:
        output.writelines(f"{line}\n" for line in _lines(status))
    return EXIT_CODES[status.verdict.severity]


def _draw(status: FleetStatus, console: Console) -> None:
    for statement in status.verdict.statements:
        console.print(Text(printable(statement.text), _STYLES[statement.severity]))
    console.print(_table(("Target", "State", "Runners", "Why"), map(_target_cells, status.targets)))
    rows = _rows(status)
    if rows:
        heads = ("Runner", "Target", "State", "Why", "Heartbeat", "Waiting")
        console.print(_table(heads, map(_runner_cells, rows)))
    console.print(Text(_last_line(status), "dim"))


Cell = tuple[str, Severity | None]


def _table(heads: Iterable[str], rows: Iterable[Iterable[Cell]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for head in heads:
        table.add_column(head, overflow="fold")
    for cells in rows:
        table.add_row(*(Text(printable(text), _STYLES[how] if how else "") for text, how in cells))
    return table


def _lines(status: FleetStatus) -> Iterable[str]:
    """Write the same as lines whose words stand between tabs."""
    for statement in status.verdict.statements:
        yield f"{statement.severity.value}\t{printable(statement.text)}"
    for target in status.targets:
        yield "\t".join(["target", *(printable(text) for text, _ in _target_cells(target))])
    for row in _rows(status):
        yield "\t".join(["runner", *(printable(text) for text, _ in _runner_cells(row))])


def _rows(status: FleetStatus) -> list[RunnerRow]:
    return [row for row in status.page.rows if row.state not in _UNEVENTFUL]


def _target_cells(target: TargetRow) -> tuple[Cell, ...]:
    name = target.name if target.tenant is None else f"{target.name}, tenant {target.tenant}"
    runners = "unknown" if target.runners is None else f"{target.runners:,}"
    unknown = target.states.get(State.UNKNOWN, 0)
    counts = f"{runners} ({unknown:,} unknown)" if unknown else runners
    return (
        (name, None),
        (target.state, target.severity),
        (counts, None),
        ("; ".join(target.reasons), None),
    )


def _runner_cells(row: RunnerRow) -> tuple[Cell, ...]:
    heartbeat = "never" if row.never_heartbeat else "unknown"
    if row.heartbeat_age is not None:
        heartbeat = spell_age(row.heartbeat_age)
    waiting = "unknown" if row.wakes_waiting is None else f"{row.wakes_waiting:,}"
    if row.wakes_waiting and row.oldest_wake_age is not None:
        waiting = f"{waiting}, oldest {spell_duration(row.oldest_wake_age)}"
    return (
        (row.id, None),
        (row.target, None),
        (MEANINGS[row.state].name, row.severity),
        (row.why, None),
        (heartbeat, None),
        (waiting, None),
    )


def _last_line(status: FleetStatus) -> str:
    counts = ", ".join(
        f"{count:,} {MEANINGS[state].name}" for state, count in status.states.items()
    )
    return f"{plural(status.runners, 'runner')}{': ' if counts else ''}{counts}"


def printable(text: str) -> str:
    """Write characters that a terminal would obey, or show nothing of, as their escapes."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
