"""Secrets that live in files and may change at any time."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 65_536
"""How long a secret may be."""


class CredentialError(Exception):
    """A secret cannot be read; the message names its file and never its content."""


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """A user, and the password as text, which stays out of `repr`, or as a file."""

    username: str
    password: str | None = field(default=None, repr=False)
    password_file: Path | None = None

    def header(self) -> str:
        """Give the value of the header `authorization` as it is now.

        Raises:
            CredentialError: the file is missing, unreadable, or holds no password.
        """
        password = read_password(self.password_file) if self.password_file else self.password
        pair = f"{self.username}:{password or ''}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The headers for a server that hold secrets, as text or as files.

    `headers` and `bearer_token` are the secrets themselves and stay out of `repr`.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    header_files: Mapping[str, Path] = field(default_factory=dict)
    bearer_token: str | None = field(default=None, repr=False)
    bearer_token_file: Path | None = None
    basic_auth: BasicAuth | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that holds a secret."""
        password = self.basic_auth.password_file if self.basic_auth else None
        single = (self.bearer_token_file, password)
        return (*(path for path in single if path), *self.header_files.values())

    def read(self) -> dict[str, str]:
        """Give the headers as they are now.

        Raises:
            CredentialError: a file is missing, unreadable, or holds what no header can carry.
        """
        headers = dict(self.headers)
        for name, path in self.header_files.items():
            headers[name] = read_secret(path)
        if self.bearer_token_file is not None:
            headers["authorization"] = f"Bearer {read_secret(self.bearer_token_file)}"
        elif self.bearer_token is not None:
            headers["authorization"] = f"Bearer {self.bearer_token}"
        elif self.basic_auth is not None:
            headers["authorization"] = self.basic_auth.header()
        return headers

    def changed_at(self) -> float | None:
        """When the newest of the files changed, seconds since the epoch; None without any."""
        moments = []
        for path in self.files:
            try:
                moments.append(path.stat().st_mtime)
            except OSError:
                continue
        return max(moments, default=None)


def read_secret(path: Path) -> str:
    """Read a secret for a header from a file, without the white space around it.

    Raises:
        CredentialError: the file is missing, unreadable, or holds what no header can carry.
    """
    try:
        secret = _bytes(path).decode("ascii").strip()
    except UnicodeDecodeError:
        # What could not be decoded is a part of the secret.
        raise CredentialError(f"{path}: holds characters outside ASCII") from None
    if not secret or not secret.isprintable():
        raise CredentialError(f"{path}: is empty, or holds control characters or several lines")
    return secret


def read_password(path: Path) -> str:
    """Read a password from a file: all that is in it, but for one line end.

    A byte order mark is none of it either. PostgreSQL takes any text but a zero byte.

    Raises:
        CredentialError: the file is missing, unreadable, or holds no password.
    """
    return password_of(_bytes(path), str(path))


def password_of(content: bytes, origin: str) -> str:
    """Give the password in what a file holds, or a command wrote: see `read_password`.

    Raises:
        CredentialError: there is none; `origin` says whose content it is.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # What could not be decoded is a part of the secret.
        raise CredentialError(f"{origin}: is not UTF-8") from None
    password = text.removesuffix("\n").removesuffix("\r")
    if not password or "\0" in password:
        raise CredentialError(f"{origin}: is empty, or holds a zero byte")
    return password


def _bytes(path: Path) -> bytes:
    """Give what is in a file.

    Raises:
        CredentialError: it is missing, unreadable, or no secret for its length.
    """
    try:
        # Reading a pipe would hold up every poll of every target.
        if path.exists() and not path.is_file():
            raise CredentialError(f"{path}: not a file")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CredentialError(f"{path}: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise CredentialError(f"{path}: larger than {MOST_BYTES} bytes")
    return content
