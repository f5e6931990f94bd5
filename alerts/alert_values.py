"""The numbers of `values.yaml`, typed: rules, dashboards and incidents import them.

Durations are seconds, and print as Prometheus writes them.
"""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

import msgspec
import yaml
from typing_extensions import override

FILE: Final = Path(__file__).with_name("values.yaml")

LAYERS: Final = ("exporter", "server", "runner", "fleet", "slo")
SEVERITIES: Final = ("critical", "warning", "info")

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_DURATION: Final = re.compile(r"(\d+)(ms|s|m|h|d)")
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


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
        own = self.alerts[name].get("transient", {})
        assert isinstance(own, dict)
        return self.alert(name) | {key: typed(value) for key, value in own.items()}

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
    faults = [fault for name, text in (overrides or {}).items() for fault in _put(raw, name, text)]
    faults += _faults(raw, default, "")
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


def _put(raw: dict[str, Any], name: str, text: str) -> Iterator[str]:
    """Set one value by its dotted name; free maps, such as `labels`, take any name."""
    *sections, key = name.split(".")
    section: Any = raw
    for part in sections:
        section = section.setdefault(part, {}) if sections[0] == "layer_labels" else section
        section = section.get(part) if isinstance(section, dict) else None
    known = section if isinstance(section, dict) else {}
    free = sections[:1] in (["labels"], ["layer_labels"])
    if not sections and key in raw and isinstance(raw[key], dict) or not (free or key in known):
        yield f"--set {name}: there is no such value{_nearest(name, _names(raw))}"
        return
    try:
        known[key] = yaml.safe_load(text)
    except yaml.YAMLError:
        yield f"--set {name}: {text!r} is no YAML"


def _names(raw: Mapping[str, Any], place: str = "") -> Iterator[str]:
    for key, value in raw.items():
        if isinstance(value, dict):
            yield from _names(value, f"{place}{key}.")
        else:
            yield f"{place}{key}"


def _nearest(name: str, known: Iterator[str] | list[str]) -> str:
    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def _faults(raw: object, default: object, place: str) -> Iterator[str]:
    """Find what differs in kind from the values as they are shipped: these are the schema."""
    check = _OF_PLACE.get(place)
    if check is not None:
        yield from check(raw, place)
    elif isinstance(default, dict):
        yield from _faults_of_map(raw, default, place)
    elif isinstance(default, str) and _DURATION.fullmatch(default):
        if not isinstance(raw, str) or not _DURATION.fullmatch(raw):
            yield f"{place}: {raw!r} is no duration such as 90s, 5m, 1h or 3d"
    elif isinstance(default, str):
        if not isinstance(raw, str) or not raw:
            yield f"{place}: {raw!r} is no text"
        elif place.endswith(".severity") and raw not in SEVERITIES:
            yield f"{place}: {raw!r} is none of {', '.join(SEVERITIES)}"
    elif isinstance(default, bool | int | float):
        if isinstance(raw, bool) or not isinstance(raw, int | float) or raw <= 0:
            yield f"{place}: {raw!r} is no number above 0"


def _faults_of_map(raw: object, default: Mapping[str, Any], place: str) -> Iterator[str]:
    if not isinstance(raw, dict):
        yield f"{place or 'the file'}: {raw!r} is no map"
        return
    for key, value in raw.items():
        inner = f"{place}.{key}" if place else str(key)
        if key not in default:
            yield f"{inner}: there is no such value{_nearest(str(key), list(default))}"
        else:
            yield from _faults(value, default[key], inner)
    for key in default.keys() - raw.keys():
        if key != "transient":
            yield f"{place + '.' if place else ''}{key}: it is missing"


def _label_faults(raw: object, place: str) -> Iterator[str]:
    if not isinstance(raw, dict):
        yield f"{place}: {raw!r} is no map of labels"
        return
    for name, value in raw.items():
        if not isinstance(name, str) or not _LABEL.fullmatch(name) or name.startswith("__"):
            yield f"{place}.{name}: {name!r} is no name of a label"
        elif name in {"severity", "service", "layer", "alertname"}:
            yield f"{place}.{name}: the rules set this label themselves"
        if not isinstance(value, str):
            yield f"{place}.{name}: {value!r} is no text; quote it"


