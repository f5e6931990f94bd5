"""One Alertmanager's API: what is told to it, and what it knows already."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Final, NamedTuple, TypeAlias
from urllib.parse import urlencode

import msgspec

from electric_agents_exporter.alerting.alert import Identity
from electric_agents_exporter.fleet.reasons import Reason
from electric_agents_exporter.sources.credentials import Credentials
from electric_agents_exporter.sources.http_connection import Connection, Unready
from electric_agents_exporter.sources.http_exchange import Request, Response, exchange
from electric_agents_exporter.sources.http_transport import Tls, Transport, aiohttp_transport

BATCH: Final = 64
"""The most alerts in one request, as of Prometheus: proxies refuse large bodies."""

_PATH: Final = "/api/v2/alerts"
_OURS: Final = urlencode(
    {
        "filter": 'service="electric-agents"',
        "active": "true",
        "silenced": "true",
        "inhibited": "true",
        "unprocessed": "true",
    }
)
_CONNECTIONS: Final = 2  # it is asked what it knows while it is told of alerts
_ACCEPTED: Final = 64 << 10  # bytes of the answer to what is sent, which nobody reads
_KNOWN: Final = 16 << 20  # bytes; some 8,000 alerts
_LARGE: Final = 128 << 10
_HEADERS: Final = {"accept": "application/json", "accept-encoding": "gzip"}


@dataclass(frozen=True, slots=True)
class AlertmanagerOptions:
    """How to reach one Alertmanager.

    `url` holds its path prefix and no credentials: it names the Alertmanager in metrics and in the
    log. A request may take `timeout` seconds in all.
    """

    url: str
    credentials: Credentials = field(default_factory=Credentials)
    tls: Tls = field(default_factory=Tls)
    timeout: float = 10.0


class Message(msgspec.Struct, frozen=True, rename="camel"):
    """What an Alertmanager is told of one alert; it fires until `ends_at`."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime
    generator_url: str = msgspec.field(name="generatorURL")


class Known(NamedTuple):
    """An alert that fires at an Alertmanager: since when, and until when if it hears no more of it.

    Both are seconds since the epoch on the clock of whoever sent it.
    """

    starts_at: float
    ends_at: float


class Failure(NamedTuple):
    """Why an Alertmanager could not be told or asked; `words` say more of it, and no secret."""

    reason: Reason
    words: str


_Moment: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]


class _Got(msgspec.Struct, frozen=True, rename="camel"):
    """An alert as an Alertmanager tells it."""

    labels: dict[str, str]
    starts_at: _Moment
    ends_at: _Moment


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(list[_Got])


class Alertmanager:
    """Speaks to one Alertmanager; a failure is a value with its reason."""

    def __init__(
        self,
        options: AlertmanagerOptions,
        transport: Callable[[AlertmanagerOptions], Transport] | None = None,
    ) -> None:
        self.options = options
        self._make_transport = transport or _reach
        self._connection = Connection(options.credentials, options.tls)
        self._url = options.url.rstrip("/") + _PATH

    async def send(self, messages: Sequence[Message]) -> Failure | None:
        """Tell of alerts, at most `BATCH` of them; gives why that failed, or None."""
        answer = await self._exchange(
            "POST", self._url, most=_ACCEPTED, content=_ENCODER.encode(messages)
        )
        return answer if isinstance(answer, Failure) else None

    async def known(self) -> Mapping[Identity, Known] | Failure:
        """Ask which alerts of this product fire there, silenced and inhibited ones too."""
        answer = await self._exchange("GET", f"{self._url}?{_OURS}", most=_KNOWN)
        if isinstance(answer, Failure):
            return answer
        try:
            if len(answer.body) > _LARGE:
                return await asyncio.to_thread(_read, answer.body)
            return _read(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError):
            # What it says is not repeated: it may be anything.
            return Failure(Reason.SCHEMA, "")

    async def aclose(self) -> None:
        """Close every connection."""
        await self._connection.aclose()

    async def _exchange(
        self, method: str, url: str, *, most: int, content: bytes | None = None
    ) -> Response | Failure:
        ready = await self._connection.ready(lambda: self._make_transport(self.options))
        if isinstance(ready, Unready):
            return Failure(ready.reason, ready.words)
        headers = _HEADERS | {name.lower(): value for name, value in ready.headers.items()}
        if content is not None:
            headers["content-type"] = "application/json"
        request = Request(method, url, headers, most, part=content is not None, content=content)
        response, _, words = await exchange(ready.transport, request, self.options.timeout)
        return Failure(response, words) if isinstance(response, Reason) else response


def moment(seconds: float) -> datetime:
    """Write seconds since the epoch as Alertmanager keeps them: in whole milliseconds."""
    exact = datetime.fromtimestamp(seconds, UTC)
    return exact.replace(microsecond=exact.microsecond // 1000 * 1000)


def _read(body: bytes) -> dict[Identity, Known]:
    return dict(_known(_DECODER.decode(body)))


def _known(alerts: Iterable[_Got]) -> Iterable[tuple[Identity, Known]]:
    for alert in alerts:
        times = Known(alert.starts_at.timestamp(), alert.ends_at.timestamp())
        yield frozenset(alert.labels.items()), times


def _reach(options: AlertmanagerOptions) -> Transport:
    return aiohttp_transport(options.url, options.tls, _CONNECTIONS)
