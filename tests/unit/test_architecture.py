"""The picture in the documentation is the one that imports are held to."""

import re
import tomllib
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_layers_of_the_documentation_are_those_that_the_linter_knows() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = [each["layers"] for each in contracts if each["type"] == "layers"]
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert "```\n" + "\n".join(layers[1:]) + "\n```" in page


def test_every_stop_between_socket_and_line_is_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    section = page.partition("## From socket to line")[2].partition("\n## ")[0]
    stops = re.findall(r"`((?:\w+/)?\w+\.[\w.]+)`", section)
    assert len(stops) > 8
    for stop in stops:
        module, *names = stop.replace("/", "!").split(".")
        found: object = import_module(f"electric_agents_exporter.{module.replace('!', '.')}")
        for name in names:
            assert hasattr(found, name), f"docs/architecture.md names {stop}, which is not there"
            found = getattr(found, name)


def test_every_module_that_the_documentation_names_is_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    source = ROOT / "src" / "electric_agents_exporter"
    named = {word for word in page.replace("`", " ").replace("(", " ").split() if "/" in word}
    modules = {
        word.split(".")[0]
        for word in named
        if word.startswith(("fleet/", "sources/", "contract/", "metrics/", "settings/"))
    }
    missing = [
        m
        for m in modules
        if not ((source / f"{m.rstrip('/')}.py").exists() or (source / m).is_dir())
    ]
    assert not missing
