"""Reports over an agents-server's HTTP API: a list per principal, then one call per runner."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
import httpx

from electric_agents_exporter.contract import principals
from electric_agents_exporter.contract.principals import Principal
from electric_agents_exporter.contract.reading import (
    HealthAnswer,
    ListAnswer,
    NotJsonError,
    ShapeError,
    read_health,
    read_list,
)
from electric_agents_exporter.fleet.clock import Clock
from electric_agents_exporter.fleet.inventory import Due
from electric_agents_exporter.fleet.reasons import Operation, Reason
from electric_agents_exporter.fleet.target import Poll
from electric_agents_exporter.sources.credentials import CredentialError, Credentials
from electric_agents_exporter.sources.http_reasons import reason_of_error, reason_of_status
from electric_agents_exporter.sources.http_transport import Tls, aiohttp_transport

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Answer = TypeVar("Answer", HealthAnswer, ListAnswer)

_SPREAD: Final = 0.5  # of the interval
_LONGEST_GAP: Final = 0.05
_MAX_BODY: Final = {Operation.LIST: 64 << 20, Operation.HEALTH: 4 << 20}
_LARGE_BODY: Final = 128 << 10
_HEADERS: Final = {"accept": "application/json", "accept-encoding": "gzip"}
_UNADDRESSABLE: Final = frozenset({"", ".", ".."})  # a URL's path cannot name them

_SERVER_WIDE: Final = frozenset(
    {
        Reason.TIMEOUT,
        Reason.DNS,
        Reason.CONNECT,
        Reason.TLS,
        Reason.PROXY,
        Reason.RESET,
        Reason.UNAUTHORIZED,
        Reason.RATE_LIMITED,
        Reason.SERVER_ERROR,
    }
)


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How to ask one server. Times are in seconds; `principals` are as the operator wrote them."""

    url: str
    principals: tuple[str, ...]
    credentials: Credentials = field(default_factory=Credentials)
    tls: Tls = field(default_factory=Tls)
    interval: float = 15.0
    timeout: float = 5.0
    concurrency: int = 10


TransportFactory = Callable[[HttpOptions], httpx.AsyncBaseTransport]


class HttpSource:
    """A source that asks an agents-server over HTTP."""

    def __init__(
        self, options: HttpOptions, clock: Clock, transport: TransportFactory | None = None
    ) -> None:
        self._options = options
        self._clock = clock
        self._make_transport = transport or _reach
        self._transport: httpx.AsyncBaseTransport | None = None
        self._tls_stamp: tuple[object, ...] = ()
        self._logged = ""

    def credential_changed_at(self) -> float | None:
        """When the newest credential file changed, seconds since the epoch; None without one."""
        return self._options.credentials.changed_at()

    async def aclose(self) -> None:
        """Close every connection."""
        if self._transport is not None:
            await self._transport.aclose()
            self._transport = None

    async def poll(self, poll: Poll, *, paced: bool) -> bool:
        """Ask once; see `Source.poll`."""
        try:
            headers = self._options.credentials.read()
            transport = await self._ready_transport()
        except (CredentialError, httpx.ProxyError, OSError) as error:
            self._log_transition(str(error))
            reason = _reason_of_ours(error)
            poll.requested(Operation.LIST, 0.0, reason)
            return False
        self._log_transition("")
        wire = _Wire(self._options, self._clock, transport, headers)
        sweep = _Sweep(self._options, wire, poll)
        await _share(self._options.principals, self._options.concurrency, sweep.list_runners)
        due = poll.due()
        gap = min(_LONGEST_GAP, _SPREAD * self._options.interval / max(1, len(due)))
        pace = _Pace(gap if paced else 0.0)
        return await sweep.ask_all(due, pace)

    def _log_transition(self, complaint: str) -> None:
        """Log what is wrong on our own side when that changes, and not at every poll."""
        if complaint and complaint != self._logged:
            log.warning(
                "credentials, TLS files or proxy cannot be used", extra={"error": complaint}
            )
        elif self._logged and not complaint:
            log.info("credentials, TLS files and proxy can be used again")
        self._logged = complaint

    async def _ready_transport(self) -> httpx.AsyncBaseTransport:
        """Give the transport, a new one if the TLS files changed since the last poll.

        There is no client around it: nothing follows a redirect with our credentials, keeps a
        cookie, or costs what these cost.
        """
        stamp = tuple((path, path.stat().st_mtime_ns) for path in self._options.tls.files)
        if self._transport is not None and stamp != self._tls_stamp:
            await self.aclose()
        if self._transport is None:
            self._transport = self._make_transport(self._options)
            self._tls_stamp = stamp
        return self._transport


