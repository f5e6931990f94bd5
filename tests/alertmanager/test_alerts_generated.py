"""Rules, their Kubernetes form and Alertmanager's configuration are what their sources make."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.alertmanager.conftest import ROOT

import alert_rules
from alert_values import FILE, load

ALERTS = ROOT / "alerts"
MADE = ("rules/*", "kubernetes/*", "alertmanager/*.yml")


def test_every_file_is_as_generated_and_none_is_left_over() -> None:
    files = alert_rules.generated(load())
    for name, text in files.items():
        assert (ALERTS / name).read_text() == text, f"alerts/{name}: run `make generate`"
    there = {str(path.relative_to(ALERTS)) for pattern in MADE for path in ALERTS.glob(pattern)}
    assert there == set(files)


def test_the_operator_gets_the_rules_that_prometheus_gets() -> None:
    files = alert_rules.generated(load())
    groups = [
        group
        for name, text in files.items()
        if name.startswith("rules/")
        for group in yaml.safe_load(text)["groups"]
    ]
    assert yaml.safe_load(files["kubernetes/prometheus-rule.yaml"])["spec"]["groups"] == groups


@pytest.fixture
def changed(tmp_path: Path) -> Any:  # noqa: ANN401
    """Makes everything of values of which some are changed."""

    def make(**values: Any) -> dict[str, str]:  # noqa: ANN401
        path = tmp_path / "values.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(FILE.read_text()) | values))
        return alert_rules.generated(load(path))

    return make


def test_alertmanager_groups_and_mutes_by_the_scope_labels_of_the_values(changed: Any) -> None:  # noqa: ANN401
    text = changed(scope_labels=["region", "job"])["alertmanager/alertmanager.yml"]
    config = yaml.safe_load(text)
    assert config["route"]["routes"][0]["group_by"] == ["alertname", "region", "job", "server"]
    for rule in config["inhibit_rules"]:
        assert {"region", "job"} <= set(rule["equal"]), rule
        assert not {"cluster", "namespace"} & set(rule["equal"]), rule
