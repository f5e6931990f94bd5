"""The rules where a range leaves its beginning out, as in Prometheus 3.

There a window that is a multiple of the scrape interval holds one sample fewer. Promtool of
Prometheus 2 gives the same with windows that are a millisecond shorter.

What comes of a case depends on the rules that it asks for and on the records that these read. The
others are left out: `test_promtool.py` has them beside each other, as they are shipped.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from alert_values import Duration
from promtool_runs import promtool
from rule_files import promtool_files, reached, rules

pytestmark = pytest.mark.timeout(600)

_WORD: Final = re.compile(r"[\w:]+")
_WINDOW: Final = re.compile(r"\[(\w+)\]")
_MOMENT: Final = 0.001


@pytest.mark.parametrize("name", promtool_files())
def test_every_case_comes_true_with_left_open_ranges(tmp_path: Path, name: str) -> None:
    file = promtool_files()[name]
    needed = _needed(file["tests"])
    shorter = [_with_shorter_windows(Path(path), needed, tmp_path) for path in file["rule_files"]]
    path = tmp_path / "cases.json"
    path.write_text(json.dumps({**file, "rule_files": shorter}))

    code, text = promtool("test", "rules", path)

    assert code == 0, text


def _needed(cases: Sequence[Mapping[str, Any]]) -> set[str]:
    """Give the names of all rules that have a say in cases."""
    asked = {check["alertname"] for case in cases for check in case["alert_rule_test"]}
    for case in cases:
        for query in case["promql_expr_test"]:
            asked.update(_WORD.findall(query["expr"]))
    return asked | reached(rule for rule in rules() if rule.name in asked)


def _with_shorter_windows(path: Path, needed: set[str], folder: Path) -> str:
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    for group in content["groups"]:
        group["rules"] = [rule for rule in group["rules"] if _name(rule) in needed]
        for rule in group["rules"]:
            rule["expr"] = _WINDOW.sub(_shorter, rule["expr"])
    written = folder / path.name
    written.write_text(yaml.safe_dump(content))
    return str(written)


def _shorter(window: re.Match[str]) -> str:
    return f"[{Duration(Duration.parse(window[1]) - _MOMENT)}]"


def _name(rule: Mapping[str, str]) -> str:
    return rule.get("alert") or rule["record"]
