"""The metric table: every family, in the order of the exposition."""

from dataclasses import dataclass

from electric_agents_exporter.metrics.family import Group
from electric_agents_exporter.metrics.process_families import ProcessFamily, process_families
from electric_agents_exporter.metrics.runner_families import (
    PollFamily,
    RunnerFamily,
    poll_families,
    runner_families,
)
from electric_agents_exporter.metrics.target_families import TargetFamily, target_families

SWITCHABLE = (Group.CORE, Group.CLIENT, Group.CLAIMS, Group.DERIVED)
"""The groups of a runner's own families, which can be switched off."""


@dataclass(frozen=True, slots=True)
class Table:
    """The rows that are shown, by what they are about."""

    runner: tuple[RunnerFamily, ...]
    per_poll: tuple[PollFamily, ...]
    target: tuple[TargetFamily, ...]
    process: tuple[ProcessFamily, ...]


def build_table(
    groups: frozenset[Group] = frozenset(Group),
    *,
    per_runner: bool = True,
    owner_label: bool = False,
) -> Table:
    """Choose the rows: `groups` thins out all but `FLEET`, `per_runner` a runner's own families."""
    shown = groups if per_runner else frozenset()
    return Table(
        runner=tuple(r for r in runner_families(owner_label=owner_label) if r.group in shown),
        per_poll=tuple(r for r in poll_families() if r.group in shown),
        target=tuple(r for r in target_families() if r.group in groups | {Group.FLEET}),
        process=process_families(),
    )
