"""What an incident is: a scenario, and the alerts that it should lead to, written down beforehand.

Times are seconds of the scenario; 0 is the end of the lead-in, in which fleet, exporter and
Prometheus run quietly.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from electric_agents_simulator.scenarios.model import Scenario

LEAD_IN: Final = 300.0

PAGE: Final = "critical"
TICKET: Final = "warning"


class StackAction(StrEnum):
    """What is done to exporters and Prometheus, which a scenario of a fleet does not know."""

    EXPORTER_STOPS = "exporter stops"
    EXPORTER_STARTS = "exporter starts"
    ONE_REPLICA_STOPS = "one replica stops"
    CONFIG_BREAKS = "configuration breaks"
    CONFIG_MENDS = "configuration is mended"
    SCRAPE_JOB_GOES = "scrape job goes"


@dataclass(frozen=True)
class StackEvent:
    """An action, and when it is taken."""

    at: float
    action: StackAction


@dataclass(frozen=True)
class Expected:
    """One alert that should reach a person.

    Attributes:
        alert: its name without the prefix.
        severity: `PAGE` or `TICKET`.
        since: when the fault begins.
        shows_after: how long after that the server's answers show it: a lease must expire first, or
            so many restarts must have happened.
        until: when it is mended; None if it is not.
        runner: the runner's id, if the alert is on a runner.
        transient: whether the runner comes and goes, so that the alert waits for longer.
        within: how soon after the runner's last sign of life somebody must know of it.
    """

    alert: str
    severity: str
    since: float
    shows_after: float = 0.0
    until: float | None = None
    runner: str | None = None
    transient: bool = False
    within: float | None = None


@dataclass(frozen=True)
class Incident:
    """A scenario, and exactly the pages and tickets that it should lead to.

    Attributes:
        name: of the incident.
        what: what happens, in a sentence.
        scenario: what the simulator plays; its events count from the end of the lead-in.
        lasts: how long to watch.
        runners: how many runners the fleet has.
        expected: every page and ticket that should be delivered.
        may: tickets that may be delivered as well, depending on timing.
        stack_events: what is done to exporters and Prometheus.
        replicas: how many exporters poll the same.
        target: settings of the exporter's target beyond the usual ones.
        exporter_after: start the exporter only then, after the beginning of the lead-in.
        slower: how many times slower than the others it is played.
        slo_speed: how many times faster than all else the windows of the objectives pass.
        lead_in: how long it runs quietly before.
    """

    name: str
    what: str
    scenario: Scenario
    lasts: float
    runners: int = 6
    expected: tuple[Expected, ...] = ()
    may: tuple[str, ...] = ()
    stack_events: tuple[StackEvent, ...] = ()
    replicas: int = 1
    target: dict[str, Any] | None = None
    exporter_after: float = 0.0
    slower: float = 1.0
    slo_speed: float = 1.0
    lead_in: float = LEAD_IN

    @property
    def after_lead_in(self) -> Scenario:
        """The scenario with its events after the lead-in."""
        events = (replace(event, at=event.at + self.lead_in) for event in self.scenario.timeline)
        return replace(self.scenario, timeline=tuple(events))


def without(scenario: Scenario, *roles: str) -> Scenario:
    """Take roles out of a scenario, and what is done to them."""
    return replace(
        scenario,
        roles=tuple(role for role in scenario.roles if role.name not in roles),
        timeline=tuple(
            event for event in scenario.timeline if getattr(event.action, "role", None) not in roles
        ),
    )
