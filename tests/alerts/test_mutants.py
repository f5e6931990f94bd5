"""A rule with any one fault fails some case: nothing in a rule is there untested.

`make mutants ARGS="-k RunnerDeaf"` checks the rules of one alert, in seconds. `make verify` tries
every alert, and the records on claims; `make mutants` all records too, which takes longer: a fault
of a record may show in the cases of any alert that depends on it.
"""

from pathlib import Path

import pytest

from mutant_runs import survivors
from rule_files import Rule, alert_rules, record_rules, rules
from rule_mutants import Mutant, mutants

pytestmark = pytest.mark.timeout(600)

_SWITCH = "a dead man's switch has no value"
_BOTH_SIDES = "the other side of the difference selects them"
_ONE_LABEL = "it drops a label that has one value"
_BY_CHANCE = "a share of polls is equal to it by chance only"
HARMLESS = {
    ("Watchdog", "1 becomes 0.5"): _SWITCH,
    ("Watchdog", "1 becomes 2"): _SWITCH,
    ("PollOverrun", 'any reason=~"overrun|misfire"'): _BOTH_SIDES,
    ("ExporterDataStale", "< 0.8"): _BY_CHANCE,
    ("ClaimFailuresHigh", 'any outcome="claimed"'): _BOTH_SIDES,
    (
        "server_runner:electric_agents_runner_claim_errors:increase",
        'any outcome="error"',
    ): _BOTH_SIDES,
    (
        "server_runner:electric_agents_runner_claim_errors:increase",
        "min for max of max without (instance, pod, node)(last_over_time(electric...",
    ): _ONE_LABEL,
    (
        "server:electric_agents_runners_claim_errors:increase",
        'any outcome="error"',
    ): "a runner's claims are there with all outcomes, or not at all; and as above",
}
"""Faults that change nothing, by rule, and why."""


def _is_quick(rule: Rule) -> bool:
    return "alert" in rule.raw or rule.file == "claims"


@pytest.mark.parametrize(
    "rule",
    [pytest.param(rule, marks=() if _is_quick(rule) else pytest.mark.long) for rule in rules()],
    ids=lambda rule: rule.id,
)
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
