"""Reports over an agents-server's HTTP API: a list per principal, then one call per runner."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar
from urllib.parse import quote

from electric_agents_exporter.contract import principals
from electric_agents_exporter.contract.reading import (
    HealthAnswer,
    ListAnswer,
    decode,
    read_health,
    read_list,
)
from electric_agents_exporter.fleet.clock import Clock
from electric_agents_exporter.fleet.heard import WakeQuestion
from electric_agents_exporter.fleet.inventory import DueRunner
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import SERVER_FAILS, Operation, Reason
from electric_agents_exporter.sources.credentials import Credentials
from electric_agents_exporter.sources.http_connection import Connection, Unready
from electric_agents_exporter.sources.http_exchange import Response
from electric_agents_exporter.sources.http_requests import Requests, Wire
from electric_agents_exporter.sources.http_transport import Tls, Transport, aiohttp_transport
from electric_agents_exporter.sources.source import Source
from electric_agents_exporter.sources.wake_streams import EntityStatuses, WakeStreams

log = logging.getLogger(__name__)

Item = TypeVar("Item")

_SPREAD: Final = 0.5  # of the interval
_LONGEST_GAP: Final = 0.05
_UNADDRESSABLE: Final = frozenset({"", ".", ".."})  # a URL's path cannot name them
_GIVE_UP_ON: Final = SERVER_FAILS | {Reason.UNAUTHORIZED, Reason.RATE_LIMITED}


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How to ask one server. Times are in seconds; `principals` are as the operator wrote them.

    The parameters of the URL, which may be a secret, are sent with every request.
    """

    url: str = field(repr=False)
    principals: tuple[str, ...]
    credentials: Credentials = field(default_factory=Credentials)
    tls: Tls = field(default_factory=Tls)
    interval: float = 15.0
    timeout: float = 5.0
    concurrency: int = 10


TransportFactory = Callable[[HttpOptions], Transport]


class HttpServer:
    """An agents-server that can be asked over HTTP, with what a poll leaves to the next."""

    def __init__(
        self, options: HttpOptions, clock: Clock, transport: TransportFactory | None = None
    ) -> None:
        self.options = options
        address, _, self._query = options.url.partition("?")
        self.base = address.rstrip("/")
        self._clock = clock
        self._make_transport = transport
        self._connection = Connection(options.credentials, options.tls)
        self._certificate_ends_at: float | None = None
        self._entities = EntityStatuses(clock)
        self._logged = ""

    def credential_changed_at(self) -> float | None:
        """When the newest credential file changed, seconds since the epoch; None without one."""
        return self.options.credentials.changed_at()

    def certificate_ends_at(self) -> float | None:
        """Until when the certificate is valid that the server showed last; None without one."""
        return self._certificate_ends_at

    async def aclose(self) -> None:
        """Close every connection."""
        await self._connection.aclose()
        self._certificate_ends_at = None

    async def requests(self, poll: Poll) -> Requests | Reason:
        """Begin the requests of a poll; gives why where our own side keeps us from asking."""
        ready = await self._connection.ready(self._transport)
        if isinstance(ready, Unready):
            self._log_transition(ready.words)
            return ready.reason
        self._log_transition("")
        options = self.options
        wire = Wire(ready.transport, ready.headers, options.timeout, self._clock, self._query)
        return Requests(options.principals, wire, poll)

    async def ask_health(self, requests: Requests) -> None:
        """Ask whether the server lives: its process, whatever its database does."""

        def read(response: Response) -> bool | Reason:
            return isinstance(decode(response.body), dict) or Reason.SCHEMA

        url = f"{self.base}/_electric/health"
        await requests.ask(Operation.SERVER, url, self.options.principals[0], read)

    def wake_streams(self, requests: Requests) -> WakeStreams:
        """Give the reader of its runners' wake streams."""
        return WakeStreams(self.base, requests, self._entities, self.options.principals)

    def _transport(self) -> Transport:
        if self._make_transport is not None:
            return self._make_transport(self.options)
        options = self.options
        # What was seen over the old one counts no more.
        self._certificate_ends_at = None
        return aiohttp_transport(
            options.url, options.tls, options.concurrency, self._saw_certificate
        )

    def _saw_certificate(self, ends_at: float) -> None:
        self._certificate_ends_at = ends_at

    def _log_transition(self, fault: str) -> None:
        """Log what is wrong on our own side when that changes, and not at every poll."""
        if fault and fault != self._logged:
            log.warning("credentials, TLS files or proxy cannot be used", extra={"error": fault})
        elif self._logged and not fault:
            log.info("credentials, TLS files and proxy can be used again")
        self._logged = fault


class HttpSource:
    """A source that asks an agents-server over HTTP."""

    def __init__(self, server: HttpServer, *, wakes: bool = True) -> None:
        self._server = server
        self._wakes = wakes

    def take_over(self, before: Source) -> None:
        """Go on from another source; all that is remembered here is soon asked for again."""

    def credential_changed_at(self) -> float | None:
        """When the newest credential file changed, seconds since the epoch; None without one."""
        return self._server.credential_changed_at()

    def certificate_ends_at(self) -> float | None:
        """Until when the certificate is valid that the server showed last; None without one."""
        return self._server.certificate_ends_at()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._server.aclose()

    async def poll(self, poll: Poll, *, paced: bool) -> bool:
        """Ask once; see `Source.poll`."""
        options = self._server.options
        requests = await self._server.requests(poll)
        if isinstance(requests, Reason):
            poll.requested(Operation.LIST, 0.0, requests)
            for name in options.principals:
                poll.listed(name, requests)
            return False
        sweep = _Sweep(self._server, requests, poll, wakes=self._wakes)
        first: list[Callable[[], Awaitable[None]]] = [partial(self._server.ask_health, requests)]
        first += [partial(sweep.list_runners, name) for name in options.principals]
        # No more at once than connections: who waits for one spends its own time.
        await share(first, options.concurrency, lambda ask: ask())
        due = poll.due()
        pacer = Pacer.over(options.interval, len(due), poll, paced=paced)
        return await sweep.ask_all(due, pacer)


