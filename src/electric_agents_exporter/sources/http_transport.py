"""How a server is reached over HTTP: whom to trust, by which proxy, on which connections."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit
from urllib.request import getproxies

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from typing_extensions import override

from electric_agents_exporter.sources.no_proxy import is_exempt

Transport: TypeAlias = httpx.AsyncBaseTransport
"""What requests go over, one at a time or several."""

_IDLE_SECONDS: Final = 4.0  # the server closes an idle connection after 5 s
_PROXY_SCHEMES: Final = ("http", "https")
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Tls:
    """How a server is to be trusted, and how we show who we are.

    `server_name` is whose certificate it must show, where that is not the host of its URL; `strict`
    checks certificates as RFC 5280 has it to the letter.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str | None = None
    strict: bool = False
    insecure_skip_verify: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that this rests on."""
        return tuple(path for path in (self.ca_file, self.cert_file, self.key_file) if path)

    def context(self) -> ssl.SSLContext:
        """Load the files.

        Raises:
            OSError: a file cannot be read, or (ssl.SSLError) is not what it should be.
        """
        context = ssl.create_default_context(cafile=self.ca_file)
        # From 3.13 on Python refuses private authorities that curl, Go and PostgreSQL accept, for
        # an extension that they leave out; before that it took them. Here it is one or the other.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if self.strict:
            context.verify_flags |= ssl.VERIFY_X509_STRICT
        if self.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert_file is not None:
            # The empty password keeps OpenSSL from asking for one on the terminal.
            context.load_cert_chain(self.cert_file, self.key_file, password="")
        return context


def _telling(host: str, saw: Callable[[float], None]) -> type[ssl.SSLObject]:
    """Make the class of TLS connections that tell until when a host's certificate is valid."""

    class Telling(ssl.SSLObject):
        @override
        def do_handshake(self) -> None:
            super().do_handshake()
            # A proxy's own certificate comes this way too.
            ends = (self.getpeercert() or {}).get("notAfter")
            if self.server_hostname == host and isinstance(ends, str):
                saw(float(ssl.cert_time_to_seconds(ends)))

    return Telling


def aiohttp_transport(
    url: str,
    tls: Tls,
    concurrency: int,
    saw_certificate: Callable[[float], None] = lambda _: None,
) -> Transport:
    """Make the transport that asks the server at a URL with so many connections.

    `saw_certificate` is told at every connection until when the server's certificate is valid, in
    seconds since the epoch; never where certificates are not verified.

    aiohttp's pool costs a fraction of httpx's own; it also repeats a GET once when the server had
    closed the idle connection. No cookies are kept, and no credentials taken from a `.netrc`.

    Raises:
        OSError: a TLS file cannot be read, or (ssl.SSLError) is not what it should be.
        httpx.ProxyError: the environment names a proxy that is none.
    """
    proxy = environment_proxy(url)
    encrypted = any(urlsplit(each).scheme == "https" for each in (url, proxy or ""))
    context = tls.context() if encrypted or tls.files else _trusting_nobody()
    name = tls.server_name or urlsplit(url).hostname or ""
    context.sslobject_class = _telling(name, saw_certificate)

    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=concurrency, keepalive_timeout=_IDLE_SECONDS, ssl=context
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            # aiohttp would look the environment up at every request, in a thread, twice: that
            # costs more than the rest of the request.
            trust_env=False,
            proxy=proxy,
        )

    if tls.server_name is not None:
        return _Named(tls.server_name, client=session, verify=context)
    return AiohttpTransport(client=session, verify=context)


def _trusting_nobody() -> ssl.SSLContext:
    """Give what no connection can be encrypted with, and takes no time to make.

    All the authorities that a system trusts take tens of milliseconds to load, for each target.
    """
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _Named(AiohttpTransport):
    """A transport to servers that show the certificate of another name than their URL's."""

    def __init__(
        self, name: str, *, client: Callable[[], aiohttp.ClientSession], verify: ssl.SSLContext
    ) -> None:
        super().__init__(client=client, verify=verify)
        self._name = name

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["sni_hostname"] = self._name
        return await super().handle_async_request(request)


def environment_proxy(url: str) -> str | None:
    """Give the proxy that the environment names for a URL (`https_proxy`, `no_proxy`, ...).

    Raises:
        httpx.ProxyError: it is no URL of a proxy that speaks HTTP.
    """
    target = urlsplit(url)
    named = getproxies()
    proxy = named.get(target.scheme)
    port = target.port or _PORTS[target.scheme]
    if not proxy or is_exempt(target.hostname or "", port, named.get("no", "")):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(proxy)
        fit = parts.scheme in _PROXY_SCHEMES and parts.hostname and (parts.port or True)
    except ValueError:
        fit = False
    if not fit:
        # What it is stays unsaid: it may hold a password.
        raise httpx.ProxyError(f"{target.scheme}_proxy is not the URL of an HTTP proxy")
    return proxy
