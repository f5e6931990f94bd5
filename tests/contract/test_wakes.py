"""What stands on a wake stream, which anybody may write to."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from electric_agents_exporter.contract.wakes import (
    MAX_WAKES,
    Wake,
    entity_url,
    position,
    read_wakes,
)

# As a server writes it, but for what we do not read of it.
EVENT = {
    "type": "wake",
    "stream": "/task/1/main",
    "ts": 1_795_346_971_500,
    "generation": 3,
    "callback": "http://127.0.0.1:4437/_electric/callback/w_1",
}
WAKE = Wake("task/1/main", 1_795_346_971.5, 3)


def encode(*events: object) -> bytes:
    return json.dumps(list(events)).encode()


@pytest.mark.parametrize(
    "offset, place",
    [
        ("-1", (0, 0)),
        ("0000000000000000_0000000000021551", (0, 21551)),
        ("0000000000000007_0000000000000000", (7, 0)),
        ("1_2", (1, 2)),
    ],
)
def test_an_offset_stands_somewhere(offset: str, place: tuple[int, int]) -> None:
    assert position(offset) == place


def test_offsets_stand_in_the_order_of_what_they_say_and_not_of_their_letters() -> None:
    offsets = ["-1", "0_9", "0_10", "1_2", "0010_1"]
    places = [place for offset in offsets if (place := position(offset)) is not None]
    assert places == sorted(places)
    assert len(set(places)) == len(offsets)


@pytest.mark.parametrize(
    "offset",
    [
        None,
        *("", "now", "-2", "1", "_", "1_", "_1", "1_2_3", " 1_2", "1_2\n", "1_-2", "1_2.5"),
        *("a_b", "٣_٣", "9" * 33 + "_1"),
    ],
)
def test_what_is_no_offset_stands_nowhere(offset: str | None) -> None:
    assert position(offset) is None


def test_wakes_are_read_in_their_order_with_their_streams_as_claims_name_them() -> None:
    other = {"type": "wake", "stream": "task/2/main", "ts": 1_795_346_972_000, "generation": 0}
    assert read_wakes(encode(EVENT, other)) == (
        WAKE,
        Wake("task/2/main", 1_795_346_972.0, 0),
    )


@pytest.mark.parametrize(
    "event",
    [
        None,
        7,
        "wake",
        [],
        ["wake"],
        {},
        {**EVENT, "type": "signal"},
        {**EVENT, "type": ["wake"]},
        {**EVENT, "stream": ""},
        {**EVENT, "stream": "/"},
        {**EVENT, "stream": 7},
        {**EVENT, "stream": None},
        {**EVENT, "stream": "x" * 1025},
        {name: value for name, value in EVENT.items() if name != "stream"},
        # Half of a surrogate pair, which no URL can carry.
        {**EVENT, "stream": "/task/\ud800/main"},
    ],
)
def test_what_is_no_wake_is_passed_over(event: object) -> None:
    assert read_wakes(encode(EVENT, event, EVENT)) == (WAKE, WAKE)


@pytest.mark.parametrize("name", ["x", "X/main", "x" * 1023])
def test_a_stream_may_have_any_name_that_is_not_too_long(name: str) -> None:
    (wake,) = read_wakes(encode({**EVENT, "stream": f"/{name}"}))
    assert wake.stream == name


@pytest.mark.parametrize("ts, at", [(0, 0.0), (500, 0.5)])
def test_a_wake_may_be_of_any_age(ts: int, at: float) -> None:
    (wake,) = read_wakes(encode({**EVENT, "ts": ts}))
    assert wake.at == at


@pytest.mark.parametrize("between", [",", ", ", "\r\n,\t"])
def test_white_space_between_events_is_none_of_them(between: str) -> None:
    body = "\n [" + between.join([json.dumps(EVENT)] * 3) + "]"
    assert read_wakes(body.encode()) == (WAKE,) * 3


@pytest.mark.parametrize("ts", [None, "soon", True, -1, {}, math.inf, 10**400, -(10**400)])
def test_of_a_wake_whose_time_cannot_be_read_the_rest_counts(ts: object) -> None:
    assert read_wakes(encode({**EVENT, "ts": ts})) == (Wake("task/1/main", None, 3),)


@pytest.mark.parametrize("generation", [None, "3", True, 3.5, []])
def test_of_a_wake_whose_generation_cannot_be_read_the_rest_counts(generation: object) -> None:
    (wake,) = read_wakes(encode({**EVENT, "generation": generation}))
    assert wake == Wake("task/1/main", WAKE.at, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"7",
        b"<html>",
        b"\xff",
        b"]",
        b"[" * 100_000,
        b"9" * 10_000,
        b"[" + b"9" * 10_000,
    ],
)
def test_a_body_that_is_no_array_holds_no_wake(body: bytes) -> None:
    assert read_wakes(body) == ()


def test_no_more_wakes_are_kept_than_anybody_needs() -> None:
    assert MAX_WAKES == 256
    assert len(read_wakes(encode(*[EVENT] * (MAX_WAKES + 1)))) == MAX_WAKES


def test_a_stray_byte_costs_the_text_that_it_stands_in() -> None:
    body = encode(EVENT, EVENT).replace(b"task/1", b"caf\xe9", 1)
    assert [wake.stream for wake in read_wakes(body)] == ["caf�/main", "task/1/main"]


@given(st.integers(0, 400), st.integers(1, 5))
def test_of_a_body_that_is_cut_off_every_whole_event_is_read(cut: int, events: int) -> None:
    body = encode(*[EVENT] * events)[:cut]
    whole = body.count(b"}")
    assert read_wakes(body) == (WAKE,) * whole


numbers = st.integers() | st.floats() | st.sampled_from([2**63, 10**400, math.inf, math.nan])
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*EVENT]) | st.text(), inner, max_size=5)
    ),
    max_leaves=10,
)


@given(
    st.lists(
        values | st.fixed_dictionaries({**dict.fromkeys(EVENT, values), "type": st.just("wake")})
    )
)
def test_whatever_stands_there_is_read_or_passed_over(events: list[object]) -> None:
    for wake in read_wakes(encode(*events)):
        assert wake.stream == wake.stream.lstrip("/")
        wake.stream.encode()
        assert wake.at is None or (wake.at >= 0 and math.isfinite(wake.at))
        hash(wake)


@given(st.binary())
def test_any_bytes_are_read_or_passed_over(body: bytes) -> None:
    read_wakes(body)
    read_wakes(b"[" + body)


@pytest.mark.parametrize(
    "stream, url",
    [("task/1/main", "/task/1"), ("a/main", "/a"), ("task/1/other", "/task/1"), ("main", "/")],
)
def test_an_entity_is_its_stream_without_the_streams_own_name(stream: str, url: str) -> None:
    assert entity_url(stream) == url
