"""Claim tokens: a signed statement of whose claim it is, good for an hour.

The key is made when a server starts, so a restart invalidates every token.
"""

import base64
import hmac
import secrets
from hashlib import sha256
from typing import Final

import msgspec

_LIFETIME_SECONDS: Final = 3600


class _Statement(msgspec.Struct):
    sub: str
    epoch: int
    exp: int
    jti: str


class TokenError(ValueError):
    """A token that is not honoured; the message is the server's code for why."""


class Tokens:
    """Signs and checks claim tokens with a key of its own."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def issue(self, subject: str, epoch: int, now: float) -> str:
        """Write a token."""
        statement = _Statement(subject, epoch, int(now) + _LIFETIME_SECONDS, secrets.token_hex(8))
        payload = _encode(msgspec.json.encode(statement))
        return f"{payload}.{self._signature(payload)}"

    def epoch_of(self, token: str, subject: str, now: float) -> int:
        """Read a token's epoch.

        Raises:
            TokenError: it is not ours, another's, or past its time.
        """
        payload, _, signature = token.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(payload).encode()):
            raise TokenError("TOKEN_INVALID")
        padding = "=" * (-len(payload) % 4)
        statement = msgspec.json.decode(
            base64.urlsafe_b64decode(payload + padding), type=_Statement
        )
        if statement.sub != subject:
            raise TokenError("TOKEN_INVALID")
        if statement.exp < now:
            raise TokenError("TOKEN_EXPIRED")
        return statement.epoch

    def _signature(self, payload: str) -> str:
        return _encode(hmac.new(self._key, payload.encode(), sha256).digest())


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
