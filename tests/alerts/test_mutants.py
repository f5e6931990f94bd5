"""A rule with any one fault fails some test: nothing in a rule is there untested."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mutant_runs import survivors
from rule_files import Rule, alert_rules, record_rules, rules
from rule_mutants import Mutant, mutants

pytestmark = pytest.mark.timeout(900)

_SWITCH = "that it is there is all that a dead man's switch says"
_SAME = "every exporter tells the same"
HARMLESS = {
    ("Watchdog", "1 becomes 0.5"): _SWITCH,
    ("Watchdog", "1 becomes 2"): _SWITCH,
    (
        "server:electric_agents_server_time:seconds",
        "min for max of electric_agents_server_up{}",
    ): "only the labels count: it is taken times 0",
    (
        "server_runner:electric_agents_runner_enabled:info",
        "min for max of topk without (instance, pod, label, owner_principal, kind...",
    ): "an info is always 1",
    (
        "RunnerNeverHeartbeat",
        "min for max of electric_agents_runner_registered_timestamp_seconds{}",
    ): _SAME,
    (
        "ExporterDataStale",
        "min for max of electric_agents_server_up{}",
    ): "where no poll has succeeded only its labels count",
}
"""Faults that change nothing, by rule, and why."""


@pytest.fixture(scope="session")
def unnoticed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[Mutant]]:
    """Give the mutants of every rule that all tests let pass."""
    folder = tmp_path_factory.mktemp("mutants")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(
            lambda item: survivors(list(mutants(item[1])), folder / f"{item[0]}"),
            enumerate(rules()),
        )
        return {rule.id: left for rule, left in zip(rules(), found, strict=True)}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.id)
def test_a_rule_with_a_fault_fails_a_test(
    unnoticed: Mapping[str, list[Mutant]], rule: Rule
) -> None:
    faults = {mutant.fault for mutant in unnoticed[rule.id]}

    assert faults == {fault for name, fault in HARMLESS if name == rule.id}


@pytest.mark.parametrize("rule", [alert_rules()[0], record_rules()[2]], ids=lambda rule: rule.id)
def test_a_rule_without_a_fault_passes_in_the_same_way(tmp_path: Path, rule: Rule) -> None:
    twice = [Mutant(rule, "none", rule.raw), Mutant(rule, "none", rule.raw)]

    assert survivors(twice, tmp_path) == twice
