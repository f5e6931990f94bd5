"""The pages, rendered from templates. Whatever came from outside is escaped."""

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.fleet.history import MOST_CHANGES, PAST_SECONDS
from electric_agents_exporter.status.ages import (
    clock_time,
    plural,
    spell_age,
    spell_duration,
    spell_moment,
)
from electric_agents_exporter.status.query import Query, Sort
from electric_agents_exporter.status.states import MEANINGS, Severity, State
from electric_agents_exporter.status.timeline import told_in_words
from electric_agents_exporter.status.view import FleetStatus, RunnerRow, RunnerStatus
from electric_agents_exporter.web.names import name_html, visible

_PACKAGE: Final = "electric_agents_exporter.web"
STATIC: Final[Mapping[str, str]] = {
    "status.css": "text/css; charset=utf-8",
    "status.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""The files that pages ask for, with what they are."""

_MARKS: Final[Mapping[Severity, str]] = {
    Severity.BAD: "✖",
    Severity.LOOK: "▲",
    Severity.UNKNOWN: "?",
    Severity.QUIET: "-",
    Severity.GOOD: "✔",
}
_COLUMNS: Final = (
    (Sort.RUNNER, "Runner"),
    (Sort.STATE, "State"),
    (None, "Why"),
    (Sort.KIND, "Kind"),
    (Sort.HEARTBEAT, "Heartbeat"),
    (Sort.WAITING, "Waiting"),
    (Sort.CLAIMS, "Claims"),
    (Sort.RECONNECTS, "Reconnects"),
    (None, "Last hour"),
)


def static_file(name: str) -> bytes:
    """Read a file that pages ask for."""
    return files(_PACKAGE).joinpath("static", name).read_bytes()


@cache
def _templates() -> Environment:
    """Give the templates with what they may use; each is compiled once."""
    environment = Environment(
        autoescape=True,
        loader=PackageLoader(_PACKAGE),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "age": lambda seconds: "unknown" if seconds is None else spell_age(seconds),
        "duration": lambda seconds: "unknown" if seconds is None else spell_duration(seconds),
        "name": name_html,
        "number": _number,
        "moment": _moment,
        "isotime": spell_moment,
        "lasting": _lasting,
        "clock": clock_time,
        "plural": plural,
        "visible": visible,
    }
    environment.globals |= {
        "MARKS": _MARKS,
        "MEANINGS": MEANINGS,
        "PAST_SECONDS": PAST_SECONDS,
        "MOST_CHANGES": MOST_CHANGES,
        "past": spell_duration(PAST_SECONDS),
        "marks_of": {name: _mark_of(static_file(name)) for name in STATIC},
        "runner_url": runner_url,
        "told_in_words": told_in_words,
    }
    return environment


class Pages:
    """Renders pages."""

    def __init__(self) -> None:
        templates = _templates()
        self._fleet = templates.get_template("fleet.html")
        self._runner = templates.get_template("runner.html")
        self._nothing = templates.get_template("nothing.html")

    def fleet(self, status: FleetStatus, query: Query) -> str:
        """Write the page of everything at a glance."""
        return self._fleet.render(
            status=status,
            query=query,
            columns=_COLUMNS,
            kinds=list(RunnerKind),
            states=list(State),
            names=list(dict.fromkeys(target.name for target in status.targets)),
        )

    def runner(self, status: RunnerStatus) -> str:
        """Write a runner's own page."""
        return self._runner.render(status=status)

    def nothing(self, version: str, time: float) -> str:
        """Write that there is no such runner."""
        return self._nothing.render(version=version, time=time)


def runner_url(row: RunnerRow) -> str:
    """Give the address of a runner's own page, whatever its id."""
    given = {"target": row.target, "tenant": row.tenant, "id": row.id}
    known = {name: value for name, value in given.items() if value is not None}
    return f"runner?{urlencode(known)}"


def _mark_of(content: bytes) -> str:
    """Give a mark that is another for another content, so that no old one is shown."""
    return sha256(content).hexdigest()[:12]


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,g}"


def _lasting(since: float, now: float) -> Markup:
    """Write for how long something has been so, and since when."""
    moment = spell_moment(since)
    duration = spell_duration(max(1.0, now - since))
    return Markup('<time datetime="{0}" title="since {0}">{1}</time>').format(moment, duration)


def _moment(at: float | None, now: float) -> Markup:
    """Write how long ago a moment was, and when; what lies ahead is told by its time alone."""
    if at is None:
        return Markup('<span class="none">unknown</span>')
    written = spell_moment(at)
    ahead = at > now + 1
    shown = f"{clock_time(at)} UTC" if ahead else spell_age(now - at)
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(written, shown)
