"""What is delivered in a share of the topologies is what was wanted; `make topology` plays all."""

import re

import pytest

from topology.case import Case, T
from topology.cases import catalogue
from topology.model import HOUR
from topology.run import rule_set, verdicts

ONE_IN = 4


def share() -> list[Case]:
    """Give some of every kind, none of them long."""
    short = [one for one in catalogue() if all(w.lasts <= T + HOUR for w in one.worlds())]
    return short[::ONE_IN]


def test_every_case_has_a_name_of_its_own_and_says_why() -> None:
    names = [one.name for one in catalogue()]
    assert len(names) == len(set(names))
    assert [one.name for one in catalogue() if not (one.what and one.why)] == []


def test_every_want_is_of_an_alert_that_there_is() -> None:
    """One that is called otherwise now would be missed for ever, or borne with for nothing."""
    with rule_set("shipped") as (rules, _):
        text = "".join(path.read_text() for path in rules.paths)
    alerts = set(re.findall(r"- alert: ElectricAgents(\w+)", text))
    wanted = {name for one in catalogue() for want in one.wants for name in want.alerts}
    assert wanted - alerts == set()


@pytest.mark.timeout(900)
def test_a_share_of_the_cases_comes_out_as_wanted() -> None:
    wrong = {one.case.name: one.faults for one in verdicts(share(), "shipped") if not one.right}
    assert wrong == {}
