"""The kinds of value that only serving has."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, SecretStr

from electric_agents_exporter.settings.values import Words

_HASH: Final = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_PREFIX: Final = re.compile(
    r"/?([A-Za-z0-9_~-][A-Za-z0-9._~-]*/)*([A-Za-z0-9_~-][A-Za-z0-9._~-]*)?"
)
_MODE: Final = re.compile(r"0?[0-7]{3}")


def _bcrypt_hash(secret: SecretStr) -> SecretStr:
    if not _HASH.fullmatch(secret.get_secret_value()):
        raise ValueError(
            "expected a bcrypt hash, such as `htpasswd -nBC 10 NAME` writes after the colon"
        )
    return secret


def _route_prefix(text: str) -> str:
    """Check a path, and write it with a slash before it and none behind; `/` is no prefix."""
    if not _PREFIX.fullmatch(text):
        raise ValueError("expected a path, such as /exporter")
    return f"/{text.strip('/')}".rstrip("/")


def _mode(text: object) -> int:
    if not isinstance(text, str) or not _MODE.fullmatch(text):
        raise ValueError("expected a mode in quotes, such as '0660'")
    return int(text, 8)


def _as_text(value: object) -> object:
    """Take a number for its text, as Go does: `X-XSS-Protection: 1` needs no quotes."""
    return str(value) if type(value) is int else value


def _header_text(text: str) -> str:
    if not text.isascii() or not text.isprintable():
        raise ValueError("expected printable ASCII on one line")
    return text


BcryptHash = Annotated[SecretStr, AfterValidator(_bcrypt_hash), Words("bcrypt hash, secret")]
RoutePrefix = Annotated[str, AfterValidator(_route_prefix), Words("path")]
Mode = Annotated[int, BeforeValidator(_mode), Words("mode")]
HeaderText = Annotated[str, BeforeValidator(_as_text), AfterValidator(_header_text), Words("text")]
