"""TLS on real sockets: it opens nothing that a connection in the clear would not open."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from typing_extensions import override

from certificates import Pair
from electric_agents_exporter.web.access import Access
from electric_agents_exporter.web.connections import Limits
from electric_agents_exporter.web.handshake import Pace
from served import served

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
QUICK = Limits(
    encrypted_connections=4,
    request_seconds=0.2,
    request_bytes=4096,
    stuck_seconds=0.2,
    sweep_seconds=0.02,
)
PATIENT = Limits(encrypted_connections=4, request_seconds=60)
LONG = b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n"
HELLO = bytes.fromhex("160301010001000000")
"""How a handshake begins, that says no more."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _scheme(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.url.scheme}\n")


async def _large(_: Request) -> PlainTextResponse:
    return PlainTextResponse("x" * 20_000_000)


async def _long(request: Request) -> PlainTextResponse:
    """Answer when the other side is gone."""
    request.app.state.asked.release()
    while not await request.is_disconnected():
        await asyncio.sleep(0.01)
    return PlainTextResponse("too late\n")


class Counted(Pace):
    """Counts who waited to begin a handshake, and those that were made."""

    def __init__(self) -> None:
        super().__init__()
        self.waited = self.made_so_far = 0

    @override
    async def wait(self) -> None:
        self.waited += 1
        await super().wait()

    @override
    def made(self) -> None:
        self.made_so_far += 1
        super().made()


class Port:
    """A port that speaks TLS; `access` may change while it does."""

    def __init__(self, number: int, access: Access, pair: Pair) -> None:
        self.number = number
        self.access = access
        self.pair = pair
        self.asked = asyncio.Semaphore(0)
        self.pace = Counted()

    async def connect(self, context: ssl.SSLContext | None = None) -> Streams:
        """Connect and shake hands."""
        return await asyncio.open_connection(
            "127.0.0.1", self.number, ssl=context or self.pair.client(), limit=1024
        )

    async def connect_in_the_clear(self) -> Streams:
        """Connect, and shake no hands."""
        return await asyncio.open_connection("127.0.0.1", self.number)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    caplog.set_level(logging.WARNING)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


@contextlib.asynccontextmanager
async def serving(pair: Pair, limits: Limits, **options: Any) -> AsyncIterator[Port]:  # noqa: ANN401
    app = Starlette(routes=[Route("/", _scheme), Route("/large", _large), Route("/long", _long)])
    port = Port(0, Access(tls=pair.server(), **options), pair)
    app.state.asked = port.asked
    # Nothing here ends because nobody asks again.
    async with served(app, limits, 600, lambda: port.access, port.pace) as number:
        port.number = number
        yield port


async def answer(streams: Streams, request: bytes = GET) -> bytes:
    """Ask, and give the body of what is answered; empty where the connection is ended instead."""
    reader, writer = streams
    try:
        writer.write(request)
        await reader.readuntil(b"\r\n\r\n")
        return await reader.readuntil(b"\n")
    except (asyncio.IncompleteReadError, OSError):
        return b""


async def ended(streams: Streams) -> bool:
    """Wait until the other side has ended a connection."""
    with contextlib.suppress(OSError):
        while await streams[0].read(65_536):
            pass
    streams[1].transport.abort()
    return True


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [str(vars(record)["why"]) for record in caplog.records]