def _layer_label_faults(raw: object, place: str) -> Iterator[str]:
    if not isinstance(raw, dict):
        yield f"{place}: {raw!r} is no map"
        return
    for layer, labels in raw.items():
        if layer not in LAYERS:
            yield f"{place}.{layer}: there is no such layer{_nearest(str(layer), list(LAYERS))}"
        yield from _label_faults(labels, f"{place}.{layer}")


def _word_list_faults(raw: object, place: str) -> Iterator[str]:
    if not isinstance(raw, list) or not raw or not all(isinstance(word, str) for word in raw):
        yield f"{place}: {raw!r} is no list of words"
    elif place != "lasting_kinds":
        yield from (
            f"{place}: {word!r} is no name of a label" for word in raw if not _LABEL.fullmatch(word)
        )


def _pattern_list_faults(raw: object, place: str) -> Iterator[str]:
    if not isinstance(raw, list):
        yield f"{place}: {raw!r} is no list of patterns"
        return
    for number, pattern in enumerate(raw):
        yield from _pattern_faults(pattern, f"{place}.{number}")


def _pattern_faults(raw: object, place: str) -> Iterator[str]:
    if not isinstance(raw, str) or not raw:
        yield f"{place}: {raw!r} is no pattern"
        return
    try:
        re.compile(raw)
    except re.error as error:
        yield f"{place}: {raw!r} is no pattern: {error}"


def _override_faults(raw: object, place: str) -> Iterator[str]:
    if not isinstance(raw, list):
        yield f"{place}: {raw!r} is no list"
        return
    known = yaml.safe_load(FILE.read_text())["alerts"]
    for number, entry in enumerate(raw):
        yield from _faults_of_override(entry, known, f"{place}.{number}")


def _faults_of_override(
    entry: object, known: Mapping[str, Mapping[str, Any]], place: str
) -> Iterator[str]:
    if not isinstance(entry, dict) or not {"alerts", "set"} <= entry.keys():
        yield f"{place}: it must have alerts, set, and server or kind"
        return
    for key in entry.keys() - {"alerts", "set", "server", "kind"}:
        yield f"{place}.{key}: there is no such value{_nearest(str(key), ['server', 'kind'])}"
    if not entry.keys() & {"server", "kind"}:
        yield f"{place}: it has neither server nor kind"
    for key in entry.keys() & {"server", "kind"}:
        yield from _pattern_faults(entry[key], f"{place}.{key}")
    if not isinstance(entry["alerts"], list) or not isinstance(entry["set"], dict):
        yield f"{place}: alerts is a list, set is a map"
        return
    for name in entry["alerts"]:
        if name not in known:
            yield f"{place}.alerts: {name!r} is no alert{_nearest(str(name), list(known))}"
            continue
        if entry["set"].keys() - known[name].keys():
            odd = sorted(entry["set"].keys() - known[name].keys())
            yield f"{place}.set: {name} has no {', '.join(odd)}{_nearest(odd[0], list(known[name]))}"
        for key in entry["set"].keys() & known[name].keys():
            yield from _faults(entry["set"][key], known[name][key], f"{place}.set.{key}")


def _burn_faults(raw: object, place: str) -> Iterator[str]:
    if not isinstance(raw, list) or not raw:
        yield f"{place}: {raw!r} is no list of burns"
        return
    (default, *_) = yaml.safe_load(FILE.read_text())["slo"]["burns"]
    for number, burn in enumerate(raw):
        yield from _faults(burn, default, f"{place}.{number}")


_OF_PLACE: Final = {
    "labels": _label_faults,
    "layer_labels": _layer_label_faults,
    "replica_labels": _word_list_faults,
    "scope_labels": _word_list_faults,
    "lasting_kinds": _word_list_faults,
    "ignored_runners": _pattern_list_faults,
    "overrides": _override_faults,
    "slo.burns": _burn_faults,
}
"""What is checked in another way than by its default, by its place."""


def _decode(kind: type, value: object) -> object:
    if kind is Duration and isinstance(value, str):
        return Duration.parse(value)
    raise NotImplementedError(kind)
