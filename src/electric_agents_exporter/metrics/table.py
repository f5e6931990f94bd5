"""The metric table: every family, in the order of the exposition."""

from dataclasses import dataclass

from electric_agents_exporter.metrics.own import OwnRow, own_rows
from electric_agents_exporter.metrics.runner_rows import (
    MovingRow,
    RunnerRow,
    moving_rows,
    runner_rows,
)
from electric_agents_exporter.metrics.spec import Group
from electric_agents_exporter.metrics.target_rows import TargetRow, target_rows

SWITCHABLE = (Group.CORE, Group.CLIENT, Group.CLAIMS, Group.DERIVED)
"""The groups of a runner's own families, which can be switched off."""


@dataclass(frozen=True, slots=True)
class Table:
    """The rows that are shown, by what they are about."""

    runner: tuple[RunnerRow, ...]
    moving: tuple[MovingRow, ...]
    target: tuple[TargetRow, ...]
    own: tuple[OwnRow, ...]


def build_table(
    groups: frozenset[Group] = frozenset(Group),
    *,
    per_runner: bool = True,
    owner_label: bool = False,
) -> Table:
    """Choose the rows: `groups` thins out all but `FLEET`, `per_runner` a runner's own families."""
    shown = groups if per_runner else frozenset()
    return Table(
        runner=tuple(r for r in runner_rows(owner_label=owner_label) if r.group in shown),
        moving=tuple(r for r in moving_rows() if r.group in shown),
        target=tuple(r for r in target_rows() if r.group in groups | {Group.FLEET}),
        own=own_rows(),
    )
