"""What a linter of rules would complain of: pint's useful checks, and our own."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import promql_parser as parser
import pytest
import yaml

from alert_values import load
from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    ClaimOutcome,
    HealthStatus,
    Issue,
    LivenessStatus,
    RunnerKind,
)
from electric_agents_exporter.fleet.reasons import Operation, Reason, Skip, Suppression
from electric_agents_exporter.metrics.family import Each, Kind, OneOf
from electric_agents_exporter.metrics.reference import rows
from promql import selections
from rule_files import ALERTS, PREFIX, Rule, alert_rules, promtool_files, record_rules, rules

SHORTEST_WINDOW: Final = 4 * 15
"""Four polls, in seconds."""

SCRAPED: Final = {"job", "instance", "pod"}
KINDS: Final = {row.name: row.kind for _, _, row in rows()} | {
    f"{row.name}{ending}": Kind.COUNTER
    for _, _, row in rows()
    if row.kind is Kind.HISTOGRAM
    for ending in ("_bucket", "_sum", "_count")
}
LABELS: Final = {row.name: {*subject, *row.labels} for _, subject, row in rows()}
WORDS: Final[dict[str, set[str]]] = {
    "kind": set(RunnerKind),
    "admin_status": set(AdminStatus),
    "liveness_status": set(LivenessStatus),
    "health_status": set(HealthStatus),
    "issue": set(Issue),
    "outcome": set(ClaimOutcome),
    "endpoint": set(Operation),
    "reason": {*Reason, *Skip, *Suppression},
    "tenure": {"permanent", "transient"},
}
OF_METRIC: Final = {
    (row.name, row.labels[0]): {word.value for word in row.samples.words}
    for _, _, row in rows()
    if isinstance(row.samples, (OneOf, Each))
}
COMPARISONS: Final = {"==", "!=", ">", ">=", "<", "<="}
_GUARDED: Final = re.compile(r"\{\{-? *(?:if|with|range) .*?\{\{-? *end *-?\}\}", re.DOTALL)
_LABEL: Final = re.compile(r"\$labels\.(\w+)")
_QUERIED: Final = re.compile(r'printf "((?:[^"\\]|\\.)*)"')

every_rule = pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.id)
every_alert = pytest.mark.parametrize("rule", alert_rules(), ids=lambda rule: rule.id)


@every_rule
def test_a_rule_reads_metrics_and_records_that_there_are(rule: Rule) -> None:
    known = {*KINDS, "up", *(record.name for record in record_rules())}

    assert rule.metrics <= known


@every_rule
def test_a_rule_matches_labels_and_words_that_there_are(rule: Rule) -> None:
    for selection in selections(parser.parse(rule.expression)):
        for label, _, value in selection.matchers:
            assert label in LABELS.get(selection.name, WORDS.keys()) | SCRAPED
            words = OF_METRIC.get((selection.name, label)) or WORDS.get(label)
            if label in SCRAPED:
                words = {load().job}
            assert words is not None, label
            assert set(value.split("|")) <= words


@every_rule
def test_counters_are_counted_and_nothing_else_is(rule: Rule) -> None:
    for selection in selections(parser.parse(rule.expression)):
        counted = selection.function in {"rate", "increase"}
        assert counted == (KINDS.get(selection.name) is Kind.COUNTER), selection.name


@every_rule
def test_a_window_holds_four_polls(rule: Rule) -> None:
    for selection in selections(parser.parse(rule.expression)):
        assert float(selection.window or SHORTEST_WINDOW) >= SHORTEST_WINDOW


@every_alert
def test_an_alert_compares_in_all_that_can_raise_it(rule: Rule) -> None:
    if rule.id != "Watchdog":
        assert _selective(parser.parse(rule.expression))


@every_alert
def test_an_alert_has_all_that_routes_and_people_need(rule: Rule) -> None:
    labels, annotations = rule.raw["labels"], rule.raw["annotations"]

    assert labels.keys() - {"window"} == {"severity", "service", "layer"}
    words = {"critical", "warning", "info", "none"}
    template = re.fullmatch(
        r"\{\{ if .*? \}\}(\w+)\{\{ else \}\}(\w+)\{\{ end \}\}", labels["severity"]
    )
    assert set(template.groups() if template else (labels["severity"],)) <= words
    assert labels["service"] == "electric-agents"
    assert labels["layer"] in {"exporter", "server", "runner", "fleet", "slo"}
    assert annotations.keys() == {"summary", "description", "runbook_url", "dashboard_url"}
    assert re.fullmatch(r"[A-Z][^{}]+\.", annotations["summary"])
    assert annotations["description"].endswith(".")
    assert rule.name.startswith(PREFIX)


@every_alert
def test_what_an_alert_says_uses_labels_that_it_has(rule: Rule) -> None:
    """Labels that only some of its alerts have are asked for before they are used."""
    fired = list(_fired(rule))
    for text in (*rule.raw["labels"].values(), *rule.raw["annotations"].values()):
        certain = set(_LABEL.findall(_GUARDED.sub("", text)))
        for labels in fired:
            assert certain <= labels.keys(), text
        assert set(_LABEL.findall(text)) <= set().union(*fired), text


@every_alert
def test_what_an_alert_asks_to_say_more_is_there(rule: Rule) -> None:
    for query in _QUERIED.findall(rule.raw["annotations"]["description"]):
        if "(" not in query:
            continue  # a number's form
        for selection in selections(parser.parse(query.replace("%q", '"x"'))):
            assert {label for label, _, _ in selection.matchers} <= LABELS[selection.name]


def test_every_runbook_is_an_alerts_and_every_alert_has_one() -> None:
    pages = {path.stem for path in (ALERTS / "runbooks").glob("*.md")}
    links = {rule.raw["annotations"]["runbook_url"] for rule in alert_rules()}

    assert {rule.name.removeprefix(PREFIX) for rule in alert_rules()} == pages
    assert links == {f"{load().links.runbooks}/{page}.md" for page in pages}
    for rule in alert_rules():
        page = f"/{rule.name.removeprefix(PREFIX)}.md"
        assert rule.raw["annotations"]["runbook_url"].endswith(page)


@every_alert
def test_a_dashboard_link_leads_to_a_dashboard_and_fills_variables_that_it_has(rule: Rule) -> None:
    variables = _variables()
    for url in _urls(rule.raw["annotations"]["dashboard_url"]):
        link = urlsplit(url)
        assert url.startswith(load().links.grafana)
        uid = link.path.rsplit("/", 1)[-1]
        filled = {
            name.removeprefix("var-") for name, _ in parse_qsl(link.query, strict_parsing=True)
        }
        assert filled - {"from", "to"} <= variables[uid]


def test_every_record_is_used() -> None:
    """By a rule, or by a dashboard."""
    boards = "".join(path.read_text() for path in _boards())
    read = {name for rule in rules() for name in rule.metrics}

    assert [
        rule.name for rule in record_rules() if rule.name not in read and rule.name not in boards
    ] == []


@pytest.mark.parametrize("rule", record_rules(), ids=lambda rule: rule.id)
def test_a_records_name_is_its_level_its_metric_and_what_was_done(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z_]+:electric_agents_[a-z_]+:[a-z_0-9]+", rule.name)


def test_kubernetes_gets_the_same_groups() -> None:
    resource = yaml.safe_load((ALERTS / "kubernetes/prometheus-rule.yaml").read_text())
    files = sorted((ALERTS / "rules").glob("*.yaml"))
    groups = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]

    assert resource["kind"] == "PrometheusRule"
    assert resource["spec"]["groups"] == groups


def test_runbooks_ask_for_metrics_that_there_are() -> None:
    known = {*KINDS, *(record.name for record in record_rules())}
    for path in (ALERTS / "runbooks").glob("*.md"):
        for name in re.findall(r"(?:[a-z_]+:)?electric_agents_[a-z_]+(?::\w+)?", path.read_text()):
            assert name in known or any(other.startswith(name) for other in known), (
                path.name,
                name,
            )


def _selective(node: Any) -> bool:  # noqa: ANN401  (nodes have no common fields)
    """Tell whether an expression leaves out what is well, in each of its branches."""
    match node:
        case parser.BinaryExpr():
            return _selective_binary(node)
        case parser.ParenExpr() | parser.AggregateExpr():
            return _selective(node.expr)
        case parser.VectorSelector():
            recorded = {rule.name: rule for rule in record_rules()}
            record = recorded.get(node.name or "")
            return record is not None and _selective(parser.parse(record.expression))
    return isinstance(node, parser.Call) and str(node.func.name) == "absent"


def _selective_binary(node: Any) -> bool:  # noqa: ANN401
    operator = str(node.op)
    if operator == "or":
        return _selective(node.lhs) and _selective(node.rhs)
    if operator == "and":
        return _selective(node.lhs) or _selective(node.rhs)
    # What is not there is compared by `unless`; of the rest the left side is what is told.
    return operator in COMPARISONS or operator == "unless" or _selective(node.lhs)


def _fired(rule: Rule) -> Iterator[Mapping[str, str]]:
    """Give the labels of every alert of a rule that a case expects."""
    static = {key: value for key, value in rule.raw["labels"].items() if "{" not in value}
    for file in promtool_files().values():
        for case in file["tests"]:
            for look in case.get("alert_rule_test", []):
                for alert in look["exp_alerts"]:
                    labels = alert["exp_labels"]
                    if look["alertname"] == rule.name and static.items() <= labels.items():
                        yield labels


def _boards() -> list[Path]:
    return sorted((ALERTS.parent / "dashboards").glob("*.json"))


def _variables() -> dict[str, set[str]]:
    boards = [json.loads(path.read_text()) for path in _boards()]
    return {
        board["uid"]: {variable["name"] for variable in board["templating"]["list"]}
        for board in boards
    }


def _urls(template: str) -> list[str]:
    """Give the links that a template can become, each value left as a word."""
    choice = re.search(r"\{\{ if [^}]* \}\}(.*?)\{\{ else \}\}(.*?)\{\{ end \}\}", template)
    texts = (
        [template]
        if choice is None
        else [template.replace(choice[0], part) for part in choice.groups()]
    )
    return [re.sub(r"\{\{.*?\}\}", "value", text) for text in texts]
