"""What docs/security.md says that tests hold."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs/security.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "held by" not in line]


@cache
def functions(path: Path) -> set[str]:
    if not path.is_file():
        return set()
    tree = ast.walk(ast.parse(path.read_text()))
    return {each.name for each in tree if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_it_names_is_there() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) > 50
    missing = [f"{path}::{name}" for path, name in named if name not in functions(TESTS / path)]
    assert missing == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_every_answer_names_a_test(row: str) -> None:
    assert re.search(r"`[\w/]+\.py::test_\w+`", row.split("|")[3])


def test_whoever_reads_of_security_finds_it() -> None:
    assert "docs/security.md" in (TESTS.parent / "SECURITY.md").read_text()
