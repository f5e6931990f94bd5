"""What a stack plays with: the shipped rules and routes, made faster, are still good ones."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from alert_rules import render
from alert_values import hastened, load
from incidents.catalogue import catalogue
from incidents.run import SLOWEST, SPEED
from incidents.stack import alertmanager_settings

SPEEDS = sorted({SLOWEST, *(SPEED / one.slower for one in catalogue())})
SLO_SPEEDS = sorted({one.slo_speed for one in catalogue()})


def checked(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Ask a tool what it thinks of files."""
    if shutil.which(program) is None:
        assert not os.environ.get("CI"), f"{program} is missing: run `make tools`"
        pytest.skip(f"{program} is missing: run `make tools`")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("slo_speed", SLO_SPEEDS)
@pytest.mark.parametrize("speed", SPEEDS)
def test_prometheus_takes_the_rules_at_every_speed(
    speed: float, slo_speed: float, tmp_path: Path
) -> None:
    values = load()
    for name, text in render(hastened(values, speed, speed * slo_speed), values).items():
        (tmp_path / name).write_text(text)
    files = [str(file) for file in tmp_path.iterdir()]
    answer = checked("promtool", "check", "rules", "--lint=all", "--lint-fatal", *files)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("speed", SPEEDS)
def test_alertmanager_takes_the_routes_at_every_speed(speed: float, tmp_path: Path) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(alertmanager_settings("http://127.0.0.1:1", speed))
    answer = checked("amtool", "check-config", str(file))
    assert answer.returncode == 0, answer.stdout + answer.stderr
