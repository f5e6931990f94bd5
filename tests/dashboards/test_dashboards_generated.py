"""The files that are made of the dashboards' source, and that nothing is lost on the way."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from alert_values import load as load_values
from electric_agents_dashboards import output
from made_dashboards import FOLDER, NAMES, load

MOST_ANNOTATED = 262_144
"""Bytes that `kubectl apply` can keep of an object in its annotation."""


def test_every_file_is_as_the_source_makes_it_byte_for_byte() -> None:
    for name, text in output.files(load_values()).items():
        assert (FOLDER / name).read_text() == text, f"{name}: run `make generate`"


def test_nothing_lies_among_the_made_files_that_is_made_no_more() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == set(output.files(load_values()))


def test_the_source_makes_the_same_again() -> None:
    assert output.files(load_values()) == output.files(load_values())


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_survives_the_way_through_grafanas_models_without_loss(name: str) -> None:
    register_default_plugins()
    board = load(name)
    again = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    assert lost(board, again) == []


def lost(before: Any, after: Any, place: str = "") -> list[str]:  # noqa: ANN401
    """Give every place of a JSON value that is not the same in another."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            found
            for key in before
            for found in lost(before[key], after.get(key, "nothing"), f"{place}.{key}")
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [found for i, (a, b) in pairs for found in lost(a, b, f"{place}[{i}]")]
    return [] if before == after else [f"{place}: {before!r} became {after!r}"]


def kustomization() -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    return made


def test_kustomize_makes_a_config_map_of_every_dashboard_and_of_nothing_else() -> None:
    maps = kustomization()["configMapGenerator"]
    assert {each["name"]: each["files"] for each in maps} == {
        f"electric-agents-dashboard-{name}": [f"electric-agents-{name}.json={name}.json"]
        for name in NAMES
    }
    assert len(maps) == len(NAMES)
    assert set(kustomization()) == {"apiVersion", "kind", "generatorOptions", "configMapGenerator"}


def test_config_maps_have_the_label_that_grafanas_sidecar_watches_for() -> None:
    assert kustomization()["generatorOptions"] == {
        "disableNameSuffixHash": True,
        "labels": {
            "app.kubernetes.io/name": "electric-agents-exporter",
            "grafana_dashboard": "1",
        },
        "annotations": {"grafana_folder": "Electric Agents"},
    }


def test_kubectl_can_apply_every_config_map() -> None:
    for name in NAMES:
        annotation = json.dumps({"data": {name: (FOLDER / f"{name}.json").read_text()}})
        assert len(annotation.encode()) < MOST_ANNOTATED * 0.9, name


def test_provisioning_names_every_dashboard_and_lets_nobody_change_them_in_place() -> None:
    text = (FOLDER / "provisioning" / "dashboards.yaml").read_text()
    (provider,) = yaml.safe_load(text)["providers"]
    assert provider["allowUiUpdates"] is False
    assert provider["options"]["path"].startswith("/")
    assert all(f"{name}.json" in text for name in NAMES)


def test_the_provisioned_datasource_is_of_the_kind_that_the_dashboards_ask_for() -> None:
    (source,) = yaml.safe_load((FOLDER / "provisioning" / "datasources.yaml").read_text())[
        "datasources"
    ]
    for name in NAMES:
        (chosen,) = [v for v in load(name)["templating"]["list"] if v["type"] == "datasource"]
        assert chosen["query"] == source["type"]


def test_every_picture_is_shown_on_a_page_and_every_page_finds_its_pictures() -> None:
    """One that no page shows is drawn by `make pictures` when somebody wants to see it."""
    root = FOLDER.parent
    pages = [*root.glob("*.md"), *root.glob("docs/*.md"), FOLDER / "README.md"]
    shown = {
        (page.parent / target).resolve()
        for page in pages
        for target in re.findall(r'(?:\]\(|src=")([^)"]+\.png)', page.read_text())
    }
    assert shown == set((root / "docs" / "images").iterdir())


def test_the_readme_says_what_each_dashboard_answers() -> None:
    text = (Path(FOLDER) / "README.md").read_text()
    for name in NAMES:
        assert f"[{name}.json]({name}.json)" in text
        assert load(name)["uid"] in text
