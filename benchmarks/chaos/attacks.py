"""What somebody who reaches the port can do, on real sockets."""

import contextlib
import itertools
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

Address = tuple[str, int]
Attack = Callable[[Address], AbstractContextManager[None]]

_GET: Final = b"GET /metrics HTTP/1.1\r\nHost: x\r\nUser-Agent: chaos\r\n\r\n"


@dataclass(frozen=True)
class Named:
    """An attack, and what happens in it."""

    name: str
    what: str
    attack: Attack


@contextlib.contextmanager
def _beside(work: Callable[[threading.Event], None], times: int = 1) -> Iterator[None]:
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
    sock.connect(address)
    return sock


@contextlib.contextmanager
def _held(address: Address, count: int, said: bytes = b"", receive: int = 0) -> Iterator[None]:
    """Hold so many connections, on each of which one thing was said; who is cut off comes again."""

    def hold(over: threading.Event) -> None:
        held: list[socket.socket] = []
        with contextlib.ExitStack() as stack:
            while not over.is_set():
                with contextlib.suppress(OSError):
                    sock = stack.enter_context(_connect(address, receive))
                    held.append(sock)
                    sock.sendall(said)
                over.wait(0.001 if len(held) % count else 1)

    with _beside(hold):
        yield


def idle(address: Address) -> AbstractContextManager[None]:
    """Say nothing on many connections."""
    return _held(address, 300)


def unfinished(address: Address) -> AbstractContextManager[None]:
    """Begin many requests, and end none."""
    return _held(address, 900, b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Later: ")


def unread(address: Address) -> AbstractContextManager[None]:
    """Ask for many expositions, and read none."""
    return _held(address, 200, _GET, receive=1024)


def slow(address: Address) -> AbstractContextManager[None]:
    """Read many expositions, a byte a second."""

    def read(over: threading.Event) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError), _connect(address, receive=1024) as sock:
                sock.sendall(_GET)
                while sock.recv(1) and not over.wait(1):
                    pass
            over.wait(0.2)

    return _beside(read, 200)


def endless(address: Address) -> AbstractContextManager[None]:
    """Send one request whose headers never end, again and again."""

    def send(over: threading.Event) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError), _connect(address) as sock:
                sock.sendall(b"GET /metrics HTTP/1.1\r\n")
                for number in itertools.count():
                    sock.sendall(b"X-%d: %s\r\n" % (number, b"y" * 8_000))

    return _beside(send)


def expensive(address: Address) -> AbstractContextManager[None]:
    """Ask for chosen families from many clients, as fast as they are answered."""
    asked = b"GET /metrics?name[]=electric_agents_runner_info HTTP/1.1\r\nHost: x\r\n\r\n"

    def ask(over: threading.Event) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError), _connect(address) as sock:
                sock.sendall(asked)
                sock.recv(65_536)

    return _beside(ask, 30)


def garbage(address: Address) -> AbstractContextManager[None]:
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
            with contextlib.suppress(OSError), _connect(address) as sock:
                sock.sendall(said)
                sock.recv(100)

    return _beside(scan)


def handshakes(address: Address) -> AbstractContextManager[None]:
    """Speak TLS to a port that does not."""
    context = ssl.create_default_context()

    def speak(over: threading.Event) -> None:
        while not over.wait(0.02):
            with contextlib.suppress(OSError), _connect(address) as sock:
                context.wrap_socket(sock, server_hostname="localhost")

    return _beside(speak)


def nothing(_: Address) -> AbstractContextManager[None]:
    """Do nothing: what the others are held against."""
    return contextlib.nullcontext()


ATTACKS: Final = (
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
