"""The scenarios by name, and whose runners are in them."""

from electric_agents_simulator.scenarios.catalogue import all_scenarios
from electric_agents_simulator.scenarios.model import Scenario

__all__ = ["all_scenarios", "find", "principals"]


def find(name: str) -> Scenario:
    """Find a scenario.

    Raises:
        KeyError: there is none of that name.
    """
    return {scenario.name: scenario for scenario in all_scenarios()}[name]


def principals(name: str) -> tuple[str, ...]:
    """Name the principals that a monitor must poll to see all of a scenario, its own first.

    Raises:
        KeyError: there is none of that name.
    """
    return find(name).principals
