"""What is wrong with values of somebody's own: every fault, its place, and the nearest spelling.

The values as they are shipped are the schema: a duration stays one, a number one above 0. Only what
is free, such as labels and overrides, is checked in a way of its own.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

LAYERS: Final = ("exporter", "server", "runner", "fleet", "slo")
SEVERITIES: Final = ("critical", "warning", "info")

Faults: TypeAlias = Iterator[str]

_DURATION: Final = re.compile(r"(\d+)(ms|s|m|h|d)")
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_RULES_OWN: Final = frozenset({"alertname", "severity", "service", "layer"})
_FREE: Final = ("labels", "layer_labels")
_SOURCES: Final = Path(__file__).with_name("source")
_KNOWS_KIND: Final = re.compile(r"\b(?:where|only_kind)\.(\w+)")


def put(raw: dict[str, Any], overrides: Mapping[str, str]) -> Faults:
    """Set values by their dotted names, and tell of those that there are not."""
    for name, text in overrides.items():
        *sections, key = name.split(".")
        section: Any = raw
        for part in sections:
            free = sections[0] in _FREE and isinstance(section, dict)
            section = section.setdefault(part, {}) if free else _inner(section, part)
        if not sections[:1] and isinstance(raw.get(key), dict):
            yield f"--set {name}: it is a map; set {name}.NAME"
        elif isinstance(section, dict) and (
            key in section or sections[:1] in (["labels"], [_FREE[1]])
        ):
            yield from _put(section, key, name, text)
        else:
            yield f"--set {name}: there is no such value{_nearest(name, _names(raw))}"


def faults_of(raw: object, default: Mapping[str, Any]) -> Faults:
    """Tell every fault of values, as YAML reads them; `default` are those that are shipped."""
    yield from _of_map(raw, default, "", _checks(default))


def _inner(section: object, part: str) -> object:
    return section.get(part) if isinstance(section, dict) else None


def _put(section: dict[str, Any], key: str, name: str, text: str) -> Faults:
    try:
        section[key] = yaml.safe_load(text)
    except yaml.YAMLError:
        yield f"--set {name}: {text!r} is no YAML"


def _names(raw: Mapping[str, Any], place: str = "") -> Iterator[str]:
    for key, value in raw.items():
        if isinstance(value, dict):
            yield from _names(value, f"{place}{key}.")
        else:
            yield f"{place}{key}"


def _nearest(name: object, known: Iterator[str] | list[str]) -> str:
    words = list(known)
    ends = [word for word in words if word.endswith(f".{name}")]
    near = ends or get_close_matches(str(name), words, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


_Check: TypeAlias = Callable[[object, str], Faults]


def _checks(default: Mapping[str, Any]) -> Mapping[str, _Check]:
    """Give what is checked in another way than by its default, by its place."""
    (burn, *_) = default["slo"]["burns"]

    def burns(raw: object, place: str) -> Faults:
        if not isinstance(raw, list) or not raw:
            yield f"{place}: {raw!r} is no list of burns"
            return
        for number, one in enumerate(raw):
            yield from _of_map(one, burn, f"{place}.{number}", {})

    def overrides(raw: object, place: str) -> Faults:
        if not isinstance(raw, list):
            yield f"{place}: {raw!r} is no list"
            return
        for number, one in enumerate(raw):
            yield from _of_override(one, default["alerts"], f"{place}.{number}")

    return {
        "labels": _of_labels,
        "layer_labels": _of_layer_labels,
        "replica_labels": _of_label_names,
        "scope_labels": _of_label_names,
        "lasting_kinds": _of_words,
        "ignored_runners": _of_patterns,
        "overrides": overrides,
        "slo.burns": burns,
    }


def _of(raw: object, default: object, place: str, checks: Mapping[str, _Check]) -> Faults:
    if place in checks:
        yield from checks[place](raw, place)
    elif isinstance(default, dict):
        yield from _of_map(raw, default, place, checks)
    elif isinstance(default, str):
        yield from _of_text(raw, default, place)
    elif isinstance(raw, bool) or not isinstance(raw, int | float) or raw <= 0:
        yield f"{place}: {raw!r} is no number above 0"
    elif isinstance(default, float) and default < 1 <= raw:
        yield f"{place}: {raw!r} is no share: above 0 and below 1"


def _of_text(raw: object, default: str, place: str) -> Faults:
    if _DURATION.fullmatch(default):
        if not isinstance(raw, str) or not _DURATION.fullmatch(raw):
            yield f"{place}: {raw!r} is no duration such as 90s, 5m, 1h or 3d"
    elif place.endswith(".severity"):
        if raw not in SEVERITIES:
            yield f"{place}: {raw!r} is none of {', '.join(SEVERITIES)}"
    elif not isinstance(raw, str) or not raw:
        yield f"{place}: {raw!r} is no text"


def _of_map(
    raw: object, default: Mapping[str, Any], place: str, checks: Mapping[str, _Check]
) -> Faults:
    if not isinstance(raw, dict):
        yield f"{place or 'the file'}: {raw!r} is no map"
        return
    prefix = f"{place}." if place else ""
    for key, value in raw.items():
        if key in default:
            yield from _of(value, default[key], f"{prefix}{key}", checks)
        else:
            yield f"{prefix}{key}: there is no such value{_nearest(key, list(default))}"
    for key in default.keys() - raw.keys() - {"transient"}:
        yield f"{prefix}{key}: it is missing"


def _of_labels(raw: object, place: str) -> Faults:
    if not isinstance(raw, dict):
        yield f"{place}: {raw!r} is no map of labels"
        return
    for name, value in raw.items():
        if not isinstance(name, str) or not _LABEL.fullmatch(name) or name.startswith("__"):
            yield f"{place}.{name}: {name!r} is no name of a label"
        elif name in _RULES_OWN:
            yield f"{place}.{name}: the rules set this label themselves"
        if not isinstance(value, str):
            yield f"{place}.{name}: {value!r} is no text; quote it"


def _of_layer_labels(raw: object, place: str) -> Faults:
    if not isinstance(raw, dict):
        yield f"{place}: {raw!r} is no map"
        return
    for layer, labels in raw.items():
        if layer not in LAYERS:
            yield f"{place}.{layer}: there is no such layer{_nearest(layer, list(LAYERS))}"
        yield from _of_labels(labels, f"{place}.{layer}")


def _of_words(raw: object, place: str) -> Faults:
    if not isinstance(raw, list) or not raw or not all(isinstance(word, str) for word in raw):
        yield f"{place}: {raw!r} is no list of words"


def _of_label_names(raw: object, place: str) -> Faults:
    if not isinstance(raw, list) or not raw:
        yield f"{place}: {raw!r} is no list of labels"
        return
    for word in raw:
        if not isinstance(word, str) or not _LABEL.fullmatch(word):
            yield f"{place}: {word!r} is no name of a label"


def _of_patterns(raw: object, place: str) -> Faults:
    if not isinstance(raw, list):
        yield f"{place}: {raw!r} is no list of patterns"
        return
    for number, pattern in enumerate(raw):
        yield from _of_pattern(pattern, f"{place}.{number}")


def _of_pattern(raw: object, place: str) -> Faults:
    if not isinstance(raw, str) or not raw:
        yield f"{place}: {raw!r} is no pattern"
        return
    try:
        re.compile(raw)
    except re.error as error:
        yield f"{place}: {raw!r} is no pattern: {error}"


def _with_kind() -> frozenset[str]:
    """Find the alerts whose rules know the kind of a runner: those of servers do not."""
    texts = "".join(path.read_text() for path in _SOURCES.glob("*.yaml"))
    return frozenset(_KNOWS_KIND.findall(texts))


def _of_override(raw: object, alerts: Mapping[str, Mapping[str, Any]], place: str) -> Faults:
    if not isinstance(raw, dict):
        yield f"{place}: {raw!r} is no map"
        return
    known = ["alerts", "server", "kind", "set"]
    for key in raw.keys() - set(known):
        yield f"{place}.{key}: there is no such value{_nearest(key, known)}"
    if not raw.keys() & {"server", "kind"}:
        yield f"{place}: it has neither server nor kind"
    for key in ("server", "kind"):
        if key in raw:
            yield from _of_pattern(raw[key], f"{place}.{key}")
    named, changed = raw.get("alerts"), raw.get("set")
    if not isinstance(named, list) or not named:
        yield f"{place}.alerts: {named!r} is no list of alerts"
    elif not isinstance(changed, dict) or not changed:
        yield f"{place}.set: {changed!r} is no map"
    else:
        for name in named:
            yield from _of_changes(name, changed, alerts, place)
            if "kind" in raw and name in alerts and name not in _with_kind():
                yield f"{place}.kind: {name} is on no single runner, so it has no kind"


def _of_changes(
    name: object, changed: Mapping[str, Any], alerts: Mapping[str, Mapping[str, Any]], place: str
) -> Faults:
    if not isinstance(name, str) or name not in alerts:
        yield f"{place}.alerts: {name!r} is no alert{_nearest(name, list(alerts))}"
        return
    own = alerts[name]
    for key, value in changed.items():
        if key in own and key != "transient":
            yield from _of(value, own[key], f"{place}.set.{key}", {})
        else:
            yield f"{place}.set.{key}: {name} has no such value{_nearest(key, list(own))}"
