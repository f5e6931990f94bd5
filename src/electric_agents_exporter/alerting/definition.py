"""The alerts that this exporter knows, as the rule files define them.

`definitions.json` is made of the sources and values of the rule files: the same names, labels,
words and numbers, from one place.
"""

from collections.abc import Mapping

import msgspec

PREFIX = "ElectricAgents"
"""What the name of each alert begins with."""


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an override leaves of an alert.

    Attributes:
        label: `server` or `kind`.
        pattern: what the label's value is held against (RE2, the whole of it).
        matches: whether the alert is for those that match, or for all others.
    """

    label: str
    pattern: str
    matches: bool


class Definition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One alert.

    Attributes:
        alert: its whole name.
        lifecycle: `lasting` or `transient` where it is for runners of such kinds alone.
        wait: how long it must hold before it fires, in seconds (`for`).
        hold: for how long it fires on once it does not hold, in seconds (`keep_firing_for`).
        labels: templates of its own labels.
        annotations: templates of what it says.
        numbers: its thresholds by their names in `values.yaml`, durations in seconds.
        limits: the servers and kinds that it is for.
    """

    alert: str
    lifecycle: str | None
    wait: float = msgspec.field(name="for")
    hold: float = msgspec.field(name="keep_firing_for")
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    numbers: Mapping[str, float | str]
    limits: tuple[Limit, ...]


class Definitions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All alerts, and what they have in common.

    Attributes:
        job: the scrape job that alerts name.
        memory: for how long something counts that is not seen any more, in seconds.
        lasting_kinds: kinds of runner that are meant to stay.
        ignored_runners: runners that raise no alert: patterns of their human label (RE2, whole).
        scope_labels: labels that keep alike things apart.
        alerts: the alerts, in the order of the rule files.
    """

    job: str
    memory: float
    lasting_kinds: tuple[str, ...]
    ignored_runners: tuple[str, ...]
    scope_labels: tuple[str, ...]
    alerts: tuple[Definition, ...]

    def number(self, name: str, number: str) -> float:
        """Give the largest number of that name that an alert has; 0 where there is no such alert.

        `name` is the alert's without its prefix.
        """
        return max(
            (
                float(definition.numbers[number])
                for definition in self.alerts
                if definition.alert == PREFIX + name
            ),
            default=0.0,
        )
