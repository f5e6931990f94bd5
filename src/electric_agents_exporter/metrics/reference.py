"""The metric reference, made of the table."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from electric_agents_exporter.conditions import MEANINGS
from electric_agents_exporter.metrics.family import Family, Group, Kind
from electric_agents_exporter.metrics.process_families import OF_EVERY_PROGRAM
from electric_agents_exporter.metrics.table import build_table

_TITLES: Final = (
    ("One runner", ("server", "runner_id")),
    ("The fleet of a target, and its polling", ("server",)),
    ("This process", ()),
    ("A probe", ()),
)
_INTRODUCTION: Final = """# Metrics

Made of the metric table by `make generate`; do not edit.

A series is absent while its value is not known: the server said null, left it out or wrote
rubbish, or the last report is older than `stale_after`. What is kept when stale stays while the
runner is listed. Names are stable: one that changes is announced in the changelog a version ahead.

Of this process there are also `process_*` and `python_info`, as every Python program has them.

A source such as `runner.last_seen_at` is a field of the server's list or health report, and
`wakes.events` are the events on a runner's wake stream. Those that begin with `state`, `target`,
`aggregate` or `process` are what this exporter keeps.

Of a target with `tenants: all` the series of a tenant carry `tenant` beside `server`; of a sharded
exporter the series of a target carry `shard`.

`/probe?target=NAME` answers with the series of a probe and those of its target, and none of this
process.

## Conditions

What this exporter judges to be true of a runner, once for every output. Conditions overlap, save
`unknown`; one that cannot be told is absent, not 0. Time in which the server could record nobody's
heartbeat is left out of everybody's silence.

| condition | true when |
|---|---|
{conditions}
"""


def all_families() -> Iterator[tuple[str, tuple[str, ...], Family[Any]]]:
    """Give every family, with the title of its part and the labels of its subject."""
    table = build_table(owner_label=True)
    parts: tuple[Iterable[Family[Any]], ...] = (
        (*table.per_report, *table.per_poll, *table.per_scrape),
        table.target,
        table.process,
        table.probe,
    )
    for (title, labels), part in zip(_TITLES, parts, strict=True):
        for family in part:
            yield title, labels, family


def all_names() -> tuple[str, ...]:
    """Give the name of every family, those of prometheus_client's with them."""
    return (*(family.name for _, _, family in all_families()), *OF_EVERY_PROGRAM)


def render_json() -> str:
    """Write the reference for programs."""
    described = [
        {
            "name": family.name,
            "type": family.kind.value,
            "unit": family.unit,
            "help": family.help,
            "labels": [*labels, *_labels(family)],
            "group": family.group.value,
            "source": list(family.source),
            "keep_when_stale": family.keep_when_stale,
        }
        for _, labels, family in all_families()
    ]
    return json.dumps(described, indent=2) + "\n"


def render_markdown() -> str:
    """Write the reference for people."""
    meanings = "\n".join(f"| `{each}` | {meaning} |" for each, meaning in MEANINGS.items())
    lines = [_INTRODUCTION.format(conditions=meanings)]
    title = ""
    for part, labels, family in all_families():
        if part != title:
            title = part
            lines += _heading(title, labels)
        lines.append(_line(family))
    return "\n".join(lines) + "\n"


def _heading(title: str, labels: tuple[str, ...]) -> list[str]:
    every = " and ".join(f"`{label}`" for label in labels)
    carried = f"Every series carries {every}.\n" if labels else ""
    return [
        f"## {title}\n",
        *([carried] if carried else []),
        "| family | type | labels | group | meaning | source |",
        "|---|---|---|---|---|---|",
    ]


def _line(family: Family[Any]) -> str:
    labels = ", ".join(f"`{label}`" for label in _labels(family))
    source = ", ".join(f"`{path}`" for path in family.source)
    group = "always" if family.group is Group.FLEET else family.group.value
    text = family.help + (" Kept when stale." if family.keep_when_stale else "")
    return f"| `{family.name}` | {family.kind} | {labels} | {group} | {text} | {source} |"


def _labels(family: Family[Any]) -> tuple[str, ...]:
    return (*family.labels, "le") if family.kind is Kind.HISTOGRAM else family.labels
