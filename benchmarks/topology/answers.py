"""What the modelled servers answer, in the words of the contract: lists, reports, wake streams.

A `ModelSource` asks them as the exporter's sources ask real ones, and tells a real `Poll`.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from math import floor, inf
from operator import itemgetter
from typing import Final

from msgspec.structs import replace

from electric_agents_exporter.contract.reading import HealthAnswer, ListAnswer
from electric_agents_exporter.contract.report import Client, ListedRunner, Report
from electric_agents_exporter.contract.vocabulary import AdminStatus, RunnerKind
from electric_agents_exporter.contract.wakes import Wake, WakeReading, position
from electric_agents_exporter.fleet.clock import Clock
from electric_agents_exporter.fleet.heard import WakeQuestion
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation, Reason
from electric_agents_exporter.sources.source import EVERYONE, Source
from topology.counting import Growth, rates, starts
from topology.judged import marks, reported
from topology.model import DAY, Runner, Server, Target
from topology.observing import away, life_at, lists_of
from topology.series import SERVER
from topology.steps import Steps, within

_LONG_AGO: Final = -30 * DAY
_COUNTED: Final = ("claimed", "failed", "skipped", "reconnects", "events")


class ModelRunner:
    """One runner, and all that its server says of it from moment to moment.

    Two processes under one id report in turns: of a start that competes with another the first
    poll tells, and those after it of the other one again.
    """

    def __init__(self, runner: Runner, server: Server, interval: float) -> None:
        self.runner = runner
        self._server = server
        self._interval = interval
        self._growths = {name: Growth(rates(runner, name)) for name in _COUNTED}
        self._born = next((life.since for life in runner.lives if life.state.listed), inf)
        self._conflicts, self._refusals, relieved = _turns(runner)
        # Over HTTP a claim that failed counts until the runner's process starts anew.
        self._starts = sorted({*starts(runner), *relieved})
        self._heard = _heard(runner)

    def listed(self, moment: float) -> ListedRunner | None:
        """Give its item of a list; None where it is on none."""
        life = life_at(self.runner, moment)
        if not life.state.listed:
            return None
        born, started = max(self._born, _LONG_AGO), self._started(moment)
        return ListedRunner(
            id=self.runner.id,
            owner_principal=self.runner.principal,
            label=self.runner.label,
            kind=RunnerKind(self.runner.kind),
            admin_status=AdminStatus.ENABLED if life.state.enabled else AdminStatus.DISABLED,
            wake_stream=f"wakes/{self.runner.id}",
            created_at=born,
            updated_at=max(born, started),
        )

    def report(self, moment: float) -> Report:
        """Give its report."""
        life = life_at(self.runner, moment)
        when = marks(self.runner, life, self._server, moment)
        report = reported(self.runner, life, when, moment)
        heard, _ = self._offsets(moment)
        return replace(
            report,
            created_at=max(self._born, _LONG_AGO),
            client=None if report.client is None else self._client(report.client, moment),
            wake_stream_offset=_offset(heard),
        )

    def wakes(self, question: WakeQuestion, moment: float, ahead: float) -> WakeReading:
        """Give what stands in its wake stream; the server's clock is so many seconds ahead."""
        life = life_at(self.runner, moment)
        _, tail = self._offsets(moment)
        _, heard = position(question.offset) or (0, tail)
        streams = [f"{self.runner.id}/{number}/main" for number in range(heard, tail)]
        return WakeReading(
            offset=question.offset,
            tail=_offset(tail),
            wakes=tuple(Wake(stream, life.unheard_since + ahead, 1) for stream in streams),
            at_rest=frozenset(streams if life.state.at_rest else ()),
        )

    def _client(self, client: Client, moment: float) -> Client:
        since = self._started(moment)
        grown = {
            name: float(floor(growth.at(moment)) - floor(growth.at(since)))
            for name, growth in self._growths.items()
        }
        refused = sum(since <= at <= moment for at in self._refusals)
        return replace(
            client,
            started_at=since,
            reconnect_count=grown["reconnects"],
            events_received=grown["events"],
            claims_succeeded=grown["claimed"],
            claims_skipped=grown["skipped"],
            claims_failed=grown["failed"] + refused,
        )

    def _started(self, moment: float) -> float:
        """Give when the process began that a report of a moment is of."""
        over = moment - self._interval
        begun = [at for at in self._starts if at <= moment]
        alone = [at for at in begun if at not in self._conflicts or at > over]
        return max(alone, default=_LONG_AGO)

    def _offsets(self, moment: float) -> tuple[int, int]:
        """Give how far it has heard its wake stream, and how long that is."""
        return self._heard[bisect_right(self._heard, moment, key=itemgetter(0)) - 1][1]


def _turns(runner: Runner) -> tuple[set[float], list[float], list[float]]:
    """Tell when a process began that competes, and when refusals of claims begin and end."""
    conflicts: set[float] = set()
    refusals, relieved = [], []
    for before, now in pairwise(runner.lives):
        if now.state.conflicts > before.state.conflicts:
            conflicts.add(now.since)
        if now.state.refused and not before.state.refused:
            refusals.append(now.since)
        if before.state.refused and not now.state.refused:
            relieved.append(now.since)
    return conflicts, refusals, relieved


def _heard(runner: Runner) -> list[tuple[float, tuple[int, int]]]:
    """Give, from each moment on, how far a runner has heard its stream and how long that is."""
    found = []
    heard = unheard = 0
    for life in runner.lives:
        heard += max(0, unheard - life.state.unheard)
        unheard = life.state.unheard
        found.append((life.since, (heard, heard + unheard)))
    return found


