"""What systemd and a service tell each other: sockets that are passed on, and how we are.

The protocols are sd_listen_fds(3) and sd_notify(3). Where nothing of systemd is around, nothing is
told.
"""

import contextlib
import logging
import os
import socket
import time
from collections.abc import MutableMapping
from typing import Final

log = logging.getLogger(__name__)

_FIRST: Final = 3
_ABSTRACT: Final = "@"


def passed_sockets(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """Take the sockets that were passed on to this process; none where none were.

    The variables that say so are taken out: a child of ours must not believe them.

    Raises:
        OSError: what was passed on is no socket that listens.
    """
    of_whom, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    environ.pop("LISTEN_FDNAMES", None)
    if of_whom != str(os.getpid()) or not count.isdecimal():
        return []
    sockets = [socket.socket(fileno=_FIRST + number) for number in range(int(count))]
    for sock in sockets:
        sock.set_inheritable(False)
        is_stream = sock.type == socket.SOCK_STREAM
        if not is_stream or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise OSError(0, "what systemd passed on is no stream socket that listens")
    return sockets


class Notifier:
    """Tells systemd how we are, where it wants to know.

    Attributes:
        watchdog: within how many seconds it wants to hear again that all is well; None if never.
    """

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self._address = environ.pop("NOTIFY_SOCKET", "")
        watched = environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        within = environ.pop("WATCHDOG_USEC", "")
        is_watched = bool(self._address) and watched and within.isdecimal() and int(within) > 0
        self.watchdog = int(within) / 1e6 if is_watched else None

    def ready(self) -> None:
        """Tell that we serve, or that we have read the settings again."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """Tell that we read the settings again."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={now}")

    def stopping(self) -> None:
        """Tell that we end."""
        self._tell("STOPPING=1")

    def alive(self) -> None:
        """Tell that all is well."""
        self._tell("WATCHDOG=1")

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        address = self._address
        if address.startswith(_ABSTRACT):
            address = "\0" + address.removeprefix(_ABSTRACT)
        # Whoever does not read must not hold us up.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock,
        ):
            sock.sendto(state.encode(), address)
