"""The rules where a range leaves its beginning out, as in Prometheus 3.

There a window that is a multiple of the scrape interval holds one sample fewer. Promtool of
Prometheus 2 gives the same with windows that are a millisecond shorter.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from alert_values import Duration
from promtool_runs import promtool
from rule_files import promtool_files

_WINDOW: Final = re.compile(r"\[(\w+)\]")
_MOMENT: Final = 0.001


@pytest.mark.parametrize("name", promtool_files())
def test_every_case_comes_true_with_left_open_ranges(tmp_path: Path, name: str) -> None:
    file = promtool_files()[name]
    shorter = [_with_shorter_windows(Path(path), tmp_path) for path in file["rule_files"]]
    path = tmp_path / "cases.json"
    path.write_text(json.dumps({**file, "rule_files": shorter}))

    code, text = promtool("test", "rules", path)

    assert code == 0, text


def _with_shorter_windows(path: Path, folder: Path) -> str:
    rules: dict[str, Any] = yaml.safe_load(path.read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule["expr"] = _WINDOW.sub(_shorter, rule["expr"])
    written = folder / path.name
    written.write_text(yaml.safe_dump(rules))
    return str(written)


def _shorter(window: re.Match[str]) -> str:
    return f"[{Duration(Duration.parse(window[1]) - _MOMENT)}]"