def _offset(number: int) -> str:
    return f"0_{number}"


class ModelSource:
    """Asks a modelled server, or its database with all tenants.

    `bug` is what failed in the model itself: a poller takes that for a failed poll.
    """

    def __init__(
        self, target: Target, tenants: Sequence[Target], first: float, clock: Clock
    ) -> None:
        """Take what is asked, and when the first poll is due."""
        self._target = target
        self._tenants = [one for one in tenants if one.tenant is not None]
        self._first = first
        self._clock = clock
        self._runners = {one.tenant: _runners(one) for one in (target, *self._tenants)}
        self.bug: Exception | None = None
        if target.url and target.postgres:
            refused = [life for one in target.watched() for life in one.lives if life.state.refused]
            if refused:
                raise ValueError("no claims are modelled, by which a refusal would be told")

    async def poll(self, poll: Poll, *, paced: bool) -> bool:  # noqa: ARG002  (there is no server)
        """Ask once; see `Source.poll`."""
        try:
            self._ask(poll)
        except Exception as bug:
            self.bug = bug
            raise
        return True

    def take_over(self, before: Source) -> None:
        """Go on from another source, which knows nothing that counts."""

    def credential_changed_at(self) -> None:
        """Tell nothing: no file stands behind it."""

    def certificate_ends_at(self) -> None:
        """Tell nothing: there is none."""

    async def aclose(self) -> None:
        """Close nothing."""

    def _ask(self, poll: Poll) -> None:
        target, moment = self._target, self._clock.monotonic()
        number = round((moment - self._first) / target.interval)
        lists = lists_of(target, number, moment)
        if target.url:
            silent = within(target.silent, moment) or away(target, moment)
            poll.requested(Operation.SERVER, 0.0, Reason.CONNECT if silent else None)
        if self._tenants and not any(lists.values()):
            polls = poll.tenants([one.tenant or "" for one in self._tenants])
            for tenant in self._tenants:
                self._sweep(polls[tenant.tenant or ""], tenant, {EVERYONE: None}, number)
            return
        if target.postgres:
            lists = {EVERYONE: next(iter(lists.values()))}
        self._sweep(poll, target, lists, number)

    def _sweep(self, poll: Poll, target: Target, lists: dict[str, str | None], number: int) -> None:
        moment, ahead = self._clock.monotonic(), clock_offset(target, self._clock.monotonic())
        here = {
            item.id: (one, item)
            for one in self._runners[target.tenant]
            if (item := one.listed(moment)) is not None
        }
        for principal, fault in lists.items():
            reason = None if fault is None else Reason(fault)
            poll.requested(Operation.LIST, 0.0, reason)
            mine = [
                _ahead(item, ahead)
                for _, item in here.values()
                if principal in {EVERYONE, item.owner_principal}
            ]
            mine += [ListedRunner(f"beyond-{n}") for n in range(beyond_limit(target, moment))]
            poll.listed(principal, ListAnswer(tuple(mine), ()) if reason is None else reason)
        for due in poll.due():
            one, _ = here[due.runner_id]
            if target.health_fault and target.health_fault(due.runner_id, number, moment):
                poll.requested(Operation.HEALTH, 0.0, Reason.TIMEOUT)
                poll.failed(due.runner_id, Reason.TIMEOUT)
                continue
            poll.requested(Operation.HEALTH, 0.0, None)
            report = _report_ahead(one.report(moment), ahead)
            poll.reported(HealthAnswer(report, moment + ahead, ()), moment)
            for question in poll.wake_questions():
                poll.requested(Operation.WAKES, 0.0, None)
                poll.wakes_read(question, one.wakes(question, moment, ahead))


def _runners(target: Target) -> list[ModelRunner]:
    """Give the runners on the lists of a target: of a shard all, as the exporter divides them."""
    return [
        ModelRunner(one, target.server, target.interval)
        for one in target.server.runners
        if one.principal in target.principals
    ]


def clock_offset(target: Target, moment: float) -> float:
    """Give how far a server's clock is ahead of the exporter's."""
    return gauge(target.gauges.get(f"{SERVER}clock_offset_seconds", ()), moment, 0.0)


def beyond_limit(target: Target, moment: float) -> int:
    """Give how many runners there are beyond those that may be watched."""
    return int(gauge(target.gauges.get(f"{SERVER}runners_suppressed", ()), moment, 0.0))


def gauge(steps: Steps[float], moment: float, before: float) -> float:
    """Read a gauge that is set to something; `before` is what it is until then."""
    return next((value for since, value in reversed(steps) if since <= moment), before)


def _later(at: float | None, ahead: float) -> float | None:
    return None if at is None else at + ahead


def _ahead(item: ListedRunner, ahead: float) -> ListedRunner:
    return replace(
        item,
        created_at=_later(item.created_at, ahead),
        updated_at=_later(item.updated_at, ahead),
    )


def _report_ahead(report: Report, ahead: float) -> Report:
    """Give a report with all moments as a server writes them whose clock is ahead."""
    claims = report.claims
    return replace(
        report,
        created_at=_later(report.created_at, ahead),
        last_seen_at=_later(report.last_seen_at, ahead),
        lease_expires_at=_later(report.lease_expires_at, ahead),
        claims=replace(
            claims,
            oldest_heartbeat_at=_later(claims.oldest_heartbeat_at, ahead),
            newest_heartbeat_at=_later(claims.newest_heartbeat_at, ahead),
        ),
    )
