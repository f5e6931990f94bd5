import re
from collections import Counter
from collections.abc import Iterable

import msgspec
import pytest

from electric_agents_exporter.contract.report import Claims, ListedRunner, Report
from electric_agents_exporter.contract.vocabulary import HealthStatus, Liveness, RunnerKind
from electric_agents_exporter.fleet.events import EventCounts
from electric_agents_exporter.fleet.faults import Suppression
from electric_agents_exporter.fleet.roster import Policy, Roster, RosterChange
from electric_agents_exporter.fleet.selection import Selection, Selector
from electric_agents_exporter.fleet.snapshot import RunnerView, Sighting

ALICE, BOB = "user:alice", "user:bob"
BOTH = {ALICE, BOB}
SERVER_NOW = 1_795_346_133.0
WEEK = 7 * 86_400.0
IDLE = Claims(active_count=0, superseded=0)
NOW = 5_000.0


def runners(*ids: str) -> list[ListedRunner]:
    return [ListedRunner(runner_id, updated_at=1.0) for runner_id in ids]


def roster_of(*ids: str, policy: Policy | None = None) -> Roster:
    roster = Roster(policy or Policy("t"))
    roster.take(ALICE, runners(*ids))
    roster.settle()
    return roster


def relist(roster: Roster, *ids: str, principal: str = ALICE) -> RosterChange:
    roster.take(principal, runners(*ids))
    return roster.settle()


def report(roster: Roster, runner_id: str, *, at: float = 0.0, seen_ago: float = 10.0) -> None:
    fact = Report(runner_id, last_seen_at=SERVER_NOW - seen_ago, claims=IDLE)
    roster.report(fact, Sighting(at, seen_ago), NOW, SERVER_NOW)


def retire(roster: Roster, runner_id: str, *, at: float = 0.0) -> None:
    report(roster, runner_id, at=at, seen_ago=WEEK + 1)


def shown(roster: Roster) -> list[str]:
    return [view.runner.id for view in roster.views()]


def view_of(roster: Roster, runner_id: str) -> RunnerView:
    (view,) = [view for view in roster.views() if view.runner.id == runner_id]
    return view


def due(roster: Roster, principals: Iterable[str] = (ALICE,)) -> list[str]:
    return [item.runner_id for item in roster.due(set(principals))]


# --- lists ----------------------------------------------------------------------------------------


def test_the_first_list_discovers_nothing() -> None:
    roster = Roster(Policy("t"))
    assert relist(roster, "a", "b") == RosterChange(0, 0)
    assert shown(roster) == ["a", "b"]
    assert roster.listed() == {ALICE: 2}


def test_a_runner_that_comes_is_discovered_and_one_that_goes_is_removed() -> None:
    roster = roster_of("a", "b")
    assert relist(roster, "b", "c", "d") == RosterChange(discovered=2, removed=1)
    assert shown(roster) == ["b", "c", "d"]
    assert relist(roster, "b", "c", "d") == RosterChange(0, 0)


def test_an_empty_list_removes_all() -> None:
    roster = roster_of("a", "b")
    assert relist(roster) == RosterChange(0, 2)
    assert shown(roster) == []
    assert roster.listed() == {ALICE: 0}


def test_a_list_takes_effect_with_settle_only() -> None:
    roster = roster_of("a")
    roster.take(ALICE, runners("b"))
    assert shown(roster) == ["a"]
    assert roster.listed() == {ALICE: 1}


def test_a_principal_whose_list_fails_keeps_its_runners() -> None:
    roster = roster_of("a")
    relist(roster, "b", principal=BOB)
    assert relist(roster, "c", principal=BOB) == RosterChange(discovered=1, removed=1)
    assert shown(roster) == ["a", "c"]
    assert roster.listed() == {ALICE: 1, BOB: 1}


def test_settling_without_any_list_changes_nothing() -> None:
    roster = roster_of("a", "b")
    assert roster.settle() == RosterChange(0, 0)
    assert shown(roster) == ["a", "b"]


