"""Runs of promtool, and the files of test cases that it is given."""

import json
import os
import subprocess
from pathlib import Path
from typing import Final

from programs import ROOT, Release, program
from rule_files import promtool_files
from topology.player import THRIFTY

CASES: Final = ROOT / "build/alert-tests"


def promtool(*arguments: str | Path, release: Release = Release.HERE) -> tuple[int, str]:
    """Run it; give its exit code and what it prints."""
    binary = program("promtool", release)
    done = subprocess.run(
        [binary, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | THRIFTY,
    )
    return done.returncode, done.stdout + done.stderr


def written(name: str) -> Path:
    """Write a file of test cases, where people can look at it and run it by hand."""
    CASES.mkdir(parents=True, exist_ok=True)
    path = CASES / f"{name}.json"
    path.write_text(json.dumps(promtool_files()[name], indent=1))
    return path
