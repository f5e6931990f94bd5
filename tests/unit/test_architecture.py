"""The picture in the documentation is the one that imports are held to."""

import re
import tomllib
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


CONTRACTS = PYPROJECT["tool"]["importlinter"]["contracts"]


def test_the_layers_of_the_documentation_are_those_that_the_linter_knows() -> None:
    (layers,) = [each["layers"] for each in CONTRACTS if each["type"] == "layers"]
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert "```\n" + "\n".join(layers[1:]) + "\n```" in page


def test_every_library_that_is_needed_has_one_home_among_the_import_rules() -> None:
    homes = {name for each in CONTRACTS for name in each.get("protected_modules", ())}
    everywhere = {"msgspec", "typing-extensions"}
    by_others = {"httptools"}  # uvicorn's
    needed = {re.split(r"[^\w-]", each)[0] for each in PYPROJECT["project"]["dependencies"]}
    modules = {name: set[str]() for name in needed}
    for module, distributions in packages_distributions().items():
        for name in needed.intersection(each.lower().replace("_", "-") for each in distributions):
            modules[name].add(module)
    homeless = {name for name, found in modules.items() if not found & homes}
    assert homeless == everywhere | by_others, (
        "let one module import it: a contract of the type `protected` in pyproject.toml"
    )


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
