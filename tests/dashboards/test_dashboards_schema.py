"""The dashboards against Grafana's own types, of the oldest to the newest version they are for."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from made_dashboards import FOLDER, NAMES, load

pytestmark = pytest.mark.timeout(300)

SCHEMA = Path(__file__).parent / "schema"
BUILD = FOLDER.parent / "build" / "grafana-types"
MAJORS = ("11", "12", "13")


@pytest.fixture(scope="module")
def types() -> Path:
    """Install Grafana's types as they are locked, unless that was done."""
    npm = shutil.which("npm")
    if npm is None:
        assert not os.environ.get("CI"), "npm is missing: install Node.js"
        pytest.skip("npm is missing: install Node.js to hold dashboards to Grafana's own types")
    lock = SCHEMA / "package-lock.json"
    installed = BUILD / "installed.json"
    if not installed.exists() or installed.read_text() != lock.read_text():
        BUILD.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SCHEMA / name, BUILD)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=BUILD, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        shutil.copy(lock, installed)
    return BUILD


def faults(types: Path, major: str, *files: Path) -> list[str]:
    """Give what Grafana's types have against files."""
    node = shutil.which("node")
    assert node is not None
    command = [node, str(SCHEMA / "validate.mjs"), str(types), major, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr[:2000]
    assert done.returncode == bool(done.stdout)
    return done.stdout.splitlines()


@pytest.mark.parametrize("major", MAJORS)
def test_dashboards_are_of_grafanas_types(types: Path, major: str) -> None:
    assert faults(types, major, *(FOLDER / f"{name}.json" for name in NAMES)) == []


@pytest.mark.parametrize("major", MAJORS)
def test_the_check_finds_what_is_wrong(types: Path, major: str, tmp_path: Path) -> None:
    board = load("fleet")
    table: dict[str, Any] = next(p for p in board["panels"] if p["type"] == "table")
    graph: dict[str, Any] = next(p for p in board["panels"] if p["type"] == "timeseries")
    board["graphTooltip"] = "both"
    table["options"]["sortBy"] = "State"
    graph["fieldConfig"]["defaults"]["custom"]["fillOpacity"] = "half"
    graph["fieldConfig"]["defaults"]["unknownProperty"] = 1
    broken = tmp_path / "fleet.json"
    broken.write_text(json.dumps(board))
    text = "\n".join(faults(types, major, broken))
    for place in ("/graphTooltip", "/sortBy", "/fillOpacity", "unknownProperty"):
        assert place in text


def test_the_lock_names_no_place_to_download_from_and_has_every_hash() -> None:
    lock = json.loads((SCHEMA / "package-lock.json").read_text())
    for name, package in lock["packages"].items():
        assert "resolved" not in package
        assert name == "" or package["integrity"].startswith("sha512-")