def files() -> int:
    """Count the files that this process has open, both ends of connections among them."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def test_who_shakes_hands_is_answered(pair: Pair) -> None:
    async with serving(pair, PATIENT) as port:
        streams = await port.connect()
        assert await answer(streams) == b"https\n"
        assert await answer(streams) == b"https\n"
        streams[1].transport.abort()


@pytest.mark.parametrize("sent", [b"", HELLO[:3], HELLO])
async def test_a_handshake_that_does_not_come_ends_its_connection(
    pair: Pair, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(pair, QUICK) as port:
        streams = await port.connect_in_the_clear()
        streams[1].write(sent)
        assert await ended(streams)
    assert told(caplog)[0] == "a TLS handshake does not come"


async def test_a_request_that_does_not_come_ends_its_connection(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(pair, QUICK) as port:
        streams = await port.connect()
        assert await ended(streams)
    assert told(caplog) == ["a request does not come"]


async def test_an_answer_that_is_not_read_ends_its_connection(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(pair, QUICK) as port:
        streams = await port.connect()
        streams[1].write(LARGE)
        await until(lambda: "an answer is not read" in told(caplog))
        streams[1].transport.abort()


async def test_an_answer_that_is_read_is_sent_to_its_end(pair: Pair) -> None:
    async with serving(pair, Limits(stuck_seconds=20)) as port:
        reader, writer = await port.connect()
        writer.write(LARGE.replace(b"Host: x", b"Host: x\r\nConnection: close"))
        assert len(await reader.read()) > 20_000_000
        writer.transport.abort()


async def test_who_shakes_no_hands_holds_no_place(pair: Pair) -> None:
    async with serving(pair, PATIENT) as port:
        scraper = await port.connect()
        assert await answer(scraper)
        silent = [await port.connect_in_the_clear() for _ in range(20)]
        assert await ended(silent[0])
        assert await answer(scraper)
        newcomer = await port.connect()
        assert await answer(newcomer)
        for _, writer in (scraper, newcomer, *silent):
            writer.transport.abort()


async def test_who_waits_for_a_long_answer_keeps_nobody_from_a_short_one(pair: Pair) -> None:
    """As many probes may wait as connections may be open, and every scrape is answered."""
    async with serving(pair, PATIENT) as port:
        scraper = await port.connect()
        assert await answer(scraper)
        waiting = []
        for _ in range(5 * PATIENT.encrypted_connections):
            waiting.append(await port.connect())
            waiting[-1][1].write(LONG)
            await port.asked.acquire()
            newcomer = await port.connect()
            assert await answer(newcomer)
            newcomer[1].transport.abort()
        for _, writer in (scraper, *waiting):
            writer.transport.abort()


async def test_a_request_that_comes_with_the_end_of_the_handshake_is_answered(pair: Pair) -> None:
    """Both can be in one packet, and most often are where a client is quick."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = pair.client().wrap_bio(back, there, server_hostname="localhost")

    def hear(sock: socket.socket) -> None:
        heard = sock.recv(65_536)
        assert heard, "the other side ended it"
        back.write(heard)

    def talk(number: int) -> bytes:
        with socket.create_connection(("127.0.0.1", number)) as sock:
            while True:
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    sock.sendall(there.read())
                    hear(sock)
            client.write(GET)
            sock.sendall(there.read())
            while True:
                hear(sock)
                with contextlib.suppress(ssl.SSLWantReadError):
                    return client.read(12)

    async with serving(pair, PATIENT) as port:
        assert await asyncio.to_thread(talk, port.number) == b"HTTP/1.1 200"


