"""How long our connections live, in real time."""

import asyncio
import os

import httpx

from electric_agents_exporter.sources.http_transport import Tls, aiohttp_transport
from waiting import PATIENCE, unhindered

KEEP_ALIVE_OF_A_SERVER = 5.0


async def test_an_idle_connection_is_closed_before_its_server_would_close_it() -> None:
    closed = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
        await reader.read()
        writer.close()
        closed.set()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    transport = aiohttp_transport(url, Tls(), 1)
    response = await transport.handle_async_request(httpx.Request("GET", url))
    assert await response.aread() == b"[]"
    idle_since = unhindered(os.getpid())
    # What becomes of a request that is on its way in that moment, nobody knows.
    async with asyncio.timeout(PATIENCE):
        await closed.wait()
    assert unhindered(os.getpid()) - idle_since < KEEP_ALIVE_OF_A_SERVER
    await transport.aclose()
    server.close()
