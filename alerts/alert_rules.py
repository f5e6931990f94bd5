"""Write the rules, Alertmanager's configuration and the exporter's definitions of its own alerts.

All are made of the sources and values.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import promql_parser
import yaml

import alert_definitions
from alert_source_names import names_of
from alert_sources import SOURCES, Layer, filled, groups
from alert_values import BadValuesError, Values, load

HERE: Final = Path(__file__).parent
RULES: Final = "rules"
KUBERNETES: Final = "kubernetes/prometheus-rule.yaml"
ALERTMANAGER: Final = "alertmanager/alertmanager.yml"
DEFINITIONS: Final = "direct/definitions.json"
"""Where `make rules` writes what the exporter alerts on by itself."""

_TITLE: Final = "# Made of alerts/source and alerts/values.yaml by `make generate`; do not edit.\n"


def render(values: Values, nominal: Values | None = None) -> dict[str, str]:
    """Give every rule file by its name.

    `nominal` gives the windows that records are named after. It differs from `values` where these
    are shortened for a trial: the names stay, the windows shrink.
    """
    nominal = nominal or values
    sources = sorted(SOURCES.glob("*.yaml"))
    if not values.overrides and not values.labels and not values.layer_labels:
        names = names_of(values, nominal)
        return {source.name: _TITLE + filled(source, names) for source in sources}

    def names_of_layer(layer: Layer) -> dict[str, Any]:
        return names_of(layer.values, nominal, limited=layer.limits)

    return {
        source.name: _TITLE
        + _dumped({"groups": [group for group, _ in groups(source, values, names_of_layer)]})
        for source in sources
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
    return _TITLE + filled(SOURCES / "alertmanager.yml", names_of(values, values))


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


def _dumped(content: object) -> str:
    return yaml.dump(content, sort_keys=False, width=100, allow_unicode=True)


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
        values = load(options.values, overrides)
        files = generated(values) | {DEFINITIONS: alert_definitions.written(values)}
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
