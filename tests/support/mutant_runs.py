"""Run the test cases of the rules against mutants, and find those that no case notices.

All mutants of a rule are in one file, each under a name of its own, and every check of a case is
made of each of them: one run of promtool is enough.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from promtool_runs import failing
from rule_files import Rule, alert_rules, promtool_files, record_rules
from rule_mutants import Mutant

_NUMBERED: Final = re.compile(r"(?:rule: |alertname: |expr: .*)[\w:]*?__(\d+)\b")
_RULE_ERROR: Final = re.compile(r"rule: [\w:]+__(\d+), time:")

Groups = list[dict[str, Any]]


def survivors(mutants: Sequence[Mutant], folder: Path) -> list[Mutant]:
    """Give those mutants of one rule that no case notices."""
    rule = mutants[0].rule
    numbered = dict(enumerate(mutants))
    if "alert" in rule.raw:
        return _unnoticed(numbered, folder, _of_alert)
    left = _unnoticed(numbered, folder, _of_record)
    return [mutant for number, mutant in enumerate(left) if _passes(mutant, folder / f"{number}")]


def _unnoticed(numbered: Mapping[int, Mutant], folder: Path, write: Any) -> list[Mutant]:  # noqa: ANN401
    """Run until every rule can be evaluated, as one that cannot ends a case before its checks."""
    left = dict(numbered)
    broken = {-1}
    while broken and left:
        files = [
            path
            for number, share in enumerate(_shares(left))
            for path in write(share, folder / f"{number}")
        ]
        texts = [text for _, text in failing(files)]
        broken = {int(number) for text in texts for number in _RULE_ERROR.findall(text)}
        noticed = {int(number) for text in texts for number in _NUMBERED.findall(text)}
        assert noticed or not texts, "\n".join(texts)
        left = {number: mutant for number, mutant in left.items() if number not in noticed}
    return list(left.values())


def _shares(left: Mapping[int, Mutant]) -> Iterator[dict[int, Mutant]]:
    """Divide mutants among the processors."""
    count = os.cpu_count() or 1
    items = list(left.items())
    yield from (dict(items[first::count]) for first in range(min(count, len(items))))


def _of_alert(left: Mapping[int, Mutant], folder: Path) -> Iterator[Path]:
    """Write the cases of an alert for its mutants, each beside the rules that share its name."""
    rule = next(iter(left.values())).rule
    for name, file in promtool_files().items():
        cases = [case for case in file["tests"] if case["name"].startswith(f"{rule.id} / ")]
        if not cases:
            continue
        siblings = [other for other in alert_rules() if other in {rule, *_expected(cases, rule)}]
        altered = [
            {**(mutant.raw if other == rule else other.raw), "alert": f"{rule.name}__{number}"}
            for number, mutant in left.items()
            for other in siblings
        ]
        groups = [*_upstream(siblings), {"name": "mutants", "rules": altered}]
        yield _write(folder / name, groups, [_checked(case, rule, left) for case in cases], name)


def _expected(cases: Iterable[Mapping[str, Any]], rule: Rule) -> Iterator[Rule]:
    """Give the other rules of a name whose alerts the cases expect."""
    labels = [
        alert["exp_labels"]
        for case in cases
        for check in case["alert_rule_test"]
        for alert in check["exp_alerts"]
    ]
    for other in alert_rules():
        static = {key: value for key, value in other.raw["labels"].items() if "{" not in value}
        if other.name == rule.name and any(static.items() <= each.items() for each in labels):
            yield other


def _checked(case: Mapping[str, Any], rule: Rule, left: Mapping[int, Mutant]) -> dict[str, Any]:
    checks = [
        {**check, "alertname": f"{rule.name}__{number}"}
        for number in left
        for check in case["alert_rule_test"]
        if check["alertname"] == rule.name
    ]
    return {**case, "alert_rule_test": checks}


def _of_record(left: Mapping[int, Mutant], folder: Path) -> Iterator[Path]:
    """Write the cases that query a record, for its mutants."""
    rule = next(iter(left.values())).rule
    whole = re.compile(rf"{re.escape(rule.name)}(?![\w:])")

    def queried(case: Mapping[str, Any]) -> dict[str, Any]:
        queries = [
            json.loads(whole.sub(f"{rule.name}__{number}", json.dumps(query)))
            for number in left
            for query in case["promql_expr_test"]
            if whole.search(query["expr"])
        ]
        return {**case, "alert_rule_test": [], "promql_expr_test": queries}

    altered = [
        {**mutant.raw, "record": f"{rule.name}__{number}"} for number, mutant in left.items()
    ]
    groups = [*_upstream([rule]), {"name": "mutants", "rules": altered}]
    for name, file in promtool_files().items():
        cases = [case for case in map(queried, file["tests"]) if case["promql_expr_test"]]
        if cases:
            yield _write(folder / name, groups, cases, name)


def _passes(mutant: Mutant, folder: Path) -> bool:
    """Tell whether no case of any alert that depends on a record notices its mutant."""
    altered = [
        replace(rule, raw=mutant.raw) if rule is mutant.rule else rule for rule in record_rules()
    ]
    for alert in alert_rules():
        if mutant.rule.name not in _reached([alert]):
            continue
        siblings = [other for other in alert_rules() if other.name == alert.name]
        groups = [
            *_upstream(siblings, altered),
            {"name": "mutants", "rules": [dict(other.raw) for other in siblings]},
        ]
        files = [
            _write(folder / name, groups, promtool_files()[name]["tests"], name)
            for name in _files_of(alert.name)
        ]
        if any(True for _ in failing(files)):
            return False
    return True


def _files_of(alert: str) -> list[str]:
    return [
        name
        for name, file in promtool_files().items()
        if any(
            check["alertname"] == alert
            for case in file["tests"]
            for check in case["alert_rule_test"]
        )
    ]


def _reached(some: Iterable[Rule]) -> set[str]:
    """Give the names of the records that rules depend on, directly or not."""
    by_name = {rule.name: rule for rule in record_rules()}
    names: set[str] = set()
    left = [name for rule in some for name in rule.metrics]
    while left:
        name = left.pop()
        if name in by_name and name not in names:
            names.add(name)
            left.extend(by_name[name].metrics)
    return names


def _upstream(some: Iterable[Rule], records: Iterable[Rule] = record_rules()) -> Groups:
    """Give the groups of records that rules depend on, without the others."""
    names = _reached(some)
    groups: dict[str, list[Any]] = {}
    for rule in records:
        if rule.name in names:
            groups.setdefault(rule.group, []).append(dict(rule.raw))
    return [{"name": name, "rules": members} for name, members in groups.items()]


def _write(path: Path, groups: Groups, cases: Sequence[Mapping[str, Any]], name: str) -> Path:
    """Write rules and their cases."""
    file = promtool_files()[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".rules.yaml")
    # A record that is an input series of the cases must not be recorded as well.
    given = {entry["series"].partition("{")[0] for case in cases for entry in case["input_series"]}
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
