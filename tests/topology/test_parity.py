"""What exporters send themselves is what Prometheus makes of the same with the rules."""

from math import inf

import pytest

from topology.cases import catalogue
from topology.differences import apart, differences
from topology.direct import LASTS, play_directly
from topology.model import Exporter, Runner, Server, Target, World, at, fleet
from topology.player import Firing
from topology.run import compared

SHORT = (
    "death-at-work",
    "degraded",
    "deaf-and-written-to",
    "drain-killed",
    "exporter-deployed-while-a-page-fires",
    "health-of-40-percent-fails",
    "lists-fail-2m",
    "reconnect-storm",
    "replicas-death",
    "restarts-4",
    "server-restarts",
    "too-few-runners",
    "two-sources-death",
)
DEATH = 600.0
VICTIM = Runner("victim", changes=(at(0, entities=1), at(DEATH, alive=False)))
LABELS = {"job": "electric-agents", "instance": "a:9464", "cluster": "east"}


def world(*down: tuple[float, float], lasts: float = 1400.0) -> World:
    """Give a world with a death at work, and an exporter that may be away."""
    server = Server((*fleet(3), VICTIM))
    return World((Exporter(LABELS, (Target(server),), down=down),), lasts)


@pytest.mark.timeout(900)
def test_short_cases_have_the_same_alerts_on_both_paths() -> None:
    """What differs, differs for a reason that is listed in docs/direct-alerts.md."""
    cases = [one for one in catalogue() if one.name in SHORT]
    assert len(cases) == len(SHORT)
    unexplained = {one.verdict.case.name: one.unexplained for one in compared(cases)}
    assert unexplained == dict.fromkeys(SHORT, ())


def test_a_death_is_told_with_the_labels_that_prometheus_would_have_given() -> None:
    told = {one.labels["alertname"]: one for one in play_directly(world()).firing}
    abandoned = told["ElectricAgentsWorkAbandoned"]
    assert abandoned.labels["runner_id"] == "victim"
    assert abandoned.labels["cluster"] == "east"
    assert "instance" not in abandoned.labels
    assert DEATH < abandoned.begin < DEATH + 120
    assert abandoned.end is None


def test_what_a_dead_exporter_sent_ends_by_itself() -> None:
    (abandoned,) = play_directly(world((900.0, inf))).firing
    assert abandoned.end is not None
    assert 900 < abandoned.end <= 900 + LASTS


def test_an_exporter_that_starts_anew_goes_on_with_what_it_sent() -> None:
    direct = play_directly(world((900.0, 960.0)))
    assert len(direct.firing) == 1
    assert len({sent.starts for sent in direct.sent}) == 1


def test_every_text_of_an_alert_can_be_made() -> None:
    assert play_directly(world()).bad == ()


def test_what_fires_on_both_paths_at_nearly_the_same_time_is_no_difference() -> None:
    labels = {"alertname": "ElectricAgentsX"}
    short, later = Firing(labels, 100, 130), Firing(labels, 160, 200)
    assert not list(differences([short], [later], 15))
    much_later = Firing(labels, 161, 200)
    assert len(list(differences([short], [much_later], 15))) == 2
    assert len(list(differences([short], [Firing({"alertname": "Y"}, 100, 130)], 15))) == 2


def test_what_fires_on_both_paths_but_much_later_or_longer_on_one_is_told() -> None:
    labels = {"alertname": "ElectricAgentsX"}
    rules = [Firing(labels, 600, 900)]
    assert not list(apart([Firing(labels, 545, 955)], rules, world(), 15))
    assert list(apart([Firing(labels, 530, 970)], rules, world(), 15)) == [
        "X begins -70 s from the rules'",
        "X ends +70 s from the rules'",
    ]
