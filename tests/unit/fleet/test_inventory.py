import tracemalloc
from collections import Counter
from collections.abc import Iterable

import msgspec
import pytest

from electric_agents_exporter.contract.report import MAX_LISTED, Claims, ListedRunner, Report
from electric_agents_exporter.fleet.inventory import Inventory, InventoryChange
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.reasons import Suppression
from electric_agents_exporter.fleet.runner_record import Moment, RunnerRecord
from electric_agents_exporter.fleet.selection import Pattern, Selection, Selector
from electric_agents_exporter.fleet.snapshot import RunnerState

ALICE, BOB = "user:alice", "user:bob"
BOTH = {ALICE, BOB}
SERVER_NOW = 1_795_346_133.0
WEEK = 7 * 86_400.0
IDLE = Claims(active_count=0, superseded=0)
NOW = 5_000.0


def runners(*ids: str) -> list[ListedRunner]:
    return [ListedRunner(runner_id, updated_at=1.0) for runner_id in ids]


def inventory_of(*ids: str, policy: Policy | None = None) -> Inventory:
    inventory = Inventory(policy or Policy("t"))
    inventory.take(ALICE, runners(*ids))
    inventory.settle()
    return inventory


def relist(inventory: Inventory, *ids: str, principal: str = ALICE) -> InventoryChange:
    inventory.take(principal, runners(*ids))
    return inventory.settle()


def record_of(inventory: Inventory, runner_id: str) -> RunnerRecord:
    record = inventory.record(runner_id)
    assert record is not None
    return record


def report(
    inventory: Inventory, runner_id: str, *, at: float = 0.0, seen_ago: float = 10.0
) -> None:
    fact = Report(runner_id, last_seen_at=SERVER_NOW - seen_ago, claims=IDLE)
    record_of(inventory, runner_id).report(fact, Moment(NOW, at, SERVER_NOW), Policy("t"))


def retire(inventory: Inventory, runner_id: str, *, at: float = 0.0) -> None:
    report(inventory, runner_id, at=at, seen_ago=WEEK + 1)


def shown(inventory: Inventory) -> list[str]:
    return [state.listed.id for state in inventory.states()]


def state_of(inventory: Inventory, runner_id: str) -> RunnerState:
    (state,) = [state for state in inventory.states() if state.listed.id == runner_id]
    return state


def due(inventory: Inventory, principals: Iterable[str] = (ALICE,)) -> list[str]:
    return [item.runner_id for item in inventory.due(set(principals))]


def test_of_runners_that_are_not_watched_no_more_is_held_than_their_ids() -> None:
    inventory = Inventory(Policy("t", max_runners=10))

    def take() -> None:
        inventory.take(ALICE, [ListedRunner(f"{n}", label="x" * 128) for n in range(20_000)])
        inventory.settle()

    tracemalloc.start()
    take()
    take()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert inventory.listed() == {ALICE: 20_000}
    assert inventory.suppressed()[Suppression.LIMIT] == 19_990
    assert held < 20_000 * 200


def test_a_runner_over_the_limit_is_watched_once_there_is_room() -> None:
    inventory = inventory_of("a", "b", policy=Policy("t", max_runners=1))
    assert shown(inventory) == ["a"]
    assert relist(inventory, "b") == InventoryChange(discovered=0, removed=1)
    assert shown(inventory) == ["b"]


# --- lists that can be read in part ---------------------------------------------------------------


def test_nobody_goes_while_any_item_of_the_list_cannot_be_read() -> None:
    inventory = inventory_of("a", "b", "c")
    inventory.take(ALICE, runners("a", "new"), unreadable=1)
    assert inventory.settle() == InventoryChange(discovered=1, removed=0)
    assert set(shown(inventory)) == {"a", "b", "c", "new"}
    assert inventory.listed() == {ALICE: 4}
    assert relist(inventory, "a") == InventoryChange(discovered=0, removed=3)


def test_who_is_missing_and_not_known_to_the_server_goes_though_an_item_cannot_be_read() -> None:
    inventory = inventory_of("gone", "back", "failing")
    for runner_id in ("gone", "back"):
        record_of(inventory, runner_id).fail(1.0, gone=True)
    record_of(inventory, "failing").fail(1.0, gone=False)
    report(inventory, "back", at=2.0)
    inventory.take(ALICE, [], unreadable=1)
    assert inventory.settle().removed == 1
    assert set(shown(inventory)) == {"back", "failing"}


