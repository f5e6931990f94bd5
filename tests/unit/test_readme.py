"""What the pages say of names and commands, against what there is."""

import re
from pathlib import Path

import pytest

from electric_agents_exporter.cli import main
from electric_agents_exporter.metrics.reference import all_families

ROOT = Path(__file__).parents[2]
PAGES = [
    "README.md",
    "docs/architecture.md",
    "docs/performance.md",
    "docs/postgres.md",
    "docs/probing.md",
    "docs/simulator.md",
]


@pytest.mark.parametrize("page", PAGES)
def test_every_metric_that_a_page_names_is_in_the_table(page: str) -> None:
    known = {row.name for _, _, row in all_families()}
    text = (ROOT / page).read_text()
    full = set(
        re.findall(
            r"`(electric_agents_(?:runners?|server|exporter)_[a-z_]+|"
            r"electric_agents_runners)\b",
            text,
        )
    )
    assert full <= known
    endings = re.findall(r"`\.\.\.(_[a-z_]+)`", text)
    assert [ending for ending in endings if not any(n.endswith(ending) for n in known)] == []
    short = re.findall(r"`((?:runners?|server|exporter)_[a-z_]+)[`{]", text)
    tables = {"runner_runtime_diagnostics"}
    unknown = {name for name in short if f"electric_agents_{name}" not in known} - tables
    assert unknown == set()


def test_the_readme_lists_every_command_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    offered = set(re.findall(r"^    ([a-z-]+)\s", capsys.readouterr().out, re.MULTILINE))
    section = (ROOT / "README.md").read_text().partition("## Commands")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z-]+)`", section, re.MULTILINE)) == offered
