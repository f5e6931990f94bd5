"""A server on a real socket that can misbehave in every way a real one can."""

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest

from electric_agents_exporter.fleet.clock import Clock, SystemClock
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll, PollResult
from electric_agents_exporter.fleet.reasons import Operation
from electric_agents_exporter.fleet.snapshot import FleetSnapshot, TargetSnapshot
from electric_agents_exporter.sources.http import HttpOptions, HttpServer, HttpSource
from unhindered_loop import UnhinderedLoop

SAMPLES = Path(__file__).parents[2] / "contract" / "samples"


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Let deadlines stand while this thread, which server and source share, has to wait."""
    return {"unhindered": UnhinderedLoop}


class Request:
    """What a client sent, and the connection to answer on."""

    def __init__(self, head: str, writer: asyncio.StreamWriter) -> None:
        first, *lines = head.split("\r\n")
        self.target = first.split(" ")[1]
        self.headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines if line)
        }
        self.writer = writer

    @property
    def path(self) -> str:
        """What is asked for, without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query."""
        return {name: last for name, (*_, last) in parse_qs(self.target.partition("?")[2]).items()}

    @property
    def runner_id(self) -> str | None:
        """The runner whose report is asked for; None for anything else."""
        _, found, rest = self.path.partition("/_electric/runners/")
        return unquote(rest.split("/")[0]) if found else None

    def send(self, body: bytes, status: str = "200 OK", *headers: str) -> None:
        """Answer as the real server does, chunked."""
        head = [f"HTTP/1.1 {status}", "Transfer-Encoding: chunked", "Keep-Alive: timeout=5"]
        if not any(header.lower().startswith("date:") for header in headers):
            head.append("Date: Mon, 23 Nov 2026 12:00:00 GMT")
        chunk = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
        self.writer.write("\r\n".join([*head, *headers, "", ""]).encode() + chunk + b"0\r\n\r\n")

    def send_json(self, value: object, status: str = "200 OK", *headers: str) -> None:
        self.send(json.dumps(value).encode(), status, *headers)

    def reset(self) -> None:
        """Break the connection as a killed process does."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Answer = Callable[[Request], Awaitable[None]]


class WakeStream:
    """The events of a runner's wake stream, and where each of them ends."""

    def __init__(self) -> None:
        self.events: list[tuple[int, object]] = []
        self.tail = 0

    def append(self, event: object) -> None:
        """Write an event at the end."""
        self.tail += 100
        self.events.append((self.tail, event))

    def wake(self, stream: str, *, at: float, generation: int = 1) -> None:
        """Wake an entity at a moment of the server's clock."""
        event = {
            "type": "wake",
            "stream": f"/{stream}",
            "ts": round(1000 * at),
            "generation": generation,
        }
        self.append(event)

    def answer(self, request: "Request") -> None:
        """Answer as the real server does: with what stands behind an offset, and the tail."""
        offset = request.query["offset"]
        heard = self.tail if offset == "now" else place_of(offset)
        left = [event for end, event in self.events if end > heard]
        request.send_json(left, "200 OK", f"Stream-Next-Offset: {offset_at(self.tail)}")


def offset_at(place: int) -> str:
    """Write an offset as a server does."""
    return f"{0:016}_{place:016}"


def place_of(offset: str) -> int:
    return 0 if offset == "-1" else int(offset.partition("_")[2])


