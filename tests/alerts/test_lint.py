"""What a linter of rules would report: pint's useful checks, and our own.

Each test checks all rules, and reports all faults at once.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import promql_parser as parser
import yaml

from alert_values import load
from electric_agents_exporter.conditions import Condition
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
from electric_agents_exporter.metrics.reference import all_families
from promql import Selection, selections
from rule_files import (
    ALERTS,
    PREFIX,
    Rule,
    alert_rules,
    is_of,
    promtool_files,
    record_rules,
    rules,
)

SHORTEST_WINDOW: Final = 4 * 15
"""Four polls, in seconds."""

SCRAPED: Final = {"cluster", "namespace", "job", "instance", "pod", "node"}
OF_SOME: Final = {"tenant", "shard"}
"""Labels that only some exporters' series have."""
TELLING: Final = {"window", "objective", "share", "servers"}
"""Labels that tell the alerts of one name apart."""
OF_PROMETHEUS: Final = {"up", "process_start_time_seconds"}
PAST: Final = re.compile(r"\b(?:was|were|had|did|held|lost|came|went|knew|took|could|\w+ed)\b")
OF_A_SHARD: Final = {
    "instance_server:electric_agents_server_watched:timestamp": "each shard is watched by itself",
    "server:electric_agents_runners_superseded_claims:max": "each is compared with itself",
}
"""Records that keep the label `shard`, and why."""

KINDS: Final = {family.name: family.kind for _, _, family in all_families()} | {
    f"{family.name}{ending}": Kind.COUNTER
    for _, _, family in all_families()
    if family.kind is Kind.HISTOGRAM
    for ending in ("_bucket", "_sum", "_count")
}
LABELS: Final = {
    family.name: {*subject, *family.labels, *OF_SOME} for _, subject, family in all_families()
}
WORDS: Final[dict[str, set[str]]] = {
    "kind": set(RunnerKind),
    "admin_status": set(AdminStatus),
    "liveness_status": set(LivenessStatus),
    "health_status": set(HealthStatus),
    "issue": set(Issue),
    "outcome": set(ClaimOutcome),
    "operation": set(Operation),
    "reason": {*Reason, *Skip, *Suppression},
    "condition": set(Condition),
    "principal": {"all"},
}
OF_METRIC: Final = {
    (family.name, family.labels[0]): {word.value for word in family.samples.words}
    for _, _, family in all_families()
    if isinstance(family.samples, (OneOf, Each))
}
COMPARISONS: Final = {"==", "!=", ">", ">=", "<", "<="}
_SENTENCE: Final = re.compile(r"[A-Z][^{}.]+(?:\.[a-z][^{}.]*)*\.")
_ACTION: Final = re.compile(r"\{\{-? *(.*?) *-?\}\}", re.DOTALL)
_LABEL: Final = re.compile(r"\$labels\.(\w+)")
_QUERIED: Final = re.compile(r'printf "((?:[^"\\]|\\.)*)"')


def test_rules_read_metrics_and_records_that_there_are() -> None:
    known = {*KINDS, *OF_PROMETHEUS, *(record.name for record in record_rules())}

    assert {rule.id: unknown for rule in rules() if (unknown := rule.metrics - known)} == {}


def test_rules_match_labels_and_words_that_there_are() -> None:
    faults = [
        (rule.id, selection.name, label, value)
        for rule in rules()
        for selection in selections(parser.parse(rule.expression))
        for label, _, value in selection.matchers
        if not _is_known(selection.name, label, value)
    ]

    assert faults == []


def _is_known(name: str, label: str, value: str) -> bool:
    if label in SCRAPED:
        return value == load().job
    has = LABELS.get(name, {*WORDS, *OF_SOME, "server", "runner_id"})
    if not value:  # whether it has that label at all
        return label in has
    if label == "le":
        return name.endswith("_bucket") and re.fullmatch(r"\d+(?:\(\\\.0\)\?)?", value) is not None
    words = OF_METRIC.get((name, label)) or WORDS.get(label)
    return label in has and words is not None and set(value.split("|")) <= words


def test_counters_are_counted_and_nothing_else_is() -> None:
    """As a rate, as what was counted within a window, or asked whether they are there."""
    faults = [
        (rule.id, selection.name)
        for rule in rules()
        for selection in selections(parser.parse(rule.expression))
        if _is_counted(selection) != (KINDS.get(selection.name) is Kind.COUNTER)
    ]

    assert faults == []


