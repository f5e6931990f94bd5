"""Whether a machine keeps pace is judged by how soon the parts of a stack answer: made-up ones."""

import pytest

from incidents.pace import LONGEST_SHARE, REMEMBERED, Pace, PaceLostError, seconds_to_answer
from loopback import free_port

INTERVAL = 10.0
SOON, LONG = (LONGEST_SHARE * 0.99 * INTERVAL, LONGEST_SHARE * 1.02 * INTERVAL)


def check(*answers: float) -> None:
    """Ask a simulator that takes so long each time, and an exporter that answers at once."""
    coming = iter(answers)
    pace = Pace(INTERVAL, lambda url: next(coming) if url == "simulator" else 0.0)
    for _ in answers:
        pace.check(["exporter", "simulator"])


def test_who_always_answers_soon_keeps_pace() -> None:
    check(*[SOON] * 1_000)


def test_who_takes_long_on_the_average_loses_it_and_is_named() -> None:
    with pytest.raises(PaceLostError, match="simulator"):
        check(*[LONG] * REMEMBERED)


@pytest.mark.parametrize("quick", [0, REMEMBERED - 1])
def test_one_long_answer_among_quick_ones_does_no_harm(quick: int) -> None:
    check(*[0.0] * quick, REMEMBERED * SOON, *[0.0] * quick)


def test_pace_is_lost_as_soon_as_it_is_clear() -> None:
    with pytest.raises(PaceLostError):
        check(LONG * REMEMBERED)


def test_long_answers_are_forgotten_after_a_while() -> None:
    check(*(([LONG] * (REMEMBERED // 2) + [0.0] * REMEMBERED) * 3))


def test_who_is_down_answers_at_once() -> None:
    assert seconds_to_answer(f"http://127.0.0.1:{free_port()}/") < 60