class ScriptedServer:
    """Answers by `answer`, which a test may replace at any time."""

    def __init__(self) -> None:
        self.runners: dict[str, dict[str, Any]] = {}
        self.streams: dict[str, WakeStream] = {}
        self.entities: dict[str, str] = {}
        self.owner = "/principal/service%3Amonitor"
        self.requests: list[Request] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.connections = 0
        self.answer: Answer = self.well
        self._server: asyncio.Server | None = None
        self._secure = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"https://localhost:{port}" if self._secure else f"http://127.0.0.1:{port}"

    def add(self, runner_id: str, sample: str = "health-healthy") -> None:
        report = json.loads((SAMPLES / f"{sample}.json").read_text())
        report["runner"] |= {"id": runner_id, "wake_stream": f"/runners/{runner_id}/wake"}
        self.runners[runner_id] = report

    @property
    def about_runners(self) -> list[Request]:
        """The requests for lists and reports, of all that were made."""
        return [request for request in self.requests if "/_electric/runners" in request.path]

    async def well(self, request: Request) -> None:
        """Answer as a healthy server."""
        if request.path.endswith("/_electric/health"):
            request.send_json({"status": "ok"})
        elif request.path.endswith("/_electric/runners"):
            request.send_json([self.item(runner_id) for runner_id in self.runners])
        elif request.runner_id is not None:
            request.send_json(self.runners[request.runner_id])
        elif request.path in self.streams:
            self.streams[request.path].answer(request)
        elif request.path in self.entities:
            request.send_json({"url": request.path, "status": self.entities[request.path]})
        else:
            request.send_json({"error": {}}, "404 Not Found")

    def hear(self, runner_id: str, offset: object) -> None:
        """Let a runner say how far it has heard its wake stream."""
        self.runners[runner_id]["runner"]["wake_stream_offset"] = offset

    def item(self, runner_id: str) -> dict[str, Any]:
        base = json.loads((SAMPLES / "runner.json").read_text())
        stream = self.runners[runner_id]["runner"]["wake_stream"]
        return {**base, "id": runner_id, "owner_principal": self.owner, "wake_stream": stream}

    async def start(self, context: ssl.SSLContext | None = None) -> None:
        self._secure = context is not None
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=context)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                request = Request(head.decode("latin-1"), writer)
                self.requests.append(request)
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                try:
                    await self.answer(request)
                    await writer.drain()
                finally:
                    self.in_flight -= 1
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


class Exchange:
    """A target that polls the server through the real transport."""

    def __init__(self, options: HttpOptions, clock: Clock, policy: Policy, *, wakes: bool) -> None:
        fleet = Fleet(clock)
        fleet.configure([policy])
        self.target = fleet.targets["production"]
        self.source = HttpSource(HttpServer(options, clock), wakes=wakes)
        self._fleet = fleet

    async def poll(self, *, paced: bool = False) -> bool:
        return (await self.result(paced=paced)).succeeded

    async def result(self, *, paced: bool = False) -> PollResult:
        poll = Poll(self.target)
        complete = await self.source.poll(poll, paced=paced)
        return poll.end(complete=complete)

    @property
    def whole(self) -> FleetSnapshot:
        return self._fleet.snapshot()

    @property
    def seen(self) -> TargetSnapshot:
        return self.whole.targets[0]

    def errors(self) -> dict[str, int]:
        """The errors that were counted, as `operation reason`."""
        errors = self.seen.requests.errors
        return {f"{e.value} {reason.value}": n for (e, reason), n in errors.items() if n}


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    scripted = ScriptedServer()
    await scripted.start()
    yield scripted
    await scripted.stop()


Connect = Callable[..., Exchange]


@pytest.fixture
async def connect(server: ScriptedServer) -> AsyncIterator[Connect]:
    """Makes a target of the server; keyword arguments are `HttpOptions`, and how it is watched.

    Wakes are asked for with `wakes` alone.
    """
    made: list[Exchange] = []

    def exchange(
        *,
        wakes: bool = False,
        clock: Clock | None = None,
        policy: Policy | None = None,
        **options: Any,  # noqa: ANN401
    ) -> Exchange:
        settings = HttpOptions(
            **{
                "url": server.url,
                "principals": ("service:monitor",),
                "timeout": 10.0,
                **options,
            }
        )
        asked = [operation for operation in Operation if wakes or operation is not Operation.WAKES]
        watched = replace(
            policy or Policy("production"),
            principals=settings.principals,
            operations=tuple(asked),
        )
        made.append(Exchange(settings, clock or SystemClock(), watched, wakes=wakes))
        return made[-1]

    yield exchange
    for each in made:
        await each.source.aclose()
