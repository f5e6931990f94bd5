"""Cases of the alert on all runners of a target together."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from alert_cases.input_series import Fleet, Runner, target
from alert_cases.promtool import Case, InputSeries, TestFile
from alert_cases.rule_cases import RuleCases, of_server
from alert_cases.signals import MINUTE

_RULES: Final = ("records", "fleet")


def _unavailable() -> Iterator[Case]:
    def exposed(fleet: Fleet, *runners: Runner) -> InputSeries:
        found = {**target(), **fleet.series()}
        for runner in runners:
            found |= runner.series()
        return found

    gone = RuleCases(
        rule="FleetUnavailable",
        series=exposed(Fleet(expired=3)),
        fires=2 * MINUTE,
        hold=10 * MINUTE,
        alerts=(of_server("FleetUnavailable", "critical", layer="fleet"),),
        guards={
            "some": ("at least one is there", exposed(Fleet(online=1, expired=3))),
        },
        silent={
            "idle: there is no runner": exposed(Fleet()),
            "laptops: transient runners are gone": exposed(Fleet(expired=3, kind="local")),
            "disabled: maintenance pages nobody": exposed(Fleet(expired=3, admin="disabled")),
        },
    )
    yield from gone.cases()

    disconnected = Runner(id="a", issues={"stream_disconnected": 1})
    two = (disconnected, replace(disconnected, id="b"))
    online = Fleet(online=2)
    without_stream = gone.with_series(
        exposed(online, *two),
        of_server("FleetUnavailable without streams", "critical", layer="fleet"),
    )
    yield without_stream.firing("streams: all that are there have theirs disconnected")
    yield without_stream.one_saw_it("streams, one")
    second = two[1]
    for name, why, other in (
        (
            "some-hear",
            "at least one is connected",
            replace(second, issues={"heartbeat_failed": 1}),
        ),
        (
            "frozen",
            "a dead runner keeps its last diagnostics",
            replace(second, liveness="expired"),
        ),
        ("disabled", "maintenance pages nobody", replace(second, enabled=0)),
        ("transient", "a laptop may sleep", replace(second, kind="local")),
    ):
        yield without_stream.silence(f"guard {name}: {why}", exposed(online, disconnected, other))


def files() -> Iterator[TestFile]:
    """Give the files of test cases."""
    yield TestFile("FleetUnavailable", _RULES, tuple(_unavailable()))
