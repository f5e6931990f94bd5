"""The generated rules and their test cases, as promtool reads them."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import promql_parser
import yaml

import alert_cases
from alert_cases.promtool import content

ALERTS: Final = Path(__file__).parents[2] / "alerts"
PREFIX: Final = "ElectricAgents"

_GUARD: Final = re.compile(r"guard ([a-z-]+)")


@dataclass(frozen=True, eq=False)
class Rule:
    """One rule; `id` is the alert's name, with what tells it from others of that name."""

    id: str
    file: str
    group: str
    raw: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What it is called in its file."""
        name: str = self.raw.get("alert") or self.raw["record"]
        return name

    @property
    def expression(self) -> str:
        """What it asks."""
        expression: str = self.raw["expr"]
        return expression

    @property
    def guards(self) -> tuple[str, ...]:
        """The names of its guards, from the comments in its expression."""
        comments = [line for line in self.expression.splitlines() if line.strip().startswith("#")]
        return tuple(name for line in comments for name in _GUARD.findall(line))

    @property
    def metrics(self) -> frozenset[str]:
        """The names that it reads."""
        return frozenset(
            node.name
            for node in nodes(self.expression)
            if isinstance(node, promql_parser.VectorSelector) and node.name
        )


@cache
def rules() -> tuple[Rule, ...]:
    """Read every rule, in the order of files and groups."""
    found = [
        (path.stem, group["name"], raw)
        for path in sorted((ALERTS / "rules").glob("*.yaml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for raw in group["rules"]
    ]
    names = Counter(raw.get("alert") for _, _, raw in found)
    return tuple(
        Rule(_identity(raw, alone=names[raw.get("alert")] == 1), file, group, raw)
        for file, group, raw in found
    )


def alert_rules() -> tuple[Rule, ...]:
    """Give the rules that alert."""
    return tuple(rule for rule in rules() if "alert" in rule.raw)


def record_rules() -> tuple[Rule, ...]:
    """Give the rules that record."""
    return tuple(rule for rule in rules() if "record" in rule.raw)


@cache
def promtool_files() -> Mapping[str, Mapping[str, Any]]:
    """Give every file of test cases, by its name."""
    return {file.name: content(file) for file in alert_cases.test_files()}


def nodes(expression: str) -> list[Any]:
    """Give every part of a PromQL expression."""
    found: list[Any] = []

    def visit(node: Any) -> bool:  # noqa: ANN401  (the parser's nodes have no common fields)
        found.append(node)
        return True

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


def _identity(raw: Mapping[str, Any], *, alone: bool) -> str:
    if "record" in raw:
        return str(raw["record"])
    name = str(raw["alert"]).removeprefix(PREFIX)
    labels = raw["labels"]
    return name if alone else f"{name} ({labels.get('window', labels['severity'])})"
