"""The metric reference, made of the table."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from electric_agents_exporter.metrics.family import Family, Group, Kind
from electric_agents_exporter.metrics.table import build_table

_TITLES: Final = (
    ("One runner", ("server", "runner_id")),
    ("The fleet of a target, and its polling", ("server",)),
    ("This process", ()),
)
_INTRODUCTION: Final = """# Metrics

Made of the metric table by `make generate`; do not edit.

A series is absent while its value is not known: the server said null, left it out or wrote
rubbish, or the last report is older than `stale_after`. Lasting families stay for as long as the
runner is listed. Names are stable: one that changes is announced in the changelog a version ahead.

Of this process there are also `process_*` and `python_info`, as every Python program has them.
"""


def rows() -> Iterator[tuple[str, tuple[str, ...], Family[Any]]]:
    """Give every family, with the title of its part and the labels of its subject."""
    table = build_table(owner_label=True)
    parts: tuple[Iterable[Family[Any]], ...] = (
        (*table.per_report, *table.per_poll, *table.per_scrape),
        table.target,
        table.process,
    )
    for (title, labels), part in zip(_TITLES, parts, strict=True):
        for row in part:
            yield title, labels, row


def render_json() -> str:
    """Write the reference for programs."""
    families = [
        {
            "name": row.name,
            "type": row.kind.value,
            "unit": row.unit,
            "help": row.help,
            "labels": [*labels, *_labels(row)],
            "group": row.group.value,
            "source": list(row.source),
            "keep_when_stale": row.keep_when_stale,
        }
        for _, labels, row in rows()
    ]
    return json.dumps(families, indent=2) + "\n"


def render_markdown() -> str:
    """Write the reference for people."""
    lines = [_INTRODUCTION]
    title = ""
    for part, labels, row in rows():
        if part != title:
            title = part
            lines += _heading(title, labels)
        lines.append(_line(row))
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


def _line(row: Family[Any]) -> str:
    labels = ", ".join(f"`{label}`" for label in _labels(row))
    source = ", ".join(f"`{path}`" for path in row.source)
    group = "always" if row.group is Group.FLEET else row.group.value
    text = row.help + (" Lasting." if row.keep_when_stale else "")
    return f"| `{row.name}` | {row.kind} | {labels} | {group} | {text} | {source} |"


def _labels(row: Family[Any]) -> tuple[str, ...]:
    return (*row.labels, "le") if row.kind is Kind.HISTOGRAM else row.labels
