"""Sources filled in: files as Prometheus or Alertmanager reads them, with values in their places.

A source has `<< name >>` in place of each number of `values.yaml`, and `<% for %>` where rules
repeat.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jinja2
import yaml

from alert_values import Override, Values

SOURCES: Final = Path(__file__).with_name("source")
PREFIX: Final = "ElectricAgents"


@dataclass(frozen=True)
class Layer:
    """Rules that are made at once: those for all that no override is for, or those of an override.

    Attributes:
        values: the numbers that they are made with.
        others: the overrides that they leave out.
        own: the override that they are of.
    """

    values: Values
    others: tuple[Override, ...]
    own: Override | None = None


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
    yield Layer(values, values.overrides)
    for number, override in enumerate(values.overrides):
        yield Layer(_overridden(values, override), values.overrides[:number], override)


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
        group["rules"] += [one.rule for one in alerting if one.layer.own is not None]
        for one in alerting:
            of_layer = values.layer_labels.get(one.rule["labels"]["layer"], {})
            one.rule["labels"] |= values.labels | of_layer
        yield group, alerting


def filled(source: Path, names: Mapping[str, Any]) -> str:
    """Fill in a source."""
    return _environment().from_string(source.read_text()).render(names)


def _is_of(rule: Mapping[str, Any], layer: Layer) -> bool:
    name: str = rule["alert"]
    return layer.own is None or name.removeprefix(PREFIX) in layer.own.alerts


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
