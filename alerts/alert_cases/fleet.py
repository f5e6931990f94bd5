"""Stories of the alert about all runners of a target together."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from alert_cases.promtool import MINUTE, Case, TestFile, World
from alert_cases.stories import Story, of_server
from alert_cases.worlds import Fleet, Runner, target

_RULES: Final = ("records", "fleet")


def _unavailable() -> Iterator[Case]:
    def world(fleet: Fleet, *runners: Runner) -> World:
        told = {**target(), **fleet.world()}
        for runner in runners:
            told |= runner.world()
        return told

    gone = Story(
        rule="FleetUnavailable",
        world=world(Fleet(expired=3)),
        fires=2 * MINUTE,
        hold=10 * MINUTE,
        fired=(of_server("FleetUnavailable", "critical", layer="fleet"),),
        guards={
            "some": ("one at least is there", world(Fleet(online=1, expired=3))),
        },
        silent={
            "idle: there is no runner": world(Fleet()),
            "laptops: runners that may go have gone": world(Fleet(expired=3, kind="local")),
            "disabled: maintenance pages nobody": world(Fleet(expired=3, admin="disabled")),
        },
    )
    yield from gone.cases()

    deaf = Runner(id="a", issues={"stream_disconnected": 1})
    two = (deaf, replace(deaf, id="b"))
    both = Fleet(online=2)
    all_deaf = gone.told(
        world(both, *two), of_server("FleetUnavailable for deafness", "critical", layer="fleet")
    )
    yield all_deaf.turn("deaf: all that are there hear no wake")
    yield all_deaf.seen_by_one("deaf, one")
    one = replace(deaf, id="b")
    for name, why, other in (
        ("some-hear", "one at least hears", replace(one, issues={"heartbeat_failed": 1})),
        (
            "frozen",
            "a dead runner goes on saying what it last said",
            replace(one, liveness="expired"),
        ),
        ("disabled", "maintenance pages nobody", replace(one, enabled=0)),
        ("transient", "a laptop that sleeps is no news", replace(one, kind="local")),
    ):
        yield all_deaf.silence(f"guard {name}: {why}", world(both, deaf, other))


def files() -> Iterator[TestFile]:
    """Give the files of tests."""
    yield TestFile("FleetUnavailable", _RULES, tuple(_unavailable()))
