"""What somebody who reaches the port can do, on real sockets."""

import contextlib
import itertools
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

Address = tuple[str, int]


@dataclass(frozen=True)
class Victim:
    """An exporter that is attacked.

    Attributes:
        address: where it serves.
        pid: its process.
        config: its settings, as JSON, which it reads again at SIGHUP.
        wall: what is written here, as `-1h`, the wall clock is set by; where it has such a clock.
        trust: how TLS is spoken to it; None where it serves in the clear.
    """

    address: Address
    pid: int
    config: Path
    wall: Path
    trust: ssl.SSLContext | None = None


Attack = Callable[[Victim], AbstractContextManager[None]]

_GET: Final = b"GET /metrics HTTP/1.1\r\nHost: x\r\nUser-Agent: chaos\r\n\r\n"
_HELLO: Final = bytes.fromhex("160301010001000000")  # how a handshake begins, and no more


@dataclass(frozen=True)
class Named:
    """An attack, and what happens in it.

    Attributes:
        name: its word.
        what: what happens, for the table.
        attack: makes it, until the end of its context.
        sets_clock: whether the exporter is given a wall clock that can be set.
        deaf: whether nobody reads its log.
        encrypted: whether the exporter serves by TLS.
        still: how many polls fall into the time in which the process itself stands still.
    """

    name: str
    what: str
    attack: Attack
    sets_clock: bool = False
    deaf: bool = False
    encrypted: bool = False
    still: int = 0


@contextlib.contextmanager
def beside(work: Callable[[threading.Event], None], times: int = 1) -> Iterator[None]:
    """Do something in threads until the end; it is told by the event."""
    over = threading.Event()
    threads = [threading.Thread(target=work, args=(over,), daemon=True) for _ in range(times)]
    for thread in threads:
        thread.start()
    yield
    over.set()
    for thread in threads:
        thread.join(5)


def _connect(address: Address, receive: int = 0) -> socket.socket:
    sock = socket.socket()
    if receive:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    sock.settimeout(2)
    try:
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock


@contextlib.contextmanager
def _held(
    address: Address,
    count: int,
    said: bytes = b"",
    receive: int = 0,
    trust: ssl.SSLContext | None = None,
) -> Iterator[None]:
    """Hold so many connections, on each of which one thing was said; who is cut off comes again."""

    def hold(over: threading.Event) -> None:
        held: list[socket.socket] = []
        with contextlib.ExitStack() as stack:
            while not over.is_set():
                with contextlib.suppress(OSError):
                    sock = stack.enter_context(_connect(address, receive))
                    if trust is not None:
                        sock = trust.wrap_socket(sock, server_hostname="localhost")
                        stack.enter_context(sock)
                    held.append(sock)
                    sock.sendall(said)
                over.wait(0.001 if len(held) % count else 1)

    with beside(hold):
        yield


def idle(victim: Victim) -> AbstractContextManager[None]:
    """Say nothing on many connections."""
    return _held(victim.address, 300)


def unfinished(victim: Victim) -> AbstractContextManager[None]:
    """Begin many requests, and end none."""
    return _held(victim.address, 900, b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Later: ")


def unread(victim: Victim) -> AbstractContextManager[None]:
    """Ask for many expositions, and read none."""
    return _held(victim.address, 200, _GET, receive=1024, trust=victim.trust)


def slow(victim: Victim) -> AbstractContextManager[None]:
    """Read many expositions, a byte a second."""

    def read(over: threading.Event) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError), _connect(victim.address, receive=1024) as sock:
                sock.sendall(_GET)
                while sock.recv(1) and not over.wait(1):
                    pass
            over.wait(0.2)

    return beside(read, 200)


def endless(victim: Victim) -> AbstractContextManager[None]:
    """Send one request whose headers never end, again and again."""

    def send(over: threading.Event) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError), _connect(victim.address) as sock:
                sock.sendall(b"GET /metrics HTTP/1.1\r\n")
                for number in itertools.count():
                    sock.sendall(b"X-%d: %s\r\n" % (number, b"y" * 8_000))

    return beside(send)


def expensive(victim: Victim) -> AbstractContextManager[None]:
    """Ask for chosen families from many clients, as fast as they are answered."""
    asked = b"GET /metrics?name[]=electric_agents_runner_info HTTP/1.1\r\nHost: x\r\n\r\n"

    def ask(over: threading.Event) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError), _connect(victim.address) as sock:
                sock.sendall(asked)
                sock.recv(65_536)

    return beside(ask, 30)


def garbage(victim: Victim) -> AbstractContextManager[None]:
    """Scan: other protocols, offers of others, and bytes that are none."""
    sent = (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 32,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"\x00\xff" * 100 + b"\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    )

    def scan(over: threading.Event) -> None:
        for said in itertools.cycle(sent):
            if over.wait(0.01):
                return
            with contextlib.suppress(OSError), _connect(victim.address) as sock:
                sock.sendall(said)
                sock.recv(100)

    return beside(scan)


def handshakes(victim: Victim) -> AbstractContextManager[None]:
    """Speak TLS to a port that does not."""
    context = ssl.create_default_context()

    def speak(over: threading.Event) -> None:
        while not over.wait(0.02):
            with contextlib.suppress(OSError), _connect(victim.address) as sock:
                context.wrap_socket(sock, server_hostname="localhost")

    return beside(speak)


def begun(victim: Victim) -> AbstractContextManager[None]:
    """Begin many handshakes, and end none."""
    return _held(victim.address, 900, _HELLO)


def shaken(victim: Victim) -> AbstractContextManager[None]:
    """Shake hands from many clients without a pause, and ask for nothing: it costs both sides."""
    trust = victim.trust
    assert trust is not None  # noqa: S101

    def shake(over: threading.Event) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError), _connect(victim.address) as sock:
                trust.wrap_socket(sock, server_hostname="localhost").close()

    return beside(shake, 8)


def nothing(_: Victim) -> AbstractContextManager[None]:
    """Do nothing: what the others are held against."""
    return contextlib.nullcontext()


ON_THE_PORT: Final = (
    Named("nothing", "nothing happens", nothing),
    Named("idle", "300 connections say nothing", idle),
    Named("unfinished", "900 requests are begun and not ended", unfinished),
    Named("endless", "a request's headers never end", endless),
    Named("unread", "200 clients read nothing of what they asked for", unread),
    Named("slow", "200 clients read a byte a second", slow),
    Named("expensive", "30 clients ask for chosen families without a pause", expensive),
    Named("garbage", "scanners send other protocols and no protocol", garbage),
    Named("handshakes", "TLS is spoken to a port that does not", handshakes),
)

BY_TLS: Final = (
    Named("tls-nothing", "by TLS, nothing happens", nothing, encrypted=True),
    Named("tls-idle", "300 connections say nothing", idle, encrypted=True),
    Named("tls-begun", "900 handshakes are begun and not ended", begun, encrypted=True),
    Named("tls-shaken", "8 clients shake hands without a pause", shaken, encrypted=True),
    Named("tls-unread", "200 clients read nothing of what they asked", unread, encrypted=True),
    Named("tls-garbage", "scanners send HTTP and no protocol", garbage, encrypted=True),
)
"""The same on a port that speaks TLS."""