def test_what_is_kept_of_lists_that_can_be_read_in_part_has_a_bound() -> None:
    inventory = inventory_of(*map(str, range(MAX_LISTED)))
    inventory.take(ALICE, runners("a", "b"), unreadable=1)
    inventory.settle()
    assert inventory.listed() == {ALICE: MAX_LISTED}


# --- lists ----------------------------------------------------------------------------------------


def test_the_first_list_discovers_nothing() -> None:
    inventory = Inventory(Policy("t"))
    assert relist(inventory, "a", "b") == InventoryChange(0, 0)
    assert shown(inventory) == ["a", "b"]
    assert inventory.listed() == {ALICE: 2}


def test_a_runner_that_comes_is_discovered_and_one_that_goes_is_removed() -> None:
    inventory = inventory_of("a", "b")
    assert relist(inventory, "b", "c", "d") == InventoryChange(discovered=2, removed=1)
    assert shown(inventory) == ["b", "c", "d"]
    assert relist(inventory, "b", "c", "d") == InventoryChange(0, 0)


def test_an_empty_list_removes_all() -> None:
    inventory = inventory_of("a", "b")
    assert relist(inventory) == InventoryChange(0, 2)
    assert shown(inventory) == []
    assert inventory.listed() == {ALICE: 0}


def test_a_list_takes_effect_with_settle_only() -> None:
    inventory = inventory_of("a")
    inventory.take(ALICE, runners("b"))
    assert shown(inventory) == ["a"]
    assert inventory.listed() == {ALICE: 1}


def test_a_principal_whose_list_fails_keeps_its_runners() -> None:
    inventory = inventory_of("a")
    relist(inventory, "b", principal=BOB)
    assert relist(inventory, "c", principal=BOB) == InventoryChange(discovered=1, removed=1)
    assert shown(inventory) == ["a", "c"]
    assert inventory.listed() == {ALICE: 1, BOB: 1}


def test_settling_without_any_list_changes_nothing() -> None:
    inventory = inventory_of("a", "b")
    assert inventory.settle() == InventoryChange(0, 0)
    assert shown(inventory) == ["a", "b"]


def test_the_first_list_of_a_second_principal_discovers_nothing() -> None:
    inventory = inventory_of("a")
    assert relist(inventory, "b", principal=BOB) == InventoryChange(0, 0)


def test_only_the_principals_that_were_listed_are_asked_on_behalf_of() -> None:
    inventory = inventory_of("a")
    relist(inventory, "b", principal=BOB)
    assert due(inventory, {ALICE}) == ["a"]
    assert due(inventory, {BOB}) == ["b"]
    assert [(item.principal, item.runner_id) for item in inventory.due(BOTH)] == [
        (ALICE, "a"),
        (BOB, "b"),
    ]
    assert due(inventory, set()) == []


def test_a_runner_that_changes_hands_is_neither_removed_nor_discovered() -> None:
    inventory = inventory_of("a", "b")
    relist(inventory, principal=BOB)
    inventory.take(ALICE, runners("b"))
    inventory.take(BOB, runners("a"))
    assert inventory.settle() == InventoryChange(0, 0)
    assert state_of(inventory, "a").principal == BOB
    assert due(inventory, {BOB}) == ["a"]


def test_a_runner_that_changed_hands_is_its_new_owners_though_the_old_ones_list_fails() -> None:
    inventory = inventory_of("a", "b")
    relist(inventory, principal=BOB)
    assert relist(inventory, "a", principal=BOB) == InventoryChange(0, 0)
    assert state_of(inventory, "a").principal == BOB
    assert due(inventory, {BOB}) == ["a"]


def test_a_new_label_shows_at_once_and_keeps_the_report() -> None:
    inventory = inventory_of("a")
    report(inventory, "a")
    before = state_of(inventory, "a")
    inventory.take(ALICE, [ListedRunner("a", label="new", updated_at=1.0)])
    inventory.settle()
    after = state_of(inventory, "a")
    assert after.listed.label == "new"
    assert after.report is not None
    assert after == msgspec.structs.replace(before, listed=after.listed)
    assert after.report is before.report


def test_a_runner_that_was_removed_comes_back_as_a_stranger() -> None:
    inventory = inventory_of("a")
    report(inventory, "a")
    relist(inventory)
    assert relist(inventory, "a") == InventoryChange(discovered=1, removed=0)
    assert state_of(inventory, "a") == RunnerState(ListedRunner("a", updated_at=1.0), ALICE)


