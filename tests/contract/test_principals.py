from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from electric_agents_exporter.contract.principals import (
    KINDS,
    Principal,
    PrincipalError,
    kind_of_owner,
    parse,
    parse_key,
    parse_url,
)

ids = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1)
known_principals = st.builds(Principal, st.sampled_from(KINDS), ids)


@pytest.mark.parametrize(
    "text, url",
    [
        ("user:alice", "/principal/user%3Aalice"),
        ("agent:bot", "/principal/agent%3Abot"),
        ("service:monitor", "/principal/service%3Amonitor"),
        ("system:dev-local", "/principal/system%3Adev-local"),
        ("/principal/user%3Aalice", "/principal/user%3Aalice"),
        ("/principal/user%3aalice", "/principal/user%3Aalice"),
        ("/principal/user:alice", "/principal/user%3Aalice"),
        ("user:a b", "/principal/user%3Aa%20b"),
        ("/principal/user:a%20b", "/principal/user%3Aa%20b"),
        ("user:a%20b", "/principal/user%3Aa%2520b"),
        ("user: alice", "/principal/user%3A%20alice"),
        ("user:a:b:c", "/principal/user%3Aa%3Ab%3Ac"),
        ("user:a+b", "/principal/user%3Aa%2Bb"),
        ("/principal/user:a+b", "/principal/user%3Aa%2Bb"),
        ("user:a!~*'()-_.", "/principal/user%3Aa!~*'()-_."),
        ("/principal/user%3Aalice?x=1", "/principal/user%3Aalice%3Fx%3D1"),
        ("/principal/user%3Aalice#f", "/principal/user%3Aalice%23f"),
        ("user:alice,user:bob", "/principal/user%3Aalice%2Cuser%3Abob"),
        ("/principal/user%3A%C3%A9", "/principal/user%3A%C3%A9"),
        ("user:\N{GRINNING FACE}", "/principal/user%3A%F0%9F%98%80"),
    ],
)
def test_a_principal_is_canonicalised_as_the_real_server_did(text: str, url: str) -> None:
    assert parse(text).url == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "user",
        "user:",
        ":x",
        "u:x",
        "USER:alice",
        "User:alice",
        " user:alice",
        "webhook:x",
        "entity:x",
        "user:a/b",
        "user%3Aalice",
        "principal/user%3Aalice",
        "http://h/principal/user%3Aalice",
        "//principal/user%3Aalice",
        "/principal",
        "/principal/",
        "/principal/local-desktop",
        "/principal/user%253Aalice",
        "/principal/user:a%2Fb",
        "/principal/user:a/b",
        "/principal/user%3A%",
        "/principal/user%3A%4",
        "/principal/user%3A%zz",
        "/principal/user%3A%XX",
        "/principal/user%3A%+1",
        "/principal/user%3A%FF",
        "/principal/user%3A%C3",
        "/principal/user%3A%ED%A0%80",
        "/principal/user%3A%C0%AF",
        "user:\ud800",
        "user:a\udfff",
    ],
)
def test_what_the_real_server_refuses_is_refused(text: str) -> None:
    with pytest.raises(PrincipalError):
        parse(text)


@pytest.mark.parametrize(
    "text, message",
    [
        ("alice", "expected KIND:ID with a kind of user, agent, service, system"),
        ("bot:x", "unknown kind 'bot'; expected one of user, agent, service, system"),
        ("user:", "the id after the colon is empty"),
        ("user:a/b", "an id holds no slash"),
        ("user:\ud800", "the id is not Unicode: it holds half of a surrogate pair"),
        ("/principal/a/b", "a principal URL has one segment after /principal/"),
        ("/principal/user%3A%", "a percent sign is not followed by two hex digits"),
        ("/principal/user%3A%FF", "the percent-encoded bytes are not UTF-8"),
    ],
)
def test_a_refusal_says_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(PrincipalError) as refusal:
        parse(text)
    assert str(refusal.value) == message


def test_a_key_is_no_url_and_a_url_is_no_key() -> None:
    with pytest.raises(PrincipalError, match="expected a URL that begins with /principal/"):
        parse_url("user:alice")
    with pytest.raises(PrincipalError):
        parse_key("/principal/user%3Aalice")


@given(known_principals)
def test_every_principal_survives_a_round_trip_through_either_form(principal: Principal) -> None:
    assert parse(principal.key) == principal
    assert parse(principal.url) == principal


@example(Principal("user", "a:b"))
@given(known_principals)
def test_the_kind_of_an_owner_stands_in_its_canonical_url(principal: Principal) -> None:
    assert kind_of_owner(principal.url) == principal.kind


@pytest.mark.parametrize("text", ["", "alice", "user:alice", "/principal/alice"])
def test_an_owner_whose_url_is_not_canonical_is_of_no_kind(text: str) -> None:
    assert kind_of_owner(text) not in KINDS


@given(known_principals)
def test_a_canonical_url_is_plain_ascii_in_one_segment(principal: Principal) -> None:
    segment = principal.url.removeprefix("/principal/")
    assert segment.isascii()
    assert segment.isprintable()
    assert not set(segment) & set("/?#:+ &")
    assert unquote(segment) == principal.key


@given(st.text() | st.text().map("/principal/{}".format) | st.text().map("user:{}".format))
def test_any_text_is_a_principal_with_a_stable_url_or_refused(text: str) -> None:
    try:
        principal = parse(text)
    except PrincipalError:
        return
    assert principal.kind in KINDS
    assert principal.id
    assert "/" not in principal.id
    assert parse(principal.url) == principal
