"""Every alert has a page, and what stands on it is true: queries, commands, links and numbers."""

import re
import shlex
import subprocess
from typing import Final

import promql_parser
import pytest
import yaml
from tests.alertmanager.conftest import ROOT, Labels, fired, program, rules

import alert_table
import alert_values
from electric_agents_exporter.metrics.reference import rows
from promql import selections

RUNBOOKS: Final = ROOT / "alerts/runbooks"
PAGES: Final = sorted(path.stem for path in RUNBOOKS.iterdir())
SECTIONS: Final = [
    "Meaning",
    "Impact",
    "Is it real",
    "Causes",
    "Mitigation",
    "How to know it is over",
    "Silence",
    "Tuning",
]
PROMETHEUS_OWN: Final = {"up", "ALERTS", "prometheus_notifications_dropped_total"}
PATHS: Final = {
    "/_electric/health",
    "/_electric/runners",
    "/_electric/runners/$RUNNER/health",
    "/_electric/runners/$RUNNER/disable",
    "/runners/$RUNNER/wake?offset=now&live=long-poll",
}
"""What may be asked of an agents-server."""

RECORDED: Final = {
    rule["record"]
    for rule_file in rules().values()
    for group in yaml.safe_load(rule_file)["groups"]
    for rule in group["rules"]
    if "record" in rule
}

_VALUE: Final = re.compile(r"^- `([\w.]+)`(?: \(([^)]*)\))?", re.MULTILINE)
_LINK: Final = re.compile(r"\]\(([^)#\s]*)(?:#([^)]*))?\)")


def text(name: str) -> str:
    return (RUNBOOKS / f"{name}.md").read_text()


def section(name: str, title: str) -> str:
    return text(name).partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def alerts_of(name: str) -> list[Labels]:
    return [one for one in fired() if one["alertname"] == f"{alert_table.PREFIX}{name}"]


def test_every_alert_has_a_page_and_no_other_page_is_there() -> None:
    assert sorted({one["alertname"].removeprefix(alert_table.PREFIX) for one in fired()}) == PAGES


def test_the_rules_lead_to_their_pages() -> None:
    for rule in alert_table.alerts(rules()):
        page = rule["annotations"]["runbook_url"].rpartition("/")[2]
        assert page == f"{rule['alert'].removeprefix(alert_table.PREFIX)}.md"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_begins_with_what_to_do_and_has_its_sections_in_order(name: str) -> None:
    title, first, *_ = text(name).split("\n\n")
    assert title == f"# {alert_table.PREFIX}{name}"
    assert first.endswith(".")
    assert len(first) < 130
    assert re.findall(r"^## (.*)$", text(name), re.MULTILINE) == SECTIONS
    assert [title for title in SECTIONS if not section(name, title).strip()] == []


@pytest.mark.parametrize("name", PAGES)
def test_whether_it_is_real_is_told_by_queries_and_by_the_server_itself(name: str) -> None:
    real = section(name, "Is it real")
    assert blocks(real, "promql")
    commands = "\n".join(blocks(real, "sh"))
    assert commands
    if alerts_of(name)[0]["layer"] in {"runner", "fleet", "slo"}:
        assert re.search(r'curl .*-H "electric-principal: \$OWNER" "\$URL/', commands)


QUERIES: Final = [(name, query) for name in PAGES for query in blocks(text(name), "promql")]


@pytest.mark.parametrize("name, query", QUERIES)
def test_a_query_can_be_pasted_and_asks_for_what_there_is(name: str, query: str) -> None:
    known = {row.name: {*common, *row.labels, "job", "instance"} for _, common, row in rows()}
    found = list(selections(promql_parser.parse(query)))
    assert found, name
    for selection in found:
        assert selection.name in {*known, *RECORDED, *PROMETHEUS_OWN}
        labels = {label for label, _, _ in selection.matchers}
        assert labels <= known.get(selection.name, labels)


@pytest.mark.parametrize("name", PAGES)
def test_commands_are_shell_and_ask_the_server_for_what_it_answers(name: str) -> None:
    for block in blocks(text(name), "sh"):
        subprocess.run([program("bash"), "-n"], input=block, text=True, check=True)
    asked = re.findall(r'"\$URL(/[^"]*)"', text(name))
    assert set(asked) <= PATHS
    for line in text(name).split("\n"):
        if "curl" in line and "/runners" in line:
            assert '-H "electric-principal: $OWNER"' in line


@pytest.mark.parametrize("name", PAGES)
def test_a_silence_is_for_this_alert_and_by_labels_that_it_has(name: str) -> None:
    (block,) = blocks(section(name, "Silence"), "sh")
    words = shlex.split(block.replace("\\\n", " "))
    verb = "query" if name == "Watchdog" else "add"
    assert words[:3] == ["amtool", "silence", verb]
    matchers = dict(word.split("=", 1) for word in words[3:] if not word.startswith("-"))
    assert matchers.pop("alertname") == f"{alert_table.PREFIX}{name}"
    assert set(matchers) <= {*alerts_of(name)[0], "field"}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_pages_and_sections_that_there_are(name: str) -> None:
    for target, anchor in _LINK.findall(text(name)):
        path = RUNBOOKS / (target or f"{name}.md")
        assert path.exists(), target
        anchors = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
        assert not anchor or anchor in {title.lower().replace(" ", "-") for title in anchors}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_names_all_numbers_of_its_alert_as_they_are(name: str) -> None:
    values = yaml.safe_load(alert_values.FILE.read_text())
    named = dict(_VALUE.findall(section(name, "Tuning")))
    for key, told in named.items():
        value = values
        for part in key.split("."):
            value = value[part]
        if told:
            assert told == (", ".join(value) if isinstance(value, list) else str(value))
    own = {f"alerts.{name}.{key}" for key in values["alerts"].get(name, {})}
    assert {key for key in named if key.startswith("alerts.")} == own
