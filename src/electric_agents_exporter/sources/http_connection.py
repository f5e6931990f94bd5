"""What a server is reached with: credentials as they are now, and a transport that follows files.

There is no client around the transport: nothing follows a redirect with our credentials, keeps a
cookie, or costs what these cost.
"""

from collections.abc import Callable
from typing import NamedTuple

import httpx

from electric_agents_exporter.fleet.reasons import Reason
from electric_agents_exporter.sources.credentials import CredentialError, Credentials
from electric_agents_exporter.sources.http_transport import Tls, Transport


class Ready(NamedTuple):
    """A transport, and the headers that hold secrets."""

    transport: Transport
    headers: dict[str, str]


class Unready(NamedTuple):
    """What on our own side keeps us from asking; `words` name files, and never what is in them."""

    reason: Reason
    words: str


class Connection:
    """The connection to one server."""

    def __init__(self, credentials: Credentials, tls: Tls) -> None:
        self._credentials = credentials
        self._tls = tls
        self._transport: Transport | None = None
        self._tls_stamp: tuple[object, ...] = ()

    async def ready(self, make: Callable[[], Transport]) -> Ready | Unready:
        """Read the credentials, and make a transport if there is none or the TLS files changed."""
        try:
            headers = self._credentials.read()
            return Ready(await self._ready_transport(make), headers)
        except (CredentialError, httpx.ProxyError, OSError) as error:
            return Unready(_reason_of(error), str(error))

    async def aclose(self) -> None:
        """Close what is open; the next use opens it again."""
        # Another may be made while the old one closes.
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

    async def _ready_transport(self, make: Callable[[], Transport]) -> Transport:
        stamp = tuple((path, path.stat().st_mtime_ns) for path in self._tls.files)
        if stamp != self._tls_stamp:
            await self.aclose()
        if self._transport is None:
            self._transport = make()
            self._tls_stamp = stamp
        return self._transport


def _reason_of(error: Exception) -> Reason:
    """Classify what keeps us from asking; of files, only those of TLS raise OSError."""
    if isinstance(error, OSError):
        return Reason.TLS
    return Reason.PROXY if isinstance(error, httpx.ProxyError) else Reason.OTHER
