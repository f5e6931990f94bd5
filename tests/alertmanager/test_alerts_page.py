"""What alerts/README.md tells people to do, done."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from tests.alertmanager.conftest import CONFIG, ROOT, rules, settings

import alert_table
import alert_values
from programs import program

PAGE: Final = (ROOT / "alerts/README.md").read_text()
YAML: Final = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def snippets(title: str) -> list[str]:
    """Give the YAML of a section."""
    part = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^```yaml\n(.*?)^```", part, re.DOTALL | re.MULTILINE)
    assert found
    return found


def test_the_table_states_what_the_rules_state() -> None:
    assert alert_table.page(rules()) == PAGE


def test_the_readme_loads_them_in_the_three_lines_of_the_page() -> None:
    section = (ROOT / "README.md").read_text().partition("## Alerting")[2].partition("\n## ")[0]
    block, *_ = re.findall(r"^```\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    lines = block.splitlines()
    assert len(lines) == 3
    assert set(lines) <= set(PAGE.splitlines())


def test_prometheus_takes_the_two_lines(tmp_path: Path) -> None:
    lines = yaml.safe_load(YAML[0])
    assert len(YAML[0].splitlines()) == 2
    (glob,) = lines["rule_files"]
    lines["rule_files"] = [glob.replace("/etc/prometheus/electric-agents", str(ROOT))]
    config = tmp_path / "prometheus.yml"
    config.write_text(yaml.safe_dump(lines))
    done = subprocess.run(
        [program("promtool"), "check", "config", str(config)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules())} rule files found" in done.stdout


def secrets(value: Any) -> set[str]:  # noqa: ANN401
    """Give every file that a secret of the configuration is read from."""
    if isinstance(value, dict):
        own = {inner for key, inner in value.items() if key.endswith("_file")}
        return own.union(*(secrets(inner) for inner in value.values()))
    if isinstance(value, list):
        return set().union(*(secrets(inner) for inner in value))
    return set()


def test_the_table_of_receivers_names_every_kind_and_secret_as_shipped() -> None:
    table = PAGE.partition("## Receivers")[2].partition("\n## ")[0]
    receivers = settings()["receivers"]
    assert set(re.findall(r"`(/etc/[^`]*)`", table)) == secrets(receivers)
    words = {
        "pagerduty_configs": "PagerDuty",
        "slack_configs": "Slack",
        "email_configs": "e-mail",
        "webhook_configs": "webhook",
    }
    shipped = {
        (words[kind], f"`{receiver['name']}`")
        for receiver in receivers
        for kind in receiver
        if kind != "name"
    }
    assert set(re.findall(r"^\| ([\w-]+) \| (`[\w-]+`)", table, re.MULTILINE)) == shipped


@pytest.mark.parametrize("snippet", snippets("Receivers"))
def test_a_receiver_of_the_page_can_take_the_place_of_the_shipped_one(
    snippet: str, tmp_path: Path, amtool: Callable[..., str]
) -> None:
    (receiver,) = yaml.safe_load(snippet)
    changed = dict(settings())
    others = [one for one in changed["receivers"] if one["name"] != receiver["name"]]
    changed["receivers"] = [receiver, *others]
    changed["templates"] = [str(CONFIG.with_name("electric-agents.tmpl"))]
    config = tmp_path / "alertmanager.yml"
    config.write_text(yaml.safe_dump(changed))
    amtool("check-config", str(config))


def test_every_link_of_the_page_leads_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", PAGE)
    assert [target for target in targets if not (ROOT / "alerts" / target).exists()] == []


def test_values_of_the_page_make_rules_that_prometheus_and_alertmanager_take(
    tmp_path: Path, amtool: Callable[..., str]
) -> None:
    (snippet,) = snippets("With values of your own")
    own = tmp_path / "values.yaml"
    own.write_text(
        yaml.safe_dump(yaml.safe_load(alert_values.FILE.read_text()) | yaml.safe_load(snippet))
    )
    done = subprocess.run(
        [sys.executable, ROOT / "alerts/alert_rules.py", f"--values={own}", f"--output={tmp_path}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    files = sorted((tmp_path / "rules").glob("*.yaml"))
    checked = subprocess.run(
        [program("promtool"), "check", "rules", *map(str, files)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr
    made = [rule for path in files for rule in alert_table.alerts({path.name: path.read_text()})]
    assert {rule["labels"]["team"] for rule in made} == {"agents", "observability"}
    assert any('server=~"staging.*"' in rule["expr"] for rule in made)
    config = yaml.safe_load((tmp_path / "alertmanager/alertmanager.yml").read_text())
    config["templates"] = []
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(config))
    amtool("check-config", str(tmp_path / "alertmanager.yml"))


def test_every_value_that_the_page_sets_can_be_set() -> None:
    named = dict(re.findall(r"--set ([\w.]+)=([^\s\"`]+)", PAGE))
    assert named
    alert_values.load(overrides=named)