def test_the_first_list_of_a_second_principal_discovers_nothing() -> None:
    roster = roster_of("a")
    assert relist(roster, "b", principal=BOB) == RosterChange(0, 0)


def test_only_the_principals_that_were_listed_are_asked_on_behalf_of() -> None:
    roster = roster_of("a")
    relist(roster, "b", principal=BOB)
    assert due(roster, {ALICE}) == ["a"]
    assert due(roster, {BOB}) == ["b"]
    assert [(item.principal, item.runner_id) for item in roster.due(BOTH)] == [
        (ALICE, "a"),
        (BOB, "b"),
    ]
    assert due(roster, set()) == []


def test_a_runner_that_changes_hands_is_neither_removed_nor_discovered() -> None:
    roster = roster_of("a", "b")
    relist(roster, principal=BOB)
    roster.take(ALICE, runners("b"))
    roster.take(BOB, runners("a"))
    assert roster.settle() == RosterChange(0, 0)
    assert view_of(roster, "a").principal == BOB
    assert due(roster, {BOB}) == ["a"]


def test_a_runner_that_changed_hands_is_its_new_owners_though_the_old_ones_list_fails() -> None:
    roster = roster_of("a", "b")
    relist(roster, principal=BOB)
    assert relist(roster, "a", principal=BOB) == RosterChange(0, 0)
    assert view_of(roster, "a").principal == BOB
    assert due(roster, {BOB}) == ["a"]


def test_a_new_label_shows_at_once_and_keeps_the_report() -> None:
    roster = roster_of("a")
    report(roster, "a")
    before = view_of(roster, "a")
    roster.take(ALICE, [ListedRunner("a", label="new", updated_at=1.0)])
    roster.settle()
    after = view_of(roster, "a")
    assert before.facts is not None
    assert after.facts is not None
    assert after.runner.label == after.facts.runner.label == "new"
    assert after.facts.report is before.facts.report
    assert after.sighting == before.sighting


def test_a_runner_that_was_removed_comes_back_as_a_stranger() -> None:
    roster = roster_of("a")
    report(roster, "a")
    relist(roster)
    assert relist(roster, "a") == RosterChange(discovered=1, removed=0)
    assert view_of(roster, "a").facts is None
    assert view_of(roster, "a").last_success_at is None


def test_the_kind_of_a_runner_is_as_listed_and_unknown_for_a_stranger() -> None:
    roster = Roster(Policy("t"))
    roster.take(ALICE, [ListedRunner("a", kind=RunnerKind.CI), ListedRunner("b")])
    roster.settle()
    assert [roster.kind_of(name) for name in "abc"] == [
        RunnerKind.CI,
        RunnerKind.UNKNOWN,
        RunnerKind.UNKNOWN,
    ]


# --- policy ---------------------------------------------------------------------------------------


def test_what_is_filtered_is_counted_and_never_asked() -> None:
    policy = Policy("t", selection=Selection(exclude=Selector(id=re.compile("b.*"))))
    roster = roster_of("a", "b1", "b2", policy=policy)
    assert shown(roster) == due(roster) == ["a"]
    assert roster.suppressed() == {**dict.fromkeys(Suppression, 0), Suppression.FILTER: 2}


def test_the_limit_is_hard_and_its_overflow_is_counted() -> None:
    roster = roster_of("a", "b", "c", policy=Policy("t", max_runners=2))
    assert shown(roster) == due(roster) == ["a", "b"]
    assert roster.suppressed()[Suppression.LIMIT] == 1


def test_the_limit_keeps_whom_it_has_when_newer_runners_stand_first() -> None:
    roster = roster_of("a", "b", policy=Policy("t", max_runners=2))
    relist(roster, "d", "c", "b", "a")
    assert sorted(shown(roster)) == ["a", "b"]
    relist(roster, "d", "c", "a")
    assert sorted(shown(roster)) == ["a", "d"]
    assert roster.suppressed()[Suppression.LIMIT] == 1