async def test_what_is_no_handshake_is_told_once(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(pair, PATIENT) as port:
        for _ in range(30):
            streams = await port.connect_in_the_clear()
            streams[1].write(GET)
            assert await ended(streams)
    assert told(caplog) == ["a TLS handshake failed: http request"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
async def test_who_asks_in_the_clear_is_told_so_and_let_go(method: str, pair: Pair) -> None:
    async with serving(pair, PATIENT) as port:
        reader, writer = await port.connect_in_the_clear()
        writer.write(GET.replace(b"GET", method.encode()))
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.transport.abort()
        status, *headers = head.split(b"\r\n")
        assert status == b"HTTP/1.1 400 Bad Request"
        assert b"connection: close" in headers
        assert body == b"Client sent an HTTP request to an HTTPS server.\n"
        streams = await port.connect()
        assert await answer(streams)
        streams[1].transport.abort()


async def test_what_is_neither_tls_nor_http_is_not_answered(pair: Pair) -> None:
    async with serving(pair, PATIENT) as port:
        for garbage in (b"\0" * 300, b"SSH-2.0-x\r\n", b"HELO mail.test\r\n"):
            reader, writer = await port.connect_in_the_clear()
            writer.write(garbage)
            assert b"HTTP" not in await reader.read()
            writer.transport.abort()


async def test_a_handshake_that_is_over_holds_no_file_of_its_own(pair: Pair) -> None:
    async with serving(pair, PATIENT) as port:
        before = files()
        streams = [await port.connect() for _ in range(3)]
        assert [await answer(each) for each in streams] == [b"https\n"] * 3
        assert files() <= before + 2 * len(streams)
        for _, writer in streams:
            writer.transport.abort()


async def test_no_handshake_begins_for_a_moment_after_one_was_made() -> None:
    pace, loop = Pace(), asyncio.get_running_loop()
    for _ in range(5):
        pace.made()
    began = loop.time()
    await pace.wait()
    assert loop.time() - began >= 4 * 0.004


async def test_every_handshake_waits_and_is_counted_but_one_that_was_cut_off(
    pair: Pair,
) -> None:
    async with serving(pair, PATIENT) as port:
        for _ in range(3):
            _, writer = await port.connect()
            writer.transport.abort()
        await until(lambda: port.pace.made_so_far == 3)
        silent = [await port.connect_in_the_clear() for _ in range(4)]
        await until(lambda: port.pace.waited == 7)
        streams = await port.connect()
        assert await answer(streams)
        assert await ended(silent[0])
        assert (port.pace.waited, port.pace.made_so_far) == (8, 4)
        for _, writer in (*silent, streams):
            writer.transport.abort()


async def test_what_comes_while_a_handshake_waits_to_begin_is_part_of_it(pair: Pair) -> None:
    async with serving(pair, PATIENT) as port, asyncio.timeout(60):
        for _ in range(100):
            port.pace.made()
        streams = await port.connect()
        assert await answer(streams) == b"https\n"
        streams[1].transport.abort()


async def test_after_many_handshakes_nobody_waits_for_long() -> None:
    pace = Pace()
    for _ in range(10_000):
        pace.made()
    async with asyncio.timeout(10):
        await pace.wait()


async def test_who_leaves_in_the_middle_is_let_go(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(pair, PATIENT) as port:
        for _ in range(8):
            _, writer = await port.connect_in_the_clear()
            writer.write(HELLO)
            writer.transport.abort()
        streams = await port.connect()
        assert await answer(streams)
        streams[1].transport.abort()
    assert {why for why in told(caplog) if "failed" not in why} <= {"there are too many"}


async def test_a_new_certificate_is_for_who_comes_then_and_ends_no_connection(pair: Pair) -> None:
    async with serving(pair, PATIENT) as port:
        before = await port.connect()
        assert await answer(before)
        new = pair.renew()
        port.access = Access(tls=pair.server())
        after = await port.connect()
        shown = [
            streams[1].get_extra_info("peercert")["serialNumber"].lstrip("0")
            for streams in (before, after)
        ]
        assert shown[1] == new.lstrip("0")
        assert shown[0] != shown[1]
        assert await answer(before)
        assert await answer(after)
        for _, writer in (before, after):
            writer.transport.abort()


@pytest.fixture
def mutual(pair: Pair) -> ssl.SSLContext:
    context = pair.server()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(pair.ca)
    return context


async def test_of_two_sides_each_is_verified(
    pair: Pair, mutual: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    known = pair.authority.issue_cert("prometheus")
    stranger = trustme.CA().issue_cert("prometheus")
    async with serving(pair, PATIENT) as port:
        port.access = Access(tls=mutual)
        for own, expected in ((known, b"https\n"), (stranger, b""), (None, b"")):
            try:
                streams = await port.connect(pair.client(own))
            except OSError:
                assert not expected
                continue
            assert await answer(streams) == expected
            streams[1].transport.abort()
    assert told(caplog) == [
        "a TLS handshake failed: certificate verify failed",
        "a TLS handshake failed: peer did not return a certificate",
    ]


@pytest.mark.parametrize(
    "names, expected",
    [
        (["prometheus"], b"https\n"),
        (["2001:db8::1"], b"https\n"),
        (["scraper@example.com", "prometheus.internal"], b""),
    ],
)
async def test_a_client_needs_one_of_the_names_that_are_allowed(
    pair: Pair, mutual: ssl.SSLContext, names: list[str], expected: bytes
) -> None:
    own = pair.authority.issue_cert("prometheus", "2001:db8::1")
    async with serving(pair, PATIENT) as port:
        port.access = Access(tls=mutual, allowed_sans=frozenset(names))
        streams = await port.connect(pair.client(own))
        assert await answer(streams) == expected
        streams[1].transport.abort()
