"""What `scripts/release-tools` fetches: kubectl, helm and schemas."""

from pathlib import Path
from typing import Final

import pytest

FOLDER: Final = Path(__file__).parents[2] / ".venv/release/bin"


def tool(name: str) -> str:
    """Find one; skip the test where it was not fetched."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"{name} is missing: run `make deploy`, which fetches it")
    return str(path)