def test_the_retired_take_no_room() -> None:
    roster = roster_of("a", "b", "c", policy=Policy("t", max_runners=2))
    retire(roster, "a")
    relist(roster, "a", "b", "c")
    assert shown(roster) == ["b", "c"]
    assert roster.suppressed()[Suppression.LIMIT] == 0
    assert roster.suppressed()[Suppression.RETIRED] == 1


def test_a_limit_finds_the_living_below_any_number_of_dead() -> None:
    ids = [f"dead-{n}" for n in range(20)] + ["alive"]
    roster = roster_of(*ids, policy=Policy("t", max_runners=3))
    for _ in range(20):
        for runner_id in due(roster):
            if runner_id == "alive":
                report(roster, runner_id)
            else:
                retire(roster, runner_id)
        relist(roster, *ids)
    assert shown(roster) == ["alive"]
    assert roster.suppressed()[Suppression.RETIRED] == 20


def test_one_who_comes_back_from_retirement_does_not_break_the_limit() -> None:
    roster = roster_of("a", "b", "c", policy=Policy("t", max_runners=2))
    retire(roster, "a")
    relist(roster, "a", "b", "c")
    report(roster, "a")
    relist(roster, "a", "b", "c")
    assert len(shown(roster)) == 2
    assert roster.suppressed()[Suppression.LIMIT] == 1


def test_a_new_policy_holds_from_the_next_list_on() -> None:
    roster = roster_of("a", "b")
    roster.adopt(Policy("t", max_runners=1), [ALICE])
    relist(roster, "a", "b")
    assert shown(roster) == ["a"]


def test_principals_that_are_no_longer_polled_are_forgotten_and_remove_nothing() -> None:
    roster = roster_of("a")
    relist(roster, "b", principal=BOB)
    roster.adopt(Policy("t"), [BOB])
    assert roster.listed() == {BOB: 1}
    assert relist(roster, "b", principal=BOB) == RosterChange(0, 0)
    assert shown(roster) == ["b"]


def test_a_list_that_waits_is_forgotten_with_its_principal() -> None:
    roster = roster_of("a")
    roster.take(BOB, runners("b"))
    roster.adopt(Policy("t"), [ALICE])
    roster.settle()
    assert roster.listed() == {ALICE: 1}
    assert shown(roster) == ["a"]


# --- reports --------------------------------------------------------------------------------------


def test_a_stranger_is_not_watched_by_reporting() -> None:
    roster = roster_of("a")
    report(roster, "b")
    roster.fail("c", 0.0, gone=True)
    assert shown(roster) == ["a"]


def test_a_runner_that_was_never_asked_has_no_facts() -> None:
    view = view_of(roster_of("a"), "a")
    assert (view.facts, view.sighting, view.poll_success, view.last_success_at) == (None,) * 4
    assert view.counts == EventCounts()


def test_a_report_shows_with_when_it_came() -> None:
    roster = roster_of("a")
    report(roster, "a", at=42.0)
    view = view_of(roster, "a")
    assert view.facts is not None
    assert view.facts.report.last_seen_at == SERVER_NOW - 10
    assert view.sighting == Sighting(42.0, 10.0)
    assert view.poll_success is True
    assert view.last_success_at == NOW


def test_the_first_report_changes_nothing_and_the_next_tells_what_did() -> None:
    roster = roster_of("a")
    sighting = Sighting(0.0, None)
    healthy = Report("a", health=HealthStatus.HEALTHY)
    degraded = Report("a", health=HealthStatus.DEGRADED)
    assert roster.report(healthy, sighting, NOW, None) is None
    changes = roster.report(degraded, sighting, NOW, None)
    assert changes is not None
    assert changes.transition == (HealthStatus.HEALTHY, HealthStatus.DEGRADED)
    assert view_of(roster, "a").counts == EventCounts(health_changes=1)
    roster.report(healthy, sighting, NOW, None)
    view = view_of(roster, "a")
    assert view.facts is not None
    assert view.counts == view.facts.counts == EventCounts(health_changes=2)


