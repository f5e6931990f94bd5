"""How a service ends, in its own process and in real time that does not count others' work."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
import time
from collections.abc import Iterator

import pytest

from electric_agents_exporter.contract.reading import read_health, read_list
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.service import Service
from electric_agents_exporter.settings.loading import load
from electric_agents_exporter.sockets import listen
from electric_agents_exporter.web.routes import Served
from unhindered_loop import run_unhindered

RUNNERS = 3000
WITHIN = 3.0


@pytest.fixture(autouse=True)
def restored_process() -> Iterator[None]:
    interval, uvicorn = sys.getswitchinterval(), logging.getLogger("uvicorn.error")
    level = uvicorn.level
    yield
    sys.setswitchinterval(interval)
    gc.unfreeze()
    uvicorn.setLevel(level)
    logging.getLogger("asyncio").setLevel(logging.NOTSET)


def fill(served: Served) -> None:
    """Let there be so many runners that no socket holds what is said of them."""
    (target,) = served.fleet.targets.values()
    poll = Poll(target)
    ids = ",".join(f'{{"id": "runner-{number}"}}' for number in range(RUNNERS))
    poll.listed("service:monitor", read_list(f"[{ids}]".encode()))
    for due in poll.due():
        report = b'{"runner": {"id": "%s"}, "client": {"status": "streaming"}}'
        poll.reported(read_health(report % due.runner_id.encode()), served.clock.monotonic())
    poll.end()


def test_a_scrape_that_nobody_reads_holds_the_end_up_for_a_moment_only() -> None:
    run_unhindered(end_while_a_scrape_is_not_read())


async def end_while_a_scrape_is_not_read() -> None:
    target = {"url": "http://127.0.0.1:1", "principals": ["service:monitor"]}
    settings = load(None, {"targets": [target]}, {})
    service = Service(settings, lambda: settings)
    fill(service.served())
    listening = listen("127.0.0.1:0")
    serving = asyncio.Event()
    address = listening.sockets[0].getsockname()
    running = asyncio.create_task(service.run(listening, on_serving=serving.set))
    await serving.wait()
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(0)
    with contextlib.closing(client):
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, address)
        await loop.sock_sendall(client, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await loop.sock_recv(client, 12)).endswith(b"200")

        began = time.monotonic()
        signal.raise_signal(signal.SIGTERM)
        async with asyncio.timeout(WITHIN):
            await running
        # It was given a moment to be read.
        assert time.monotonic() - began > 0.5


async def test_what_is_sent_to_a_client_that_is_gone_is_not_logged_a_line_each(
    caplog: pytest.LogCaptureFixture,
) -> None:
    target = {"url": "http://127.0.0.1:1", "principals": ["service:monitor"]}
    settings = load(None, {"targets": [target]}, {})
    listening = listen("127.0.0.1:0")
    serving = asyncio.Event()
    service = Service(settings, lambda: settings)
    running = asyncio.create_task(service.run(listening, on_serving=serving.set))
    await serving.wait()
    _, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    # As when a scrape is sent in many parts, and its client goes between two of them.
    writer.transport.abort()
    for _ in range(10):
        writer.write(b"x")
    signal.raise_signal(signal.SIGTERM)
    await running
    assert "socket.send()" not in caplog.text
