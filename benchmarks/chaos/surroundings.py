"""What those that an exporter polls can do to it, and the machine that it runs on."""

import contextlib
import gzip
import itertools
import json
import os
import signal
import socketserver
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Final

from typing_extensions import override

from chaos.attacks import Named, Victim, beside

_MEGABYTE: Final = 1 << 20
_BOMB: Final = "\n".join(
    [
        "a0: &a0 {x: 1}",
        *(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 25)),
    ]
)
"""Settings of a kilobyte that stand for more than there is."""

Send = Callable[[bytes], object]
Answer = Callable[[Send], object]
"""Answers a request, whatever it asks, by what it is given to send with."""


def _head(body: bytes, *headers: bytes) -> bytes:
    lines = (b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _packed(pieces: Iterable[bytes], *, times: int = 1) -> Answer:
    """Make an answer that is small on the wire, packed once or more often."""
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    packed = b"".join(map(packer.compress, pieces)) + packer.flush()
    for _ in range(times - 1):
        packed = gzip.compress(packed)
    coding = b", ".join([b"gzip"] * times)
    answer = _head(packed, b"Content-Encoding: " + coding) + packed
    return lambda send: send(answer)


def _bombs() -> Sequence[Answer]:
    return [_packed([b" " * _MEGABYTE] * 1024, times=times) for times in (1, 2)]


def _heap() -> Sequence[Answer]:
    items = (b'{"id":"%x"},' % number for number in range(2_000_000))
    return [_packed(itertools.chain([b"["], items, [b"0]"]))]


def _endless(send: Send) -> None:
    """Begin a list, and never end it."""
    send(b"HTTP/1.1 200 OK\r\n\r\n[")
    while True:
        send(b"{}," * 10_000)


def _silent(_: Send) -> None:
    """Say nothing for a minute."""
    time.sleep(60)


def _garbage() -> Sequence[Answer]:
    """Make answers of which each is another kind of garbage."""
    bodies = (b"[1, null, {}]", b"\xff\xfe", b"[" * 100_000, b'[{"id": 7}]', b"{}")
    date = b"Date: Thu, 99 Foo 9999 99:99:99 GMT"
    return [partial(_send, _head(body, date) + body) for body in bodies]


def _send(answer: bytes, send: Send) -> None:
    send(answer)


def _careless() -> Sequence[Answer]:
    return [_packed([_list(*("a" * letters + "!" for letters in range(30, 60)))])]


def _list(*ids: str) -> bytes:
    owner = {"owner_principal": "/principal/service%3Amonitor", "admin_status": "enabled"}
    return json.dumps(
        [{"id": each, "label": each, "kind": "server", **owner} for each in ids]
    ).encode()


@contextlib.contextmanager
def _server(answer: Answer) -> Iterator[str]:
    """Answer every request on a port of our own so; gives the URL."""

    class Handler(socketserver.BaseRequestHandler):
        @override
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                while self.request.recv(65_536):
                    answer(self.request.sendall)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@contextlib.contextmanager
def _polling_too(victim: Victim, *targets: Mapping[str, Any]) -> Iterator[None]:
    """Let it poll these targets too, until the end."""
    before = victim.config.read_text()
    settings = json.loads(before)
    common = {"principals": ["service:monitor"], "interval": "4s", "timeout": "1s"}
    more = [{"name": f"bad-{number}", **common, **each} for number, each in enumerate(targets)]
    victim.config.write_text(json.dumps(settings | {"targets": [*settings["targets"], *more]}))
    os.kill(victim.pid, signal.SIGHUP)
    yield
    victim.config.write_text(before)
    os.kill(victim.pid, signal.SIGHUP)


def _polled(
    answers: Callable[[], Sequence[Answer]], **settings: object
) -> Callable[[Victim], AbstractContextManager[None]]:
    """Make the attack of servers that answer so, each in its way."""

    @contextlib.contextmanager
    def attack(victim: Victim) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            urls = [stack.enter_context(_server(answer)) for answer in answers()]
            stack.enter_context(_polling_too(victim, *({"url": url, **settings} for url in urls)))
            yield

    return attack


@contextlib.contextmanager
def _reloads(victim: Victim) -> Iterator[None]:
    """Reload four times a second, every other time settings that stand for too much."""
    good = victim.config.read_text()

    def reload(over: threading.Event) -> None:
        for text in itertools.cycle((_BOMB, good)):
            victim.config.write_text(text)
            os.kill(victim.pid, signal.SIGHUP)
            if over.wait(0.25):
                break

    with beside(reload):
        yield
    victim.config.write_text(good)


@contextlib.contextmanager
def _stopped(victim: Victim) -> Iterator[None]:
    """Stop the process for five seconds."""

    def stop(_: threading.Event) -> None:
        os.kill(victim.pid, signal.SIGSTOP)
        time.sleep(5)
        os.kill(victim.pid, signal.SIGCONT)

    with beside(stop):
        yield


def _clock_set(by: str) -> Callable[[Victim], AbstractContextManager[None]]:
    @contextlib.contextmanager
    def attack(victim: Victim) -> Iterator[None]:
        victim.wall.write_text(by)
        yield

    return attack


def _nothing(_: Victim) -> AbstractContextManager[None]:
    return contextlib.nullcontext()


AROUND: Final = (
    Named("bomb", "lists unpack to a gigabyte each", _polled(_bombs)),
    Named("heap", "a list holds two million runners", _polled(_heap)),
    Named("stream", "a list never ends", _polled(lambda: [_endless])),
    Named("silence", "30 servers take requests and say nothing", _polled(lambda: [_silent] * 30)),
    Named("nonsense", "lists and dates are garbage", _polled(_garbage)),
    Named(
        "pattern",
        "ids make a careless pattern backtrack",
        _polled(_careless, include={"id": "(a+)+b"}),
    ),
    Named("reloads", "four reloads a second, every other of them of a bomb", _reloads),
    Named("stopped", "the process is stopped for five seconds: one poll's", _stopped, still=1),
    Named("back", "the wall clock is set back by an hour", _clock_set("-1h"), sets_clock=True),
    Named("forward", "it is set forward by a month", _clock_set("+30d"), sets_clock=True),
    Named("log", "nobody reads its log, of level debug", _nothing, deaf=True),
)
