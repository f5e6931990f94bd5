"""Sources filled in: files as Prometheus or Alertmanager reads them, with values in their places.

A source has `<< name >>` in place of each number of `values.yaml`, and `<% for %>` where rules
repeat.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

import jinja2
import yaml

from alert_source_names import Limited
from alert_values import Override, Values

SOURCES: Final = Path(__file__).with_name("source")
PREFIX: Final = "ElectricAgents"


@dataclass(frozen=True)
class Layer:
    """Rules that are made at once: those for all that no override is for, or those of an override.

    Attributes:
        values: the numbers that they are made with.
        limits: what leaves them to some servers and kinds.
        alerts: the alerts that it has rules of; None where it has every rule and record.
    """

    values: Values
    limits: tuple[Limited, ...]
    alerts: frozenset[str] | None = None


@dataclass(frozen=True)
class Alerting:
    """An alerting rule as it was rendered, and what it was made with."""

    rule: dict[str, Any]
    layer: Layer

    @property
    def name(self) -> str:
        """What it is called in the values."""
        name: str = self.rule["alert"]
        return name.removeprefix(PREFIX)


def layers(values: Values) -> Iterator[Layer]:
    """Give the layers in the order in which their rules stand: what all have, then overrides."""
    for limits, alerts in _without(values.overrides):
        yield Layer(values, limits, alerts)
    for number, override in enumerate(values.overrides):
        own, named = _limits_of(override, matches=True), frozenset(override.alerts)
        for limits, alerts in _without(values.overrides[:number]):
            of_both = named if alerts is None else named & alerts
            yield Layer(_overridden(values, override), (*limits, *own), of_both)


def _without(
    overrides: tuple[Override, ...],
) -> Iterator[tuple[tuple[Limited, ...], frozenset[str] | None]]:
    """Give limits that together are for whatever no override is for.

    Who is not of a server and a kind is of other servers, or of that server and of other kinds:
    that takes two rules. With the second goes which alerts it is for.
    """
    ways: list[list[tuple[tuple[Limited, ...], frozenset[str] | None]]] = []
    for override in overrides:
        ways.append([(_limits_of(override, matches=False)[:1], None)])
        if override.server and override.kind:
            server, _ = _limits_of(override, matches=True)
            _, kind = _limits_of(override, matches=False)
            ways[-1].append(((server, kind), frozenset(override.alerts)))
    for way in product(*ways):
        limits = tuple(limit for some, _ in way for limit in some)
        named = [alerts for _, alerts in way if alerts is not None]
        alerts = frozenset.intersection(*named) if named else None
        if alerts is None or alerts:
            yield limits, alerts


def _limits_of(override: Override, *, matches: bool) -> tuple[Limited, ...]:
    """Give a limit to an override's server, and to its kind, or to all others."""
    return tuple(
        Limited(frozenset(override.alerts), label, pattern, matches)
        for label, pattern in (("server", override.server), ("kind", override.kind))
        if pattern
    )


def groups(
    source: Path, values: Values, names: Callable[[Layer], Mapping[str, Any]]
) -> Iterator[tuple[dict[str, Any], list[Alerting]]]:
    """Give the groups of a source, each with its alerting rules, to which the labels are added.

    The rules of overrides stand behind all others, in the groups as well.
    """
    made = [
        (layer, yaml.safe_load(filled(source, names(layer)))["groups"]) for layer in layers(values)
    ]
    for alike in zip(*(groups for _, groups in made), strict=True):
        group = alike[0]
        alerting = [
            Alerting(rule, layer)
            for (layer, _), other in zip(made, alike, strict=True)
            for rule in other["rules"]
            if "alert" in rule and _is_of(rule, layer)
        ]
        group["rules"] += [one.rule for one in alerting if one.layer.alerts is not None]
        for one in alerting:
            of_layer = values.layer_labels.get(one.rule["labels"]["layer"], {})
            one.rule["labels"] |= values.labels | of_layer
        yield group, alerting


def filled(source: Path, names: Mapping[str, Any]) -> str:
    """Fill in a source."""
    return _environment().from_string(source.read_text()).render(names)


def _is_of(rule: Mapping[str, Any], layer: Layer) -> bool:
    name: str = rule["alert"]
    return layer.alerts is None or name.removeprefix(PREFIX) in layer.alerts


def _overridden(values: Values, override: Override) -> Values:
    alerts = {
        name: _set(numbers, override.set_) if name in override.alerts else numbers
        for name, numbers in values.alerts.items()
    }
    return type(values)(
        **{name: getattr(values, name) for name in values.__struct_fields__} | {"alerts": alerts}
    )


def _set(numbers: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """Set numbers of an alert, those of transient runners as well where these have their own."""
    own = numbers.get("transient", {})
    inner = {key: value for key, value in changed.items() if key in own}
    return {**numbers, **changed} | ({"transient": {**own, **inner}} if own else {})


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: _plain(value) if type(value) is float else value,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  (YAML that people review, no page)
    )
    environment.filters |= {"seconds": _plain, "percent": _percent, "whole": _whole}
    return environment


def _plain(seconds: float) -> str:
    return f"{float(seconds):.10g}"


def _percent(share: float) -> str:
    return f"{share * 100:g} %"


def _whole(number: float) -> str:
    return f"{number:g}"
