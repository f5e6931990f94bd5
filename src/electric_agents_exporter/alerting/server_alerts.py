"""What the alerts on servers and fleets find: each is a row of one of the tables.

Those of `FLEET_ALERTS` are on a target's runners, of each tenant by itself; those of
`SERVER_ALERTS` on a target as a whole.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Final, TypeAlias

import msgspec

from electric_agents_exporter.alerting.definition import Definition
from electric_agents_exporter.alerting.evidence import Evidence, Finding
from electric_agents_exporter.alerting.runner_alerts import Finder
from electric_agents_exporter.conditions import Condition
from electric_agents_exporter.contract.vocabulary import AdminStatus, LivenessStatus
from electric_agents_exporter.fleet.reasons import Operation, Suppression


class Verdict(msgspec.Struct, frozen=True):
    """How a target as a whole is.

    Attributes:
        reached: whether a list of its runners is got.
        refused: whether credentials were refused lately.
        unreachable: whether the server, or its list, cannot be had; nobody refused it.
        database_unreachable: whether its database cannot be read; nobody refused it.
    """

    reached: bool
    refused: bool
    unreachable: bool
    database_unreachable: bool

    @property
    def locked_out(self) -> bool:
        """Whether every principal is refused."""
        return self.refused and not self.reached


class Whole(msgspec.Struct, frozen=True):
    """A target as a whole: itself, its tenants behind it, and how it is."""

    parts: tuple[Evidence, ...]
    verdict: Verdict

    @property
    def itself(self) -> Evidence:
        """The target, whatever its tenants are."""
        return self.parts[0]


WholeFinder: TypeAlias = Callable[[Definition, Whole], Iterable[Finding]]


def judge_target(parts: tuple[Evidence, ...], refused_within: float) -> Verdict:
    """Judge a target as a whole by itself and its tenants."""
    itself = parts[0]
    since = itself.monotonic - refused_within
    refused = any(_grown(part, since, lambda numbers: numbers.refused) > 0 for part in parts)
    reached = any(part.snapshot.up for part in parts)
    success = itself.snapshot.poll_success
    server_fails = success.get(Operation.SERVER, True) is False
    return Verdict(
        reached=reached,
        refused=refused,
        unreachable=not refused and (server_fails or not (reached or itself.database)),
        database_unreachable=not refused
        and itself.database
        and success.get(Operation.LIST, True) is False,
    )


def _grown(evidence: Evidence, since: float, read: Callable[..., float]) -> float:
    """Tell how much a counter of a target grew since a moment."""
    values = [read(numbers) for numbers in evidence.history.numbers.since(since)]
    return values[-1] - min(values)


def _no_runner(definition: Definition, evidence: Evidence) -> Iterator[Finding]:
    """Find a fleet of which nobody takes work, unless most are unknown, or told one by one."""
    sums = evidence.sums
    if sums is None:
        return
    expected = sum(
        count
        for labels, count in sums.states.items()
        if labels.kind.value in evidence.lasting
        and labels.admin_status is AdminStatus.ENABLED
        and labels.liveness in {LivenessStatus.ONLINE, LivenessStatus.EXPIRED}
    )
    away = evidence.counted(Condition.LAPSED) + evidence.counted(Condition.DEAF)
    unknown = sum(
        Condition.UNKNOWN in seen.holds and seen.kind.value in evidence.lasting
        for seen in evidence.runners
    )
    waiting = max(
        evidence.counted(Condition.WORK_ABANDONED), evidence.counted(Condition.WORK_UNHEARD)
    )
    if (
        expected >= float(definition.numbers["runners"])
        and expected <= away
        and unknown <= expected
        and waiting < float(definition.numbers["told"]) * expected
    ):
        yield evidence.of_target(expected)


def _unknown(definition: Definition, evidence: Evidence) -> Iterator[Finding]:
    """Find a fleet of which a share is not known, or one runner."""
    watched = len(evidence.snapshot.runners)
    unknown = sum(Condition.UNKNOWN in seen.holds for seen in evidence.runners)
    share = definition.labels["share"]
    if share == "one":
        if unknown:
            yield evidence.of_target(unknown)
    elif watched and unknown / watched >= float(definition.numbers[share]):
        yield evidence.of_target(unknown / watched)


def _vanished(definition: Definition, evidence: Evidence) -> Iterator[Finding]:
    """Find principals that list far fewer runners than they did, by themselves."""
    window = float(definition.numbers["window"])
    if evidence.time - evidence.configured_at < window:
        return
    most: dict[str, int] = {}
    for listed in evidence.history.listed.since(evidence.monotonic - window):
        for principal, count in listed.items():
            most[principal] = max(count, most.get(principal, 0))
    single, share = definition.labels["severity"] != "critical", float(definition.numbers["share"])
    for principal, count in evidence.snapshot.listed.items():
        had = most.get(principal, 0)
        if (had == 1) is single and count < share * had:
            yield evidence.of_target(count, principal=principal)


def _beyond_limit(_: Definition, evidence: Evidence) -> Iterator[Finding]:
    beyond = evidence.snapshot.suppressed.get(Suppression.LIMIT, 0)
    if beyond:
        yield evidence.of_target(beyond)


FLEET_ALERTS: Final[Mapping[str, Finder]] = {
    "FleetUnavailable": _no_runner,
    "RunnersUnknown": _unknown,
    "RunnersVanished": _vanished,
    "RunnersSuppressed": _beyond_limit,
}


def _too_few(_: Definition, whole: Whole) -> Iterator[Finding]:
    """Find a target with fewer runners than its settings expect; a shard alone cannot tell."""
    snapshot = whole.itself.snapshot
    if snapshot.expected_min is None or snapshot.shard is not None:
        return
    sums = [part.sums for part in whole.parts if part.sums is not None]
    if not sums:
        return
    online = sum(
        count
        for each in sums
        for labels, count in each.states.items()
        if labels.admin_status is AdminStatus.ENABLED and labels.liveness is LivenessStatus.ONLINE
    )
    deaf = sum(
        count
        for each in sums
        for (_, condition), count in each.conditions.items()
        if condition is Condition.DEAF
    )
    # Who is not known may be there.
    unknown = sum(Condition.UNKNOWN in seen.holds for part in whole.parts for seen in part.runners)
    there = online - deaf + unknown
    if there < snapshot.expected_min:
        yield whole.itself.of_target(there)


def _if(judged: Callable[[Verdict], bool]) -> WholeFinder:
    def find(_: Definition, whole: Whole) -> Iterator[Finding]:
        if judged(whole.verdict):
            yield whole.itself.of_target()

    return find


def _refused(definition: Definition, whole: Whole) -> Iterator[Finding]:
    """Find a target that refuses us: every principal is a page, some of them a ticket."""
    critical = definition.labels["severity"] == "critical"
    if whole.verdict.locked_out if critical else whole.verdict.refused:
        yield whole.itself.of_target()


def _old(definition: Definition, whole: Whole) -> Iterator[Finding]:
    """Find what is old though it could be had, or comes and goes."""
    verdict = whole.verdict
    told = not verdict.reached or verdict.unreachable or verdict.refused
    for part in whole.parts:
        if (not told and _is_old(definition, part)) or _comes_and_goes(definition, part):
            yield part.of_target(shard=True)


def _is_old(definition: Definition, part: Evidence) -> bool:
    snapshot = part.snapshot
    if snapshot.poll_success.get(Operation.WAKES, True) is False:
        return True
    last = snapshot.last_success_at
    patience = float(definition.numbers["intervals"]) * snapshot.interval
    return snapshot.last_poll_at is not None if last is None else part.time - last > patience


def _comes_and_goes(definition: Definition, part: Evidence) -> bool:
    window = float(definition.numbers["window"])
    polls = [each.success for each in part.history.numbers.since(part.monotonic - window)]
    for operation in part.snapshot.poll_success:
        went = [poll[operation] for poll in polls if operation in poll]
        changes = sum(before is not after for before, after in pairwise(went))
        if changes >= float(definition.numbers["changes"]) and sum(went) <= float(
            definition.numbers["success"]
        ) * len(went):
            return True
    return False


def _late(definition: Definition, whole: Whole) -> Iterator[Finding]:
    part = whole.itself
    since = part.monotonic - float(definition.numbers["window"])
    skipped = _grown(part, since, lambda numbers: numbers.late)
    if skipped >= float(definition.numbers["polls"]):
        yield part.of_target(skipped, shard=True)


def _clocks_differ(definition: Definition, whole: Whole) -> Iterator[Finding]:
    offsets = [
        abs(part.snapshot.clock_offset)
        for part in whole.parts
        if part.snapshot.clock_offset is not None
    ]
    most = max(offsets, default=0.0)
    if most > float(definition.numbers["seconds"]):
        yield whole.itself.of_target(most)


SERVER_ALERTS: Final[Mapping[str, WholeFinder]] = {
    "TooFewRunners": _too_few,
    "ServerUnreachable": _if(lambda verdict: verdict.unreachable),
    "DatabaseUnreachable": _if(lambda verdict: verdict.database_unreachable),
    "CredentialsRejected": _refused,
    "ExporterDataStale": _old,
    "PollOverrun": _late,
    "ClockSkew": _clocks_differ,
}
