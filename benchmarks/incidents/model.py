"""What an incident is: a story, and what should come of it, written down beforehand.

Times are seconds of the story; 0 is when fleet, exporter and Prometheus have run quietly for a
lead-in.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from electric_agents_simulator.scenarios.model import Scenario

LEAD_IN: Final = 300.0

PAGE: Final = "critical"
TICKET: Final = "warning"


class Deed(StrEnum):
    """What befalls the watchers, which no scenario of a fleet knows."""

    EXPORTER_STOPS = "exporter stops"
    EXPORTER_STARTS = "exporter starts"
    ONE_REPLICA_STOPS = "one replica stops"
    CONFIG_BREAKS = "configuration breaks"
    CONFIG_MENDS = "configuration is mended"
    SCRAPE_JOB_GOES = "scrape job goes"


@dataclass(frozen=True)
class Act:
    """A deed, and when."""

    at: float
    deed: Deed


@dataclass(frozen=True)
class Expected:
    """One alert that should reach a person.

    Attributes:
        alert: its name without the prefix.
        severity: `PAGE` or `TICKET`.
        since: when the fault begins.
        shows_after: how long after that the server's answers, read without delay, amount to what
            the alert is about: a lease must run out, so many restarts must have come.
        until: when it is mended; None where it is not.
        runner: the id of the runner, where it is about one.
    """

    alert: str
    severity: str
    since: float
    shows_after: float = 0.0
    until: float | None = None
    runner: str | None = None


@dataclass(frozen=True)
class Incident:
    """A story and what should come of it: exactly the expected pages and tickets.

    Attributes:
        name: of the incident.
        what: what happens, in a sentence.
        scenario: what the simulator plays; its events count from the end of the lead-in.
        lasts: how long to watch.
        runners: how many runners the fleet has.
        expected: every page and ticket that should be delivered.
        may: tickets that may be delivered as well, as a matter of timing.
        acts: what befalls the watchers.
        replicas: how many exporters poll the same.
        target: settings of the exporter's target beyond the usual ones.
        exporter_after: start the exporter only then, after the beginning of the lead-in.
        slower: how many times slower than the others it is told.
        slo_speed: how much faster the windows of the objectives pass, beside the world.
        lead_in: how long it runs quietly before.
    """

    name: str
    what: str
    scenario: Scenario
    lasts: float
    runners: int = 6
    expected: tuple[Expected, ...] = ()
    may: tuple[str, ...] = ()
    acts: tuple[Act, ...] = ()
    replicas: int = 1
    target: dict[str, Any] | None = None
    exporter_after: float = 0.0
    slower: float = 1.0
    slo_speed: float = 1.0
    lead_in: float = LEAD_IN

    @property
    def story(self) -> Scenario:
        """The scenario with its events after the lead-in."""
        events = (replace(event, at=event.at + self.lead_in) for event in self.scenario.timeline)
        return replace(self.scenario, timeline=tuple(events))


def without(scenario: Scenario, *roles: str) -> Scenario:
    """Take roles out of a scenario, and their steps."""
    return replace(
        scenario,
        roles=tuple(role for role in scenario.roles if role.name not in roles),
        timeline=tuple(
            event for event in scenario.timeline if getattr(event.action, "role", None) not in roles
        ),
    )
