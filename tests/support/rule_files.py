"""The generated rules and their test cases, as promtool reads them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import promql_parser
import yaml

import alert_cases
from alert_cases.promtool import content

ALERTS: Final = Path(__file__).parents[2] / "alerts"
PREFIX: Final = "ElectricAgents"

_GUARD: Final = re.compile(r"guard ([a-z-]+)")
_TELLING: Final = ("condition", "share", "servers", "objective", "window", "severity")
"""The labels by which rules of one name differ."""


@dataclass(frozen=True, eq=False)
class Rule:
    """One rule; `id` is its name without prefix, with what tells it from others of that name."""

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

    @cached_property
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
    names: dict[str, list[Mapping[str, Any]]] = {}
    for _, _, raw in found:
        names.setdefault(_name(raw), []).append(raw)
    return tuple(
        Rule(_identity(raw, names[_name(raw)]), file, group, raw) for file, group, raw in found
    )


def alert_rules() -> tuple[Rule, ...]:
    """Give the rules that alert."""
    return tuple(rule for rule in rules() if "alert" in rule.raw)


def record_rules() -> tuple[Rule, ...]:
    """Give the rules that record."""
    return tuple(rule for rule in rules() if "record" in rule.raw)


def reached(some: Iterable[Rule]) -> set[str]:
    """Give the names of the records that rules depend on, directly or not."""
    read: dict[str, set[str]] = {}
    for record in record_rules():
        read.setdefault(record.name, set()).update(record.metrics)
    names: set[str] = set()
    left = [name for rule in some for name in rule.metrics]
    while left:
        name = left.pop()
        if name in read and name not in names:
            names.add(name)
            left.extend(read[name])
    return names


def is_of(labels: Mapping[str, str], rule: Rule) -> bool:
    """Tell whether an alert with these labels is one of a rule, and not of another of its name."""
    alike = [other for other in alert_rules() if other.name == rule.name]
    keys = {key for other in alike for key in other.raw["labels"]}
    expected = {key: rule.raw["labels"].get(key, "") for key in keys}
    return all(labels.get(key, "") == value for key, value in expected.items() if "{" not in value)


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


def _name(raw: Mapping[str, Any]) -> str:
    name: str = raw.get("alert") or raw["record"]
    return name


def _identity(raw: Mapping[str, Any], alike: Sequence[Mapping[str, Any]]) -> str:
    """Name a rule; of several of one name, by the fewest labels that tell each from the others."""
    name = _name(raw).removeprefix(PREFIX)
    for count in range(len(_TELLING) + 1):
        for keys in combinations(_TELLING, count):
            if len({_words(other, keys) for other in alike}) == len(alike):
                words = " ".join(filter(None, _words(raw, keys)))
                return f"{name} ({words})" if words else name
    raise AssertionError(f"nothing tells the rules of {name} apart")


def _words(raw: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[str, ...]:
    labels = raw.get("labels", {})
    return tuple(str(labels.get(key, "")) for key in keys)
