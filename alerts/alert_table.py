"""The table of all alerts in `README.md`, made of the rules."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

PREFIX: Final = "ElectricAgents"
PAGE: Final = Path(__file__).with_name("README.md")

_TABLE: Final = re.compile(r"(<!-- alerts -->\n).*(<!-- /alerts -->)", re.DOTALL)
_ORDER: Final = ("work", "fleet", "server", "exporter", "runner", "claims", "slo")
"""The files of alerts, what pages most first."""
_TRANSIENT: Final = ", kind!~"
"""What the rule of transient runners has, where there is another one of lasting runners."""
_CHOICE: Final = re.compile(r"\{\{ if .* \}\}(\w+)\{\{ else \}\}(\w+)\{\{ end \}\}")


def alerts(rules: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Give every alerting rule of the files, in their order."""
    for text in rules.values():
        for group in yaml.safe_load(text)["groups"]:
            yield from (rule for rule in group["rules"] if "alert" in rule)


def severities(rule: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the severities that a rule may have, that of lasting runners first."""
    severity: str = rule["labels"]["severity"]
    choice = _CHOICE.fullmatch(severity)
    return choice.groups() if choice else (severity,)


def page(rules: Mapping[str, str]) -> str:
    """Give the page with its table made anew."""
    table = "\n".join(_lines(rules))
    return _TABLE.sub(lambda match: f"{match[1]}{table}\n{match[2]}", PAGE.read_text())


def _lines(rules: Mapping[str, str]) -> Iterator[str]:
    yield "| alert | severity | for | what it means |"
    yield "|---|---|---|---|"
    ordered = {f"{name}.yaml": rules[f"{name}.yaml"] for name in _ORDER} | dict(rules)
    rows: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for rule in alerts(ordered):
        of_alert = rows.setdefault(rule["alert"].removeprefix(PREFIX), {})
        of_alert.setdefault(rule["annotations"]["summary"], []).append(rule)
    for name, by_summary in rows.items():
        for summary, same in by_summary.items():
            # Rules of one meaning are on lasting and on transient runners, or differ in degree.
            between = "/" if any(_TRANSIENT in rule["expr"] for rule in same) else ", "
            levels = _distinct(between, ("/".join(severities(rule)) for rule in same))
            spans = _distinct(between, (rule.get("for", "0s") for rule in same))
            yield f"| [{name}](runbooks/{name}.md) | {levels} | {spans} | {summary} |"


def _distinct(between: str, words: Iterable[str]) -> str:
    return between.join(dict.fromkeys(words))