def test_facts_are_the_same_object_until_something_in_them_changes() -> None:
    roster = roster_of("a")
    report(roster, "a", at=1.0)
    before = view_of(roster, "a")
    report(roster, "a", at=2.0)
    roster.fail("a", 3.0, gone=False)
    relist(roster, "a")
    after = view_of(roster, "a")
    assert after.facts is before.facts
    assert after.counts is before.counts
    assert after.sighting != before.sighting
    report(roster, "a", at=4.0, seen_ago=5.0)
    assert view_of(roster, "a").facts is not before.facts


def test_a_failed_call_keeps_the_facts_and_says_that_it_failed() -> None:
    roster = roster_of("a")
    report(roster, "a")
    before = view_of(roster, "a")
    roster.fail("a", 15.0, gone=False)
    after = view_of(roster, "a")
    assert after == msgspec.structs.replace(before, poll_success=False)


def test_a_runner_that_the_server_knows_no_more_loses_its_facts_at_once() -> None:
    roster = roster_of("a")
    report(roster, "a")
    roster.report(
        Report("a", health=HealthStatus.HEALTHY, liveness=Liveness.ONLINE, lease_expires_at=0.0),
        Sighting(1.0, None),
        NOW,
        None,
    )
    roster.fail("a", 15.0, gone=True)
    view = view_of(roster, "a")
    assert (view.facts, view.sighting, view.poll_success) == (None, None, False)
    assert view.last_success_at == NOW


def test_a_runner_that_was_gone_and_is_back_is_at_first_sight() -> None:
    roster = roster_of("a")
    sighting = Sighting(0.0, None)
    roster.report(Report("a", health=HealthStatus.HEALTHY), sighting, NOW, None)
    roster.fail("a", 15.0, gone=True)
    assert roster.report(Report("a", health=HealthStatus.DEGRADED), sighting, NOW, None) is None
    assert view_of(roster, "a").counts == EventCounts()


# --- whose turn it is -----------------------------------------------------------------------------


def test_who_was_asked_longest_ago_comes_first_and_a_failure_counts_as_asked() -> None:
    roster = roster_of("a", "b", "c", "d")
    report(roster, "a", at=3.0)
    report(roster, "b", at=1.0)
    roster.fail("c", 2.0, gone=False)
    assert due(roster) == ["d", "b", "c", "a"]


# --- retirement -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "report_, retired",
    [
        (Report("a", last_seen_at=SERVER_NOW - WEEK - 1, claims=IDLE), True),
        (Report("a", last_seen_at=SERVER_NOW - WEEK, claims=IDLE), False),
        # Never seen: since it was registered.
        (Report("a", created_at=SERVER_NOW - WEEK - 1, claims=IDLE), True),
        (Report("a", created_at=SERVER_NOW - WEEK, claims=IDLE), False),
        (Report("a", created_at=0.0, last_seen_at=SERVER_NOW - 1, claims=IDLE), False),
        (Report("a", claims=IDLE), False),
        # Never with work, nor where that cannot be told.
        (Report("a", last_seen_at=0.0, claims=Claims(active_count=1)), False),
        (Report("a", last_seen_at=0.0), False),
    ],
)
def test_a_runner_retires_when_it_was_not_seen_for_long_and_holds_no_work(
    report_: Report,
    retired: bool,  # noqa: FBT001
) -> None:
    roster = roster_of("a")
    roster.report(report_, Sighting(0.0, None), NOW, SERVER_NOW)
    assert shown(roster) == ([] if retired else ["a"])
    assert roster.suppressed()[Suppression.RETIRED] == int(retired)


def test_without_the_servers_time_nobody_retires() -> None:
    roster = roster_of("a")
    roster.report(Report("a", last_seen_at=0.0, claims=IDLE), Sighting(0.0, None), NOW, None)
    assert shown(roster) == ["a"]


def test_a_retired_runner_stays_listed_and_counted() -> None:
    roster = roster_of("a", "b")
    retire(roster, "a")
    assert shown(roster) == ["b"]
    assert roster.listed() == {ALICE: 2}
    assert relist(roster, "a", "b") == RosterChange(0, 0)
    assert shown(roster) == ["b"]


