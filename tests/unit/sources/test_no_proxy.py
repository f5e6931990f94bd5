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
        ("2.3", "10.1.2.3"),
        ("fd00::/8", "10.1.2.3"),
        ("10.0.0.0/8", "fd00::1"),
        ("agents", "agents.example.com"),
    ],
)
def test_who_is_asked_through_the_proxy(no_proxy: str, host: str) -> None:
    assert not is_exempt(host, 4437, no_proxy)


@given(no_proxy=st.text(), host=st.text(), port=st.integers(0, 65_535))
def test_whatever_stands_there_it_is_an_answer(no_proxy: str, host: str, port: int) -> None:
    assert is_exempt(host, port, no_proxy) in {True, False}
