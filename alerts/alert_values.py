"""The numbers of `values.yaml`, typed: rules, dashboards and incidents import them.

Durations are seconds, and print as Prometheus writes them.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

import msgspec
import yaml
from typing_extensions import override

from alert_value_faults import faults_of, put

FILE: Final = Path(__file__).with_name("values.yaml")

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_DURATION: Final = re.compile(r"(\d+)(ms|s|m|h|d)")


class Duration(float):
    """A span of time in seconds, at least a millisecond unless it is none."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `90s`, `5m`, `1d`.

        Raises:
            ValueError: it is no duration.
        """
        match = _DURATION.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no duration such as 90s, 5m, 1h or 3d")
        return cls(int(match[1]) * _UNITS[match[2]])

    @override
    def __truediv__(self, divisor: float) -> Self:
        return type(self)(float(self) / divisor)

    @override
    def __mul__(self, factor: float) -> Self:
        return type(self)(float(self) * factor)

    @override
    def __str__(self) -> str:
        """Write it as Prometheus does, in one unit."""
        milliseconds = round(float(self) * 1000)
        if self and not milliseconds:
            raise ValueError(f"{float(self)} s is too short for Prometheus")
        for unit in ("d", "h", "m", "s"):
            size = round(_UNITS[unit] * 1000)
            if milliseconds and milliseconds % size == 0:
                return f"{milliseconds // size}{unit}"
        return f"{milliseconds}ms" if milliseconds else "0s"


Number: TypeAlias = str | float
"""A duration or a severity as it is written, or a plain number."""


class Links(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an alert's links lead."""

    grafana: str
    runbooks: str


class Objective(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The share that must be good."""

    objective: float

    @property
    def budget(self) -> float:
        """The share that may be bad."""
        return round(1 - self.objective, 9)


class DispatchObjective(Objective, frozen=True, forbid_unknown_fields=True):
    """The share of wakes to be claimed within so many seconds; how many late ones it takes."""

    least: float
    seconds: float


class Burn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"for_": "for"}):
    """A pair of windows in which the budget is used up `factor` times too fast."""

    long: Duration
    short: Duration
    factor: float
    for_: Duration
    severity: str


class Slo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The objectives and how their budgets are watched."""

    work: Objective
    dispatch: DispatchObjective
    rate: Duration
    period: Duration
    burns: tuple[Burn, ...]

    @property
    def windows(self) -> tuple[Duration, ...]:
        """Every window that a ratio is recorded for, shortest first."""
        pairs = {window for burn in self.burns for window in (burn.long, burn.short)}
        return tuple(sorted(pairs | {self.period}))


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"set_": "set"}):
    """What differs for some alerts, on servers or for kinds of runner that match a pattern."""

    alerts: tuple[str, ...]
    set_: dict[str, Number]
    server: str = ""
    kind: str = ""


class Values(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything in `values.yaml`."""

    links: Links
    job: str
    interval: Duration
    replica_labels: tuple[str, ...]
    scope_labels: tuple[str, ...]
    memory: Duration
    lasting_kinds: tuple[str, ...]
    labels: dict[str, str]
    layer_labels: dict[str, dict[str, str]]
    ignored_runners: tuple[str, ...]
    alerts: dict[str, dict[str, Number | dict[str, Number]]]
    overrides: tuple[Override, ...]
    slo: Slo

    def alert(self, name: str) -> dict[str, float | str]:
        """Give what an alert is set to, by its name without the prefix; not what is of transients.

        Raises:
            KeyError: there is no such alert.
        """
        return {
            key: typed(value)
            for key, value in self.alerts[name].items()
            if not isinstance(value, dict)
        }

    def transient(self, name: str) -> dict[str, float | str]:
        """Give what an alert is set to where the runner is a transient one.

        Raises:
            KeyError: there is no such alert.
        """
        own = self.alerts[name].get("transient")
        changed = own if isinstance(own, dict) else {}
        return self.alert(name) | {key: typed(value) for key, value in changed.items()}

    def number(self, alert: str, key: str) -> float:
        """Give one number of an alert; durations in seconds.

        Raises:
            KeyError: there is none.
        """
        return float(self.alert(alert)[key])


class BadValuesError(ValueError):
    """Values that Prometheus or Alertmanager would refuse, or that mean nothing: every fault."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def load(path: Path | None = None, overrides: Mapping[str, str] | None = None) -> Values:
    """Read the values of a file; `overrides` are by dotted name, such as `links.grafana`.

    Raises:
        BadValuesError: something is not as it should be.
    """
    default: dict[str, Any] = yaml.safe_load(FILE.read_text())
    raw: dict[str, Any] = yaml.safe_load((path or FILE).read_text())
    faults = [*put(raw, overrides or {}), *faults_of(raw, default)]
    if faults:
        raise BadValuesError(faults)
    try:
        return msgspec.convert(raw, Values, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise BadValuesError([str(error)]) from None


def hastened(values: Values, factor: float, slo_factor: float) -> Values:
    """Give the values for a trial in which time passes `factor` times as fast.

    Durations shrink and rates grow. The windows of the objectives shrink by a factor of their own,
    as the longest would outlast any trial.
    """
    slo = msgspec.structs.replace(
        values.slo,
        rate=values.slo.rate / factor,
        period=values.slo.period / slo_factor,
        dispatch=msgspec.structs.replace(values.slo.dispatch),
        burns=tuple(
            msgspec.structs.replace(
                burn,
                long=burn.long / slo_factor,
                short=burn.short / slo_factor,
                for_=burn.for_ / slo_factor,
            )
            for burn in values.slo.burns
        ),
    )
    alerts = {
        name: {
            key: {inner: _hastened(inner, each, factor) for inner, each in value.items()}
            if isinstance(value, dict)
            else _hastened(key, value, factor)
            for key, value in numbers.items()
        }
        for name, numbers in values.alerts.items()
    }
    return msgspec.structs.replace(
        values,
        alerts=alerts,
        slo=slo,
        interval=values.interval / factor,
        memory=values.memory / factor,
    )


def typed(value: Number) -> float | str:
    """Give a number as it is meant: a duration in seconds, a word as it is."""
    if isinstance(value, str):
        return Duration.parse(value) if _DURATION.fullmatch(value) else value
    return value


def _hastened(key: str, value: Number, factor: float) -> Number:
    number = typed(value)
    if isinstance(number, Duration):
        return str(number / factor)
    if isinstance(number, str):
        return number
    return number * factor if key.endswith("_per_second") else number


def _decode(kind: type, value: object) -> object:
    if kind is Duration and isinstance(value, str):
        return Duration.parse(value)
    raise NotImplementedError(kind)
