"""Write the rules, made of their sources and values: for Prometheus, its operator, and Alertmanager.

A source is a file as Prometheus or Alertmanager reads it, with `<< name >>` in place of each number
of `values.yaml`, and `<% for %>` where rules repeat.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jinja2
import promql_parser
import yaml

from alert_values import LAYERS, BadValuesError, Duration, Override, Values, load

HERE: Final = Path(__file__).parent
SOURCES: Final = HERE / "source"
RULES: Final = "rules"
KUBERNETES: Final = "kubernetes/prometheus-rule.yaml"
ALERTMANAGER: Final = "alertmanager/alertmanager.yml"
PREFIX: Final = "ElectricAgents"

_TITLE: Final = "# Made of alerts/source and alerts/values.yaml by `make generate`; do not edit.\n"
_FROM: Final = '{{ query "(time() - 3600) * 1000" | first | value | printf "%.0f" }}'
_SLOW_WINDOW: Final = Duration(86_400)
"""From this length on a ratio need not be computed at every evaluation."""

_OWN_LABELS: Final = ("server", "tenant", "runner_id")


@dataclass(frozen=True)
class Condition:
    """A condition of runners, as its record takes it from replicas.

    Attributes:
        name: its word.
        meaning: what its record holds, for the file.
        of_work: whether it stands with the work alerts.
        by: how replicas are taken together: what one sees is true, but what one knows is known.
    """

    name: str
    meaning: str
    of_work: bool = False
    by: str = "max"


CONDITIONS: Final = (
    Condition("work_abandoned", "Who works, and gives no sign of life.", of_work=True),
    Condition("work_unheard", "Who has not heard that somebody waits.", of_work=True),
    Condition(
        "work_refused", "Whose claim was refused, so that its work stands still.", of_work=True
    ),
    Condition("claim_stuck", "Who lives, and has a claim that does not move.", of_work=True),
    Condition("unknown", "Who is watched, and of whom no exporter knows anything.", by="min"),
    Condition("deaf", "Who lives, and does not hear."),
    Condition("lapsed", "Whose lease is over."),
    Condition("draining", "Who was stopped, and finishes its work."),
)
"""The conditions that have a record; `disabled` is in `server_runner:..._enabled:info`."""


def render(values: Values, nominal: Values | None = None) -> dict[str, str]:
    """Give every rule file by its name.

    `nominal` gives the windows that records are named after. It differs from `values` where these
    are shortened for a trial: the names stay, the windows shrink.
    """
    nominal = nominal or values
    files = {
        source.name: _TITLE + _environment().from_string(source.read_text()).render(context)
        for context in [_context(values, nominal, others=values.overrides)]
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
    return _TITLE + _environment().from_string(source).render(_context(values, values))


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
        context = _context(_overridden(values, override), nominal, others=before, own=override)
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


def _context(
    values: Values,
    nominal: Values,
    *,
    others: tuple[Override, ...] = (),
    own: Override | None = None,
) -> dict[str, Any]:
    """Give the names that a source uses; `others` are the overrides that a rule leaves out."""
    return {
        **{name: values.alert(name) for name in values.alerts},
        **_words(values),
        **_links(values),
        **_matchers(values, others, own),
        **_functions(values),
        "slo": values.slo,
        "slo_period": nominal.slo.period,
        "slo_interval": values.slo.rate / 5,
        "rate_name": nominal.slo.rate,
        "ratio_groups": tuple(_ratio_groups(values, nominal)),
        "burns": [
            (named.long, named.short, burn)
            for named, burn in zip(nominal.slo.burns, values.slo.burns, strict=True)
        ],
        "slower_burns": tuple(_slower_burns(nominal)),
    }


def _words(values: Values) -> dict[str, Any]:
    lasting = "|".join(values.lasting_kinds)
    return {
        "job": values.job,
        "interval": values.interval,
        "memory": values.memory,
        "replicas": ", ".join(values.replica_labels),
        "scope": ", ".join(values.scope_labels),
        # Where an exporter stands, whatever its job is called.
        "place": ", ".join(label for label in values.scope_labels if label != "job"),
        "lasting": lasting,
        "lasting_words": " and ".join(values.lasting_kinds),
        "ignored": "|".join(values.ignored_runners),
        "conditions": CONDITIONS,
        "layers": LAYERS,
        "server": "{{ $labels.server }}{{ with $labels.tenant }}/{{ . }}{{ end }}",
        "runner": _runner(values),
        "many": tuple(_many(values)),
        "reasons": _query(
            values,
            "sum by (reason) (increase(electric_agents_server_request_errors_total{%s}[5m])) > 0",
            ("server",),
        ),
    }


def _links(values: Values) -> dict[str, Any]:
    grafana = f"{values.links.grafana}/d/electric-agents"
    server = "var-server={{ $labels.server | urlquery }}"
    runner = "var-runner={{ $labels.runner_id | urlquery }}"
    job = "var-job={{ $labels.job | urlquery }}"
    since = f"from={_FROM}&to=now"
    return {
        "runbook": lambda alert: f"{values.links.runbooks}/{alert}.md",
        "dashboard_runner": f"{grafana}-runner?{server}&{runner}&{since}",
        "dashboard_work": (
            f"{grafana}-{{{{ if $labels.runner_id }}}}runner?{server}&{runner}"
            f"{{{{ else }}}}fleet?{server}{{{{ end }}}}&{since}"
        ),
        "dashboard_server": f"{grafana}-fleet?{server}&{since}",
        "dashboard_job": f"{grafana}-fleet?{job}&{since}",
        "dashboard_slo": f"{grafana}-slo?{server}",
        "dashboard_exporter": f"{grafana}-exporter?{job}&{since}",
        "dashboard_exporter_of_job": f"{grafana}-exporter?var-job={values.job}&{since}",
    }


def _matchers(
    values: Values, others: tuple[Override, ...], own: Override | None
) -> dict[str, dict[str, str]]:
    """Give, by alert, what limits a rule to the servers and kinds that its numbers are for."""
    names = values.alerts.keys()
    both = {name: _limits(name, others, own, ("server", "kind")) for name in names}
    servers = {name: _limits(name, others, own, ("server",)) for name in names}
    kinds = {name: _limits(name, others, own, ("kind",)) for name in names}
    return {
        "where": {name: "".join(f", {part}" for part in parts) for name, parts in both.items()},
        "where_server": {
            name: "".join(f", {part}" for part in parts) for name, parts in servers.items()
        },
        "only": {name: _braced(parts) for name, parts in servers.items()},
        "only_kind": {name: _braced(parts) for name, parts in kinds.items()},
    }


def _limits(
    name: str, others: tuple[Override, ...], own: Override | None, labels: tuple[str, ...]
) -> list[str]:
    entries = [(other, "!~") for other in others if name in other.alerts]
    if own is not None and name in own.alerts:
        entries.append((own, "=~"))
    return [
        f'{label}{operator}"{_escaped(getattr(entry, label))}"'
        for entry, operator in entries
        for label in labels
        if getattr(entry, label)
    ]


def _functions(values: Values) -> dict[str, Callable[..., Any]]:
    replicas = ", ".join(values.replica_labels)
    lasting = "|".join(values.lasting_kinds)

    def seen(series: str, by: str = "max", drop: str = "") -> str:
        """The newest samples; while there are none, the last ones of a while."""
        without = f"{replicas}, {drop}" if drop else replicas
        newest, last = series, f"last_over_time({series}[{values.memory}])"
        return f"({by} without ({without}) ({newest}) or {by} without ({without}) ({last}))"

    def counted(counter: str, window: Duration) -> str:
        """How much a counter grew: what was counted, where `increase` extrapolates."""
        last = f"last_over_time({counter}[{values.memory}])"
        return f"max without ({replicas}) ({last} - min_over_time({counter}[{window}]))"

    def by_lifecycle(alert: str) -> Iterator[tuple[dict[str, Any], str]]:
        yield values.alert(alert), f'kind=~"{lasting}"'
        yield values.transient(alert), f'kind!~"{lasting}"'

    def severity(alert: str) -> str:
        lasts, goes = values.alert(alert)["severity"], values.transient(alert)["severity"]
        if lasts == goes:
            return str(lasts)
        return f"'{{{{ if match \"^(?:{lasting})$\" $labels.kind }}}}{lasts}{{{{ else }}}}{goes}{{{{ end }}}}'"

    def of_runner(family: str, aggregate: str = "max", compared: str = "") -> str:
        query = f"{aggregate} ({family}{{%s}}) {compared}".strip()
        return _query(values, query, _OWN_LABELS)

    def of_server(query: str, aggregate: str) -> str:
        return _query(values, f"{aggregate} ({query})", ("server", "tenant"))

    def of_job(record: str) -> str:
        return _query(values, f"{record}{{%s}}", ())

    return {
        "seen": seen,
        "counted": counted,
        "by_lifecycle": by_lifecycle,
        "severity": severity,
        "of_runner": of_runner,
        "of_server": of_server,
        "of_job": of_job,
    }


def _query(values: Values, query: str, labels: tuple[str, ...]) -> str:
    """Give a template's query about what an alert is on; `%s` stands for its labels."""
    names = (*values.scope_labels, *labels)
    selector = ",".join(f"{name}=%q" for name in names)
    arguments = " ".join(f"$labels.{name}" for name in names)
    text = (query % selector).replace('"', r"\"")
    return f'printf "{text}" {arguments} | query'


