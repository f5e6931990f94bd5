"""Run the test cases of the rules against mutants, and find those that no case notices.

All mutants of a rule are in one file, each under a name of its own, and every check of a case is
made of each of them: one run of promtool is enough for a case. What notices many of them for little
comes first, so that few are left for cases of days.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from alert_cases import test_files
from promtool_runs import promtool
from rule_files import Rule, alert_rules, is_of, promtool_files, reached, record_rules
from rule_mutants import Mutant

_NUMBERED: Final = re.compile(r"(?:rule: |alertname: |expr: .*?)[\w:]*?__(\d+)\b")
_NUMBER: Final = re.compile(r"\d+(\.\d+)?")
_RULE_ERROR: Final = re.compile(r"rule: [\w:]+__(\d+), time:")

Groups = list[dict[str, Any]]
Cases = Sequence[Mapping[str, Any]]
CaseOf = Callable[[Mapping[int, Mutant]], tuple[Groups, Cases]]
"""Gives rules, with mutants among them, and a case whose checks are made of each mutant."""


def survivors(mutants: Sequence[Mutant], folder: Path) -> list[Mutant]:
    """Give those mutants of one rule that no case notices."""
    rule = mutants[0].rule
    folder.mkdir(parents=True, exist_ok=True)
    if "alert" in rule.raw:
        return _unnoticed(mutants, _cases_of_alert(rule), folder)
    return _unnoticed(mutants, (*_cases_of_record(rule), *_cases_of_dependents(rule)), folder)


def _unnoticed(
    mutants: Sequence[Mutant], cases: Iterable[tuple[str, CaseOf]], folder: Path
) -> list[Mutant]:
    """Run one case after the other, each with the mutants that none before has noticed."""
    left = dict(enumerate(mutants))
    for name, case in cases:
        broken = {-1}
        # A rule that cannot be evaluated ends a case before its checks: then it is run again.
        while broken and left:
            path = _write(folder / "cases.json", *case(left), name)
            code, text = promtool("test", "rules", path)
            broken = {int(number) for number in _RULE_ERROR.findall(text)}
            noticed = {int(number) for number in _NUMBERED.findall(text)}
            assert noticed or not code, text
            left = {number: mutant for number, mutant in left.items() if number not in noticed}
    return list(left.values())


def _cases_of_alert(rule: Rule) -> Iterator[tuple[str, CaseOf]]:
    """Give the cases of an alert, each beside the rules of the same name that it expects too."""
    own = [one for one in _cases() if one[1]["name"].startswith(f"{rule.id} / ")]
    # That of two replicas has an alert with all its labels and words: a third of the faults change
    # those.
    own.sort(key=lambda one: " / replicas" not in one[1]["name"])
    # Of cases that differ in a number the others seldom notice more than the first.
    first: dict[str, str] = {}
    for _, case in own:
        first.setdefault(_NUMBER.sub("", case["name"]), case["name"])
    own.sort(key=lambda one: one[1]["name"] not in first.values())
    for name, case in own:
        yield name, partial(_of_alert, rule, case)


def _of_alert(
    rule: Rule, case: Mapping[str, Any], left: Mapping[int, Mutant]
) -> tuple[Groups, Cases]:
    siblings = [other for other in alert_rules() if other in {rule, *_expected(case, rule)}]
    altered = [
        {**(mutant.raw if other == rule else other.raw), "alert": f"{rule.name}__{number}"}
        for number, mutant in left.items()
        for other in siblings
    ]
    checks = [
        {**check, "alertname": f"{rule.name}__{number}"}
        for number in left
        for check in case["alert_rule_test"]
        if check["alertname"] == rule.name
    ]
    queries = [
        json.loads(json.dumps(query).replace(rule.name, f"{rule.name}__{number}"))
        for number in left
        for query in case["promql_expr_test"]
    ]
    groups = [*_upstream(siblings), {"name": "mutants", "rules": altered}]
    return groups, [{**case, "alert_rule_test": checks, "promql_expr_test": queries}]


def _expected(case: Mapping[str, Any], rule: Rule) -> Iterator[Rule]:
    """Give the other rules of a name whose alerts a case expects."""
    labels = [
        alert["exp_labels"] for check in case["alert_rule_test"] for alert in check["exp_alerts"]
    ]
    for other in alert_rules():
        if other.name == rule.name and any(is_of(each, other) for each in labels):
            yield other


def _cases_of_record(rule: Rule) -> Iterator[tuple[str, CaseOf]]:
    """Give the cases that query a record."""
    for name, case in _cases():
        if any(_asks(query, rule) for query in case["promql_expr_test"]):
            yield name, partial(_of_record, rule, case)


def _of_record(
    rule: Rule, case: Mapping[str, Any], left: Mapping[int, Mutant]
) -> tuple[Groups, Cases]:
    whole = _whole_name(rule)
    asked = [query for query in case["promql_expr_test"] if _asks(query, rule)]
    queries = [
        json.loads(whole.sub(f"{rule.name}__{number}", json.dumps(query)))
        for number in left
        for query in asked
    ]
    siblings = [
        other
        for other in record_rules()
        if other.name == rule.name and any(_asks(query, other) for query in asked)
    ]
    altered = [
        {**(mutant.raw if other == rule else other.raw), "record": f"{rule.name}__{number}"}
        for number, mutant in left.items()
        for other in siblings
    ]
    groups = [*_upstream(siblings), {"name": "mutants", "rules": altered}]
    return groups, [{**case, "alert_rule_test": [], "promql_expr_test": queries}]


def _asks(query: Mapping[str, Any], rule: Rule) -> bool:
    """Tell whether a query is about a record, and not about others of its name alone."""
    if not _whole_name(rule).search(query["expr"]):
        return False
    return all(
        f'{key}="' not in query["expr"] or f'{key}="{value}"' in query["expr"]
        for key, value in rule.raw.get("labels", {}).items()
    )


def _whole_name(rule: Rule) -> re.Pattern[str]:
    return re.compile(rf"{re.escape(rule.name)}(?![\w:])")


def _cases_of_dependents(rule: Rule) -> Iterator[tuple[str, CaseOf]]:
    """Give the cases of every alert that depends on a record, directly or not."""
    alerts = {alert.id: alert for alert in alert_rules()}
    below = [record for record in record_rules() if rule.name in {record.name, *reached([record])}]
    between = {
        name: [record for record in below if record.name in read]
        for name, read in ((each.id, reached([each])) for each in alert_rules())
    }
    for name, case in _cases():
        alert = alerts.get(case["name"].partition(" / ")[0])
        if alert is None or not between[alert.id]:
            continue
        if not _given(promtool_files()[name]["tests"]) & _names(between[alert.id]):
            yield name, partial(_of_dependent, alert, between[alert.id], case)


@cache
def _cases() -> Sequence[tuple[str, Mapping[str, Any]]]:
    """Give every case, and the name of its file: the shortest one first, and then one of a guard.

    That is there for a fault; what is silent for another reason seldom notices one.
    """
    evaluations = {case.name: case.end / file.step for file in test_files() for case in file.cases}
    cases = [(name, case) for name, file in promtool_files().items() for case in file["tests"]]
    return sorted(
        cases,
        key=lambda named: (evaluations[named[1]["name"]], " / guard" not in named[1]["name"]),
    )


def _of_dependent(
    alert: Rule, between: Sequence[Rule], case: Mapping[str, Any], left: Mapping[int, Mutant]
) -> tuple[Groups, Cases]:
    """Give each mutant its own copy of all that depends on it, up to the alert."""
    siblings = [other for other in alert_rules() if other in {alert, *_expected(case, alert)}]
    names = _names([*between, alert])
    whole = re.compile(rf"(?<![\w:])({'|'.join(map(re.escape, names))})(?![\w:])")
    altered: list[dict[str, Any]] = []
    checks: list[Mapping[str, Any]] = []
    queries: list[Mapping[str, Any]] = []
    for number, mutant in left.items():

        def own(thing: Mapping[str, Any], number: int = number) -> dict[str, Any]:
            renamed: dict[str, Any] = json.loads(whole.sub(rf"\1__{number}", json.dumps(thing)))
            return renamed

        altered += [
            own(mutant.raw if other is mutant.rule else other.raw)
            for other in (*between, *siblings)
        ]
        checks += [
            {**check, "alertname": f"{alert.name}__{number}"}
            for check in case["alert_rule_test"]
            if check["alertname"] == alert.name
        ]
        queries += map(own, case["promql_expr_test"])
    upstream = [
        {**group, "rules": [raw for raw in group["rules"] if raw["record"] not in names]}
        for group in _upstream(siblings)
    ]
    groups = [*upstream, {"name": "mutants", "rules": altered}]
    return groups, [{**case, "alert_rule_test": checks, "promql_expr_test": queries}]


def _names(some: Iterable[Rule]) -> set[str]:
    return {rule.name for rule in some}


def _given(cases: Cases) -> set[str]:
    """Give the names of the series that cases begin with."""
    return {entry["series"].partition("{")[0] for case in cases for entry in case["input_series"]}


def _upstream(some: Iterable[Rule]) -> Groups:
    """Give the groups of records that rules depend on, without the others."""
    names = reached(some)
    groups: dict[str, list[Any]] = {}
    for rule in record_rules():
        if rule.name in names:
            groups.setdefault(rule.group, []).append(dict(rule.raw))
    return [{"name": name, "rules": members} for name, members in groups.items()]


def _write(path: Path, groups: Groups, cases: Cases, name: str) -> Path:
    """Write rules and their cases."""
    file = promtool_files()[name]
    beside = path.with_suffix(".rules.yaml")
    # A record that is an input series of the cases must not be recorded as well.
    given = _given(cases)
    kept = [
        {**group, "rules": [rule for rule in group["rules"] if rule.get("record") not in given]}
        for group in groups
    ]
    beside.write_text(json.dumps({"groups": kept}))
    path.write_text(
        json.dumps(
            {
                **file,
                "rule_files": [beside.name],
                "group_eval_order": [group["name"] for group in kept],
                "tests": cases,
            }
        )
    )
    return path
