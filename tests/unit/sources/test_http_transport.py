"""How a server is reached: by the proxy that the environment names, and without threads."""

import base64
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from httpx_aiohttp import AiohttpTransport

from electric_agents_exporter.sources.http_transport import (
    Tls,
    aiohttp_transport,
    environment_proxy,
)

Server = Any
Connect = Callable[..., Any]
BEHIND = "http://agents.invalid/t/acme/v1"


@pytest.fixture(autouse=True)
def no_proxies_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def test_the_proxy_of_the_environment_is_asked_for_the_whole_url(
    server: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add("one")
    monkeypatch.setenv("http_proxy", server.url.replace("://", "://m%40nitor:s%3Acret@"))
    exchange = connect(url=BEHIND)

    assert await exchange.poll()

    assert server.about_runners[1].target == f"{BEHIND}/_electric/runners/one/health"
    told = {request.headers["proxy-authorization"] for request in server.requests}
    assert told == {"Basic " + base64.b64encode(b"m@nitor:s:cret").decode()}


async def test_a_proxy_needs_no_scheme(
    server: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url.removeprefix("http://"))
    assert await connect(url=BEHIND).poll()


@pytest.mark.parametrize("exempt", ["agents.invalid", ".invalid", "*", "agents.invalid:80"])
async def test_a_server_that_needs_no_proxy_is_asked_itself(
    server: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch, exempt: str
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", exempt)
    exchange = connect(url="http://agents.invalid:80")

    await exchange.poll()

    assert exchange.errors() == {"list dns": 1, "server dns": 1}
    assert server.requests == []


@pytest.mark.parametrize(
    "proxy",
    ["socks5://me:sesame@localhost", "http://", "http://me:sesame@host:99999", "http://[sesame"],
)
async def test_a_proxy_that_is_none_is_a_reason_and_its_password_stays_unsaid(
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    proxy: str,
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    exchange = connect(url=BEHIND)

    assert not await exchange.poll()

    assert exchange.errors() == {"list proxy": 1}
    [record] = caplog.records
    assert vars(record)["error"] == "http_proxy is not the URL of an HTTP proxy"
    assert "sesame" not in str(vars(record))


@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
@pytest.mark.parametrize(
    "exempt, url",
    [
        ("10.0.0.0/8", "http://10.1.2.3:4437"),
        ("fd00::/8", "http://[fd00::1]:4437"),
        ("fd00::1", "https://[fd00::1]"),
        ("10.1.2.3:443", "https://10.1.2.3"),
        (".internal", "https://agents.internal"),
        ("internal", "https://agents.internal:8443/t/acme"),
    ],
)
def test_no_credentials_go_to_a_proxy_that_a_network_or_a_domain_is_kept_from(
    monkeypatch: pytest.MonkeyPatch, variable: str, exempt: str, url: str
) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://proxy.example.com:3128")
    assert environment_proxy(url) is not None
    monkeypatch.setenv(variable, exempt)
    assert environment_proxy(url) is None


@pytest.mark.parametrize(
    "url, variable, proxy, encrypted",
    [
        ("http://agents.invalid", "http_proxy", "", False),
        ("http://agents.invalid", "http_proxy", "http://proxy.invalid", False),
        ("http://agents.invalid", "http_proxy", "https://proxy.invalid", True),
        ("https://agents.invalid", "https_proxy", "", True),
        ("HTTPS://agents.invalid", "https_proxy", "http://proxy.invalid", True),
    ],
)
def test_where_nothing_is_encrypted_nobody_is_trusted_and_no_authority_loaded(
    url: str, variable: str, proxy: str, *, encrypted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, proxy)
    transport = aiohttp_transport(url, Tls(insecure_skip_verify=True), 1)
    assert isinstance(transport, AiohttpTransport)
    context = transport.ssl_context
    assert context.verify_mode is (ssl.CERT_NONE if encrypted else ssl.CERT_REQUIRED)
    assert context.check_hostname is not encrypted
    assert encrypted or not context.cert_store_stats()["x509"]


def test_files_are_read_where_nothing_is_encrypted_too(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        aiohttp_transport("http://agents.invalid", Tls(ca_file=tmp_path / "none.pem"), 1)


async def test_no_request_waits_for_a_thread(server: Server, connect: Connect) -> None:
    for number in range(20):
        server.add(f"runner-{number}")
    before = set(threading.enumerate())

    assert await connect().poll()

    assert set(threading.enumerate()) == before
