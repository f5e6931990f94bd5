import pytest
from tests.conftest import FakeClock

from electric_agents_exporter.contract.reading import ListAnswer
from electric_agents_exporter.contract.report import ListedRunner
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll

ALICE, BOB = "user:alice", "user:bob"


@pytest.fixture
def fleet(clock: FakeClock) -> Fleet:
    fleet = Fleet(clock)
    fleet.configure([Policy("b", (ALICE,)), Policy("a", (ALICE, BOB))])
    return fleet


def list_one(fleet: Fleet, name: str, drift: tuple[str, ...] = ()) -> None:
    poll = Poll(fleet.targets[name])
    poll.listed(ALICE, ListAnswer((ListedRunner("r"),), drift))
    poll.due()
    poll.end()


def test_a_fleet_of_no_target_has_a_snapshot(clock: FakeClock) -> None:
    snapshot = Fleet(clock).snapshot()
    assert snapshot.targets == ()
    assert snapshot.drift == {}


def test_targets_stand_in_the_order_of_the_settings(fleet: Fleet) -> None:
    assert list(fleet.targets) == ["b", "a"]
    assert [target.name for target in fleet.snapshot().targets] == ["b", "a"]


def test_a_snapshot_is_of_one_moment_on_both_clocks(fleet: Fleet, clock: FakeClock) -> None:
    list_one(fleet, "a")
    clock.advance(5)
    snapshot = fleet.snapshot()
    assert (snapshot.time, snapshot.monotonic) == (clock.wall, clock.uptime)
    clock.advance(61)
    assert snapshot.targets[1].up
    assert not fleet.snapshot().targets[1].up


def test_the_version_of_a_fleet_is_another_after_whatever_was_learned_or_set(fleet: Fleet) -> None:
    versions = [fleet.version]
    list_one(fleet, "a")
    versions.append(fleet.version)
    list_one(fleet, "b")
    versions.append(fleet.version)
    fleet.configure([Policy("b", (ALICE,)), Policy("a", (ALICE,))])
    versions.append(fleet.version)
    fleet.configure([Policy("b", (ALICE,))])
    versions.append(fleet.version)
    assert len(set(versions)) == len(versions)


def test_the_tenants_of_a_target_stand_beside_it(fleet: Fleet) -> None:
    poll = Poll(fleet.targets["b"])
    for part in poll.tenants(["acme"]).values():
        part.listed(ALICE, ListAnswer((), ()))
        part.due()
    poll.end()
    targets = fleet.snapshot().targets
    assert [(target.name, target.tenant) for target in targets] == [
        ("b", None),
        ("b", "acme"),
        ("a", None),
    ]


def test_a_target_that_keeps_its_name_keeps_what_is_known_of_it(fleet: Fleet) -> None:
    list_one(fleet, "a")
    before = fleet.targets["a"]
    fleet.configure([Policy("a", (ALICE,), interval=5.0), Policy("c", (BOB,))])
    assert list(fleet.targets) == ["a", "c"]
    assert fleet.targets["a"] is before
    a, c = fleet.snapshot().targets
    assert (a.interval, a.listed) == (5.0, {ALICE: 1})
    assert (c.up, c.listed) == (False, {})


def test_a_target_that_was_dropped_is_a_stranger_when_it_returns(fleet: Fleet) -> None:
    list_one(fleet, "a")
    fleet.configure([])
    assert fleet.snapshot().targets == ()
    fleet.configure([Policy("a", (ALICE,))])
    assert not fleet.targets["a"].polled


def test_drift_is_counted_over_all_targets_and_kept_apart_from_snapshots(fleet: Fleet) -> None:
    list_one(fleet, "a", ("list.kind",))
    before = fleet.snapshot()
    list_one(fleet, "b", ("list.kind", "list"))
    assert before.drift == {"list.kind": 1}
    assert fleet.snapshot().drift == {"list.kind": 2, "list": 1}


def test_nothing_stands_still_while_the_scheduler_ticks_and_polls_go_on(
    fleet: Fleet, clock: FakeClock
) -> None:
    assert fleet.stillness() == "the scheduler does not tick"
    fleet.tick()
    clock.advance(10)
    assert fleet.stillness() == ""
    clock.advance(0.1)
    assert fleet.stillness() == "the scheduler does not tick"


@pytest.mark.parametrize(
    "interval, stale_after, patience",
    [(15.0, 60.0, 105.0), (1.0, 3.0, 63.0), (60.0, 180.0, 360.0)],
)
def test_a_target_whose_polls_have_stopped_is_named_after_a_poll_and_three_intervals(
    clock: FakeClock, interval: float, stale_after: float, patience: float
) -> None:
    fleet = Fleet(clock)
    slow = Policy("slow", (ALICE,), interval=interval, stale_after=stale_after)
    fleet.configure([slow, Policy("fine", (ALICE,), interval=3600.0)])
    clock.advance(patience)
    fleet.tick()
    assert fleet.stillness() == ""
    clock.advance(1)
    fleet.tick()
    assert fleet.stillness() == f"polls have stopped: slow for {patience + 1:.0f} s"
    fleet.targets["slow"].attend()
    assert fleet.stillness() == ""


def test_a_wall_clock_that_is_set_makes_nothing_stand_still(fleet: Fleet, clock: FakeClock) -> None:
    fleet.tick()
    for by in (-3600.0, 30 * 86_400.0):
        clock.wall += by
        assert fleet.stillness() == ""


def test_a_target_with_another_interval_has_its_time_anew(clock: FakeClock) -> None:
    fleet = Fleet(clock)
    fleet.configure([Policy("a", (ALICE,), interval=600.0)])
    clock.advance(600)
    fleet.configure([Policy("a", (ALICE,), interval=1.0)])
    fleet.tick()
    assert fleet.stillness() == ""