def test_a_retired_runner_that_is_seen_again_comes_back() -> None:
    roster = roster_of("a")
    retire(roster, "a")
    report(roster, "a")
    assert shown(roster) == ["a"]
    assert roster.suppressed()[Suppression.RETIRED] == 0


def test_a_failed_call_brings_nobody_back_from_retirement() -> None:
    roster = roster_of("a")
    retire(roster, "a")
    roster.fail("a", 1.0, gone=False)
    assert shown(roster) == []


def test_a_retired_runner_that_the_server_knows_no_more_is_a_fault_to_be_seen() -> None:
    roster = roster_of("a")
    retire(roster, "a")
    roster.fail("a", 1.0, gone=True)
    view = view_of(roster, "a")
    assert (view.facts, view.poll_success) == (None, False)
    assert roster.suppressed()[Suppression.RETIRED] == 0


def test_a_retired_runner_that_is_removed_is_no_longer_counted() -> None:
    roster = roster_of("a", "b")
    retire(roster, "a")
    assert relist(roster, "b") == RosterChange(0, 1)
    assert roster.suppressed()[Suppression.RETIRED] == 0


@pytest.mark.parametrize("interval", [1.0, 15.0, 60.0, 600.0, 3600.0])
@pytest.mark.parametrize("size", [1, 40, 41, 300])
def test_every_retired_runner_is_asked_after_within_ten_minutes_by_even_shares(
    interval: float, size: int
) -> None:
    ids = [f"r{n}" for n in range(size)]
    roster = roster_of(*ids, policy=Policy("t", interval=interval))
    for runner_id in ids:
        retire(roster, runner_id)
    asked: Counter[str] = Counter()
    shares = set()
    for turn in range(max(1, int(600 / interval))):
        relist(roster, *ids)
        share = due(roster)
        shares.add(len(share))
        asked.update(share)
        for runner_id in share:
            retire(roster, runner_id, at=1.0 + turn * interval)
    assert set(asked) == set(ids)
    assert len(shares) == 1
    assert shares.pop() <= size * interval / 600 + 1 or interval > 600


def test_the_retired_come_after_the_watched() -> None:
    roster = roster_of("a", "b", "c")
    retire(roster, "a", at=1.0)
    report(roster, "b", at=3.0)
    report(roster, "c", at=2.0)
    assert due(roster) == ["c", "b", "a"]


def test_retired_runners_that_register_anew_are_all_asked_after_at_once() -> None:
    ids = [f"r{n}" for n in range(100)]
    roster = roster_of(*ids)
    for turn, runner_id in enumerate(ids):
        retire(roster, runner_id, at=float(turn))
    moved = {"r97", "r98", "r99", "r50"}
    roster.take(
        ALICE, [ListedRunner(name, updated_at=2.0 if name in moved else 1.0) for name in ids]
    )
    roster.settle()
    assert set(due(roster)) == moved
    for runner_id in moved:
        retire(roster, runner_id, at=200.0)
    assert due(roster) == ["r0", "r1", "r2"]


def test_a_new_label_alone_is_no_reason_to_ask_after_the_retired() -> None:
    ids = [f"r{n}" for n in range(100)]
    roster = roster_of(*ids)
    for turn, runner_id in enumerate(ids):
        retire(roster, runner_id, at=float(turn))
    roster.take(ALICE, [ListedRunner(name, label="new", updated_at=1.0) for name in ids])
    roster.settle()
    assert due(roster) == ["r0", "r1", "r2"]


def test_what_a_runner_was_counted_for_outlasts_its_retirement() -> None:
    roster = roster_of("a")
    sighting = Sighting(0.0, None)
    old = Report("a", last_seen_at=0.0, claims=IDLE, health=HealthStatus.UNHEALTHY)
    well = Report("a", last_seen_at=SERVER_NOW, claims=IDLE, health=HealthStatus.HEALTHY)
    roster.report(well, sighting, NOW, SERVER_NOW)
    roster.report(old, sighting, NOW, SERVER_NOW)
    assert shown(roster) == []
    roster.report(well, sighting, NOW, SERVER_NOW)
    assert view_of(roster, "a").counts == EventCounts(health_changes=2)
