"""Write the rules, made of their sources and values: for Prometheus and for its operator.

A source is a rule file as Prometheus reads it, with `<< name >>` in place of each number of
`values.yaml`, and `<% for %>` where rules repeat.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import jinja2
import yaml

from alert_values import Duration, Values, load

HERE: Final = Path(__file__).parent
SOURCES: Final = HERE / "source"
RULES: Final = "rules"
KUBERNETES: Final = "kubernetes/prometheus-rule.yaml"

_TITLE: Final = "# Made of alerts/source and alerts/values.yaml by `make generate`; do not edit.\n"
_FROM: Final = '{{ query "(time() - 3600) * 1000" | first | value | printf "%.0f" }}'
_SLOW_WINDOW: Final = Duration(86_400)
"""From this length on a ratio need not be computed at every evaluation."""


def render(values: Values, nominal: Values | None = None) -> dict[str, str]:
    """Give every rule file by its name.

    `nominal` gives the windows that records are named after. It differs from `values` where these
    are shortened for a trial: the names stay, the windows shrink.
    """
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
    environment.filters |= {"seconds": _plain, "percent": _percent}
    context = _context(values, nominal or values)
    return {
        source.name: _TITLE + environment.from_string(source.read_text()).render(context)
        for source in sorted(SOURCES.glob("*.yaml"))
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
    return _TITLE + yaml.dump(resource, sort_keys=False, width=100, allow_unicode=True)


def generated(values: Values) -> dict[str, str]:
    """Give every file that is made here, by its path under `alerts/`."""
    rules = render(values)
    files = {f"{RULES}/{name}": text for name, text in rules.items()}
    return files | {KUBERNETES: kubernetes(rules)}


def _context(values: Values, nominal: Values) -> dict[str, Any]:
    grafana = f"{values.links.grafana}/d/electric-agents"
    server = "var-server={{ $labels.server | urlquery }}"
    runner = "var-runner={{ $labels.runner_id | urlquery }}"
    job = "var-job={{ $labels.job | urlquery }}"
    since = f"from={_FROM}&to=now"
    return {name: values.alert(name) for name in values.alerts} | {
        "job": values.job,
        "replicas": ", ".join(values.replica_labels),
        "lasting": "|".join(values.lasting_kinds),
        "slo": values.slo,
        "slo_period": nominal.slo.period,
        "slo_interval": values.slo.rate / 5,
        "rate_name": nominal.slo.rate,
        "ratio_groups": tuple(_ratio_groups(values, nominal)),
        "burns": [
            (named.long, named.short, burn)
            for named, burn in zip(nominal.slo.burns, values.slo.burns, strict=True)
        ],
        "ticket": """'{{ if eq $labels.lifecycle "lasting" }}warning{{ else }}info{{ end }}'""",
        "server": "{{ $labels.server }}{{ with $labels.tenant }}/{{ . }}{{ end }}",
        "runbook": lambda alert: f"{values.links.runbooks}/{alert}.md",
        "dashboard_runner": f"{grafana}-runner?{server}&{runner}&{since}",
        "dashboard_claims": (
            f"{grafana}-{{{{ if $labels.runner_id }}}}runner?{server}&{runner}"
            f"{{{{ else }}}}fleet?{server}{{{{ end }}}}&{since}"
        ),
        "dashboard_server": f"{grafana}-fleet?{server}&{since}",
        "dashboard_slo": f"{grafana}-slo?{server}",
        "dashboard_exporter": f"{grafana}-exporter?{job}&{since}",
        "dashboard_exporter_of_job": f"{grafana}-exporter?var-job={values.job}&{since}",
    }


def _ratio_groups(
    values: Values, nominal: Values
) -> Iterator[tuple[str, list[tuple[Duration, Duration]]]]:
    pairs = list(zip(nominal.slo.windows, values.slo.windows, strict=True))
    yield "fast", [(name, window) for name, window in pairs if name < _SLOW_WINDOW]
    yield "slow", [(name, window) for name, window in pairs if name >= _SLOW_WINDOW]


def _plain(seconds: float) -> str:
    return f"{float(seconds):.10g}"


def _percent(share: float) -> str:
    return f"{share * 100:g} %"


def main(arguments: list[str]) -> int:
    """Write the rules with values of your own."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="such as links.grafana=..."
    )
    options = parser.parse_args(arguments)
    overrides = dict(text.partition("=")[::2] for text in options.set)
    for name, text in generated(load(overrides=overrides)).items():
        path = options.output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
