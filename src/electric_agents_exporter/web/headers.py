"""Headers that keep browsers careful: every answer has them, an error's too."""

from collections.abc import Iterable, Mapping
from typing import Final

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "deny",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
"""What every answer says, unless it, or the operator, says otherwise."""

Headers = list[tuple[bytes, bytes]]

_OURS: Final[Headers] = [
    (name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()
]


def with_headers(own: Iterable[tuple[bytes, bytes]], configured: Mapping[str, str]) -> Headers:
    """Give an answer's headers: those that the operator wants, its own, and ours where none is.

    Args:
        own: the answer's, their names in small letters.
        configured: the operator's, by their names in small letters.
    """
    wanted = [(name.encode(), value.encode()) for name, value in configured.items()]
    headers: Headers = []
    named: set[bytes] = set()
    for group in (wanted, own, _OURS):
        # One that sets a header twice, as it may, means both.
        added = [pair for pair in group if pair[0] not in named]
        headers += added
        named.update(name for name, _ in added)
    return headers
