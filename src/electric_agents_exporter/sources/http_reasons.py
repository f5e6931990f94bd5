"""Why a request over HTTP failed, told from what the wire and the libraries say."""

import os
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import aiohttp
import aiohttp.http_exceptions
import httpx

from electric_agents_exporter.fleet.reasons import Reason

ODD: Final = (ArithmeticError, LookupError, RecursionError, ValueError)
"""What libraries raise over bytes that nobody thought of, and we over what they make of them."""

_LONGEST_WORDS: Final = 200
_STRICT_ALONE: Final = range(80, 95)
"""OpenSSL's codes for what it minds only where it checks strictly (`X509_V_ERR_...`)."""

_BY_STATUS: Final = {
    401: Reason.UNAUTHORIZED,
    403: Reason.FORBIDDEN,
    404: Reason.NOT_FOUND,
    407: Reason.PROXY,
    429: Reason.RATE_LIMITED,
}
_BY_ERROR: Final[tuple[tuple[type[Exception] | tuple[type[Exception], ...], Reason], ...]] = (
    # The first that fits decides, so the special stand before the general.
    (TimeoutError, Reason.TIMEOUT),
    (aiohttp.ClientConnectorDNSError, Reason.DNS),
    (aiohttp.ClientProxyConnectionError, Reason.PROXY),
    (aiohttp.ClientHttpProxyError, Reason.PROXY),
    (aiohttp.ClientSSLError, Reason.TLS),
    (ssl.SSLError, Reason.TLS),
    (aiohttp.ClientConnectorError, Reason.CONNECT),
    (aiohttp.ServerDisconnectedError, Reason.RESET),
    (aiohttp.ClientOSError, Reason.RESET),
    (aiohttp.ClientPayloadError, Reason.RESET),
    (httpx.TimeoutException, Reason.TIMEOUT),
    (httpx.ProxyError, Reason.PROXY),
    (httpx.ConnectError, Reason.CONNECT),
    (httpx.NetworkError, Reason.RESET),
    (httpx.RemoteProtocolError, Reason.RESET),
    (aiohttp.http_exceptions.LineTooLong, Reason.HEADERS_TOO_LARGE),
    (aiohttp.ClientResponseError, Reason.NOT_HTTP),
    (ODD, Reason.NOT_HTTP),
)


def reason_of_status(status: int) -> Reason | None:
    """Classify a status; 200 is the only good one."""
    if status == httpx.codes.OK:
        return None
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if httpx.codes.is_redirect(status):
        return Reason.REDIRECT
    if httpx.codes.is_client_error(status):
        return Reason.CLIENT_ERROR
    if httpx.codes.is_server_error(status):
        return Reason.SERVER_ERROR
    return Reason.SCHEMA


def reason_of_error(error: BaseException) -> Reason:
    """Classify what went wrong on the wire; what the transport translated tells more."""
    for candidate in reversed(tuple(_chain(error))):
        for kind, reason in _BY_ERROR:
            if isinstance(candidate, kind):
                return reason
    return Reason.OTHER


def words_of_error(error: BaseException) -> str:
    """Say in a line what went wrong, as the system or OpenSSL say it; empty where neither does.

    What other libraries say may hold a URL with a password, or what a server sent.
    """
    said = filter(None, map(_words_of, reversed(tuple(_chain(error)))))
    words = next(said, "")
    return "".join(filter(str.isprintable, words))[:_LONGEST_WORDS]


def _words_of(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        by_strictness = " (only tls.strict minds that)"
        return error.verify_message + by_strictness * (error.verify_code in _STRICT_ALONE)
    if isinstance(error, ssl.SSLError):
        return (error.reason or "").replace("_", " ").lower()
    if isinstance(error, socket.gaierror):
        return error.strerror or ""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Give an error, what caused it, and so on to the first cause."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__
