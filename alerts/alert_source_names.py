"""The names that a source may use between `<<` and `>>`: numbers, words, links and functions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from alert_questions import Questions, in_promql
from alert_values import Duration, Values

_SLOW_WINDOW: Final = Duration(86_400)
"""From this length on a ratio need not be computed at every evaluation."""

LABELS_OF_LIMITS: Final = ("server", "kind")
"""What an override may be limited to."""


@dataclass(frozen=True)
class Limited:
    """What leaves some alerts to certain servers or kinds, or to all others.

    Attributes:
        alerts: the alerts, without their prefix.
        label: `server` or `kind`.
        pattern: what its value is held against.
        matches: whether they are for those that match, or for all others.
    """

    alerts: frozenset[str]
    label: str
    pattern: str
    matches: bool


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


def names_of(
    values: Values,
    nominal: Values,
    *,
    limited: tuple[Limited, ...] = (),
    questions: Questions | None = None,
) -> dict[str, Any]:
    """Give the names that a source uses; `limited` is what overrides leave of it.

    `questions` are how templates ask, which is in PromQL unless they are given.
    """
    asked = questions or in_promql(values)
    return {
        **{name: values.alert(name) for name in values.alerts},
        **_words(values, asked),
        **_links(values, asked),
        **_matchers(values, limited),
        **_readings(values),
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


def _words(values: Values, asked: Questions) -> dict[str, Any]:
    lasting = "|".join(values.lasting_kinds)
    return {
        "job": values.job,
        "interval": values.interval,
        "memory": values.memory,
        "replicas": ", ".join(values.replica_labels),
        "scope": ", ".join(values.scope_labels),
        # Where an exporter stands, whatever its job is called.
        "place": "".join(f"{label}, " for label in values.scope_labels if label != "job"),
        "lasting": lasting,
        "lasting_words": " and ".join(values.lasting_kinds),
        "ignored": _escaped("|".join(values.ignored_runners)),
        "conditions": CONDITIONS,
        "server": "{{ $labels.server }}{{ with $labels.tenant }}/{{ . }}{{ end }}",
        "runner": _runner(asked),
        "many": tuple(_many(values)),
        "reasons": asked.reasons,
        "of_runner": asked.of_runner,
        "of_server": asked.of_server,
        "of_job": asked.of_job,
    }


def _links(values: Values, asked: Questions) -> dict[str, Any]:
    grafana = f"{values.links.grafana}/d/electric-agents"
    server = "var-server={{ $labels.server | urlquery }}"
    runner = "var-runner={{ $labels.runner_id | urlquery }}"
    job = "var-job={{ $labels.job | urlquery }}"
    hour_ago = f'{{{{ {asked.hour_ago} | first | value | printf "%.0f" }}}}'
    since = f"from={hour_ago}&to=now"
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


def _matchers(values: Values, limited: tuple[Limited, ...]) -> dict[str, dict[str, str]]:
    """Give, by alert, what limits a rule to the servers and kinds that its numbers are for."""
    names = values.alerts.keys()
    both = {name: _limits(name, limited, LABELS_OF_LIMITS) for name in names}
    servers = {name: _limits(name, limited, ("server",)) for name in names}
    kinds = {name: _limits(name, limited, ("kind",)) for name in names}
    return {
        "where": {name: "".join(f", {part}" for part in parts) for name, parts in both.items()},
        "where_server": {
            name: "".join(f", {part}" for part in parts) for name, parts in servers.items()
        },
        "only": {name: _braced(parts) for name, parts in servers.items()},
        "only_kind": {name: _braced(parts) for name, parts in kinds.items()},
    }


def limits(
    name: str, limited: tuple[Limited, ...], labels: tuple[str, ...]
) -> Iterator[tuple[str, str, bool]]:
    """Give what limits an alert: labels, patterns, and whether they are to match."""
    for one in limited:
        if name in one.alerts and one.label in labels:
            yield one.label, one.pattern, one.matches


def _limits(name: str, limited: tuple[Limited, ...], labels: tuple[str, ...]) -> list[str]:
    return [
        f'{label}{"=~" if matches else "!~"}"{_escaped(pattern)}"'
        for label, pattern, matches in limits(name, limited, labels)
    ]


def _readings(values: Values) -> dict[str, Callable[..., str]]:
    """Give how samples are read, from replicas and over scrapes that fail."""
    replicas = ", ".join(values.replica_labels)
    source = f"{', '.join(values.scope_labels)}, {replicas}, server"

    def seen(series: str, by: str = "max", drop: str = "") -> str:
        """The newest samples; while there are none, the last ones of a while."""
        without = f"{replicas}, {drop}" if drop else replicas
        newest, last = series, f"last_over_time({series}[{values.memory}])"
        return f"({by} without ({without}) ({newest}) or {by} without ({without}) ({last}))"

    def last(series: str, compared: str = "") -> str:
        """The last samples of a while, but for those of replicas that others took the place of."""
        samples = f"last_over_time({series}[{values.memory}]) {compared}".rstrip()
        return (
            f"{samples} unless on ({source}) instance_server:electric_agents_server_replaced:bool"
        )

    def said(series: str, drop: str = "") -> str:
        """What is 1, as `seen`, where that is true of few of very many runners."""
        without = f"{replicas}, {drop}" if drop else replicas
        return f"group without ({without}) ({last(series, '== 1')})"

    def holds(condition: Condition) -> str:
        series = f'electric_agents_runner_condition{{condition="{condition.name}"}}'
        return said(series) if condition.by == "max" else f"{seen(series, condition.by)} == 1"

    def counted(counter: str, window: Duration) -> str:
        """How much a counter grew: what was counted, where `increase` extrapolates."""
        newest = f"last_over_time({counter}[{values.memory}])"
        return f"max without ({replicas}) ({newest} - min_over_time({counter}[{window}]))"

    return {"seen": seen, "last": last, "said": said, "holds": holds, "counted": counted}


def _functions(values: Values) -> dict[str, Callable[..., Any]]:
    lasting = "|".join(values.lasting_kinds)

    def by_lifecycle(alert: str) -> Iterator[tuple[dict[str, Any], str]]:
        yield values.alert(alert), f'kind=~"{lasting}"'
        yield values.transient(alert), f'kind!~"{lasting}"'

    def severity(alert: str) -> str:
        lasts, goes = values.alert(alert)["severity"], values.transient(alert)["severity"]
        if lasts == goes:
            return str(lasts)
        choice = f'{{{{ if match "^(?:{lasting})$" $labels.kind }}}}{lasts}{{{{ else }}}}{goes}'
        return f"'{choice}{{{{ end }}}}'"

    return {"by_lifecycle": by_lifecycle, "severity": severity}


def _runner(asked: Questions) -> str:
    """Name a runner: its kind, its id, its human label, and its owner where that is exposed."""
    label = (
        '{{ with (. | first | label "label") }}'
        '{{ if ne . $labels.runner_id }} "{{ . }}"{{ end }}{{ end }}'
    )
    owner = '{{ with (. | first | label "owner_principal") }}, owned by {{ . }},{{ end }}'
    return (
        "{{ $labels.kind }} runner {{ $labels.runner_id }}"
        f"{{{{ with {asked.info} }}}}{label}{owner}{{{{ end }}}}"
        " of {{ $labels.server }}{{ with $labels.tenant }}/{{ . }}{{ end }}"
    )


def _many(values: Values) -> Iterator[tuple[dict[str, Any], str, dict[str, str]]]:
    """Give the alerts on servers of which many at once are one."""
    for name, record, words in (
        (
            "ServerUnreachable",
            "server:electric_agents_server_unreachable:bool",
            {
                "many": "Many agents-servers do not answer, or do not list their runners.",
                "many_resolved": (
                    "Many agents-servers did not answer, or did not list their runners."
                ),
                "what": "agents-servers do not answer or do not list their runners",
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
    fast = [(name, window) for name, window in pairs if name < _SLOW_WINDOW]
    slow = [(name, window) for name, window in pairs if name >= _SLOW_WINDOW]
    # A group without rules is none.
    yield from (each for each in (("fast", fast), ("slow", slow)) if each[1])


def _slower_burns(values: Values) -> Iterator[tuple[Duration, Duration]]:
    """Give the windows of tickets on burns, each with every shorter one, which mutes it."""
    tickets = sorted(burn.long for burn in values.slo.burns if burn.severity != "critical")
    yield from ((longer, shorter) for longer in tickets for shorter in tickets if shorter < longer)


def _braced(parts: list[str]) -> str:
    return f"{{{', '.join(parts)}}}" if parts else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
