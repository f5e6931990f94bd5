"""Asks an exporter, as `healthcheck` and `status` do: over TCP or a socket in the file system."""

import base64
import http.client
import socket
import ssl
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from typing_extensions import override

_MOST_BYTES: Final = 16 * 1024 * 1024


class AskError(Exception):
    """An exporter that does not answer, and why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: a user with a password in a file, and a certificate; each may be None."""

    username: str | None = None
    password_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Exporter:
    """Where an exporter serves, and how it is asked.

    Attributes:
        host: its name or address; empty where it serves at `path`.
        port: its port.
        path: its socket in the file system, or None.
        prefix: what stands before every path that it serves.
        encrypted: whether it speaks TLS.
        certificate: the certificate that it has to show, PEM, before a password is told to it. None
            for any that this machine trusts; that one is told from its name.
        trusted: a file of authorities to trust instead, or None.
        identity: who asks.
    """

    host: str = ""
    port: int = 0
    path: Path | None = None
    prefix: str = ""
    encrypted: bool = False
    certificate: str | None = None
    trusted: Path | None = None
    identity: Identity = field(default_factory=Identity)


def at_url(url: str, trusted: Path | None, identity: Identity) -> Exporter:
    """Give the exporter at a URL.

    Raises:
        ValueError: it is no URL of HTTP.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("expected http://HOST[:PORT] or https://HOST[:PORT]")
    encrypted = parts.scheme == "https"
    return Exporter(
        host=parts.hostname,
        port=parts.port or (443 if encrypted else 80),
        prefix=parts.path.rstrip("/"),
        encrypted=encrypted,
        trusted=trusted,
        identity=identity,
    )


def ask(exporter: Exporter, path: str, timeout: float) -> tuple[int, bytes]:
    """Ask for a path, within so many seconds a step; give the status and the body.

    Raises:
        AskError: it does not answer, is not who it should be, or what is needed cannot be read.
    """
    try:
        with closing(_Connection(exporter, timeout)) as connection:
            # Only who it should be is told a password.
            connection.connect()
            headers = _authorization(exporter.identity)
            if headers:
                connection.prove()
            connection.request("GET", exporter.prefix + path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read(_MOST_BYTES)
    except ssl.SSLError as error:
        raise AskError(f"TLS: {(error.reason or str(error)).replace('_', ' ').lower()}") from error
    except OSError as error:
        raise AskError(error.strerror or str(error) or "timed out") from error
    except (http.client.HTTPException, ValueError) as error:
        raise AskError(f"it answers with something else ({type(error).__name__})") from error


class _Connection(http.client.HTTPConnection):
    """A connection to an exporter."""

    def __init__(self, exporter: Exporter, timeout: float) -> None:
        super().__init__(exporter.host or "localhost", exporter.port or None, timeout=timeout)
        self._exporter = exporter

    @override
    def connect(self) -> None:
        if self._exporter.path is None:
            super().connect()
        else:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(str(self._exporter.path))
        if self._exporter.encrypted:
            context = _context(self._exporter)
            self.sock = context.wrap_socket(self.sock, server_hostname=self._exporter.host or None)

    def prove(self) -> None:
        """See that the exporter is who it should be, before it is told a secret.

        Raises:
            AskError: it shows another certificate.
        """
        expected = self._exporter.certificate
        if expected is None or not isinstance(self.sock, ssl.SSLSocket):
            return
        shown = self.sock.getpeercert(binary_form=True)
        if not expected or shown != ssl.PEM_cert_to_DER_cert(_first(expected)):
            raise AskError("it shows another certificate than the settings name")


def _context(exporter: Exporter) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=exporter.trusted)
    if exporter.certificate is not None and exporter.trusted is None:
        # It is reached by an address that is in no certificate, and told by the certificate itself.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    identity = exporter.identity
    if identity.cert_file is not None:
        context.load_cert_chain(identity.cert_file, identity.key_file, password="")
    return context


def _first(chain: str) -> str:
    """Give the first certificate of a chain, PEM."""
    begin, end = ssl.PEM_HEADER, ssl.PEM_FOOTER
    _, found, rest = chain.partition(begin)
    return f"{found}{rest.partition(end)[0]}{end}"


def _authorization(identity: Identity) -> dict[str, str]:
    if identity.username is None or identity.password_file is None:
        return {}
    password = identity.password_file.read_text().rstrip("\r\n")
    told = base64.b64encode(f"{identity.username}:{password}".encode()).decode()
    return {"authorization": f"Basic {told}"}
