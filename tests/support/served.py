"""Our side of HTTP on a real socket, in the loop that a test runs on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import uvicorn
from starlette.types import ASGIApp

from electric_agents_exporter.web.access import Access
from electric_agents_exporter.web.connections import Connections, Limits
from electric_agents_exporter.web.handshake import Pace, protocol


@contextlib.asynccontextmanager
async def served(
    app: ASGIApp,
    limits: Limits,
    keep_alive: int = 5,
    access: Callable[[], Access] = Access,
    pace: Pace | None = None,
) -> AsyncIterator[int]:
    """Serve on loopback while the block runs, and give the port."""
    connections = Connections(limits)
    config = uvicorn.Config(
        app,
        http=protocol(connections, access, pace or Pace()),  # type: ignore[arg-type]  # called, as a class is
        log_config=None,
        timeout_keep_alive=keep_alive,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(
        lambda: config.http_protocol_class(  # type: ignore[call-arg]
            config=config, server_state=server.server_state, app_state={}, _loop=loop
        ),
        "127.0.0.1",
        0,
    )
    watching = loop.create_task(connections.watch())
    yield listening.sockets[0].getsockname()[1]
    watching.cancel()
    connections.end_beginnings()
    listening.close()
    await asyncio.sleep(0)