def _is_counted(selection: Selection) -> bool:
    if selection.function in {"rate", "increase"}:
        return True
    operations = [node for node in selection.around if isinstance(node, parser.BinaryExpr)]
    inner = operations[-1] if operations else None
    if inner is None or KINDS.get(selection.name) is not Kind.COUNTER:
        return False
    if str(inner.op) == "unless":
        return selection.name not in str(inner.lhs)
    last, least = str(inner.lhs), str(inner.rhs)
    return (
        str(inner.op) == "-"
        and last.startswith(f"last_over_time({selection.name}{{")
        and least.startswith(f"min_over_time({selection.name}{{")
    )


def test_windows_hold_four_polls() -> None:
    faults = [
        (rule.id, selection.name, selection.window)
        for rule in rules()
        for selection in selections(parser.parse(rule.expression))
        if float(selection.window or SHORTEST_WINDOW) < SHORTEST_WINDOW
    ]

    assert faults == []


def test_what_is_said_of_a_server_is_summed_over_shards_or_names_its_shard() -> None:
    """A family of a fleet or target has a series for each shard: a rule must know that."""
    per_shard = {
        family.name
        for _, subject, family in all_families()
        if "server" in subject and "runner_id" not in subject
    }
    faults = [
        rule.id
        for rule in rules()
        if rule.metrics & per_shard and "shard" not in _said(rule) and rule.id not in OF_A_SHARD
    ]

    assert faults == []


def _said(rule: Rule) -> str:
    return " ".join([rule.expression, *rule.raw.get("annotations", {}).values()])


def test_alerts_compare_in_all_that_can_raise_them() -> None:
    faults = [rule.id for rule in alert_rules() if not _selective(parser.parse(rule.expression))]

    assert faults == ["Watchdog"]


def test_alerts_have_all_that_routes_and_people_need() -> None:
    assert {rule.id: lacking for rule in alert_rules() if (lacking := [*_lacking(rule)])} == {}


def _lacking(rule: Rule) -> Iterator[str]:
    labels, annotations = rule.raw["labels"], rule.raw["annotations"]
    words = {"critical", "warning", "info", "none"}
    template = re.fullmatch(
        r"\{\{ if .*? \}\}(\w+)\{\{ else \}\}(\w+)\{\{ end \}\}", labels["severity"]
    )
    checks = {
        "labels": labels.keys() - TELLING == {"severity", "service", "layer"},
        "severity": set(template.groups() if template else (labels["severity"],)) <= words,
        "service": labels["service"] == "electric-agents",
        "layer": labels["layer"] in {"exporter", "server", "runner", "fleet", "slo"},
        "annotations": annotations.keys()
        == {"summary", "resolved", "description", "runbook_url", "dashboard_url"},
        "summary is one sentence": _SENTENCE.fullmatch(annotations["summary"]),
        "resolved is plain sentences": re.fullmatch(r"[A-Z][^{}]+\.", annotations["resolved"]),
        "resolved is of the past": PAST.search(annotations["resolved"])
        or labels["severity"] == "none",
        "description is sentences": annotations["description"].endswith("."),
        "prefix": rule.name.startswith(PREFIX),
    }
    yield from (name for name, good in checks.items() if not good)


def test_what_alerts_say_uses_labels_that_they_have() -> None:
    """Labels that only some of its alerts have are asked for before they are used."""
    faults = []
    for rule in alert_rules():
        fired = list(_fired(rule))
        for text in (*rule.raw["labels"].values(), *rule.raw["annotations"].values()):
            certain = {label for part in _unasked(text) for label in _LABEL.findall(part)}
            lacking = [certain - labels.keys() for labels in fired if certain - labels.keys()]
            used = set(_LABEL.findall(text)) - SCRAPED - OF_SOME
            never = used - set().union(*fired)
            if lacking or never:
                faults.append((rule.id, text, lacking, never))

    assert faults == []


def _unasked(template: str) -> Iterator[str]:
    """Give the actions of a template that stand within no condition, query or loop."""
    depth = 0
    for action in _ACTION.findall(template):
        if action == "end":
            depth -= 1
        elif action.startswith(("if ", "with ", "range ")):
            depth += 1
        elif not depth and action != "else":
            yield action


def test_what_alerts_query_to_say_more_is_there() -> None:
    known = {*LABELS, *(record.name for record in record_rules())}
    asked = [
        (rule.id, query, selection)
        for rule in alert_rules()
        for text in _QUERIED.findall(rule.raw["annotations"]["description"])
        if "{" in text  # else it is a number's form
        for query in [text.replace(r"\"", '"').replace("%q", '"x"')]
        for selection in selections(parser.parse(query))
    ]

    assert asked
    assert [(rule, query) for rule, query, selection in asked if selection.name not in known] == []
    assert [
        (rule, query, label)
        for rule, query, selection in asked
        for label, _, value in selection.matchers
        if (value != "x" and not _is_known(selection.name, label, value))
        or label not in LABELS.get(selection.name, {label}) | SCRAPED
    ] == []


