"""The sockets that this exporter serves on: its own, or those that systemd passes on."""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from electric_agents_exporter.settings.values import split_address, unix_path
from electric_agents_exporter.systemd import passed_sockets

BACKLOG: Final = 128
"""How many may wait to be taken in."""

_WITHOUT_IPV6: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_FOR_NOBODY: Final = 0o777
_FOR_THE_GROUP: Final = 0o660


@dataclass(frozen=True, slots=True)
class Listening:
    """Sockets that listen, and what has to go when they do not any more."""

    sockets: tuple[socket.socket, ...]
    _made: tuple[tuple[Path, int], ...] = field(default=(), repr=False)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where they listen."""
        return tuple(map(_spell, self.sockets))

    def close(self) -> None:
        """Close them, and remove those of ours that stand in the file system."""
        for sock in self.sockets:
            sock.close()
        for path, number in self._made:
            with contextlib.suppress(OSError):
                # Another one may stand there by now.
                if path.lstat().st_ino == number:
                    path.unlink()


def listen(
    address: str, mode: int = _FOR_THE_GROUP, environ: MutableMapping[str, str] | None = None
) -> Listening:
    """Open the sockets to serve on, before anything else runs.

    Args:
        address: of `listen`; sockets that systemd passes on take its place.
        mode: who may connect to one in the file system.
        environ: the environment, which tells what systemd passes on; by default nothing is.

    Raises:
        OSError: the address cannot be had.
    """
    passed = passed_sockets({} if environ is None else environ)
    if passed:
        return Listening(tuple(map(_prompt, passed)))
    path = unix_path(address)
    if path is not None:
        return _listen_at_path(path, mode)
    host, port = split_address(address)
    return Listening((_listen_anywhere(port) if not host else _bound(host, port),))


def _listen_anywhere(port: int) -> socket.socket:
    try:
        return _bound("::", port)
    except OSError as error:
        if error.errno not in _WITHOUT_IPV6:
            raise
    return _bound("0.0.0.0", port)  # noqa: S104  (whoever gives no host wants that)


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return _prompt(
        socket.create_server(
            (host, port), family=family, dualstack_ipv6=host == "::", backlog=BACKLOG
        )
    )


def _prompt(sock: socket.socket) -> socket.socket:
    """Let who connects be sent the end of an answer at once; connections take it over from here.

    Else the end waits until its beginning is acknowledged, which many clients do after 40 ms.
    """
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _listen_at_path(path: Path, mode: int) -> Listening:
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX)
    # Nobody may connect between its making and its mode.
    before = os.umask(_FOR_NOBODY)
    try:
        sock.bind(str(path))
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(before)
    path.chmod(mode)
    sock.listen(BACKLOG)
    return Listening((sock,), ((path, path.lstat().st_ino),))


def _remove_stale(path: Path) -> None:
    """Remove a socket that somebody left behind, and nothing else.

    Raises:
        OSError: somebody listens there.
    """
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as asking:
            found = asking.connect_ex(str(path))
        if found != errno.ECONNREFUSED:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        path.unlink()


def _spell(sock: socket.socket) -> str:
    if sock.family == socket.AF_UNIX:
        return f"unix:{sock.getsockname()}"
    host, port, *_ = sock.getsockname()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
