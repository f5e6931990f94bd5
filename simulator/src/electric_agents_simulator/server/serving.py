"""A server on a socket, which can be stopped and started again."""

import asyncio
import socket
from typing import Self

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from electric_agents_simulator.clock import Clock, RunningClock
from electric_agents_simulator.server.app import create_app
from electric_agents_simulator.server.fault_injection import TRANSPORT
from electric_agents_simulator.server.system import System, make_system
from electric_agents_simulator.storage.registry import IN_MEMORY, Registry, open_engine

_KEEP_ALIVE_SECONDS = 5
_BACKLOG = 1024


class SimulatedServer:
    """An agents-server on loopback, for as long as the context lasts.

    Invariant: `url` stays the same over `stop` and `start`.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        database: str = IN_MEMORY,
        production: bool = False,
    ) -> None:
        self._clock = clock or RunningClock()
        self._address = (host, port)
        self.system: System = make_system(
            self._clock, Registry(open_engine(database)), production=production
        )
        self._server: uvicorn.Server | None = None
        self._listener: socket.socket | None = None

    @property
    def url(self) -> str:
        """Where it listens, such as `http://127.0.0.1:4437`."""
        host, port = self._address
        return f"http://{host}:{port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be used.
        """
        listener = socket.create_server(self._address, backlog=_BACKLOG)
        self._address = listener.getsockname()[:2]
        self.system.stopping.clear()
        config = uvicorn.Config(
            create_app(self.system),
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=0,
        )
        config.load()
        # Its two ends and not its `serve`, which would take the signals and tick in between.
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup(sockets=[listener])
        self._listener = listener

    async def stop(self) -> None:
        """Cut all connections and listen no more; what is stored stays."""
        if self._server is None or self._listener is None:
            return
        self.system.stopping.set()
        self.system.streams.release_waiting()
        await self._server.shutdown(sockets=[self._listener])
        self._server = self._listener = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        self.system.registry.close()


class _Protocol(HttpToolsProtocol):
    """Hands each request its connection, so that a fault can reset it."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own does so too
        super().connection_made(transport)
        self.app = _with_transport(self.app, transport)


def _with_transport(app: ASGIApp, transport: asyncio.Transport) -> ASGIApp:
    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("extensions", {})[TRANSPORT] = transport
        await app(scope, receive, send)

    return respond