def test_every_runbook_is_an_alerts_and_every_alert_has_one() -> None:
    pages = {path.stem for path in (ALERTS / "runbooks").glob("*.md")}
    names = {rule.name.removeprefix(PREFIX) for rule in alert_rules()}

    assert names - pages == set(), "write alerts/runbooks/NAME.md, with the sections of the others"
    assert pages - names == set(), "these runbooks are no alert's"
    for rule in alert_rules():
        page = f"{load().links.runbooks}/{rule.name.removeprefix(PREFIX)}.md"
        assert rule.raw["annotations"]["runbook_url"] == page


def test_dashboard_links_lead_to_dashboards_and_fill_variables_that_they_have() -> None:
    variables = _variables()
    faults = []
    for rule in alert_rules():
        for url in _urls(rule.raw["annotations"]["dashboard_url"]):
            link = urlsplit(url)
            uid = link.path.rsplit("/", 1)[-1]
            filled = {
                name.removeprefix("var-") for name, _ in parse_qsl(link.query, strict_parsing=True)
            }
            known = variables.get(uid, set()) | {"from", "to"}
            if not url.startswith(load().links.grafana) or not filled <= known:
                faults.append((rule.id, url))

    assert faults == []


def test_every_record_is_used() -> None:
    """By a rule, or by a dashboard."""
    boards = "".join(path.read_text() for path in _boards())
    read = {name for rule in rules() for name in rule.metrics}

    assert [
        rule.name for rule in record_rules() if rule.name not in read and rule.name not in boards
    ] == []


def test_a_records_name_is_its_level_its_metric_and_what_was_done() -> None:
    form = re.compile(r"[a-z_]+:electric_agents_[a-z_]+:[a-z_0-9]+")

    assert [rule.name for rule in record_rules() if not form.fullmatch(rule.name)] == []


def test_kubernetes_gets_the_same_groups() -> None:
    resource = yaml.safe_load((ALERTS / "kubernetes/prometheus-rule.yaml").read_text())
    files = sorted((ALERTS / "rules").glob("*.yaml"))
    groups = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]

    assert resource["kind"] == "PrometheusRule"
    assert resource["spec"]["groups"] == groups


def test_runbooks_ask_for_metrics_that_there_are() -> None:
    known = {*KINDS, *(record.name for record in record_rules())}
    faults = [
        (path.name, name)
        for path in (ALERTS / "runbooks").glob("*.md")
        for name in re.findall(r"(?:[a-z_]+:)?electric_agents_[a-z_]+(?::\w+)?", path.read_text())
        if name not in known and not any(other.startswith(name) for other in known)
    ]

    assert faults == []


def _selective(node: Any) -> bool:  # noqa: ANN401  (nodes have no common fields)
    """Tell whether an expression leaves out what is well, in each of its branches."""
    match node:
        case parser.BinaryExpr():
            return _selective_binary(node)
        case parser.ParenExpr() | parser.AggregateExpr():
            return _selective(node.expr)
        case parser.VectorSelector():
            recorded = [rule for rule in record_rules() if rule.name == node.name]
            return bool(recorded) and all(
                _selective(parser.parse(record.expression)) for record in recorded
            )
    return isinstance(node, parser.Call) and str(node.func.name) == "absent"


def _selective_binary(node: Any) -> bool:  # noqa: ANN401
    operator = str(node.op)
    if operator == "or":
        return _selective(node.lhs) and _selective(node.rhs)
    if operator == "and":
        return _selective(node.lhs) or _selective(node.rhs)
    # `unless` leaves out; of any other operator the left side is what is shown.
    if operator in COMPARISONS or operator == "unless" or _selective(node.lhs):
        return True
    return str(node.lhs) == "time()" and _selective(node.rhs)


def _fired(rule: Rule) -> Iterator[Mapping[str, str]]:
    """Give the labels of every alert of a rule that a case expects."""
    for file in promtool_files().values():
        for case in file["tests"]:
            for check in case["alert_rule_test"]:
                for alert in check["exp_alerts"]:
                    labels = alert["exp_labels"]
                    if check["alertname"] == rule.name and is_of(labels, rule):
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
    """Give the links that a template can become, with a word for each value."""
    choice = re.search(r"\{\{ if [^}]* \}\}(.*?)\{\{ else \}\}(.*?)\{\{ end \}\}", template)
    texts = (
        [template]
        if choice is None
        else [template.replace(choice[0], part) for part in choice.groups()]
    )
    return [re.sub(r"\{\{.*?\}\}", "value", text) for text in texts]
