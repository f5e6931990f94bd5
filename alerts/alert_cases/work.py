"""Cases of the alerts on work that waits or is lost."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from alert_cases.input_series import Runner, relabelled
from alert_cases.promtool import Case, TestFile, selector
from alert_cases.rule_cases import of_runner
from alert_cases.runner_cases import ConditionCases, exposed
from alert_cases.signals import MINUTE, Signal, ending

_PAGE: Final = "kind: of one that comes and goes it is no page"
_TICKET: Final = "kind: of one that is meant to stay it is a page"


def _both(  # noqa: PLR0913, PLR0917  (the numbers of an alert)
    name: str, condition: str, runner: Runner, fires: float, later: float, hold: float
) -> Iterator[Case]:
    """Give the cases of an alert that pages for lasting runners, and is a ticket for others."""
    goes = replace(runner, kind="local", label="Ada's laptop")
    page, ticket = (
        ConditionCases(
            f"{name} ({severity})", condition, one, when, severity, transient=None, hold=hold
        )
        for severity, one, when in (("critical", runner, fires), ("warning", goes, later))
    )
    yield from replace(page, silent={_PAGE: ticket.holding(1)}).cases()
    for cases in (page, ticket):
        yield from watched_twice(cases)
    paged = of_runner(f"{page.rule} for long", "critical", condition=condition)
    yield from replace(
        ticket, silent={_TICKET: page.holding(1)}, others={_TICKET: (paged,)}
    ).cases()


def watched_twice(cases: ConditionCases, *, apart: bool = True) -> Iterator[Case]:
    """Give the cases of a server that is watched over HTTP, and by its database as another.

    With one of another runner of that id, unless its message would be another one.
    """
    database = {"server": "prod-db"}
    reads = {selector("electric_agents_server_runners_listed", server="prod", principal="all"): 1}
    of_rule, runner = cases.of_runner().of_rule(), cases.holding(1)

    def twice(other: Runner, **labels: str) -> dict[str, Signal]:
        by_database = relabelled(exposed(other, more=reads), **database, **labels)
        return {**exposed(runner), **by_database}

    (alert,) = of_rule.alerts
    of_database = replace(alert, labels={**alert.labels, **database})
    yield of_rule.silence(
        "guard twice: its database's target says it too", twice(runner), (of_database,)
    )
    if apart:
        other = replace(runner, last_seen=-71)
        yield of_rule.with_series(twice(other), alert, of_database).firing(
            "other: a runner of that id with another heartbeat is another one"
        )
    elsewhere = twice(runner, cluster="eu-2")
    there = replace(alert, labels={**alert.labels, **database, "cluster": "eu-2"})
    yield of_rule.with_series(elsewhere, alert, there).firing(
        "elsewhere: the database of another cluster is not its own"
    )


def _abandoned() -> Iterator[Case]:
    gone = Runner(last_seen=-70, at_work=3, silent=lambda now: 70 + now)
    yield from _both("WorkAbandoned", "work_abandoned", gone, 30, 10 * MINUTE, 7 * MINUTE)
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
    named = ConditionCases("WorkAbandoned (critical)", "work_abandoned", gone, 30, "critical")
    unnamed = {
        name: ending(signal, 30) if "runner_info{" in name else signal
        for name, signal in exposed(named.holding(1)).items()
    }
    yield (
        named.of_runner()
        .of_rule()
        .with_series(unnamed)
        .firing("failed, label: the scrape before it failed, and the runner's label is known")
    )


def _unheard() -> Iterator[Case]:
    awaited = Runner(last_seen=-70, unheard=2, waits=lambda now: 65 + now)
    yield from _both("WorkUnheard", "work_unheard", awaited, MINUTE, 12 * MINUTE, 5 * MINUTE)


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
        yield TestFile(name, ("server", "work", "records"), tuple(cases()))
