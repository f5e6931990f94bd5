"""The attacks of `make chaos`, small: an exporter that is attacked loses nothing."""

import pytest

from chaos.attacks import BY_TLS, ON_THE_PORT
from chaos.run import Size, attacked
from chaos.surroundings import AROUND

_SMALL = Size(runners=50, seconds=3.0, interval="2s", timeout="2s")
_PEAK = 150  # MB
_CHOSEN = (
    *("idle", "unfinished", "endless", "garbage", "bomb", "heap", "pattern", "log"),
    *("tls-idle", "tls-begun", "tls-unread"),
)


@pytest.mark.parametrize("name", _CHOSEN)
def test_an_attack_costs_no_scrape_no_poll_and_no_memory_to_speak_of(name: str) -> None:
    (attack,) = (one for one in (*ON_THE_PORT, *BY_TLS, *AROUND) if one.name == name)
    outcome = attacked(attack, _SMALL)
    assert (outcome.failed, outcome.errors) == ([], 0)
    assert outcome.peak < _PEAK
