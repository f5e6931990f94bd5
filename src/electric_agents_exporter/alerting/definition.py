"""The alerts that this exporter knows, as the rule files define them.

`definitions.json` is made of the sources and values of the rule files: the same names, labels,
words and numbers, from one place.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

import msgspec

from electric_agents_exporter.alerting.templates import BadTemplateError, Text
from electric_agents_exporter.fleet.selection import Pattern

PREFIX: Final = "ElectricAgents"
"""How the name of every alert begins."""

MAX_BYTES: Final = 4 * 2**20
"""The longest file that is read: a hundred times what is shipped."""

_SHIPPED: Final = "definitions.json"

_Seconds = Annotated[float, msgspec.Meta(ge=0)]


class BadDefinitionsError(ValueError):
    """A file has no definitions; it says where, and what is wrong there."""


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
    wait: _Seconds = msgspec.field(name="for")
    hold: _Seconds = msgspec.field(name="keep_firing_for")
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    numbers: Mapping[str, float | str]
    limits: tuple[Limit, ...]


class Definitions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All alerts, and what they have in common.

    Attributes:
        job: the scrape job that alerts name.
        interval: how often alerts are evaluated that no poll is behind, in seconds.
        memory: for how long something counts that is not seen any more, in seconds.
        lasting_kinds: kinds of runner that are meant to stay.
        ignored_runners: runners that raise no alert: patterns of their human label (RE2, whole).
        alerts: the alerts, in the order of the rule files.
    """

    job: str
    interval: Annotated[float, msgspec.Meta(gt=0)]
    memory: _Seconds
    lasting_kinds: tuple[str, ...]
    ignored_runners: tuple[str, ...]
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


def load(path: Path | None = None) -> Definitions:
    """Read definitions, those that are shipped unless a file is named.

    Every template and pattern of them is one, and every number is there, so that nothing of them
    fails later.

    Raises:
        BadDefinitionsError: the file cannot be read, or is not as `make rules` writes it.
    """
    if path is None:
        return _shipped()
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadDefinitionsError(f"{path}: {error.strerror}") from None
    found = _decoded(raw, str(path))
    for fault in _lacks(found, _shipped()):
        raise BadDefinitionsError(f"{path}: {fault}")
    return found


@cache
def _shipped() -> Definitions:
    """Read those that are shipped, once."""
    return _decoded(files(__package__).joinpath(_SHIPPED).read_bytes(), _SHIPPED)


def _decoded(raw: bytes, name: str) -> Definitions:
    if len(raw) > MAX_BYTES:
        raise BadDefinitionsError(f"{name}: it has more than {MAX_BYTES} bytes")
    try:
        found = msgspec.json.decode(raw, type=Definitions)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadDefinitionsError(f"{name}: {error}") from None
    for fault in _faults(found):
        raise BadDefinitionsError(f"{name}: {fault}")
    return found


def _lacks(found: Definitions, shipped: Definitions) -> Iterator[str]:
    """Tell what an alert of ours has, and one that was found has not."""
    known = {one.alert: one for one in shipped.alerts}
    for at, one in enumerate(found.alerts):
        ours = known.get(one.alert)
        if ours is None:
            yield f"{one.alert} is none that this exporter knows - at `$.alerts[{at}].alert`"
            continue
        for number, value in ours.numbers.items():
            if type(one.numbers.get(number)) is not type(value):
                wanted = "a number" if isinstance(value, float) else "a text"
                yield f"Expected {wanted} - at `$.alerts[{at}].numbers.{number}`"
        for label in ours.labels.keys() - one.labels.keys():
            yield f"Expected a text - at `$.alerts[{at}].labels.{label}`"


def _faults(found: Definitions) -> Iterator[str]:
    for number, pattern in enumerate(found.ignored_runners):
        yield from _pattern_faults(pattern, f"$.ignored_runners[{number}]")
    for number, one in enumerate(found.alerts):
        place = f"$.alerts[{number}]"
        for part, texts in (("labels", one.labels), ("annotations", one.annotations)):
            for key, text in texts.items():
                yield from _text_faults(text, f"{place}.{part}.{key}")
        for each, limit in enumerate(one.limits):
            yield from _pattern_faults(limit.pattern, f"{place}.limits[{each}].pattern")


def _text_faults(text: str, place: str) -> Iterator[str]:
    try:
        Text(text)
    except BadTemplateError as error:
        yield f"{error} - at `{place}`"


def _pattern_faults(text: str, place: str) -> Iterator[str]:
    try:
        Pattern(text)
    except ValueError as error:
        yield f"{error} - at `{place}`"