class _Sweep:
    """The requests of one poll: the lists, then the runners that are due."""

    def __init__(self, options: HttpOptions, wire: "_Wire", poll: Poll) -> None:
        self._base = options.url.rstrip("/") + "/_electric/runners"
        self._concurrency = options.concurrency
        self._wire = wire
        self._poll = poll
        self._failures_in_a_row = 0

    async def list_runners(self, name: str) -> None:
        """Ask for the runners of one principal (as configured)."""
        principal = principals.parse(name)
        # Naming the owner makes a server that lost our header say 403 instead of an empty list.
        url = f"{self._base}?owner_principal={quote(principal.url, safe='')}"

        def read(body: bytes) -> ListAnswer | Reason:
            answer = read_list(body)
            owners = {runner.owner_principal for runner in answer.runners} - {None, principal.url}
            return Reason.WRONG_PRINCIPAL if owners else answer

        answer, *_ = await self._wire.ask(Operation.LIST, url, name, read, self._poll)
        if not isinstance(answer, Reason):
            self._poll.listed(name, answer)

    async def ask_all(self, due: Sequence[Due], pace: "_Pace") -> bool:
        """Ask after every runner, until done or until the server fails altogether."""
        give_up_after = 2 * self._concurrency

        async def ask(item: Due) -> None:
            if self._failures_in_a_row < give_up_after:
                await pace.turn()
                await self._ask_after(item)

        await _share(due, self._concurrency, ask)
        return self._failures_in_a_row < give_up_after

    async def _ask_after(self, due: Due) -> None:
        runner_id = due.runner_id
        if runner_id in _UNADDRESSABLE:
            self._poll.requested(Operation.HEALTH, 0.0, Reason.WRONG_RUNNER)
            self._poll.failed(runner_id, Reason.WRONG_RUNNER)
            return

        def read(body: bytes) -> HealthAnswer | Reason:
            answer = read_health(body)
            return answer if answer.report.runner_id == runner_id else Reason.WRONG_RUNNER

        url = f"{self._base}/{quote(runner_id, safe='')}/health"
        answer, written_at, within = await self._wire.ask(
            Operation.HEALTH, url, due.principal, read, self._poll
        )
        if isinstance(answer, Reason):
            self._failures_in_a_row += answer in _SERVER_WIDE
            self._poll.failed(runner_id, answer)
        else:
            self._failures_in_a_row = 0
            self._poll.reported(answer, written_at, within)


class _Wire:
    """Makes single requests, each with a deadline that nothing can stretch."""

    def __init__(
        self,
        options: HttpOptions,
        clock: Clock,
        transport: httpx.AsyncBaseTransport,
        headers: dict[str, str],
    ) -> None:
        common = _HEADERS | {name.lower(): value for name, value in headers.items()}
        self._headers = {
            name: common | {principals.HEADER: _header(name, principals.parse(name))}
            for name in options.principals
        }
        self._timeout = options.timeout
        self._clock = clock
        self._transport = transport

    async def ask(
        self,
        operation: Operation,
        url: str,
        name: str,
        read: Callable[[bytes], Answer | Reason],
        poll: Poll,
    ) -> tuple[Answer | Reason, float, float]:
        """Make one request as a principal (as configured), and tell the poll how it went.

        Returns:
            What was read or why not, our clock when the server wrote it, and within how many
            seconds that is known.
        """
        sent = self._clock.monotonic()
        answer: Answer | Reason
        status: int | None = None
        date: float | None = None
        try:
            async with asyncio.timeout(self._timeout):
                status, body, date = await self._fetch(operation, url, self._headers[name])
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError) as error:
            answer = reason_of_error(error)
        else:
            answer = body if isinstance(body, Reason) else await _read(read, body)
        received = self._clock.monotonic()
        written_at, within = (sent + received) / 2, (received - sent) / 2
        if date is not None and not isinstance(answer, Reason):
            poll.observed_date(date, written_at, within)
        reason = answer if isinstance(answer, Reason) else None
        poll.requested(operation, received - sent, reason)
        if log.isEnabledFor(logging.DEBUG):
            fields = {
                "operation": operation.value,
                "path": urlsplit(url).path,
                "principal": name,
                "seconds": f"{received - sent:.3f}",
                "status": status or "none",
                "reason": reason.value if reason else "none",
            }
            log.debug("asked", extra=fields)
        return answer, written_at, within

    async def _fetch(
        self, operation: Operation, url: str, headers: dict[str, str]
    ) -> tuple[int, bytes | Reason, float | None]:
        """Make one request.

        Returns:
            The status, the body or why there is none, and the server's `Date`.
        """
        request = httpx.Request("GET", url, headers=headers)
        response = await self._transport.handle_async_request(request)
        try:
            reason = reason_of_status(response.status_code)
            if reason is not None:
                return response.status_code, reason, None
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MAX_BODY[operation]:
                    return response.status_code, Reason.TOO_LARGE, None
            return response.status_code, bytes(body), _date(response)
        finally:
            await response.aclose()


class _Pace:
    """Turns at even distances in time."""

    def __init__(self, gap: float) -> None:
        self._gap = gap
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for the next turn; one that was missed is not made up for."""
        if not self._gap:
            return
        now = asyncio.get_running_loop().time()
        slot = max(self._next, now)
        self._next = slot + self._gap
        await asyncio.sleep(slot - now)


async def _share(
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


async def _read(read: Callable[[bytes], Answer | Reason], body: bytes) -> Answer | Reason:
    """Read a body; a large one, such as a long list, in a thread, or scrapes would wait for it."""
    try:
        if len(body) > _LARGE_BODY:
            return await asyncio.to_thread(read, body)
        return read(body)
    except NotJsonError:
        return Reason.NOT_JSON
    except ShapeError:
        return Reason.SCHEMA


def _header(text: str, principal: Principal) -> str:
    """Write a principal as the operator did where a header can carry that, else as its URL."""
    plain = text.isascii() and text.isprintable() and text == text.strip()
    return text if plain else principal.url


def _date(response: httpx.Response) -> float | None:
    try:
        return parsedate_to_datetime(response.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return None


def _reason_of_ours(error: Exception) -> Reason:
    """Classify what keeps us from asking at all; of files, only those of TLS raise OSError."""
    if isinstance(error, OSError):
        return Reason.TLS
    return Reason.PROXY if isinstance(error, httpx.ProxyError) else Reason.OTHER


def _reach(options: HttpOptions) -> httpx.AsyncBaseTransport:
    return aiohttp_transport(options.url, options.tls, options.concurrency)
