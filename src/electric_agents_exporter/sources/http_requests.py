"""Single requests to an agents-server as any of its principals, told to a poll."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final, Generic, NamedTuple, TypeVar
from urllib.parse import urlsplit

import httpx

from electric_agents_exporter.contract import principals
from electric_agents_exporter.contract.principals import Principal
from electric_agents_exporter.contract.reading import NotJsonError, TooManyError
from electric_agents_exporter.fleet.clock import Clock
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation, Reason
from electric_agents_exporter.sources.http_exchange import Request, Response, exchange
from electric_agents_exporter.sources.http_reasons import ODD
from electric_agents_exporter.sources.http_transport import Transport

log = logging.getLogger(__name__)

Read = TypeVar("Read")

# Of a wake stream's body the first part is enough; any other that is larger is a failure.
_MAX_BODY: Final = {
    Operation.HEALTH: 4 << 20,
    Operation.WAKES: 64 << 10,
    Operation.SERVER: 64 << 10,
}
_LISTED_BODY: Final = 672  # of one runner in a list; most have half of it
_LARGE_BODY: Final = 128 << 10
_HEADERS: Final = {"accept": "application/json", "accept-encoding": "gzip"}


class Answer(NamedTuple, Generic[Read]):
    """What came of a request.

    `read` is what was read of the body, or why there is none; `written_at` our clock when the
    server wrote it, known `within` so many seconds.
    """

    read: Read | Reason
    written_at: float
    within: float


@dataclass(frozen=True, slots=True)
class Wire:
    """What requests go over, with which headers, and how long each may take in seconds.

    `query` holds the parameters that every URL has, after the `?`: they may be a secret.
    """

    transport: Transport
    headers: Mapping[str, str] = field(repr=False)
    timeout: float
    clock: Clock
    query: str = field(default="", repr=False)

    def whole(self, url: str) -> str:
        """Give a URL with the parameters that every one has, behind its own."""
        if not self.query:
            return url
        return f"{url}{'&' if '?' in url else '?'}{self.query}"


class Requests:
    """Makes the requests of one poll as any of its principals, and tells the poll how they went."""

    def __init__(self, names: tuple[str, ...], wire: Wire, poll: Poll) -> None:
        common = _HEADERS | {name.lower(): value for name, value in wire.headers.items()}
        self._headers = {
            # Made once, as httpx takes long to make them.
            name: httpx.Headers(common | {principals.HEADER: _header(name, principals.parse(name))})
            for name in names
        }
        self._wire = wire
        self._poll = poll

    async def ask(
        self,
        operation: Operation,
        url: str,
        name: str,
        read: Callable[[Response], Read | Reason],
        refusals: Collection[Reason] = (),
    ) -> Answer[Read]:
        """Make one request as a principal (as configured).

        `refusals` are reasons that are as good an answer as any, and are counted as no error.
        """
        sent = self._wire.clock.monotonic()
        answer: Read | Reason
        date: float | None = None
        request = Request(
            "GET",
            self._wire.whole(url),
            self._headers[name],
            self._most_of(operation),
            part=operation is Operation.WAKES,
        )
        response, status, words = await exchange(self._wire.transport, request, self._wire.timeout)
        if isinstance(response, Reason):
            answer = response
        else:
            # A report, which tells the time to the millisecond, came just before a wake stream.
            date = None if operation is Operation.WAKES else _date(response.headers)
            answer = await _read(read, response)
        received = self._wire.clock.monotonic()
        written_at, within = (sent + received) / 2, (received - sent) / 2
        if date is not None and not isinstance(answer, Reason):
            self._poll.observed_date(date, written_at, within)
        reason = answer if isinstance(answer, Reason) else None
        counted = None if reason in refusals else reason
        self._poll.requested(operation, received - sent, counted, words)
        if self._poll.trace is not None or log.isEnabledFor(logging.DEBUG):
            fields = {
                "operation": operation.value,
                "path": urlsplit(url).path,
                "principal": name,
                "seconds": f"{received - sent:.3f}",
                "status": str(status or "none"),
                "reason": reason.value if reason else "none",
                "error": words or "none",
            }
            self._poll.asked(fields)
            log.debug("asked", extra=fields)
        return Answer(answer, written_at, within)

    def _most_of(self, operation: Operation) -> int:
        """Give how many bytes an answer may have."""
        if operation is Operation.LIST:
            return _LISTED_BODY * self._poll.max_listed
        return _MAX_BODY[operation]


async def _read(read: Callable[[Response], Read | Reason], response: Response) -> Read | Reason:
    """Read a body; a large one, such as a long list, in a thread, or scrapes would wait for it."""
    try:
        if len(response.body) > _LARGE_BODY:
            return await asyncio.to_thread(read, response)
        return read(response)
    except NotJsonError:
        return Reason.NOT_JSON
    except TooManyError:
        return Reason.TOO_LARGE
    except ODD:
        return Reason.SCHEMA


def _header(text: str, principal: Principal) -> str:
    """Write a principal as the operator did where a header can carry that, else as its URL."""
    plain = text.isascii() and text.isprintable() and text == text.strip()
    return text if plain else principal.url


def _date(headers: httpx.Headers) -> float | None:
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (OSError, TypeError, *ODD):
        return None
