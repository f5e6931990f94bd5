from pathlib import Path

import pytest

from electric_agents_simulator.cli import main
from electric_agents_simulator.server.faults import FaultKind

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"


def test_the_page_tells_every_scenario_as_the_program_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["scenarios", "--format", "markdown"]) == 0
    assert PAGE.read_text().endswith("\n\n" + capsys.readouterr().out)


def test_the_page_names_every_kind_of_fault() -> None:
    text = PAGE.read_text()
    assert all(f"| `{kind}` |" in text for kind in FaultKind)


def test_the_page_says_how_long_the_recorded_conversation_is() -> None:
    said = Path(__file__).with_name("real_server.txt").read_text().splitlines()
    requests = sum(line.startswith("> ") for line in said)
    assert f"of {requests} requests" in PAGE.read_text()
