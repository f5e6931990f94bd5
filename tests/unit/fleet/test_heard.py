import pytest
from hypothesis import given
from hypothesis import strategies as st

from electric_agents_exporter.contract.wakes import START, WakeReading, position
from electric_agents_exporter.fleet.heard import HeardOffset, is_of

PATH, OTHER = "/runners/a/wakes", "/elsewhere"
RUBBISH = [None, "", "latest", "-2", "5_", "_5", "1_2_3", "0_5 ", "٣_٣"]


def offset(n: int) -> str:
    return f"{0:016}_{n:016}"


def test_nothing_is_heard_before_it_is_told() -> None:
    assert HeardOffset().observe(PATH, None, 0.0) is None


def test_an_offset_is_heard_as_it_is_told() -> None:
    heard = HeardOffset()
    assert heard.observe(PATH, START, 0.0) == START
    assert heard.observe(PATH, offset(5), 15.0) == offset(5)
    assert heard.observe(PATH, offset(7), 30.0) == offset(7)


def test_what_one_of_two_processes_heard_is_heard_for_two_minutes() -> None:
    heard = HeardOffset()
    heard.observe(PATH, offset(7), 0.0)
    told = [heard.observe(PATH, offset(5), at) for at in (15.0, 60.0, 120.0, 120.001)]
    assert told == [offset(7), offset(7), offset(7), offset(5)]


def test_a_process_that_goes_on_telling_its_offset_is_heard_for_as_long() -> None:
    heard = HeardOffset()
    for turn in range(20):
        assert heard.observe(PATH, offset(7), 30.0 * turn) == offset(7)
        assert heard.observe(PATH, offset(5), 30.0 * turn + 15) == offset(7)


def test_two_texts_of_one_place_are_the_same_and_the_newer_one_is_given() -> None:
    heard = HeardOffset()
    heard.observe(PATH, START, 0.0)
    assert heard.observe(PATH, offset(0), 15.0) == offset(0)
    assert heard.observe(PATH, "0_0", 30.0) == "0_0"


def test_offsets_are_compared_as_numbers() -> None:
    heard = HeardOffset()
    heard.observe(PATH, "0_10", 0.0)
    assert heard.observe(PATH, "0_9", 15.0) == "0_10"
    assert heard.observe(PATH, "1_0", 30.0) == "1_0"


def test_another_stream_is_heard_from_its_own_offsets() -> None:
    heard = HeardOffset()
    heard.observe(PATH, offset(7), 0.0)
    assert heard.observe(OTHER, offset(2), 15.0) == offset(2)
    assert heard.observe(None, None, 30.0) is None


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_a_text_that_is_no_offset_is_nowhere(rubbish: str | None) -> None:
    assert HeardOffset().observe(PATH, rubbish, 0.0) is None


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_a_text_that_is_no_offset_hides_what_was_told_for_no_longer_than_two_minutes(
    rubbish: str | None,
) -> None:
    heard = HeardOffset()
    heard.observe(PATH, offset(7), 0.0)
    assert heard.observe(PATH, rubbish, 120.0) == offset(7)
    assert heard.observe(PATH, rubbish, 120.001) is None


def test_a_runner_that_reports_again_after_long_is_heard_by_what_it_tells_now() -> None:
    heard = HeardOffset()
    heard.observe(PATH, offset(7), 0.0)
    assert heard.observe(PATH, offset(5), 1_000.0) == offset(5)


observations = st.lists(
    st.tuples(
        st.sampled_from([0.0, 1.0, 30.0, 119.0, 121.0]),
        st.sampled_from([None, "rubbish", START, "0_0", "0_5", "0_9", "1_0"]),
    ),
    max_size=20,
)


@given(observations)
def test_the_furthest_of_all_that_was_told_within_two_minutes_is_heard(
    observed: list[tuple[float, str | None]],
) -> None:
    heard, now = HeardOffset(), 0.0
    told: list[tuple[float, tuple[int, int]]] = []
    for passed, text in observed:
        now += passed
        place = position(text)
        if place is not None:
            told.append((now, place))
        furthest = max((place for at, place in told if now - at <= 120), default=None)
        assert position(heard.observe(PATH, text, now)) == furthest


@pytest.mark.parametrize(
    "read_from, heard, same",
    [
        (offset(5), offset(5), True),
        (START, offset(0), True),
        (offset(5), offset(6), False),
        (offset(5), None, False),
    ],
)
def test_a_reading_is_of_the_offset_that_it_was_read_from(
    read_from: str,
    heard: str | None,
    same: bool,  # noqa: FBT001
) -> None:
    assert is_of(WakeReading(read_from, offset(9)), heard) is same


def test_without_a_reading_nothing_is_of_any_offset() -> None:
    assert not is_of(None, offset(5))
