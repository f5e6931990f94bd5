"""The metric table: every family, in the order of the exposition."""

from dataclasses import dataclass, replace

from electric_agents_exporter.metrics.choice import Choice
from electric_agents_exporter.metrics.family import Group
from electric_agents_exporter.metrics.probe_families import ProbeFamily, probe_families
from electric_agents_exporter.metrics.process_families import (
    OF_EVERY_PROGRAM,
    ProcessFamily,
    process_families,
)
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
    at every scrape, since they move with time alone (`per_scrape`). Of `of_every_program` only the
    names are known here; those of a `probe` are shown to who probes.
    """

    per_report: tuple[ReportFamily, ...]
    per_poll: tuple[PollFamily, ...]
    per_scrape: tuple[PollFamily, ...]
    target: tuple[TargetFamily, ...]
    process: tuple[ProcessFamily, ...]
    probe: tuple[ProbeFamily, ...] = ()
    of_every_program: frozenset[str] = frozenset(OF_EVERY_PROGRAM)


def build_table(
    groups: frozenset[Group] = frozenset(Group),
    *,
    per_runner: bool = True,
    owner_label: bool = False,
    created: bool = True,
    choice: Choice | None = None,
) -> Table:
    """Choose families: `groups` thins out all but `FLEET`, `per_runner` a runner's own.

    `choice` thins out all of them by name; `created` says that counters tell when they began.
    """
    of_runners = groups if per_runner else frozenset()
    of_targets = groups | {Group.FLEET}
    shows = (choice or Choice()).shows
    reported = per_report_families(owner_label=owner_label)
    if not created:
        reported = tuple(replace(family, created=None) for family in reported)
    return Table(
        per_report=tuple(f for f in reported if f.group in of_runners and shows(f.name)),
        per_poll=tuple(f for f in per_poll_families() if f.group in of_runners and shows(f.name)),
        per_scrape=tuple(
            f for f in per_scrape_families() if f.group in of_runners and shows(f.name)
        ),
        target=tuple(f for f in target_families() if f.group in of_targets and shows(f.name)),
        process=tuple(f for f in process_families() if shows(f.name)),
        probe=tuple(f for f in probe_families() if shows(f.name)),
        of_every_program=frozenset(filter(shows, OF_EVERY_PROGRAM)),
    )
