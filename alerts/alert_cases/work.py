"""Cases of the alerts on work that waits or is lost."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from alert_cases.input_series import Runner
from alert_cases.promtool import Case, TestFile
from alert_cases.rule_cases import of_runner
from alert_cases.runner_cases import RULES, ConditionCases, exposed
from alert_cases.signals import MINUTE

_PAGE: Final = "kind: of one that comes and goes it is no page"
_TICKET: Final = "kind: of one that is meant to stay it is a page"


def _both(name: str, condition: str, runner: Runner, fires: float, later: float) -> Iterator[Case]:
    """Give the cases of an alert that pages for lasting runners, and is a ticket for others."""
    goes = replace(runner, kind="local", label="Ada's laptop")
    page, ticket = (
        ConditionCases(
            f"{name} ({severity})", condition, one, when, severity, transient=None, hold=5 * MINUTE
        )
        for severity, one, when in (("critical", runner, fires), ("warning", goes, later))
    )
    yield from replace(page, silent={_PAGE: ticket.holding(1)}).cases()
    paged = of_runner(f"{page.rule} for long", "critical", condition=condition)
    yield from replace(
        ticket, silent={_TICKET: page.holding(1)}, others={_TICKET: (paged,)}
    ).cases()


def _abandoned() -> Iterator[Case]:
    gone = Runner(last_seen=-70, at_work=3, silent=lambda now: 70 + now)
    yield from _both("WorkAbandoned", "work_abandoned", gone, 30, 10 * MINUTE)
    cases = ConditionCases(
        "WorkAbandoned (critical)", "work_abandoned", replace(gone, label=gone.id), 30, "critical"
    )
    owned = {
        name.replace('label="', 'owner_principal="ada",label="'): signal
        for name, signal in exposed(cases.holding(1)).items()
    }
    alert = replace(cases.of_runner().alert(), message="WorkAbandoned (critical) of an owner")
    yield (
        cases.of_runner()
        .of_rule()
        .with_series(owned, alert)
        .firing("owner: the owner is named where it is exposed, and a label that is the id is not")
    )


def _unheard() -> Iterator[Case]:
    awaited = Runner(unheard=2, waits=lambda now: 65 + now)
    yield from _both("WorkUnheard", "work_unheard", awaited, MINUTE, 5 * MINUTE)


def _refused() -> Iterator[Case]:
    yield from ConditionCases(
        "WorkRefused", "work_refused", Runner(), 2 * MINUTE, transient="warning"
    ).cases()


def _stuck() -> Iterator[Case]:
    yield from ConditionCases(
        "ClaimStuck", "claim_stuck", Runner(at_work=1), 5 * MINUTE, transient="warning"
    ).cases()


def files() -> Iterator[TestFile]:
    """Give the files of test cases."""
    for name, cases in {
        "WorkAbandoned": _abandoned,
        "WorkUnheard": _unheard,
        "WorkRefused": _refused,
        "ClaimStuck": _stuck,
    }.items():
        yield TestFile(name, RULES, tuple(cases()))
