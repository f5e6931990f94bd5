"""Runs of promtool, two at a time."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

TOOLS: Final = Path(__file__).parents[2] / ".venv/tools/usr/bin"


def promtool(*arguments: str | Path) -> tuple[int, str]:
    """Run it; give its exit code and what it prints."""
    name = "promtool"
    found = shutil.which(name) or shutil.which(name, path=str(TOOLS))
    if found is None:
        assert not os.environ.get("CI"), f"{name} is missing: run `make tools`"
        pytest.skip(f"{name} is missing: run `make tools`")
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def failing(files: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Run files of tests; give those that fail, with what promtool says of them."""
    paths = list(files)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, (code, text) in zip(
            paths, pool.map(lambda path: promtool("test", "rules", path), paths), strict=True
        ):
            if code:
                yield path, text
