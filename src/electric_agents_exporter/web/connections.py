"""Connections: whoever reaches the port can hold neither it nor our memory.

A request must be there within seconds and be small, an answer must be read, and there are so many
connections and no more: a new one takes the place of the one that has been idle for longest, so
that whoever scrapes now gets in.
"""

import asyncio
import errno
import logging
import resource
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final, Protocol

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from electric_agents_exporter.web.complaints import Complaints
from electric_agents_exporter.web.headers import SECURITY_HEADERS

log = logging.getLogger(__name__)

_NO_FILES: Final = (errno.EMFILE, errno.ENFILE)
BAD_REQUEST: Final = "\r\n".join(
    (
        "HTTP/1.1 400 Bad Request",
        "content-type: text/plain; charset=utf-8",
        "connection: close",
        *(f"{name}: {value}" for name, value in SECURITY_HEADERS.items()),
        "\r\n",
    )
).encode()
"""The head of the answer to what cannot be read as a request."""


def _most() -> int:
    """Give how many connections leave room for our own, to servers and files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 256 if files == resource.RLIM_INFINITY else max(8, min(256, files // 4))


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may take.

    Attributes:
        connections: how many there may be.
        encrypted_connections: how many there may be where TLS is spoken: each takes up to 400 kB,
            by Python's buffers alone.
        request_seconds: how long a request may be on its way, from its connection or first byte.
        request_bytes: how long it may be, with headers and body.
        stuck_seconds: how long a client may take nothing of what is sent to it.
        sweep_seconds: how often all this is looked after.
    """

    connections: int = _most()
    encrypted_connections: int = min(64, _most())
    request_seconds: float = 10.0
    request_bytes: int = 65_536
    stuck_seconds: float = 10.0
    sweep_seconds: float = 1.0


class Open(Protocol):
    """A connection, at whichever point it is."""

    @property
    def address(self) -> str:
        """Where it comes from."""

    @property
    def encrypted(self) -> bool:
        """Whether TLS is spoken."""

    def standing(self) -> tuple[bool, bool, float]:
        """Tell how much it deserves its place: whoever has the least loses it first."""

    def overdue(self, limits: Limits) -> str:
        """Say what takes too long; empty if nothing does."""

    def abort(self) -> None:
        """End it at once."""


class Connections:
    """All connections that are open."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open: dict[Open, None] = {}
        self._complaints = Complaints(log, "connections cut off")
        self._beginning: set[asyncio.Task[None]] = set()

    async def watch(self) -> None:
        """Cut off those that take too long, until cancelled."""
        while True:
            await asyncio.sleep(self.limits.sweep_seconds)
            for connection in list(self._open):
                why = connection.overdue(self.limits)
                if why:
                    self.cut(connection, why)

    def admit(self, connection: Open) -> None:
        """Take in a new one, in the place of another where there are too many."""
        self._open[connection] = None
        limits = self.limits
        most = limits.encrypted_connections if connection.encrypted else limits.connections
        if len(self._open) <= most:
            return
        # Many are taken in at once: who came last may have asked, and not been read yet.
        older = list(self._open)[: -max(1, most // 2)]
        # First goes who is not being answered: who never was, then who waits for longest. After
        # those goes who reads nothing of its answer: who never did, then who stopped first.
        self.cut(min(older, key=lambda each: each.standing()), "there are too many")

    def forget(self, connection: Open) -> None:
        """Note that one has ended."""
        self._open.pop(connection, None)

    def cut(self, connection: Open, why: str) -> None:
        """End one at once."""
        self.note(why, connection.address)
        self.forget(connection)
        connection.abort()

    def keep(self, beginning: Coroutine[object, object, None]) -> None:
        """Run what a connection begins with beside everything else."""
        task = asyncio.get_running_loop().create_task(beginning)
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    def end_beginnings(self) -> None:
        """Give up what connections begin with: nobody waits for it where we end."""
        for task in self._beginning:
            task.cancel()

    def note(self, why: str, address: str) -> None:
        """Count what is wrong with one, and tell it; the same again only after a while."""
        self._complaints.note(why, address)

    def handle_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Tell of an error of the loop; one that comes hundreds of times a second only once."""
        if isinstance(error := context.get("exception"), OSError) and error.errno in _NO_FILES:
            self.note("no file is left for them", "unknown")
        else:
            loop.default_exception_handler(context)


