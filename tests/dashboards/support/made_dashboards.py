"""The dashboards as Grafana gets them: their panels, and every query that Grafana would make."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parents[3] / "dashboards"
NAMES: Final = ("fleet", "runner", "slo", "exporter", "wall")

# What Grafana puts in by itself; a rate's window of a shape that no query has by chance.
BUILT_IN: Final = {"__rate_interval": "4243s"}

_VARIABLE: Final = re.compile(
    r"\$\{(?P<braced>\w+)(?::(?P<format>\w+))?\}|\$(?P<plain>[a-zA-Z_]\w*)"
)
_LABEL_VALUES: Final = re.compile(r"label_values\((?P<series>.+), (?P<label>\w+)\)")


def load(name: str) -> dict[str, Any]:
    board: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return board


def panels(board: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the panels that show something: all but the rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


@dataclass(frozen=True)
class BoardQuery:
    """A query, and where it stands. `label` is the one whose values a variable asks for."""

    board: str
    place: str
    expr: str
    instant: bool = False
    label: str = ""
    legend: str = ""

    def __str__(self) -> str:
        return f"{self.board}: {self.place}"


def queries(name: str) -> Iterator[BoardQuery]:
    """Give every query of a dashboard's panels, annotations and variables."""
    board = load(name)
    for panel in panels(board):
        for target in panel["targets"]:
            place = f"{panel['title']}, {target['refId']}"
            legend = target.get("legendFormat", "")
            yield BoardQuery(name, place, target["expr"], instant=target["instant"], legend=legend)
    for annotation in board["annotations"]["list"]:
        yield BoardQuery(name, f"annotation {annotation['name']}", annotation["target"]["expr"])
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            match = _LABEL_VALUES.fullmatch(variable["query"]["query"])
            assert match, variable["query"]
            yield BoardQuery(
                name,
                f"variable {variable['name']}",
                match["series"],
                instant=True,
                label=match["label"],
            )


def variables(text: str) -> set[str]:
    """Give the names of all variables that a text uses."""
    return {match["braced"] or match["plain"] for match in _VARIABLE.finditer(text)}


def interpolated(expr: str, values: Mapping[str, str]) -> str:
    """Put values in for variables, as Grafana does.

    Raises:
        KeyError: a variable has no value.
    """

    def value(match: re.Match[str]) -> str:
        known = values[match["braced"] or match["plain"]]
        assert match["format"] in {None, "raw"}, match[0]
        return known

    return _VARIABLE.sub(value, expr)
