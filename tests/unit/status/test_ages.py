"""Moments and durations as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from electric_agents_exporter.status.ages import (
    clock_time,
    plural,
    spell_age,
    spell_duration,
    spell_moment,
)

NOON = 1_795_348_800.0  # 2026-11-22T12:00:00Z


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0.0, "0 ms"),
        (0.25, "250 ms"),
        (1.0, "1 s"),
        (119.0, "119 s"),
        (120.0, "2 min"),
        (7_199.0, "119 min"),
        (7_200.0, "2 h"),
        (7_380.0, "2 h 3 min"),
        (172_800.0, "2 days"),
        (1e9, "11574 days"),
    ],
)
def test_a_duration_is_said_in_a_unit_or_two(seconds: float, text: str) -> None:
    assert spell_duration(seconds) == text


@pytest.mark.parametrize("seconds, text", [(-5.0, "now"), (0.5, "now"), (1.4, "1 s ago")])
def test_what_lies_ahead_is_now(seconds: float, text: str) -> None:
    assert spell_age(seconds) == text


def test_a_moment_is_written_in_utc() -> None:
    assert spell_moment(NOON) == "2026-11-22T12:00:00Z"
    assert clock_time(NOON) == "12:00:00"


@given(st.floats(allow_nan=False))
def test_no_moment_is_beyond_being_written(at: float) -> None:
    assert len(spell_moment(at)) in {0, 20}


def test_there_is_one_or_there_are_many() -> None:
    assert [plural(n, "runner") for n in (0, 1, 1234)] == ["0 runners", "1 runner", "1,234 runners"]
    assert plural(2, "entity", "entities") == "2 entities"