def test_only_a_listed_runner_has_a_record() -> None:
    inventory = inventory_of("a")
    assert record_of(inventory, "a").state.listed.id == "a"
    assert inventory.record("b") is None


def test_an_inventory_that_is_cleared_forgets_lists_that_took_effect_and_lists_that_wait() -> None:
    inventory = inventory_of("a")
    inventory.take(BOB, runners("b"))
    inventory.clear()
    assert (shown(inventory), inventory.listed(), inventory.record("a")) == ([], {}, None)
    assert inventory.settle() == InventoryChange(0, 0)
    assert shown(inventory) == []


# --- policy ---------------------------------------------------------------------------------------


def test_what_is_filtered_is_counted_and_never_asked() -> None:
    policy = Policy("t", selection=Selection(exclude=Selector(id=Pattern("b.*"))))
    inventory = inventory_of("a", "b1", "b2", policy=policy)
    assert shown(inventory) == due(inventory) == ["a"]
    assert inventory.suppressed() == {**dict.fromkeys(Suppression, 0), Suppression.FILTER: 2}


def test_the_limit_is_hard_and_its_overflow_is_counted() -> None:
    inventory = inventory_of("a", "b", "c", policy=Policy("t", max_runners=2))
    assert shown(inventory) == due(inventory) == ["a", "b"]
    assert inventory.suppressed()[Suppression.LIMIT] == 1


def test_the_limit_keeps_whom_it_has_when_newer_runners_stand_first() -> None:
    inventory = inventory_of("a", "b", policy=Policy("t", max_runners=2))
    relist(inventory, "d", "c", "b", "a")
    assert sorted(shown(inventory)) == ["a", "b"]
    relist(inventory, "d", "c", "a")
    assert sorted(shown(inventory)) == ["a", "d"]
    assert inventory.suppressed()[Suppression.LIMIT] == 1


def test_the_retired_take_no_room() -> None:
    inventory = inventory_of("a", "b", "c", policy=Policy("t", max_runners=2))
    retire(inventory, "a")
    relist(inventory, "a", "b", "c")
    assert shown(inventory) == ["b", "c"]
    assert inventory.suppressed()[Suppression.LIMIT] == 0
    assert inventory.suppressed()[Suppression.RETIRED] == 1


def test_a_limit_finds_the_living_below_any_number_of_dead() -> None:
    ids = [f"dead-{n}" for n in range(20)] + ["alive"]
    inventory = inventory_of(*ids, policy=Policy("t", max_runners=3))
    for _ in range(20):
        for runner_id in due(inventory):
            if runner_id == "alive":
                report(inventory, runner_id)
            else:
                retire(inventory, runner_id)
        relist(inventory, *ids)
    assert shown(inventory) == ["alive"]
    assert inventory.suppressed()[Suppression.RETIRED] == 20


def test_one_who_comes_back_from_retirement_does_not_break_the_limit() -> None:
    inventory = inventory_of("a", "b", "c", policy=Policy("t", max_runners=2))
    retire(inventory, "a")
    relist(inventory, "a", "b", "c")
    report(inventory, "a")
    relist(inventory, "a", "b", "c")
    assert len(shown(inventory)) == 2
    assert inventory.suppressed()[Suppression.LIMIT] == 1


def test_a_new_policy_holds_from_the_next_list_on() -> None:
    inventory = inventory_of("a", "b")
    inventory.adopt(Policy("t", (ALICE,), max_runners=1))
    relist(inventory, "a", "b")
    assert shown(inventory) == ["a"]


def test_principals_that_are_no_longer_polled_are_forgotten_and_remove_nothing() -> None:
    inventory = inventory_of("a")
    relist(inventory, "b", principal=BOB)
    inventory.adopt(Policy("t", (BOB,)))
    assert inventory.listed() == {BOB: 1}
    assert relist(inventory, "b", principal=BOB) == InventoryChange(0, 0)
    assert shown(inventory) == ["b"]


def test_a_list_that_waits_is_forgotten_with_its_principal() -> None:
    inventory = inventory_of("a")
    inventory.take(BOB, runners("b"))
    inventory.adopt(Policy("t", (ALICE,)))
    inventory.settle()
    assert inventory.listed() == {ALICE: 1}
    assert shown(inventory) == ["a"]


