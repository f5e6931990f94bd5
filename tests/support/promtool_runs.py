"""Runs of promtool, as many at a time as there are processors."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from rule_files import promtool_files

ROOT: Final = Path(__file__).parents[2]
TOOLS: Final = ROOT / ".venv/tools/usr/bin"
CASES: Final = ROOT / "build/alert-tests"


def promtool(*arguments: str | Path) -> tuple[int, str]:
    """Run it; give its exit code and what it prints."""
    name = "promtool"
    found = shutil.which(name) or shutil.which(name, path=str(TOOLS))
    if found is None:
        assert not os.environ.get("CI"), f"{name} is missing: run `make tools`"
        pytest.skip(f"{name} is missing: run `make tools`")
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def written(name: str) -> Path:
    """Write a file of test cases, where people can look at it and run it by hand."""
    CASES.mkdir(parents=True, exist_ok=True)
    path = CASES / f"{name}.json"
    path.write_text(json.dumps(promtool_files()[name], indent=1))
    return path


def failing(files: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Run files of test cases; give those that fail, with what promtool says of them."""
    paths = list(files)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, (code, text) in zip(
            paths, pool.map(lambda path: promtool("test", "rules", path), paths), strict=True
        ):
            if code:
                yield path, text
