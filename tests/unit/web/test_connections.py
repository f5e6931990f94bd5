"""Connections on real sockets: what each may take, and that whoever scrapes gets in."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from electric_agents_exporter.web.connections import Connections, Limits
from served import served

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
PARTS = b"GET /parts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
QUICK = Limits(
    connections=4, request_seconds=0.2, request_bytes=4096, stuck_seconds=0.2, sweep_seconds=0.02
)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], "asyncio.Future[Streams]"]


async def _small(_: Request) -> PlainTextResponse:
    return PlainTextResponse("well\n")


async def _large(_: Request) -> PlainTextResponse:
    return PlainTextResponse("x" * 20_000_000)


async def _parts(_: Request) -> StreamingResponse:
    return StreamingResponse(iter([b"x" * 100_000] * 200))


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    caplog.set_level(logging.WARNING)


@contextlib.asynccontextmanager
async def serving(limits: Limits) -> AsyncIterator[Connect]:
    """Serve a small answer and a large one."""
    app = Starlette(routes=[Route("/", _small), Route("/large", _large), Route("/parts", _parts)])
    opened: list[asyncio.StreamWriter] = []
    async with served(app, limits) as port:

        async def connect() -> Streams:
            streams = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            opened.append(streams[1])
            return streams

        yield lambda: asyncio.ensure_future(connect())
        for writer in opened:
            writer.transport.abort()


async def answered(streams: Streams, request: bytes = GET) -> bool:
    """Tell whether a request on a connection is answered."""
    reader, writer = streams
    writer.write(request)
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return False
    await reader.readuntil(b"well\n")
    return head.startswith(b"HTTP/1.1 200")


async def ended(streams: Streams) -> bool:
    """Wait until the other side has ended a connection."""
    with contextlib.suppress(ConnectionError):
        while await streams[0].read(65_536):
            pass
    return True


@pytest.mark.parametrize(
    "sent",
    [b"", b"\r\n", b"GET / HTTP/1.1\r\nHost:", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"],
)
async def test_a_request_that_does_not_come_ends_its_connection(sent: bytes) -> None:
    async with serving(QUICK) as connect:
        streams = await connect()
        streams[1].write(sent)
        assert await ended(streams)


async def test_a_next_request_that_does_not_come_whole_ends_its_connection() -> None:
    async with serving(QUICK) as connect:
        streams = await connect()
        assert await answered(streams)
        streams[1].write(b"GET / HT")
        assert await ended(streams)


async def test_a_connection_that_waits_for_its_next_request_stays() -> None:
    async with serving(QUICK) as connect:
        streams = await connect()
        assert await answered(streams)
        await asyncio.sleep(3 * QUICK.request_seconds)
        assert await answered(streams)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 2_000,
        b"GET /" + b"a" * 8_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 8000\r\n\r\n" + b"x" * 8_000,
        b"\r\n" * 4_000,
    ],
)
async def test_a_request_that_is_too_long_ends_its_connection_at_once(sent: bytes) -> None:
    patient = Limits(request_bytes=4096, request_seconds=600)
    async with serving(patient) as connect:
        streams = await connect()
        streams[1].write(sent)
        assert await ended(streams)


async def test_an_answer_that_is_not_read_ends_its_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(QUICK) as connect:
        _, writer = await connect()
        writer.write(LARGE)
        while "an answer is not read" not in str([vars(each) for each in caplog.records]):
            await asyncio.sleep(0.01)


async def test_an_answer_that_is_read_is_sent_to_its_end() -> None:
    async with serving(Limits(stuck_seconds=20)) as connect:
        reader, writer = await connect()
        writer.write(LARGE.replace(b"Host: x", b"Host: x\r\nConnection: close"))
        assert len(await reader.read()) > 20_000_000


async def test_a_new_connection_takes_the_place_of_one_that_never_asked() -> None:
    async with serving(Limits(connections=4, request_seconds=600)) as connect:
        scraper = await connect()
        assert await answered(scraper)
        idle = [await connect() for _ in range(20)]
        assert await ended(idle[0])
        assert await answered(scraper)
        assert await answered(await connect())


async def test_whoever_waits_for_longest_goes_first_where_all_were_answered() -> None:
    async with serving(Limits(connections=3)) as connect:
        all_of_them = [await connect() for _ in range(3)]
        for streams in all_of_them:
            assert await answered(streams)
        new = await connect()
        assert await answered(new)
        assert await ended(all_of_them[0])
        assert await answered(all_of_them[1])


async def test_whoever_reads_nothing_makes_room_where_all_others_are_being_answered() -> None:
    async with serving(Limits(connections=2, stuck_seconds=600)) as connect:
        unread = [await connect() for _ in range(2)]
        for _, writer in unread:
            writer.write(LARGE)
            await asyncio.sleep(0.05)
        assert await answered(await connect())
        assert await ended(unread[0])


async def test_who_come_at_once_do_not_take_each_others_places() -> None:
    async with serving(Limits(connections=4, stuck_seconds=600)) as connect:
        unread = [await connect() for _ in range(4)]
        for _, writer in unread:
            writer.write(LARGE)
        await asyncio.sleep(0.05)
        # No turn of the loop lies between these two: both are taken in before either is read.
        address = unread[0][1].get_extra_info("peername")
        sockets = [socket.create_connection(address) for _ in range(2)]
        for sock in sockets:
            sock.sendall(GET)
        for sock in sockets:
            with sock:
                assert await asyncio.to_thread(sock.recv, 12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("request_", [LARGE, PARTS])
async def test_whoever_reads_its_answer_keeps_its_place_before_one_who_does_not(
    request_: bytes,
) -> None:
    limits = Limits(connections=2, stuck_seconds=600, sweep_seconds=0.02)
    async with serving(limits) as connect:
        reader, writer = await connect()
        writer.write(request_)
        unread = await connect()
        unread[1].write(LARGE)
        await asyncio.sleep(5 * limits.sweep_seconds)
        assert await reader.readexactly(10_000_000)
        assert await answered(await connect())
        assert await ended(unread)
        assert await reader.readexactly(10_000_000)


async def test_whoever_has_read_keeps_its_place_before_one_who_never_did() -> None:
    async with serving(Limits(connections=2, stuck_seconds=600)) as connect:
        reader, writer = await connect()
        writer.write(PARTS)
        await asyncio.sleep(0.1)
        assert await reader.readexactly(10_000_000)
        with socket.socket() as unread:
            # A larger one would take whole parts without anybody reading them.
            unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            unread.connect(writer.get_extra_info("peername"))
            unread.sendall(PARTS)
            await asyncio.sleep(0.1)
            assert await answered(await connect())
            assert await reader.readexactly(10_000_000)


async def test_what_is_wrong_is_told_once_and_not_a_line_each(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(Limits(connections=2, request_seconds=600)) as connect:
        for _ in range(30):
            streams = await connect()
            streams[1].write(b"\x16\x03\x01\x02\x00 no HTTP\r\n\r\n")
            assert await ended(streams)
        offers = await connect()
        offers[1].write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n")
        await offers[0].readuntil(b"well\n")
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in told] == ["connections cut off"]
    assert (vars(told[0])["why"], vars(told[0])["address"]) == ("what came is no HTTP", "127.0.0.1")


async def test_what_is_no_http_is_answered_as_carefully_as_all_else() -> None:
    async with serving(Limits()) as connect:
        reader, writer = await connect()
        writer.write(b"no HTTP\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"\r\nx-content-type-options: nosniff\r\n" in head
    assert body == b"Invalid HTTP request received."


async def test_that_no_file_is_left_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    loop, connections = asyncio.get_running_loop(), Connections(Limits())
    for _ in range(100):
        connections.handle_error(loop, {"message": "accept", "exception": OSError(24, "files")})
    assert [record.getMessage() for record in caplog.records] == ["connections cut off"]
    connections.handle_error(loop, {"message": "something else"})
    assert "something else" in caplog.text
