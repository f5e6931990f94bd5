"""The metric table: every family, in the order of the exposition."""

from dataclasses import dataclass

from electric_agents_exporter.metrics.family import Group
from electric_agents_exporter.metrics.process_families import ProcessFamily, process_families
from electric_agents_exporter.metrics.runner_families import (
    PollFamily,
    ReportFamily,
    per_poll_families,
    per_report_families,
    per_scrape_families,
)
from electric_agents_exporter.metrics.target_families import TargetFamily, target_families

SWITCHABLE = (Group.CORE, Group.CLIENT, Group.CLAIMS, Group.DERIVED, Group.WAKES)
"""The groups of a runner's own families, which can be switched off."""


@dataclass(frozen=True, slots=True)
class Table:
    """The families that are shown, by what they are about and how often they are written.

    A runner's own are written anew with its report (`per_report`), with every poll (`per_poll`), or
    at every scrape, since they move with time alone (`per_scrape`).
    """

    per_report: tuple[ReportFamily, ...]
    per_poll: tuple[PollFamily, ...]
    per_scrape: tuple[PollFamily, ...]
    target: tuple[TargetFamily, ...]
    process: tuple[ProcessFamily, ...]


def build_table(
    groups: frozenset[Group] = frozenset(Group),
    *,
    per_runner: bool = True,
    owner_label: bool = False,
) -> Table:
    """Choose families: `groups` thins out all but `FLEET`, `per_runner` a runner's own."""
    shown = groups if per_runner else frozenset()
    return Table(
        per_report=tuple(
            f for f in per_report_families(owner_label=owner_label) if f.group in shown
        ),
        per_poll=tuple(f for f in per_poll_families() if f.group in shown),
        per_scrape=tuple(f for f in per_scrape_families() if f.group in shown),
        target=tuple(f for f in target_families() if f.group in groups | {Group.FLEET}),
        process=process_families(),
    )
