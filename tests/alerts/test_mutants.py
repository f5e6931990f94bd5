"""A rule with any one fault fails some case: nothing in a rule is there untested.

`make mutants ARGS="-k RunnerDeaf"` checks the rules of one alert, in seconds.
"""

from pathlib import Path

import pytest

from mutant_runs import survivors
from rule_files import Rule, alert_rules, record_rules, rules
from rule_mutants import Mutant, mutants

pytestmark = pytest.mark.timeout(300)

_SWITCH = "a dead man's switch has no value"
_SAME = "every exporter exposes the same"
HARMLESS = {
    ("Watchdog", "1 becomes 0.5"): _SWITCH,
    ("Watchdog", "1 becomes 2"): _SWITCH,
    (
        "server:electric_agents_server_time:seconds",
        "min for max of electric_agents_server_up{}",
    ): "only the labels count: it is multiplied by 0",
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
    ): "where no poll has succeeded, only its labels count",
}
"""Faults that change nothing, by rule, and why."""


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.id)
def test_a_rule_with_a_fault_fails_a_case(tmp_path: Path, rule: Rule) -> None:
    faults = {mutant.fault for mutant in survivors(list(mutants(rule)), tmp_path)}

    harmless = {fault for name, fault in HARMLESS if name == rule.id}
    assert faults - harmless == set(), "add a case to alerts/alert_cases that notices each of these"
    assert harmless - faults == set(), "a case notices these now: take them out of HARMLESS"


def test_every_fault_that_is_called_harmless_is_one_of_a_rule() -> None:
    assert {name for name, _ in HARMLESS} - {rule.id for rule in rules()} == set()


@pytest.mark.parametrize("rule", [alert_rules()[0], record_rules()[2]], ids=lambda rule: rule.id)
def test_a_rule_without_a_fault_passes_in_the_same_way(tmp_path: Path, rule: Rule) -> None:
    twice = [Mutant(rule, "none", rule.raw), Mutant(rule, "none", rule.raw)]

    assert survivors(twice, tmp_path) == twice
