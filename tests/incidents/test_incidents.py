"""A few incidents played whole: simulator, exporter, Prometheus, Alertmanager, webhook.

`make incidents` plays all of them.
"""

import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from incidents.catalogue import find
from incidents.results import Result
from incidents.run import SPEED, play

# On a busy machine they are played again, ever slower: so nothing is run beside them.
pytestmark = [pytest.mark.alone, pytest.mark.timeout(7200)]

PLAYED = ("death-at-work", "server-down", "shrinking-fleet")


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    """Their results; they are played at once, as they mostly wait."""
    for program in ("prometheus", "prometheus-alertmanager"):
        if shutil.which(program) is None:
            assert not os.environ.get("CI"), f"{program} is missing: run `make tools`"
            pytest.skip(f"{program} is missing: run `make tools`")
    with ThreadPoolExecutor(len(PLAYED)) as pool:
        played = pool.map(lambda name: play(find(name), SPEED, threading.Event()), PLAYED)
        return dict(zip(PLAYED, played, strict=True))


@pytest.mark.parametrize("name", PLAYED)
def test_an_incident_brings_what_is_expected_of_it_and_nothing_else(
    name: str, results: dict[str, Result]
) -> None:
    result = results[name]
    assert not result.false_pages
    assert not result.false_tickets
    assert [outcome.expected.alert for outcome in result.outcomes if outcome.missed] == []
    assert [outcome for outcome in result.outcomes if outcome.late] == []


def test_a_page_is_resolved_when_the_fault_is_mended(results: dict[str, Result]) -> None:
    for name in ("death-at-work", "server-down"):
        (outcome,) = results[name].outcomes
        assert outcome.resolved_after is not None