def _runner(values: Values) -> str:
    """Name a runner: its kind, its id, its human label, and its owner where that is exposed."""
    info = _query(values, "electric_agents_runner_info{%s}", _OWN_LABELS)
    label = '{{ with (. | first | label "label") }}{{ if ne . $labels.runner_id }} "{{ . }}"{{ end }}{{ end }}'
    owner = '{{ with (. | first | label "owner_principal") }}, owned by {{ . }},{{ end }}'
    return (
        "{{ $labels.kind }} runner {{ $labels.runner_id }}"
        f"{{{{ with {info} }}}}{label}{owner}{{{{ end }}}}"
        " of {{ $labels.server }}{{ with $labels.tenant }}/{{ . }}{{ end }}"
    )


def _many(values: Values) -> Iterator[tuple[dict[str, Any], str, dict[str, str]]]:
    """Give the alerts on servers of which many at once are one."""
    for name, record, words in (
        (
            "ServerUnreachable",
            "server:electric_agents_server_unreachable:bool",
            {
                "many": "Many agents-servers do not answer.",
                "many_resolved": "Many agents-servers did not answer.",
                "what": "agents-servers do not answer",
                "cause": "a network, a proxy or a name service between the exporter and them.",
            },
        ),
        (
            "DatabaseUnreachable",
            "server:electric_agents_server_database_unreachable:bool",
            {
                "many": "The databases of many agents-servers cannot be read.",
                "many_resolved": "The databases of many agents-servers could not be read.",
                "what": "databases of agents-servers cannot be read",
                "cause": "their host, or a network between the exporter and them.",
            },
        ),
        (
            "CredentialsRejected",
            "server:electric_agents_server_locked_out:bool",
            {
                "many": "Many agents-servers refuse the exporter's credentials.",
                "many_resolved": "Many agents-servers refused the exporter's credentials.",
                "what": "agents-servers answer 401 or 403 to every principal",
                "cause": "a token that they share has expired or was rotated.",
            },
        ),
    ):
        yield {"severity": "critical", **values.alert(name), "name": name}, record, words


def _ratio_groups(
    values: Values, nominal: Values
) -> Iterator[tuple[str, list[tuple[Duration, Duration]]]]:
    pairs = list(zip(nominal.slo.windows, values.slo.windows, strict=True))
    yield "fast", [(name, window) for name, window in pairs if name < _SLOW_WINDOW]
    yield "slow", [(name, window) for name, window in pairs if name >= _SLOW_WINDOW]


def _slower_burns(values: Values) -> Iterator[tuple[Duration, Duration]]:
    """Give the windows of tickets on burns, each with every shorter one, which mutes it."""
    tickets = sorted(burn.long for burn in values.slo.burns if burn.severity != "critical")
    yield from ((longer, shorter) for longer in tickets for shorter in tickets if shorter < longer)


def _braced(parts: list[str]) -> str:
    return f"{{{', '.join(parts)}}}" if parts else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


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
        for fault in error.faults:
            print(fault, file=sys.stderr)
        return 2
    for name, text in files.items():
        path = options.output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
