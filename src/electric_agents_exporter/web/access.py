"""What protects the port: encryption, passwords, headers, a rate. It follows the files it is in."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

_EVERY: Final = 1.0

Signature = tuple[int, int, int, int] | None
"""What differs where another file, or another content, stands at a path; None where none does."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How many requests are answered: one every so many seconds, and `burst` at once."""

    interval: float
    burst: int


@dataclass(frozen=True, slots=True)
class Access:
    """Who gets in, and how.

    Attributes:
        tls: how to speak TLS; None for HTTP in the clear.
        allowed_sans: alternative names of which a client's certificate needs one; None for any.
        users: bcrypt hashes of passwords by name; empty where none is needed.
        headers: what every answer says, by its name in small letters.
        rate: how many requests are answered; None for all.
        files: all the files that this was read from.
    """

    tls: ssl.SSLContext | None = None
    allowed_sans: frozenset[str] | None = None
    users: Mapping[str, bytes] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    rate: Rate | None = None
    files: frozenset[Path] = frozenset()


class AccessError(Exception):
    """What protects the port cannot be read, or may not be so while we run: why."""


Read = Callable[[], Access]
"""Reads what protects the port, or raises AccessError."""


class AccessKeeper:
    """Keeps what protects the port as its files say; of files that are wrong nothing is taken.

    `on_change` is called whenever it has become good or bad.

    Attributes:
        current: what holds for whoever comes now.
        good: whether the files are as they should be; else what they said before holds.
    """

    def __init__(
        self, read: Read, on_change: Callable[[], None] = lambda: None, every: float = _EVERY
    ) -> None:
        self._read = read
        self._on_change = on_change
        self._every = every
        self._reading = asyncio.Lock()
        self._failed: Mapping[Path, Signature] = {}
        self._told = ""
        self.good = True
        self.current = read()
        self._seen = _signatures(self.current.files)

    async def watch(self) -> None:
        """Look after the files, until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            if self.current.files:
                await self._look()

    async def _look(self) -> None:
        async with self._reading:
            found = await asyncio.to_thread(_signatures, self._seen)
            if found == self._seen:
                self._note_good()
                return
            try:
                await self._take(self._read, found)
            except AccessError as error:
                # Of a pair that is being written one half is old for a moment.
                if self._failed == found:
                    self._note_bad(str(error))
                self._failed = found
            else:
                log.info("certificates and users read again")

    async def follow(self, read: Read) -> None:
        """Read in another way from now on, and at once.

        Raises:
            AccessError: what is read so cannot be used; all stays as it was.
        """
        async with self._reading:
            found = await asyncio.to_thread(_signatures, self._seen)
            await self._take(read, found)
            self._read = read

    async def _take(self, read: Read, found: Mapping[Path, Signature]) -> None:
        fresh = await asyncio.to_thread(read)
        if self.current.tls is not None and fresh.tls is None:
            raise AccessError("TLS can be given up by a restart only")
        if self.current.users and not fresh.users:
            raise AccessError("basic_auth_users can be given up by a restart only")
        seen = await asyncio.to_thread(_signatures, fresh.files)
        # What changed while it was read is read once more.
        self._seen = {**seen, **{file: found[file] for file in fresh.files & found.keys()}}
        self.current = fresh
        self._note_good()

    def _note_good(self) -> None:
        self._failed = {}
        if self._told:
            self._told = ""
            log.info("certificates and users are good again")
        if not self.good:
            self.good = True
            self._on_change()

    def _note_bad(self, why: str) -> None:
        if why == self._told:
            return
        log.error("certificates and users not read again, the old ones stay", extra={"why": why})
        self._told = why
        if self.good:
            self.good = False
            self._on_change()


def _signatures(files: "frozenset[Path] | Mapping[Path, Signature]") -> dict[Path, Signature]:
    return {file: _signature(file) for file in files}


def _signature(file: Path) -> Signature:
    with contextlib.suppress(OSError):
        found = file.stat()
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
    return None
