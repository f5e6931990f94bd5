"""The numbers of `values.yaml`, typed: rules, dashboards and incidents import them.

Durations are seconds, and print as Prometheus writes them.
"""

import re
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import yaml
from typing_extensions import override

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


class Links(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an alert's links lead."""

    grafana: str
    runbooks: str


class Objective(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The share that must be good, and how many bad ones it takes to alert."""

    objective: float
    least: float

    @property
    def budget(self) -> float:
        """The share that may be bad."""
        return round(1 - self.objective, 9)


class Burn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"for_": "for"}):
    """A pair of windows in which the budget is used up `factor` times too fast."""

    long: Duration
    short: Duration
    factor: float
    for_: Duration
    severity: str


class Slo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The objectives and how their budgets are watched."""

    availability: Objective
    claims: Objective
    rate: Duration
    period: Duration
    burns: tuple[Burn, ...]

    @property
    def windows(self) -> tuple[Duration, ...]:
        """Every window that a ratio is recorded for, shortest first."""
        pairs = {window for burn in self.burns for window in (burn.long, burn.short)}
        return tuple(sorted(pairs | {self.period}))


class Values(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything in `values.yaml`."""

    links: Links
    job: str
    replica_labels: tuple[str, ...]
    lasting_kinds: tuple[str, ...]
    alerts: dict[str, dict[str, str | float]]
    slo: Slo

    def alert(self, name: str) -> dict[str, float]:
        """Give the numbers of an alert, by its name without the prefix.

        Raises:
            KeyError: there is no such alert.
        """
        return {key: _number(value) for key, value in self.alerts[name].items()}

    def number(self, alert: str, key: str) -> float:
        """Give one number of an alert; durations in seconds.

        Raises:
            KeyError: there is none.
        """
        return float(self.alert(alert)[key])


def load(path: Path = FILE, overrides: dict[str, str] | None = None) -> Values:
    """Read the values; `overrides` are by dotted name, such as `links.grafana`.

    Raises:
        KeyError: an override names nothing.
        msgspec.ValidationError: something is not as it should be.
    """
    raw: dict[str, Any] = yaml.safe_load(path.read_text())
    for name, value in (overrides or {}).items():
        *sections, key = name.split(".")
        section = raw
        for part in sections:
            section = section[part]
        if key not in section:
            raise KeyError(name)
        section[key] = yaml.safe_load(value)
    return msgspec.convert(raw, Values, dec_hook=_decode)


def hastened(values: Values, factor: float, slo_factor: float) -> Values:
    """Give the values for a trial in which time passes `factor` times as fast.

    Durations shrink and rates grow. The windows of the objectives shrink by a factor of their own,
    as the longest would outlast any trial.
    """
    slo = msgspec.structs.replace(
        values.slo,
        rate=values.slo.rate / factor,
        period=values.slo.period / slo_factor,
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
        name: {key: _hastened(key, value, factor) for key, value in numbers.items()}
        for name, numbers in values.alerts.items()
    }
    return msgspec.structs.replace(values, alerts=alerts, slo=slo)


def _hastened(key: str, value: str | float, factor: float) -> str | float:
    number = _number(value)
    if isinstance(number, Duration):
        return str(number / factor)
    return number * factor if key.endswith("_per_second") else number


def _number(value: str | float) -> float:
    return Duration.parse(value) if isinstance(value, str) else value


def _decode(kind: type, value: object) -> object:
    if kind is Duration and isinstance(value, str):
        return Duration.parse(value)
    raise NotImplementedError(kind)