# --- whose turn it is -----------------------------------------------------------------------------


def test_who_was_asked_longest_ago_comes_first_and_a_failure_counts_as_asked() -> None:
    inventory = inventory_of("a", "b", "c", "d")
    report(inventory, "a", at=3.0)
    report(inventory, "b", at=1.0)
    record_of(inventory, "c").fail(2.0, gone=False)
    assert due(inventory) == ["d", "b", "c", "a"]


# --- retirement -----------------------------------------------------------------------------------


def test_a_retired_runner_stays_listed_and_counted() -> None:
    inventory = inventory_of("a", "b")
    retire(inventory, "a")
    assert shown(inventory) == ["b"]
    assert inventory.listed() == {ALICE: 2}
    assert relist(inventory, "a", "b") == InventoryChange(0, 0)
    assert shown(inventory) == ["b"]


def test_a_retired_runner_that_is_seen_again_comes_back() -> None:
    inventory = inventory_of("a")
    retire(inventory, "a")
    report(inventory, "a")
    assert shown(inventory) == ["a"]
    assert inventory.suppressed()[Suppression.RETIRED] == 0


def test_a_retired_runner_that_the_server_knows_no_more_is_a_fault_to_be_seen() -> None:
    inventory = inventory_of("a")
    retire(inventory, "a")
    record_of(inventory, "a").fail(1.0, gone=True)
    state = state_of(inventory, "a")
    assert (state.report, state.poll_success) == (None, False)
    assert inventory.suppressed()[Suppression.RETIRED] == 0


def test_a_retired_runner_that_is_removed_is_no_longer_counted() -> None:
    inventory = inventory_of("a", "b")
    retire(inventory, "a")
    assert relist(inventory, "b") == InventoryChange(0, 1)
    assert inventory.suppressed()[Suppression.RETIRED] == 0


@pytest.mark.parametrize("interval", [1.0, 15.0, 60.0, 600.0, 3600.0])
@pytest.mark.parametrize("size", [1, 40, 41, 300])
def test_every_retired_runner_is_asked_after_within_ten_minutes_by_even_shares(
    interval: float, size: int
) -> None:
    ids = [f"r{n}" for n in range(size)]
    inventory = inventory_of(*ids, policy=Policy("t", interval=interval))
    for runner_id in ids:
        retire(inventory, runner_id)
    asked: Counter[str] = Counter()
    shares = set()
    for turn in range(max(1, int(600 / interval))):
        relist(inventory, *ids)
        share = due(inventory)
        shares.add(len(share))
        asked.update(share)
        for runner_id in share:
            retire(inventory, runner_id, at=1.0 + turn * interval)
    assert set(asked) == set(ids)
    assert len(shares) == 1
    assert shares.pop() <= size * interval / 600 + 1 or interval > 600


def retire_all(inventory: Inventory, ids: list[str], *, polls: int) -> None:
    """Poll a fleet of which nobody was seen for long."""
    for turn in range(polls):
        relist(inventory, *ids)
        for runner_id in due(inventory):
            retire(inventory, runner_id, at=float(turn))


FEW = Policy("t", max_runners=10)


def records(inventory: Inventory, ids: Iterable[str]) -> int:
    return sum(inventory.record(runner_id) is not None for runner_id in ids)


def test_of_the_retired_no_more_have_a_record_than_are_watched_and_whose_turn_it_is() -> None:
    ids = [f"r{n}" for n in range(100)]
    inventory = Inventory(FEW)
    retire_all(inventory, ids, polls=30)
    relist(inventory, *ids)
    assert inventory.suppressed()[Suppression.RETIRED] == 100
    assert inventory.suppressed()[Suppression.LIMIT] == 0
    assert records(inventory, ids) <= 2 * 10 + 3


def test_a_fleet_whose_ids_change_all_the_time_takes_a_bounded_memory() -> None:
    inventory = Inventory(FEW)
    ids: list[str] = []

    def live(generations: int) -> None:
        """Let five runners come at a time, report once, and never be seen again."""
        for _ in range(generations):
            ids.extend(f"r{len(ids) + n}" for n in range(5))
            relist(inventory, *ids)
            for runner_id in due(inventory):
                retire(inventory, runner_id)

    live(100)
    tracemalloc.start()
    live(100)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert inventory.suppressed()[Suppression.RETIRED] >= 990
    # Five hundred runners came: their ids alone, with when they registered and were asked after.
    assert held < 500 * 600