class _Sweep:
    """The requests of one poll: the lists, then the runners that are due, each with its wakes."""

    def __init__(self, server: HttpServer, requests: Requests, poll: Poll, *, wakes: bool) -> None:
        self._base = server.base + "/_electric/runners"
        self._concurrency = server.options.concurrency
        self._requests = requests
        self._poll = poll
        self._wakes = WakeSweep(server.wake_streams(requests), poll) if wakes else None
        self._failures_in_a_row = 0

    async def list_runners(self, name: str) -> None:
        """Ask for the runners of one principal (as configured)."""
        principal = principals.parse(name)
        # Naming the owner makes a server that lost our header say 403 instead of an empty list.
        url = f"{self._base}?owner_principal={quote(principal.url, safe='')}"

        def read(response: Response) -> ListAnswer | Reason:
            answer = read_list(response.body, self._poll.max_listed)
            owners = {runner.owner_principal for runner in answer.runners} - {None, principal.url}
            return Reason.WRONG_PRINCIPAL if owners else answer

        answer = await self._requests.ask(Operation.LIST, url, name, read)
        self._poll.listed(name, answer.read)

    async def ask_all(self, due: Sequence[DueRunner], pacer: "Pacer") -> bool:
        """Ask after every runner, until done or until the server fails altogether."""
        give_up_after = 2 * self._concurrency

        async def ask(item: DueRunner) -> None:
            if self._failures_in_a_row < give_up_after:
                await pacer.turn()
                await self._ask_after(item)

        await share(due, self._concurrency, ask)
        return self._failures_in_a_row < give_up_after

    async def _ask_after(self, due: DueRunner) -> None:
        runner_id = due.runner_id
        if runner_id in _UNADDRESSABLE:
            self._poll.requested(Operation.HEALTH, 0.0, Reason.WRONG_RUNNER)
            self._poll.failed(runner_id, Reason.WRONG_RUNNER)
            return

        def read(response: Response) -> HealthAnswer | Reason:
            answer = read_health(response.body)
            return answer if answer.report.runner_id == runner_id else Reason.WRONG_RUNNER

        url = f"{self._base}/{quote(runner_id, safe='')}/health"
        answer = await self._requests.ask(Operation.HEALTH, url, due.principal, read)
        if isinstance(answer.read, Reason):
            self._failures_in_a_row += answer.read in _GIVE_UP_ON
            self._poll.failed(runner_id, answer.read)
            return
        self._failures_in_a_row = 0
        self._poll.reported(answer.read, answer.written_at, answer.within)
        if self._wakes is not None:
            for question in self._poll.wake_questions():
                await self._wakes.ask(question)


class WakeSweep:
    """The questions of one poll about wake streams, until these fail too often in a row.

    A server whose streams hang must not hold up the calls for its runners.
    """

    _GIVE_UP_AFTER: Final = 5

    def __init__(self, streams: WakeStreams, poll: Poll) -> None:
        self._streams = streams
        self._poll = poll
        self._failures: list[Reason] = []

    async def ask(self, question: WakeQuestion) -> None:
        """Ask of one runner's stream and tell the poll; of one not asked, why the others failed."""
        if len(self._failures) >= self._GIVE_UP_AFTER:
            self._poll.wakes_read(question, self._failures[-1])
            return
        answer = await self._streams.read(question)
        if isinstance(answer, Reason) and answer in _GIVE_UP_ON:
            self._failures.append(answer)
        else:
            self._failures.clear()
        self._poll.wakes_read(question, answer)


class Pacer:
    """Turns at even distances in time, for as long as nobody is in a hurry."""

    def __init__(self, gap: float, hurried: Callable[[], bool] = lambda: False) -> None:
        self._gap = gap
        self._hurried = hurried
        self._next = 0.0

    @classmethod
    def over(cls, interval: float, turns: int, poll: Poll, *, paced: bool) -> "Pacer":
        """Spread so many turns of a poll over half an interval, to be kind to the server."""
        gap = min(_LONGEST_GAP, _SPREAD * interval / max(1, turns)) if paced else 0.0
        return cls(gap, lambda: poll.hurried)

    async def turn(self) -> None:
        """Wait for the next turn; one that was missed is not made up for."""
        if not self._gap or self._hurried():
            return
        now = asyncio.get_running_loop().time()
        slot = max(self._next, now)
        self._next = slot + self._gap
        await asyncio.sleep(slot - now)


async def share(
    items: Iterable[Item], workers: int, work: Callable[[Item], Awaitable[None]]
) -> None:
    """Do the work on every item with so many at once, and no task per item."""
    pending = iter(items)

    async def worker() -> None:
        for item in pending:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(worker())
