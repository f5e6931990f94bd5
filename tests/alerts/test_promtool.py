"""The rules before promtool: they are well formed, and every story comes true."""

from pathlib import Path

import pytest

from promtool_runs import promtool
from rule_files import ALERTS, Rule, alert_rules, promtool_files

_NO_EXPORTER = {"ExporterAbsent", "Watchdog"}
"""Alerts that look at no series of an exporter, so that replicas are nothing to them."""


def test_rule_files_have_nothing_that_promtool_warns_of() -> None:
    files = sorted((ALERTS / "rules").glob("*.yaml"))

    code, text = promtool("check", "rules", "--lint=all", "--lint-fatal", *files)

    assert code == 0, text


@pytest.mark.parametrize("name", promtool_files())
def test_every_story_comes_true(name: str) -> None:
    code, text = promtool("test", "rules", ALERTS / "tests" / name)

    assert code == 0, text


@pytest.mark.parametrize("rule", alert_rules(), ids=lambda rule: rule.id)
def test_an_alert_has_a_case_for_all_that_is_said_of_it(rule: Rule) -> None:
    needed = {"fires", *(f"guard {name}" for name in rule.guards)}
    if rule.name != "ElectricAgentsWatchdog":
        needed.add("before")
    if rule.id not in _NO_EXPORTER:
        needed.add("replicas")
    if "keep_firing_for" in rule.raw:
        needed.update({f"held for {_words(rule.raw['keep_firing_for'])}", "ends"})

    assert needed - _parts().get(rule.id, set()) == set()


def test_no_case_is_of_an_alert_or_guard_that_is_not_there() -> None:
    guards = {rule.id: {f"guard {name}" for name in rule.guards} for rule in alert_rules()}
    parts = {name: told for name, told in _parts().items() if not name.startswith("records")}

    assert parts.keys() == guards.keys()
    for name, told in parts.items():
        assert {part for part in told if part.startswith("guard ")} <= guards[name], name


def test_every_case_looks_at_something_and_has_a_name_of_its_own() -> None:
    cases = [case for file in promtool_files().values() for case in file["tests"]]

    assert all(case.get("alert_rule_test") or case.get("promql_expr_test") for case in cases)
    names = [case["name"] for case in cases]
    assert sorted(names) == sorted(set(names))


def test_a_case_looks_at_the_alert_that_it_is_named_for() -> None:
    names = {rule.id: rule.name for rule in alert_rules()}
    for file in promtool_files().values():
        for case in file["tests"]:
            looks = {look["alertname"] for look in case.get("alert_rule_test", [])}
            assert looks <= {names.get(case["name"].split(" / ")[0])}, case["name"]


def test_files_of_tests_name_rule_files_that_are_there() -> None:
    for name, file in promtool_files().items():
        for path in file["rule_files"]:
            assert (ALERTS / "tests" / Path(path)).is_file(), name


def _parts() -> dict[str, set[str]]:
    """Give what the cases of each alert are about: `ALERT / PART, PART: why`."""
    found: dict[str, set[str]] = {}
    for file in promtool_files().values():
        for case in file["tests"]:
            rule, _, rest = case["name"].partition(" / ")
            found.setdefault(rule, set()).update(rest.partition(":")[0].split(", "))
    return found


def _words(span: str) -> str:
    return f"{span.removesuffix('m')} minutes"