@pytest.mark.parametrize("interval", [15.0, 60.0])
def test_every_retired_runner_is_asked_after_in_its_turn_however_many_there_are(
    interval: float,
) -> None:
    ids = [f"r{n}" for n in range(300)]
    inventory = Inventory(Policy("t", interval=interval, max_runners=10))
    retire_all(inventory, ids, polls=100)
    asked: Counter[str] = Counter()
    for turn in range(int(600 / interval) + 1):
        relist(inventory, *ids)
        share = due(inventory)
        assert len(share) <= 300 * interval / 600 + 1
        asked.update(share)
        for runner_id in share:
            retire(inventory, runner_id, at=1000.0 + turn)
    assert set(asked) == set(ids)
    assert max(asked.values()) <= 2


def test_a_retired_runner_without_a_record_comes_back_when_it_is_seen_in_its_turn() -> None:
    ids = [f"r{n}" for n in range(100)]
    inventory = Inventory(FEW)
    retire_all(inventory, ids, polls=30)
    for turn in range(60):
        relist(inventory, *ids)
        for runner_id in due(inventory):
            if runner_id == "r7":
                report(inventory, runner_id, at=100.0 + turn)
            else:
                retire(inventory, runner_id, at=100.0 + turn)
    assert shown(inventory) == ["r7"]
    assert inventory.suppressed()[Suppression.RETIRED] == 99


def test_a_retired_runner_without_a_record_that_registers_anew_is_asked_after_at_once() -> None:
    ids = [f"r{n}" for n in range(100)]
    inventory = Inventory(FEW)
    retire_all(inventory, ids, polls=30)
    (moved, *_) = [name for name in ids if inventory.record(name) is None]
    anew = [ListedRunner(name, updated_at=2.0 if name == moved else 1.0) for name in ids]
    inventory.take(ALICE, anew)
    inventory.settle()
    assert moved in due(inventory)
    report(inventory, moved)
    assert shown(inventory) == [moved]


def test_a_retired_runner_without_a_record_follows_a_new_policy_and_goes_with_its_list() -> None:
    ids = [f"r{n}" for n in range(100)]
    inventory = Inventory(FEW)
    retire_all(inventory, ids, polls=30)
    odd = Selection(exclude=Selector(id=Pattern(".*[02468]")))
    inventory.adopt(Policy("t", (ALICE,), max_runners=10, selection=odd))
    assert relist(inventory, *ids) == InventoryChange(0, 0)
    assert inventory.suppressed()[Suppression.FILTER] == 50
    assert inventory.suppressed()[Suppression.RETIRED] == 50
    assert relist(inventory, *ids[:20]) == InventoryChange(0, 80)
    assert inventory.suppressed()[Suppression.RETIRED] == 10
    assert inventory.listed() == {ALICE: 20}


def test_the_retired_come_after_the_watched() -> None:
    inventory = inventory_of("a", "b", "c")
    retire(inventory, "a", at=1.0)
    report(inventory, "b", at=3.0)
    report(inventory, "c", at=2.0)
    assert due(inventory) == ["c", "b", "a"]


def test_retired_runners_that_register_anew_are_all_asked_after_at_once() -> None:
    ids = [f"r{n}" for n in range(100)]
    inventory = inventory_of(*ids)
    for turn, runner_id in enumerate(ids):
        retire(inventory, runner_id, at=float(turn))
    moved = {"r97", "r98", "r99", "r50"}
    inventory.take(
        ALICE, [ListedRunner(name, updated_at=2.0 if name in moved else 1.0) for name in ids]
    )
    inventory.settle()
    assert set(due(inventory)) == moved
    for runner_id in moved:
        retire(inventory, runner_id, at=200.0)
    assert due(inventory) == ["r0", "r1", "r2"]


def test_a_new_label_alone_is_no_reason_to_ask_after_the_retired() -> None:
    ids = [f"r{n}" for n in range(100)]
    inventory = inventory_of(*ids)
    for turn, runner_id in enumerate(ids):
        retire(inventory, runner_id, at=float(turn))
    inventory.take(ALICE, [ListedRunner(name, label="new", updated_at=1.0) for name in ids])
    inventory.settle()
    assert due(inventory) == ["r0", "r1", "r2"]
