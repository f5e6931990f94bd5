"""What the exporter alerts on by itself, made of the sources of the rules: `definitions.json`.

A source's `expr` is not read: the exporter judges on its own. But what limits a rule to some
servers and kinds stands in it, so the sources are rendered with marks in those places.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from alert_questions import of_exporter
from alert_source_names import LABELS_OF_LIMITS, limits, names_of
from alert_sources import SOURCES, Alerting, Layer, groups
from alert_translation import UntranslatableError, translated
from alert_values import BadValuesError, Duration, Values
from electric_agents_exporter.alerting.definition import Definition, Definitions, Limit

PROMETHEUS_ONLY: Final = frozenset(
    {"WorkBudgetBurn", "ExporterDown", "ExporterAbsent", "ExporterRestarting"}
)
"""Alerts that no single exporter can know: those of weeks, and those of exporters that are gone."""

_MARKS: Final = {label: f"limited_by_{label}" for label in LABELS_OF_LIMITS}
_LASTING: Final = "of_lasting"
_TRANSIENT: Final = "of_transient"


def written(values: Values) -> str:
    """Give the file.

    Raises:
        BadValuesError: a label of the values has a template that cannot be translated.
    """
    encoded = msgspec.json.encode(definitions(values))
    return msgspec.json.format(encoded, indent=1).decode() + "\n"


def definitions(values: Values) -> Definitions:
    """Give what the file holds.

    Raises:
        BadValuesError: a label of the values has a template that cannot be translated.
    """

    def names(layer: Layer) -> Mapping[str, Any]:
        asked = names_of(layer.values, values, questions=of_exporter())
        return asked | _marks(layer.values)

    alerting = [
        one
        for source in sorted(SOURCES.glob("*.yaml"))
        for _, of_group in groups(source, values, names)
        for one in of_group
        if one.name not in PROMETHEUS_ONLY
    ]
    return Definitions(
        job=values.job,
        interval=float(values.interval),
        memory=float(values.memory),
        lasting_kinds=values.lasting_kinds,
        ignored_runners=values.ignored_runners,
        alerts=tuple(map(_definition, alerting)),
    )


def _marks(values: Values) -> dict[str, Any]:
    """Give the names of what is only in an `expr`, as marks of what is there."""
    server, kind = (dict.fromkeys(values.alerts, _MARKS[label]) for label in LABELS_OF_LIMITS)

    def by_lifecycle(alert: str) -> Iterator[tuple[dict[str, Any], str]]:
        yield values.alert(alert), _LASTING
        yield values.transient(alert), _TRANSIENT

    return {
        "where": {name: f"{server[name]} {kind[name]}" for name in values.alerts},
        "where_server": server,
        "only": server,
        "only_kind": kind,
        "by_lifecycle": by_lifecycle,
    }


def _definition(one: Alerting) -> Definition:
    rule, layer = one.rule, one.layer
    lifecycle = _lifecycle(rule["expr"])
    return Definition(
        alert=rule["alert"],
        lifecycle=lifecycle,
        wait=_seconds(rule, "for"),
        hold=_seconds(rule, "keep_firing_for"),
        labels=_translated(one, "labels"),
        annotations=_translated(one, "annotations"),
        numbers=_numbers(one.name, layer.values, lifecycle),
        limits=tuple(_limits(one)),
    )


def _lifecycle(expression: str) -> str | None:
    if _LASTING in expression:
        return "lasting"
    return "transient" if _TRANSIENT in expression else None


def _seconds(rule: Mapping[str, Any], key: str) -> float:
    return float(Duration.parse(rule[key])) if key in rule else 0.0


def _numbers(name: str, values: Values, lifecycle: str | None) -> dict[str, float | str]:
    if name not in values.alerts:
        return {}
    numbers = values.transient(name) if lifecycle == "transient" else values.alert(name)
    return {
        key: number if isinstance(number, str) else float(number) for key, number in numbers.items()
    }


def _limits(one: Alerting) -> Iterator[Limit]:
    labels = tuple(label for label, mark in _MARKS.items() if mark in one.rule["expr"])
    for label, pattern, matches in limits(one.name, one.layer.limits, labels):
        yield Limit(label, pattern, matches)


def _translated(one: Alerting, part: str) -> dict[str, str]:
    texts: Mapping[str, str] = one.rule[part]
    found = {}
    for key, text in texts.items():
        try:
            found[key] = translated(text)
        except UntranslatableError as error:
            place = f"definitions.json: {one.name}: {part}.{key}"
            raise BadValuesError([f"{place}: {error}"]) from None
    return found
