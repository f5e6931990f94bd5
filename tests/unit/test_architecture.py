"""The picture in the documentation is the one that imports are held to."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_layers_of_the_documentation_are_those_that_the_linter_knows() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = [each["layers"] for each in contracts if each["type"] == "layers"]
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert "```\n" + "\n".join(layers[1:]) + "\n```" in page


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
