from collections import Counter
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from electric_agents_exporter.contract.report import ListedRunner
from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.fleet.reasons import Suppression
from electric_agents_exporter.fleet.selection import Pattern, Selection, Selector, Shard

RUNNER = ListedRunner(
    id="build-7",
    owner_principal="/principal/user%3Aalice",
    label="Alice's builder",
    kind=RunnerKind.CI,
)
PASSING: dict[str, Any] = {
    "kinds": frozenset({RunnerKind.CI, RunnerKind.SERVER}),
    "id": Pattern(r"build-\d"),
    "label": Pattern(r"Alice.*"),
    "owner": Pattern(r"/principal/user%3A(alice|bob)"),
}
FAILING: dict[str, Any] = {
    "kinds": frozenset({RunnerKind.SERVER}),
    "id": Pattern(r"build"),
    "label": Pattern(r"Bob.*"),
    "owner": Pattern(r"alice"),
}


def test_without_a_policy_every_runner_is_kept() -> None:
    assert Selection().rejects(RUNNER) is None
    assert Selection().rejects(ListedRunner("")) is None


def test_a_runner_is_kept_if_every_test_of_include_passes() -> None:
    assert Selection(include=Selector(**PASSING)).rejects(RUNNER) is None


@pytest.mark.parametrize("name", FAILING)
def test_one_failing_test_of_include_is_enough_to_reject(name: str) -> None:
    include = Selector(**{**PASSING, name: FAILING[name]})
    assert Selection(include=include).rejects(RUNNER) is Suppression.FILTER


@pytest.mark.parametrize("name", PASSING)
def test_one_passing_test_of_exclude_is_enough_to_reject(name: str) -> None:
    exclude = Selector(**{**FAILING, name: PASSING[name]})
    assert Selection(exclude=exclude).rejects(RUNNER) is Suppression.FILTER
    assert Selection(exclude=Selector(**FAILING)).rejects(RUNNER) is None


def test_exclude_wins_over_include() -> None:
    everything = Selector(id=Pattern(".*"))
    selection = Selection(include=everything, exclude=Selector(**PASSING))
    assert selection.rejects(RUNNER) is Suppression.FILTER


@pytest.mark.parametrize(
    "pattern, kept",
    [
        ("build-7", True),
        ("build-.", True),
        ("build", False),
        ("uild-7", False),
        ("", False),
        # Both ends hold for every alternative.
        ("build|test", False),
        ("build-7|test", True),
        ("test|build-7", True),
        ("^build-7$", True),
    ],
)
def test_a_pattern_is_anchored_at_both_ends(pattern: str, kept: bool) -> None:  # noqa: FBT001
    rejection = Selection(include=Selector(id=Pattern(pattern))).rejects(RUNNER)
    assert rejection is (None if kept else Suppression.FILTER)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("pattern", [r"([a-z]+-?)+[0-9]", r"(a|a)*b", r"(.*)*x", r"(\w+\s?)*$9"])
def test_no_value_makes_a_pattern_take_long(pattern: str) -> None:
    assert not Pattern(pattern).matches("a" * 10_000 + "!")


def test_a_pattern_holds_at_the_very_end_not_before_a_last_newline() -> None:
    include = Selector(id=Pattern("build-7"))
    assert Selection(include=include).rejects(ListedRunner("build-7\n")) is Suppression.FILTER


@pytest.mark.parametrize("name", ["label", "owner"])
def test_what_is_not_known_of_a_runner_is_matched_as_empty(name: str) -> None:
    unknown = ListedRunner("a")
    patterns: dict[str, Any] = {name: Pattern(".+")}
    some = Selection(include=Selector(**patterns))
    patterns[name] = Pattern("")
    none = Selection(include=Selector(**patterns))
    assert some.rejects(unknown) is Suppression.FILTER
    assert none.rejects(unknown) is None


def test_a_kind_that_is_not_known_can_be_chosen_as_unknown() -> None:
    include = Selector(kinds=frozenset({RunnerKind.UNKNOWN}))
    assert Selection(include=include).rejects(ListedRunner("a")) is None
    assert Selection(include=include).rejects(RUNNER) is Suppression.FILTER
    assert Selection(include=Selector(kinds=frozenset())).rejects(RUNNER) is Suppression.FILTER


def test_of_a_runner_that_is_filtered_the_shard_is_not_asked() -> None:
    shards = [Selection(Selector(**FAILING), shard=Shard(index, 2)) for index in range(2)]
    assert [shard.rejects(RUNNER) for shard in shards] == [Suppression.FILTER] * 2


def test_the_runner_of_another_shard_is_told_from_one_that_is_filtered() -> None:
    rejections = [Selection(shard=Shard(index, 3)).rejects(RUNNER) for index in range(3)]
    assert Counter(rejections) == {None: 1, Suppression.SHARD: 2}


def test_one_of_one_owns_everything() -> None:
    assert Shard().owns("anything")


@example("runner-0", 2)
@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 50))
def test_every_runner_is_owned_by_exactly_one_shard(runner_id: str, count: int) -> None:
    assert sum(Shard(index, count).owns(runner_id) for index in range(count)) == 1


@pytest.mark.parametrize(
    "runner_id, index", [("runner-0", 2), ("runner-1", 2), ("a/b", 1), ("é😀", 0), ("", 0)]
)
def test_which_shard_owns_a_runner_stays_as_it_is_across_releases(
    runner_id: str, index: int
) -> None:
    assert [Shard(other, 3).owns(runner_id) for other in range(3)].index(True) == index


def test_shards_are_of_about_equal_size() -> None:
    owners = Counter(
        index for n in range(3000) for index in range(3) if Shard(index, 3).owns(f"runner-{n}")
    )
    assert all(900 < size < 1100 for size in owners.values())
