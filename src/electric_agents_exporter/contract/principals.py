"""Who owns a runner and who is asking: principals, by the server's rules (`principal.ts`)."""

from dataclasses import dataclass
from urllib.parse import quote, unquote

HEADER = "electric-principal"
"""The request header that names the caller. A server believes it unseen."""

KINDS = ("user", "agent", "service", "system")
"""The kinds of principal, case-sensitive."""

_URL_PREFIX = "/principal/"
_UNESCAPED = "!*'()"  # what encodeURIComponent leaves alone, beyond quote()'s own letters


class PrincipalError(ValueError):
    """A text that names no principal; its message says what was expected."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An identity that can own runners, such as `service:monitor`."""

    kind: str
    id: str

    @property
    def key(self) -> str:
        """The short form, `kind:id`."""
        return f"{self.kind}:{self.id}"

    @property
    def url(self) -> str:
        """The canonical form, as a server writes `owner_principal`: `/principal/kind%3Aid`."""
        return _URL_PREFIX + quote(self.key, safe=_UNESCAPED)


def parse_key(text: str) -> Principal:
    """Read `kind:id`: a known kind, then any non-empty id without a slash.

    Raises:
        PrincipalError: the text is no key.
    """
    kind, colon, identity = text.partition(":")
    if not colon:
        raise PrincipalError(f"expected KIND:ID with a kind of {', '.join(KINDS)}")
    if kind not in KINDS:
        raise PrincipalError(f"unknown kind {kind!r}; expected one of {', '.join(KINDS)}")
    if not identity:
        raise PrincipalError("the id after the colon is empty")
    if "/" in identity:
        raise PrincipalError("an id holds no slash")
    if any("\ud800" <= char <= "\udfff" for char in identity):
        raise PrincipalError("the id is not Unicode: it holds half of a surrogate pair")
    return Principal(kind, identity)


def parse_url(text: str) -> Principal:
    """Read `/principal/KEY`, its segment percent-encoded or (as old writers do) not.

    Raises:
        PrincipalError: the text is no principal URL.
    """
    segment = text.removeprefix(_URL_PREFIX)
    if segment == text:
        raise PrincipalError(f"expected a URL that begins with {_URL_PREFIX}")
    if "/" in segment:
        raise PrincipalError("a principal URL has one segment after /principal/")
    return parse_key(_decode_component(segment))


def parse(text: str) -> Principal:
    """Read either form, as the server reads its `electric-principal` header.

    Raises:
        PrincipalError: the text is neither.
    """
    if text.startswith(_URL_PREFIX):
        return parse_url(text)
    return parse_key(text)


def kind_of_owner(url: str) -> str:
    """Give the kind in a canonical URL; what is none gives something that is no kind."""
    return url.removeprefix(_URL_PREFIX).partition("%3A")[0]


def _decode_component(segment: str) -> str:
    """Percent-decode as strictly as decodeURIComponent: a stray % or bad UTF-8 is refused."""
    for position, char in enumerate(segment):
        if char == "%":
            digits = segment[position + 1 : position + 3]
            if len(digits) != 2 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):  # noqa: PLR2004
                raise PrincipalError("a percent sign is not followed by two hex digits")
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError as error:
        raise PrincipalError("the percent-encoded bytes are not UTF-8") from error
