"""The project's version, wherever it stands beside the one place that it comes from."""

import re
import tomllib

import yaml

from programs import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_image_is_of_the_version() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^ARG VERSION=(.*)$", dockerfile, re.MULTILINE) == [VERSION]


def test_kubernetes_starts_the_version() -> None:
    text = (ROOT / "deploy/kubernetes/base/kustomization.yaml").read_text()
    (image,) = yaml.safe_load(text)["images"]
    assert image["newTag"] == VERSION


def test_the_chart_is_of_the_version_and_starts_it() -> None:
    chart = yaml.safe_load((ROOT / "deploy/helm/electric-agents-exporter/Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)
