"""How a template asks for what its labels do not tell: Prometheus, or the exporter itself.

Rule files ask Prometheus in PromQL. `definitions.json` is made of the same sources, for an exporter
that answers by itself: there a question is the name of the answer.
"""

from collections.abc import Callable
from dataclasses import dataclass

from alert_values import Values

_OWN_LABELS = ("server", "tenant", "runner_id")


@dataclass(frozen=True)
class Questions:
    """Parts of templates that give samples, for sources to put pipes behind.

    Attributes:
        hour_ago: one sample: an hour before now, in milliseconds since the epoch.
        info: what the runner is: its samples' labels tell its label and its owner.
        reasons: why requests to the server failed lately: one sample each, in order.
        of_runner: what a family says of the runner. With `by`, a label of flags: those that are 1.
        of_server: how many flags that match are 1, for each value of a label.
        of_job: the servers of an alert on many, by what records it, in order.
    """

    hour_ago: str
    info: str
    reasons: str
    of_runner: Callable[..., str]
    of_server: Callable[..., str]
    of_job: Callable[[str], str]


def in_promql(values: Values) -> Questions:
    """Give the questions as queries, about the labels of the alert."""

    def of_runner(family: str, aggregate: str = "max", by: str = "") -> str:
        query = (
            f"{aggregate} by ({by}) ({family}{{%s}}) == 1"
            if by
            else f"{aggregate} ({family}{{%s}})"
        )
        return _query(values, query, _OWN_LABELS)

    def of_server(family: str, by: str, **matches: str) -> str:
        matchers = "".join(f'{label}=~"{pattern}", ' for label, pattern in matches.items())
        query = f"count by ({by}) ({family}{{{matchers}%s}} == 1)"
        return _query(values, query, ("server", "tenant"))

    errors = "increase(electric_agents_server_request_errors_total{%s}[5m])"
    return Questions(
        hour_ago='query "(time() - 3600) * 1000"',
        # What it is called is remembered over a failed scrape, as the alert itself is.
        info=_query(
            values,
            f"last_over_time(electric_agents_runner_info{{%s}}[{values.memory}])",
            _OWN_LABELS,
        ),
        reasons=_query(values, f"sum by (reason) ({errors}) > 0", ("server",))
        + ' | sortByLabel "reason"',
        of_runner=of_runner,
        of_server=of_server,
        of_job=lambda record: _query(values, f"{record}{{%s}}", ()) + ' | sortByLabel "server"',
    )


def of_exporter() -> Questions:
    """Give the questions as `alert_translation` takes them: names, with words as arguments."""

    def of_runner(family: str, aggregate: str = "max", by: str = "") -> str:  # noqa: ARG001
        return _asked("of_runner", family, *([by] if by else []))

    def of_server(family: str, by: str, **matches: str) -> str:
        return _asked("of_server", family, by, *(word for pair in matches.items() for word in pair))

    return Questions(
        hour_ago="hour_ago",
        info="info",
        reasons='reasons | sortByLabel "reason"',
        of_runner=of_runner,
        of_server=of_server,
        of_job=lambda _: 'of_job | sortByLabel "server"',
    )


def _query(values: Values, query: str, labels: tuple[str, ...]) -> str:
    """Give a template's query about what an alert is on; `%s` stands for its labels."""
    names = (*values.scope_labels, *labels)
    selector = ",".join(f"{name}=%q" for name in names)
    arguments = " ".join(f"$labels.{name}" for name in names)
    text = (query % selector).replace('"', r"\"")
    return f'printf "{text}" {arguments} | query'


def _asked(name: str, *words: str) -> str:
    quoted = (word.replace("\\", "\\\\").replace('"', '\\"') for word in words)
    return " ".join([name, *(f'"{word}"' for word in quoted)])
