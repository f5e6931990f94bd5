"""`no_proxy` as curl and Go read it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from electric_agents_exporter.sources.no_proxy import is_exempt


@pytest.mark.parametrize(
    "no_proxy, host",
    [
        ("*", "agents.example.com"),
        ("example.com", "example.com"),
        ("example.com", "agents.example.com"),
        (".example.com", "agents.example.com"),
        ("*.example.com", "agents.example.com"),
        ("EXAMPLE.com", "agents.Example.COM."),
        ("other.com, example.com", "agents.example.com"),
        ("other.com example.com", "agents.example.com"),
        ("10.1.2.3", "10.1.2.3"),
        ("10.0.0.0/8", "10.1.2.3"),
        ("10.9.9.9/8", "10.1.2.3"),
        ("10.1.2.3:4437", "10.1.2.3"),
        ("agents.example.com:4437", "agents.example.com"),
        ("fd00::1", "[fd00::1]"),
        ("[fd00::1]", "fd00::1"),
        ("[fd00::1]:4437", "fd00::1"),
        ("fd00::/8", "fd12::1"),
        ("10.0.0.0/8", "::ffff:10.1.2.3"),
        ("fe80::/10", "fe80::1%eth0"),
        ("2.3", "10.1.2.3"),
        (".示例.com", "www.示例.com"),
        ("xn--fsq092h.com", "www.示例.com"),
        ("示例.com", "www.xn--fsq092h.com"),
        ("", "localhost"),
        ("", "127.0.0.1"),
        ("", "127.8.8.8"),
        ("", "[::1]"),
    ],
)
def test_who_is_asked_directly(no_proxy: str, host: str) -> None:
    assert is_exempt(host, 4437, no_proxy)


@pytest.mark.parametrize(
    "no_proxy, host",
    [
        ("", "agents.example.com"),
        (",, ,", "agents.example.com"),
        (".", "agents.example.com"),
        ("example.com", "notexample.com"),
        ("example.com", "example.com.evil.net"),
        ("agents.example.com:80", "agents.example.com"),
        ("10.0.0.0/8", "11.1.2.3"),
        ("10.0.0.0/8", "10.example.com"),
        ("10.0.0.0/99", "10.1.2.3"),
        ("10.1", "10.1.2.3"),
        ("fd00::/8", "10.1.2.3"),
        ("10.0.0.0/8", "fd00::1"),
        ("agents", "agents.example.com"),
        (":1", "agents.example.com"),
        ("example.com", "[1000::%.example.com]"),
        ("fe80::1%eth0", "fe80::2%eth0"),
    ],
)
def test_who_is_asked_through_the_proxy(no_proxy: str, host: str) -> None:
    assert not is_exempt(host, 4437, no_proxy)


A_LIST = (
    "foobar.com, .barbaz.net, *.wildcard.io, 192.168.1.1, 192.168.1.2:81, 192.168.1.3:80, "
    "10.0.0.0/30, 2001:db8::52:0:1, [2001:db8::52:0:2]:443, [2001:db8::52:0:3]:80, "
    "2002:db8:a::45/64"
)
BY_GO = {
    "localhost": True,
    "127.0.0.1": True,
    "127.0.0.2": True,
    "[::1]": True,
    "[::2]": False,
    "192.168.1.1": True,
    "192.168.1.2": False,
    "192.168.1.3": True,
    "192.168.1.4": False,
    "10.0.0.2": True,
    "[2001:db8::52:0:1]": True,
    "[2001:db8::52:0:2]": False,
    "[2001:db8::52:0:3]": True,
    "[2002:db8:a::123]": True,
    "[fe80::424b:c8be:1643:a1b6]": False,
    "www.barbaz.net": True,
    "foobar.com": True,
    "www.foobar.com": True,
    "foofoobar.com": False,
    "baz.com": False,
    "localhost.net": False,
    "local.localhost": False,
    "barbarbaz.net": False,
    "nested.wildcard.io": True,
    "awildcard.io": False,
}
"""Which hosts of port 80 golang.org/x/net/http/httpproxy asks directly, and we."""

BY_CURL_ALONE = ("barbaz.net", "wildcard.io")
"""A dot before a domain means nothing to curl: the domain itself is one of those too."""


@pytest.mark.parametrize("host", BY_GO)
def test_a_list_is_read_as_go_reads_it(host: str) -> None:
    assert is_exempt(host, 80, A_LIST) is BY_GO[host]


@pytest.mark.parametrize("host", BY_CURL_ALONE)
def test_what_curl_alone_asks_directly_is_asked_directly(host: str) -> None:
    assert is_exempt(host, 80, A_LIST)


@given(no_proxy=st.text(), host=st.text(), port=st.integers(0, 65_535))
def test_whatever_stands_there_it_is_an_answer(no_proxy: str, host: str, port: int) -> None:
    assert is_exempt(host, port, no_proxy) in {True, False}
