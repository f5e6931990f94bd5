"""Passwords, held to bcrypt hashes: slow by design, so beside the event loop and in turn."""

import asyncio
import base64
import binascii
import hmac
import secrets
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import Final

import bcrypt

_READ: Final = 72
"""Of how many bytes of a password bcrypt takes notice."""

_MOST_KNOWN: Final = 1024
_MOST_WAITING: Final = 32
_MOST_OF_ONE: Final = 2
_COST: Final = slice(4, 6)
_NOBODYS: Final = "$2b${}$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
"""A hash of a password that lets nobody in, without its cost."""


class Verdict(Enum):
    """What becomes of who shows a password."""

    ADMITTED = "admitted"
    REFUSED = "refused"
    BUSY = "busy"


class Passwords:
    """Tells whether a name and a password are right.

    Who was right once is known by a keyed digest, which nobody else can make, and waits for nobody.
    Of all others few are looked at, one after the other, and two of one address at most: a flood of
    wrong ones takes one processor, and delays who is new, from elsewhere, by seconds.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, None] = {}
        self._checker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="passwords")
        self._waiting: Counter[str] = Counter()

    async def judge(self, users: Mapping[str, bytes], given: str, address: str) -> Verdict:
        """Judge what a request gives as its `authorization`, held to hashes by name."""
        name, password = _read(given)
        if password is None:
            return Verdict.REFUSED
        expected = users.get(name) or _hash_of_nobody(users)
        digest = self._digest(name, expected, password)
        if digest in self._known:
            return Verdict.ADMITTED
        if self._waiting[address] >= _MOST_OF_ONE or self._waiting.total() >= _MOST_WAITING:
            return Verdict.BUSY
        self._waiting[address] += 1
        try:
            loop = asyncio.get_running_loop()
            matches = await loop.run_in_executor(self._checker, _matches, password, expected)
        finally:
            self._waiting[address] -= 1
            if not self._waiting[address]:
                del self._waiting[address]
        if not (matches and name in users):
            return Verdict.REFUSED
        self._known[digest] = None
        if len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        return Verdict.ADMITTED

    def _digest(self, name: str, expected: bytes, password: bytes) -> bytes:
        """Give what stands for a name, its hash and a password, and for no others."""
        parts = (name.encode(), expected, password)
        told = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._key, told, "sha256")


def _read(given: str) -> tuple[str, bytes | None]:
    """Read the name and the password of basic authentication; no password where it is none."""
    kind, _, encoded = given.partition(" ")
    if kind.lower() != "basic":
        return "", None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return name.decode(), password[:_READ] if colon else None
    except (binascii.Error, ValueError):
        return "", None


def _hash_of_nobody(users: Mapping[str, bytes]) -> bytes:
    """Give a hash that takes as long as that of a user, so that time tells nobody who is one."""
    cost = next(iter(users.values()))[_COST]
    return _NOBODYS.format(cost.decode()).encode()


def _matches(password: bytes, expected: bytes) -> bool:
    try:
        return bcrypt.checkpw(password, expected)
    except ValueError:  # a hash, or a password, that bcrypt does not take
        return False
