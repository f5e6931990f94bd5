"""What an alert's text asks for beyond its labels, answered from a judged snapshot.

In a rule file such a question is a query. The answer here is what that query would give on this
exporter's own exposition, read through the same table of families.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from electric_agents_exporter.alerting.templates import Sample
from electric_agents_exporter.fleet.reasons import Reason
from electric_agents_exporter.fleet.selection import Pattern
from electric_agents_exporter.fleet.snapshot import RunnerState, TargetSnapshot
from electric_agents_exporter.metrics.family import PREFIX, Samples
from electric_agents_exporter.metrics.runner_families import (
    PollSubject,
    per_poll_families,
    per_report_families,
    per_scrape_families,
    report_subject,
)

_HOUR: Final = 3600
_INFO: Final = f"{PREFIX}runner_info"


class RunnerFamilies:
    """The families of one runner by their names, whether or not they are exposed.

    `owner_label` tells whether the owner of a runner is, who may be a person.
    """

    def __init__(self, *, owner_label: bool = False) -> None:
        self._per_report = {
            each.name: each for each in per_report_families(owner_label=owner_label)
        }
        self._per_poll = {
            each.name: each for each in (*per_poll_families(), *per_scrape_families())
        }

    def samples(
        self, name: str, runner: RunnerState, monotonic: float, *, fresh: bool
    ) -> tuple[tuple[str, ...], Samples]:
        """Give a family's labels, and its samples of a runner, whose report is fresh or is not.

        Raises:
            LookupError: there is no such family.
        """
        reported = self._per_report.get(name)
        if reported is not None:
            if not fresh and not reported.keep_when_stale:
                return reported.labels, ()
            return reported.labels, reported.samples(report_subject(runner, fresh=fresh))
        polled = self._per_poll.get(name)
        if polled is None:
            raise LookupError(f"there is no family {name!r} of a runner")
        if not fresh and not polled.keep_when_stale:
            return polled.labels, ()
        return polled.labels, polled.samples(PollSubject(runner, monotonic, fresh))


@dataclass(frozen=True, slots=True)
class Facts:
    """The answers about one finding. Nothing is computed before it is asked for.

    Attributes:
        time: now, in seconds since the epoch.
        monotonic: now, on the clock of the snapshot's observations.
        families: the families of a runner.
        target: what the alert is on; None where it is on the exporter, or on many targets.
        runner: the runner that it is on, if it is on one.
        servers: the names of the servers that an alert on many is on.
        failing: how many requests failed within the last five minutes, by why.
    """

    time: float
    monotonic: float
    families: RunnerFamilies
    target: TargetSnapshot | None = None
    runner: RunnerState | None = None
    servers: Collection[str] = ()
    failing: Mapping[Reason, float] = field(default_factory=dict)

    def hour_ago(self) -> list[Sample]:
        """Give the time an hour ago, in milliseconds since the epoch."""
        return [Sample({}, (self.time - _HOUR) * 1000)]

    def info(self) -> list[Sample]:
        """Give what the runner is, by its labels; also while its report is not fresh."""
        if self.runner is None:
            return []
        labels, found = self.families.samples(_INFO, self.runner, self.monotonic, fresh=True)
        return [
            Sample(dict(zip(labels, values, strict=True)), float(number))
            for values, number in found
        ]

    def of_runner(self, family: str, by: str = "") -> list[Sample]:
        """Give what a family says of the runner: its largest number, or by a label which are 1."""
        if self.runner is None or self.target is None:
            return []
        if by:
            names = dict.fromkeys(
                flag[by] for flag in self._flags(family, self.target, self.runner)
            )
            return [Sample({by: name}, 1.0) for name in names]
        _, found = self._samples(family, self.target, self.runner)
        numbers = [float(number) for _, number in found]
        return [Sample({}, max(numbers))] if numbers else []

    def of_server(self, family: str, by: str, matches: Mapping[str, str]) -> list[Sample]:
        """Count the flags of a target's runners that are 1 and match, by a label.

        `matches` are patterns by label; `by` may be `runner_id`.
        """
        if self.target is None:
            return []
        patterns = {label: Pattern(text) for label, text in matches.items()}
        counts = Counter(
            flag[by]
            for runner in self.target.runners
            for flag in self._flags(family, self.target, runner)
            if all(pattern.matches(flag.get(label, "")) for label, pattern in patterns.items())
        )
        return [Sample({by: name}, float(count)) for name, count in counts.items()]

    def of_job(self) -> list[Sample]:
        """Give the servers that an alert on many is on."""
        return [Sample({"server": server}, 1.0) for server in self.servers]

    def reasons(self) -> list[Sample]:
        """Give why requests failed lately."""
        return [
            Sample({"reason": reason.value}, float(count))
            for reason, count in self.failing.items()
            if count > 0
        ]

    def _flags(
        self, family: str, target: TargetSnapshot, runner: RunnerState
    ) -> Iterator[dict[str, str]]:
        """Give the labels of the samples that are 1: of most runners there are few."""
        labels, found = self._samples(family, target, runner)
        for values, number in found:
            if number == 1:
                named = dict(zip(labels, values, strict=True))
                yield {**named, "runner_id": runner.listed.id}

    def _samples(
        self, family: str, target: TargetSnapshot, runner: RunnerState
    ) -> tuple[tuple[str, ...], Samples]:
        fresh = runner.fresh(self.monotonic, target.stale_after)
        return self.families.samples(family, runner, self.monotonic, fresh=fresh)
