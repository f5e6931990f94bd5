"""Ordinary days of fleets: a few hold the bar, and what is left out of them changes nothing."""

from itertools import islice
from pathlib import Path
from random import Random

import pytest

from topology.alertmanager import Delivery, Notified
from topology.case import PAGE, TICKET, Want
from topology.fleet_day import EVENING, LASTS, MORNING, Day, Diary, Draft, Wish
from topology.fleet_day_incidents import INCIDENTS
from topology.fleet_day_kinds import KINDS
from topology.fleet_days import Batch, Plan, Watch, bar_missed, batches, play_days
from topology.fleet_days_report import lines
from topology.fleet_days_verdict import day_verdict
from topology.lean import lean, reads
from topology.player import play
from topology.run import rule_set


@pytest.mark.timeout(900)
def test_a_few_days_hold_the_bar() -> None:
    result = play_days(Plan(24, 5), "shipped")
    told = lines("shipped", result.days, told=True)
    assert len(result.days) == 24
    assert not bar_missed(result), told


@pytest.mark.timeout(900)
def test_what_is_left_out_changes_nothing_that_fires(tmp_path: Path) -> None:
    days = (day for batch in batches(300, 5) for day in batch.days)
    day = next(day for day in days if any(wish.want.must for wish in day.wishes))
    world = Batch((day,), Watch(scrapes=30, pace=60, restarts=())).world()
    with rule_set("shipped") as (rules, _):
        whole = play({"it": world}, rules)["it"]
        less = play({"it": world}, lean(rules, tmp_path))["it"]
    assert whole.error is None
    assert whole.firing
    assert _known(whole.firing) == _known(less.firing)


def _known(firing: object) -> list[str]:
    assert isinstance(firing, tuple)
    return sorted(str((sorted(one.labels.items()), one.begin, one.end)) for one in firing)


@pytest.mark.parametrize(
    "selector, values, seen",
    [
        ('electric_agents_runner_condition{condition="deaf"}', "0x5 _x3 0", False),
        ('electric_agents_runner_condition{condition="deaf"}', "0x5 1 stale", True),
        ('electric_agents_runner_condition{condition="unknown"}', "0x5", True),
        ('electric_agents_runner_active_claims{runner_id="a"}', "0x5", True),
        ('electric_agents_runner_claims_total{outcome="error"}', "0x5 stale _x2", False),
        ('electric_agents_runner_claims_total{outcome="error"}', "0x5 0+1x3", True),
        ('electric_agents_runners{admin_status="enabled",kind="server"}', "0x5", True),
        ('electric_agents_runners{admin_status="enabled",kind="ci"}', "0x5", False),
    ],
)
def test_what_no_rule_sees_anything_in_is_left_out(
    selector: str, values: str, *, seen: bool
) -> None:
    assert reads(selector, values) is seen


def test_a_day_depends_on_its_seed_and_number_alone() -> None:
    first, again, other = (
        [repr(day.story) for batch in batches(40, seed) for day in batch.days] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert [repr(day.story) for batch in islice(batches(40, 1), 2) for day in batch.days] == (
        first[:24]
    )


def test_all_kinds_of_days_and_incidents_come_by() -> None:
    days = [day for batch in batches(1000, 1) for day in batch.days]
    assert {day.kind for day in days} == KINDS.keys()
    share = sum(any(wish.incident for wish in day.wishes) for day in days) / len(days)
    assert 0.05 < share < 0.12


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_nobody_works_on_anything_who_is_gone(kind: str, seed: int) -> None:
    draft = Draft(Random(seed), 30)  # noqa: S311  (no secret)
    KINDS[kind][0](draft)
    for number, diary in enumerate(draft.diaries):
        for life in diary.runner(number).lives:
            assert life.state.alive or life.state.works or not life.state.entities, diary.name
            assert life.since < LASTS + 3600, diary.name


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda incident: incident.__name__)
def test_of_every_incident_it_is_known_what_is_wanted(incident: object) -> None:
    draft = Draft(Random(1), 30)  # noqa: S311  (no secret)
    KINDS["ordinary"][0](draft)
    assert callable(incident)
    incident(draft, (MORNING + EVENING) / 2)
    wanted = [wish for wish in draft.wishes if wish.want.must]
    assert len(wanted) == 1
    assert wanted[0].began < wanted[0].want.by < LASTS
    assert wanted[0].why


def _day(*wishes: Wish) -> Day:
    return Day("ordinary", "fleet-0", (), wishes, ())


def _wish(sort: str, runner: str, by: float = 300.0, *, incident: bool = True) -> Wish:
    want = Want(sort, frozenset({"WorkAbandoned"}), by, 100.0, {"runner_id": runner})
    return Wish(want, "laptop", "because", 100.0, incident)


def _delivery(at: float, receiver: str, runner: str) -> Delivery:
    labels = {"alertname": "ElectricAgentsWorkAbandoned", "runner_id": runner}
    return Delivery(at, receiver, {}, (Notified(labels, firing=True, starts=at),))


def test_what_is_wanted_and_comes_is_right() -> None:
    verdict = day_verdict(_day(_wish(PAGE, "a")), [_delivery(240.0, "pager", "a")])
    assert (verdict.incidents, verdict.missed, verdict.false) == (1, [], [])
    assert verdict.pages == [140.0]


def test_what_does_not_come_is_missed_and_what_comes_late_is_late() -> None:
    assert day_verdict(_day(_wish(PAGE, "a")), []).missed == [
        "missed fleet-0 page WorkAbandoned of 1m40s"
    ]
    late = day_verdict(_day(_wish(PAGE, "a")), [_delivery(301.0, "pager", "a")])
    assert late.missed == ["late fleet-0 page WorkAbandoned: 5m01s, wanted by 5m00s"]


def test_what_nobody_wants_is_false() -> None:
    verdict = day_verdict(
        _day(_wish(TICKET, "a")),
        [
            _delivery(50.0, "tickets", "a"),
            _delivery(200.0, "pager", "a"),
            _delivery(240.0, "tickets", "b"),
        ],
    )
    assert (verdict.false_pages, verdict.false_tickets) == (1, 2)


def test_tickets_of_work_that_lay_are_counted_apart() -> None:
    verdict = day_verdict(
        _day(_wish(TICKET, "a", incident=False)), [_delivery(240.0, "tickets", "a")]
    )
    assert verdict.true_tickets == {"laptop": 1}
    assert (verdict.false_tickets, verdict.incidents) == (0, 0)


def test_a_diary_ends_its_work_in_time() -> None:
    diary = Diary(Random(3), "a", "server")  # noqa: S311  (no secret)
    diary.works_until(5000.0)
    assert diary.now == 5000.0
    assert diary.runner(0).lives[-1].state.entities == 0
    assert all(life.since < 5000 for life in diary.runner(0).lives)