class Connection(HttpToolsProtocol):
    """One connection; `beneath` is what carries it where it is encrypted.

    Attributes:
        served: whether it was ever answered, or took the first part of an answer at least.
        since: since when it is as it is: waits for a request, or for the rest of one.
    """

    def __init__(
        self,
        connections: Connections,
        *,
        beneath: asyncio.Transport | None = None,
        since: float | None = None,
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(**options)
        self._connections = connections
        self._beneath = beneath
        self._received = 0
        self._asks = True
        self._unsent = 0
        self._stuck_since = 0.0
        self.served = False
        self.since = self.loop.time() if since is None else since

    @property
    def address(self) -> str:
        """Where it comes from."""
        return self.client[0] if self.client else "unknown"

    @property
    def encrypted(self) -> bool:
        """Whether TLS is spoken."""
        return self._beneath is not None

    @property
    def answering(self) -> bool:
        """Whether a request is being answered."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def standing(self) -> tuple[bool, bool, float]:
        """Tell how much it deserves its place: whoever has the least loses it first."""
        stuck_since = self._follow_sending()
        busy = self.answering or self._unsent > 0
        return busy, self.served, stuck_since if busy else self.since

    def _follow_sending(self) -> float:
        """Tell since when its client takes nothing of what is sent to it; now if it does."""
        unsent = self._count_unsent()
        if not unsent or unsent != self._unsent:
            self._unsent, self._stuck_since = unsent, self.loop.time()
        return self._stuck_since

    def _count_unsent(self) -> int:
        if self._beneath is None:
            return self.transport.get_write_buffer_size()
        # One that is closed twice knows no more of what it still has.
        above = 0 if self.transport.is_closing() else self.transport.get_write_buffer_size()
        return above + self._beneath.get_write_buffer_size()

    def abort(self) -> None:
        """End it at once."""
        self.transport.abort()
        if self._beneath is not None:
            self._beneath.abort()

    def overdue(self, limits: Limits) -> str:
        """Say what takes too long; empty if nothing does."""
        now = self.loop.time()
        if now - self._follow_sending() > limits.stuck_seconds:
            return "an answer is not read"
        if self._asks and now - self.since > limits.request_seconds:
            return "a request does not come"
        return ""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._stuck_since = self.loop.time()
        self._connections.admit(self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.forget(self)
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if not self._asks:
            self._asks, self.since = True, self.loop.time()
        self._received += len(data)
        if self._received > self._connections.limits.request_bytes:
            self._connections.cut(self, "a request is too long")
            return
        super().data_received(data)

    @override
    def on_message_begin(self) -> None:
        self._asks, self.since = True, self.loop.time()
        super().on_message_begin()

    @override
    def on_message_complete(self) -> None:
        self._asks, self._received = False, 0
        super().on_message_complete()

    @override
    def on_response_complete(self) -> None:
        # What is only in our own buffer by now nobody may ever read.
        self.served |= not self.flow.write_paused
        self.since = self.loop.time()
        super().on_response_complete()

    @override
    def resume_writing(self) -> None:
        self.served, self._stuck_since = True, self.loop.time()
        super().resume_writing()

    @override
    def send_400_response(self, msg: str) -> None:
        self._connections.note("what came is no HTTP", self.address)
        self.transport.write(BAD_REQUEST + msg.encode())
        self.transport.close()

    @override
    def _unsupported_upgrade_warning(self) -> None:
        """Answer as if no other protocol had been offered: scanners do that all day."""
