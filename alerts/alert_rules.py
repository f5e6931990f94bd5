"""Write the rules and Alertmanager's configuration, made of their sources and values.

A source is a file as Prometheus or Alertmanager reads it, with `<< name >>` in place of each number
of `values.yaml`, and `<% for %>` where rules repeat.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import jinja2
import promql_parser
import yaml

from alert_source_names import names_of
from alert_values import BadValuesError, Override, Values, load

HERE: Final = Path(__file__).parent
SOURCES: Final = HERE / "source"
RULES: Final = "rules"
KUBERNETES: Final = "kubernetes/prometheus-rule.yaml"
ALERTMANAGER: Final = "alertmanager/alertmanager.yml"
PREFIX: Final = "ElectricAgents"

_TITLE: Final = "# Made of alerts/source and alerts/values.yaml by `make generate`; do not edit.\n"


def render(values: Values, nominal: Values | None = None) -> dict[str, str]:
    """Give every rule file by its name.

    `nominal` gives the windows that records are named after. It differs from `values` where these
    are shortened for a trial: the names stay, the windows shrink.
    """
    nominal = nominal or values
    files = {
        source.name: _TITLE + _environment().from_string(source.read_text()).render(context)
        for context in [names_of(values, nominal, others=values.overrides)]
        for source in sorted(SOURCES.glob("*.yaml"))
    }
    if not values.overrides and not values.labels and not values.layer_labels:
        return files
    return {
        name: _TITLE + _dumped(_with_own(yaml.safe_load(text), name, values, nominal))
        for name, text in files.items()
    }


def kubernetes(rules: Mapping[str, str]) -> str:
    """Give the same rules as one `PrometheusRule` of the Prometheus operator."""
    groups = [group for text in rules.values() for group in yaml.safe_load(text)["groups"]]
    resource = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "electric-agents",
            "labels": {"app.kubernetes.io/name": "electric-agents-exporter"},
        },
        "spec": {"groups": groups},
    }
    return _TITLE + _dumped(resource)


def alertmanager(values: Values) -> str:
    """Give Alertmanager's configuration."""
    source = (SOURCES / "alertmanager.yml").read_text()
    return _TITLE + _environment().from_string(source).render(names_of(values, values))


def generated(values: Values) -> dict[str, str]:
    """Give every file that is made here, by its path under `alerts/`.

    Raises:
        BadValuesError: Prometheus would refuse a rule that is made of these values.
    """
    rules = render(values)
    faults = [fault for name, text in rules.items() for fault in _refused(name, text)]
    if faults:
        raise BadValuesError(faults)
    files = {f"{RULES}/{name}": text for name, text in rules.items()}
    return files | {KUBERNETES: kubernetes(rules), ALERTMANAGER: alertmanager(values)}


def _refused(name: str, text: str) -> Iterator[str]:
    for group in yaml.safe_load(text)["groups"]:
        for rule in group["rules"]:
            try:
                promql_parser.parse(rule["expr"])
            except ValueError as error:
                yield f"{name}: {rule.get('alert') or rule['record']}: {error}"


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


def _with_own(file: dict[str, Any], name: str, values: Values, nominal: Values) -> dict[str, Any]:
    """Add the rules of overrides behind those that they differ from, and the labels."""
    for number, override in enumerate(values.overrides):
        before = values.overrides[:number]
        context = names_of(_overridden(values, override), nominal, others=before, own=override)
        text = _environment().from_string((SOURCES / name).read_text()).render(context)
        for group, other in zip(file["groups"], yaml.safe_load(text)["groups"], strict=True):
            group["rules"] += [
                rule
                for rule in other["rules"]
                if rule.get("alert", "").removeprefix(PREFIX) in override.alerts
            ]
    for group in file["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                layer = values.layer_labels.get(rule["labels"]["layer"], {})
                rule["labels"] |= values.labels | layer
    return file


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


def _dumped(content: object) -> str:
    return yaml.dump(content, sort_keys=False, width=100, allow_unicode=True)


def _plain(seconds: float) -> str:
    return f"{float(seconds):.10g}"


def _percent(share: float) -> str:
    return f"{share * 100:g} %"


def _whole(number: float) -> str:
    return f"{number:g}"


def main(arguments: list[str]) -> int:
    """Write the rules with values of your own."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="such as links.grafana=..."
    )
    parser.add_argument(
        "--values", type=Path, metavar="FILE", help="values of your own, in place of values.yaml"
    )
    options = parser.parse_args(arguments)
    overrides = dict(text.partition("=")[::2] for text in options.set)
    try:
        files = generated(load(options.values, overrides))
    except BadValuesError as error:
        sys.stderr.write("".join(f"{fault}\n" for fault in error.faults))
        return 2
    for name, text in files.items():
        path = options.output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
