"""TLS: a connection is one of many from its first byte, and not only once it is encrypted."""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any, Final

from typing_extensions import override
from uvicorn.protocols.utils import get_remote_addr

from electric_agents_exporter.web.access import Access
from electric_agents_exporter.web.connections import BAD_REQUEST, Connection, Connections, Limits

_SHUTDOWN_SECONDS: Final = 2.0
_SPARE_SECONDS: Final = 5.0
_REST_SECONDS: Final = 0.004  # a handshake takes the processor for one or two thousandths
_LONGEST_REST: Final = 0.05
_IN_THE_CLEAR: Final = BAD_REQUEST + b"Client sent an HTTP request to an HTTPS server.\n"  # as Go

Become = Callable[[asyncio.Transport, float], Connection]
"""Makes what a connection becomes, of its transport beneath TLS and since when it is there."""


class Pace:
    """Lets no handshake begin for a moment after each that was made: polls need the time too.

    Whoever comes waits a twentieth of a second at most, however many there are.
    """

    def __init__(self) -> None:
        """Begin with none made."""
        self._free_at = 0.0

    def made(self) -> None:
        """Take in that a handshake has taken its time."""
        now = asyncio.get_running_loop().time()
        self._free_at = min(max(self._free_at, now) + _REST_SECONDS, now + _LONGEST_REST)

    async def wait(self) -> None:
        """Wait until one may begin."""
        left = self._free_at - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)


class Handshake(asyncio.Protocol):
    """A connection whose handshake is not over; what comes with its end waits for whoever is next.

    It stands among all connections, and is cut off as they are.
    """

    def __init__(
        self,
        connections: Connections,
        pace: Pace,
        context: ssl.SSLContext,
        allowed_sans: frozenset[str] | None,
        become: Become,
    ) -> None:
        self._connections = connections
        self._pace = pace
        self._is_cut_off = False
        self._context = context
        self._allowed_sans = allowed_sans
        self._become = become
        self._loop = asyncio.get_running_loop()
        self._received: list[bytes] = []
        self._beneath: asyncio.Transport
        self.since = self._loop.time()
        self.address = "unknown"
        self.encrypted = True

    def standing(self) -> tuple[bool, bool, float]:
        """Tell how much it deserves its place: it was never served."""
        return False, False, self.since

    def overdue(self, limits: Limits) -> str:
        """Say what takes too long; empty if nothing does."""
        is_late = self._loop.time() - self.since > limits.request_seconds
        return "a TLS handshake does not come" if is_late else ""

    def abort(self) -> None:
        """End it at once."""
        self._is_cut_off = True
        self._beneath.abort()

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._beneath = transport
        found = get_remote_addr(transport)
        self.address = found[0] if found else self.address
        self._connections.admit(self)
        self._connections.keep(self._encrypt())

    @override
    def data_received(self, data: bytes) -> None:
        self._received.append(data)

    async def _encrypt(self) -> None:
        transport = None
        # Nothing may be read before there is somebody to decrypt it. While a connection is being
        # made, Python 3.11.2 pauses nothing.
        self._beneath.pause_reading()
        if self._beneath.is_closing():
            # Others came at the same time, and took its place.
            return
        try:
            await self._pace.wait()
            if not self._beneath.is_closing():
                transport = await self._shake_hands()
            self._refuse_others(transport)
        except OSError as error:
            self._connections.note(f"a TLS handshake failed{_reason(error)}", self.address)
        finally:
            # Who is cut off while he says nothing has cost nothing.
            if not self._is_cut_off:
                self._pace.made()
            self._connections.forget(self)
            if transport is None or transport.is_closing():
                self._beneath.abort()
        if transport is not None and not transport.is_closing():
            self._go_on(transport)

    async def _shake_hands(self) -> asyncio.Transport | None:
        """Give what is encrypted; to a request in the clear say what is wrong with it.

        Raises:
            OSError: the handshake failed.
        """
        # When it has failed, there is nothing left that could be written to but this.
        with self._beneath.get_extra_info("socket").dup() as again:
            try:
                return await self._loop.start_tls(
                    self._beneath,
                    self,
                    self._context,
                    server_side=True,
                    # Whoever takes too long is cut off before.
                    ssl_handshake_timeout=self._connections.limits.request_seconds + _SPARE_SECONDS,
                    ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
                )
            except ssl.SSLError as error:
                if error.reason == "HTTP_REQUEST":
                    with contextlib.suppress(OSError):
                        again.send(_IN_THE_CLEAR)
                        again.shutdown(socket.SHUT_WR)
                raise

    def _refuse_others(self, transport: asyncio.Transport | None) -> None:
        """End a connection whose certificate has none of the names that it needs one of."""
        if transport is None or self._allowed_sans is None:
            return
        if self._allowed_sans.isdisjoint(_alternative_names(transport.get_extra_info("peercert"))):
            transport.abort()
            why = "a client's certificate has no name of client_allowed_sans"
            self._connections.note(why, self.address)

    def _go_on(self, transport: asyncio.Transport) -> None:
        connection = self._become(self._beneath, self.since)
        transport.set_protocol(connection)
        connection.connection_made(transport)
        for data in self._received:
            connection.data_received(data)


def _reason(error: OSError) -> str:
    """Say why a handshake failed, in the words of OpenSSL, of which there are few."""
    reason = getattr(error, "reason", None)
    return f": {reason.replace('_', ' ').lower()}" if isinstance(reason, str) else ""


def _alternative_names(certificate: Any) -> Iterator[str]:  # noqa: ANN401  (as `ssl` gives it)
    for _, name in (certificate or {}).get("subjectAltName", ()):
        yield name
        with contextlib.suppress(ValueError):
            # Go writes addresses in the short form, and OpenSSL does not.
            yield str(ipaddress.ip_address(name.strip()))


def protocol(
    connections: Connections, access: Callable[[], Access], pace: Pace
) -> Callable[..., asyncio.Protocol]:
    """Give what makes a connection of each that comes, encrypted where it has to be by then."""

    def begin(**options: Any) -> asyncio.Protocol:  # noqa: ANN401  (uvicorn's)
        given = access()

        def become(beneath: asyncio.Transport, since: float) -> Connection:
            return Connection(connections, beneath=beneath, since=since, **options)

        if given.tls is None:
            return Connection(connections, **options)
        return Handshake(connections, pace, given.tls, given.allowed_sans, become)

    return begin
