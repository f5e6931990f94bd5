"""The programs that tests start: what this machine has, and a newer Debian's beside it."""

import os
import shutil
from enum import Enum
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]


class Release(Enum):
    """Whose programs."""

    HERE = "here"
    """On PATH, or fetched by `scripts/tools` from this machine's own Debian."""
    NEWER = "trixie"
    """Fetched by `scripts/tools` from this Debian, whatever this machine is."""


_TOOLS: Final = {
    Release.HERE: ROOT / ".venv/tools/usr/bin",
    Release.NEWER: ROOT / f".venv/tools-{Release.NEWER.value}/usr/bin",
}


def program(name: str, release: Release = Release.HERE) -> str:
    """Find a program; skip the test where there is none, and fail it in CI."""
    found = shutil.which(name) if release is Release.HERE else None
    found = found or shutil.which(name, path=str(_TOOLS[release]))
    if found is None:
        missing = f"{name} ({release.value}) is missing: run `make tools`"
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    return found
