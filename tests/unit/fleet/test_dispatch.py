import math
from collections.abc import Collection
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from electric_agents_exporter.contract.claims import StartedClaim
from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.contract.wakes import Wake, WakeReading
from electric_agents_exporter.fleet.dispatch import DispatchTracker

ONE, TWO = "agents/one/main", "agents/two/main"
PATIENCE = 60.0
SERVER, CI = RunnerKind.SERVER, RunnerKind.CI


def wake(at: float | None, generation: int | None = 1, stream: str = ONE) -> Wake:
    return Wake(stream, at, generation)


def claim(at: float, epoch: int = 1, stream: str = ONE) -> StartedClaim:
    return StartedClaim(stream, epoch, at)


@dataclass
class Watched:
    """A tracker, and one runner's stream that is read into it; all on one clock."""

    tracker: DispatchTracker = field(default_factory=DispatchTracker)
    kind: RunnerKind = SERVER

    def claim(self, *started: StartedClaim, held: Collection[str] = ()) -> None:
        self.tracker.claims(started, frozenset(held))

    def read(
        self,
        *news: Wake,
        unheard: Collection[Wake] = (),
        at: float = 0.0,
        at_rest: Collection[str] = (),
        asked: Collection[str] = (),
        whole: bool = True,
    ) -> None:
        reading = WakeReading("0_0", "0_9", tuple(unheard), news, frozenset(at_rest), whole)
        self.tracker.wakes("a", self.kind, reading, at, asked)

    def overdue(self, at: float) -> set[str]:
        return set(self.tracker.overdue("a", at, PATIENCE))

    def refuses(self, at: float) -> bool:
        return self.tracker.refuses("a", at, PATIENCE)

    def seen(self, kind: RunnerKind = SERVER) -> tuple[int, float]:
        """Give how many times were observed, and their sum."""
        histogram = self.tracker.snapshot()[kind]
        return histogram.counts[-1], round(histogram.sum, 6)


@pytest.fixture
def watched() -> Watched:
    return Watched()


# --- from wake to claim ---------------------------------------------------------------------------


def test_every_kind_begins_with_nothing_observed(watched: Watched) -> None:
    assert set(watched.tracker.snapshot()) == set(RunnerKind)
    assert all(watched.seen(kind) == (0, 0.0) for kind in RunnerKind)


def test_the_buckets_tell_a_good_dispatch_from_one_that_took_an_hour(watched: Watched) -> None:
    bounds = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, math.inf)
    assert watched.tracker.snapshot()[SERVER].bounds == bounds


def test_the_time_from_a_wake_to_its_claim_is_observed(watched: Watched) -> None:
    watched.read(wake(100.0))
    watched.claim(claim(100.25))
    watched.read()
    assert watched.seen() == (1, 0.25)


def test_a_claim_of_the_same_millisecond_answers_its_wake(watched: Watched) -> None:
    watched.claim(claim(100.0))
    watched.read(wake(100.0))
    assert watched.seen() == (1, 0.0)


def test_a_claim_may_be_read_before_its_wake(watched: Watched) -> None:
    watched.claim(claim(100.25))
    watched.read(wake(100.0))
    assert watched.seen() == (1, 0.25)


def test_the_time_counts_for_the_kind_of_the_runner_that_was_woken() -> None:
    watched = Watched(kind=CI)
    watched.claim(claim(100.25))
    watched.read(wake(100.0))
    assert (watched.seen(CI), watched.seen(SERVER)) == ((1, 0.25), (0, 0.0))


def test_a_wake_that_is_read_again_is_observed_once(watched: Watched) -> None:
    watched.claim(claim(100.25))
    for _ in range(3):
        watched.read(wake(100.0))
    assert watched.seen() == (1, 0.25)


def test_a_wake_that_is_read_twice_before_its_claim_is_observed_once(watched: Watched) -> None:
    watched.read(wake(100.0))
    watched.read(wake(100.0))
    watched.claim(claim(100.25))
    watched.read()
    assert watched.seen() == (1, 0.25)


def test_each_generation_is_answered_by_the_claim_of_its_epoch(watched: Watched) -> None:
    watched.claim(claim(102.0, epoch=7), claim(105.0, epoch=8))
    watched.read(wake(100.0, generation=7), wake(104.5, generation=8))
    assert watched.seen() == (2, 2.5)


def test_each_stream_is_answered_by_claims_of_its_own(watched: Watched) -> None:
    watched.claim(claim(102.0, stream=TWO))
    watched.read(wake(100.0, stream=ONE))
    assert watched.seen() == (0, 0.0)


def test_a_claim_that_is_older_than_the_wake_is_none_of_its(watched: Watched) -> None:
    watched.claim(claim(90.0))
    watched.read(wake(100.0))
    assert watched.seen() == (0, 0.0)
    watched.claim(claim(103.0))
    watched.read()
    assert watched.seen() == (1, 3.0)


def test_a_generation_that_comes_again_with_the_server_is_another_wake(watched: Watched) -> None:
    watched.read(wake(100.0))
    watched.claim(claim(101.0))
    watched.read(wake(500.0))
    watched.claim(claim(502.0))
    watched.read()
    assert watched.seen() == (2, 3.0)


def test_the_same_claim_answers_one_wake_only(watched: Watched) -> None:
    watched.claim(claim(101.0))
    watched.read(wake(100.0))
    watched.read(wake(100.5))
    assert watched.seen() == (1, 1.0)


def test_a_wake_that_was_answered_is_not_answered_by_a_later_claim_too(watched: Watched) -> None:
    watched.read(wake(100.0))
    watched.claim(claim(101.0))
    watched.read()
    watched.claim(claim(500.0))
    watched.read()
    assert watched.seen() == (1, 1.0)


@pytest.mark.parametrize("claims_first", [True, False])
def test_of_two_wakes_that_one_claim_could_answer_the_newer_one_is_meant(
    watched: Watched,
    claims_first: bool,  # noqa: FBT001
) -> None:
    if claims_first:
        watched.claim(claim(501.0))
    watched.read(wake(100.0), wake(500.0))
    if not claims_first:
        watched.claim(claim(501.0))
        watched.read()
    assert watched.seen() == (1, 1.0)
    assert watched.overdue(1_000.0) == set()


def test_a_wake_that_a_restart_forgot_is_not_answered_in_place_of_a_newer_one(
    watched: Watched,
) -> None:
    watched.read(wake(100.0))
    watched.claim(claim(501.0))
    watched.read(wake(500.0))
    assert watched.seen() == (1, 1.0)


def test_a_claim_of_another_generation_takes_up_the_work_and_tells_no_time(
    watched: Watched,
) -> None:
    watched.read(wake(100.0, generation=7))
    watched.claim(claim(500.0, epoch=1))
    watched.read(at=1.0)
    assert watched.seen() == (0, 0.0)
    assert watched.overdue(1_000.0) == set()


@pytest.mark.parametrize("odd", [wake(None), wake(100.0, generation=None)])
def test_a_wake_that_cannot_be_read_in_full_tells_no_time(watched: Watched, odd: Wake) -> None:
    watched.read(odd)
    watched.claim(claim(101.0))
    watched.read(at=1.0)
    assert watched.seen() == (0, 0.0)
    assert watched.overdue(1_000.0) == set()


# --- wakes without an answer ----------------------------------------------------------------------


def test_a_wake_that_was_not_heard_is_not_overdue(watched: Watched) -> None:
    watched.read(wake(100.0), unheard=[wake(100.0)])
    watched.read(unheard=[wake(100.0)], at=500.0)
    assert watched.overdue(1_000.0) == set()


def test_a_wake_behind_a_reading_that_was_cut_off_is_not_known_to_be_heard(
    watched: Watched,
) -> None:
    watched.read(wake(100.0, stream=TWO), unheard=[wake(100.0)], whole=False)
    assert watched.overdue(1_000.0) == set()
    watched.read(unheard=[wake(100.0)], at=1_000.0)
    assert watched.overdue(1_061.0) == {TWO}


def test_a_wake_is_overdue_once_it_was_heard_long_ago(watched: Watched) -> None:
    watched.read(wake(100.0), unheard=[wake(100.0)])
    watched.read(at=15.0)
    assert watched.overdue(75.0) == set()
    assert watched.overdue(75.001) == {ONE}


def test_a_wake_does_not_become_unheard_again(watched: Watched) -> None:
    watched.read(wake(100.0), at=0.0)
    watched.read(unheard=[wake(100.0)], at=30.0)
    assert watched.overdue(61.0) == {ONE}


def test_streams_that_are_overdue_are_named_once(watched: Watched) -> None:
    watched.read(wake(100.0, 1), wake(101.0, 2), wake(100.0, stream=TWO))
    assert sorted(watched.tracker.overdue("a", 100.0, PATIENCE)) == [ONE, TWO]


def test_an_overdue_wake_is_refused_once_its_entity_was_asked_for_and_can_work(
    watched: Watched,
) -> None:
    watched.read(wake(100.0))
    assert not watched.refuses(100.0)
    watched.read(at=100.0, asked=[TWO])
    assert not watched.refuses(100.0)
    watched.read(at=115.0, asked=[ONE])
    assert watched.refuses(115.0)


def test_a_wake_stands_refused_until_a_later_claim_takes_up_its_work(watched: Watched) -> None:
    watched.read(wake(100.0))
    watched.read(at=100.0, asked=[ONE])
    watched.claim(claim(99.0))
    assert watched.refuses(5_000.0)
    watched.claim(claim(100.0, epoch=9))
    assert watched.overdue(5_000.0) == set()
    assert not watched.refuses(5_000.0)


def test_a_wake_of_an_entity_at_rest_is_nobodys_work(watched: Watched) -> None:
    watched.read(wake(100.0), wake(100.0, stream=TWO))
    watched.read(at=100.0, asked=[ONE, TWO], at_rest=[ONE])
    assert watched.overdue(100.0) == {TWO}
    watched.read(at=115.0, asked=[TWO], at_rest=[TWO])
    assert not watched.refuses(115.0)


def test_a_wake_that_was_answered_tells_its_time_though_its_entity_is_at_rest(
    watched: Watched,
) -> None:
    watched.read(wake(100.0))
    watched.claim(claim(101.0))
    watched.read(at_rest=[ONE])
    assert watched.seen() == (1, 1.0)


def test_a_wake_of_a_stream_that_is_worked_on_is_not_refused(watched: Watched) -> None:
    watched.read(wake(100.0))
    watched.read(at=100.0, asked=[ONE])
    watched.claim(held=[ONE])
    assert (watched.overdue(115.0), watched.refuses(115.0)) == (set(), False)
    watched.claim(held=[TWO])
    assert (watched.overdue(130.0), watched.refuses(130.0)) == ({ONE}, True)


def test_what_one_runner_heard_is_not_anothers(watched: Watched) -> None:
    watched.read(wake(100.0))
    assert watched.tracker.overdue("b", 1_000.0, PATIENCE) == ()
    assert not watched.tracker.refuses("b", 1_000.0, PATIENCE)


def test_what_a_runner_that_is_gone_left_unanswered_is_forgotten(watched: Watched) -> None:
    watched.read(wake(100.0))
    watched.tracker.forget({"a", "b"})
    assert watched.overdue(1_000.0) == {ONE}
    watched.tracker.forget({"b"})
    assert watched.overdue(1_000.0) == set()


@given(
    st.lists(st.sampled_from([50.0, 99.0, 100.0, 150.0]), max_size=4),
    st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_a_wake_is_refused_unless_it_was_claimed_since_is_held_or_its_entity_is_at_rest(
    claimed: list[float], told: list[bool]
) -> None:
    asked, held, at_rest = told
    watched = Watched()
    watched.read(wake(100.0))
    watched.claim(*(claim(at, epoch=n) for n, at in enumerate(claimed)), held=[ONE] if held else [])
    watched.read(at=61.0, asked=[ONE] if asked else [], at_rest=[ONE] if at_rest else [])
    answered = any(at >= 100.0 for at in claimed)
    assert watched.refuses(61.0) == (asked and not (answered or held or at_rest))


# --- bounds ---------------------------------------------------------------------------------------


def test_of_a_runners_wakes_some_of_the_newest_are_kept(watched: Watched) -> None:
    watched.read(*(wake(float(n), stream=f"e{n}/main") for n in range(200)))
    watched.read(*(wake(float(n), stream=f"e{n}/main") for n in range(200, 300)))
    assert watched.overdue(1_000.0) == {f"e{n}/main" for n in range(300 - 256, 300)}


def test_of_a_streams_claims_some_of_the_newest_wait_for_their_wakes(watched: Watched) -> None:
    watched.claim(*(claim(100.0 + n, epoch=n) for n in reversed(range(10))))
    watched.read(*(wake(100.0, generation=n) for n in range(10)))
    assert watched.seen() == (8, 2.0 + 3 + 4 + 5 + 6 + 7 + 8 + 9)


def test_streams_that_were_claimed_longest_ago_are_forgotten(watched: Watched) -> None:
    everyone = [f"e{n}/main" for n in range(20_001)]
    watched.claim(*(claim(100.0, stream=stream) for stream in everyone[:20_000]))
    watched.claim(claim(101.0, epoch=2, stream=everyone[0]))
    watched.claim(claim(100.0, stream=everyone[20_000]))
    watched.read(*(wake(99.0, stream=everyone[n]) for n in (0, 1, 2, 20_000)))
    assert watched.seen() == (3, 3.0)
    assert watched.overdue(1_000.0) == {everyone[1]}
    watched.claim(claim(102.0, epoch=9, stream=everyone[1]))
    watched.read()
    assert watched.seen() == (3, 3.0)
    assert watched.overdue(1_000.0) == set()


# --- whatever happens -----------------------------------------------------------------------------

happenings = st.lists(
    st.tuples(
        st.sampled_from(["message", "claim", "restart", "poll"]),
        st.sampled_from([ONE, TWO]),
        st.sampled_from([0.5, 2.0, 40.0]),
    ),
    max_size=40,
)


@given(happenings)
def test_every_claim_tells_once_how_long_its_own_wake_waited(
    happened: list[tuple[str, str, float]],
) -> None:
    """A server that wakes, claims, restarts and begins its generations anew, and is polled."""
    watched, now = Watched(), 100.0
    generations: dict[str, int] = {}
    waiting: dict[str, Wake] = {}
    wakes: list[Wake] = []
    claims: list[StartedClaim] = []
    waits: list[float] = []

    def poll() -> None:
        watched.claim(*claims)
        watched.read(*wakes, unheard=list(waiting.values()), at=now)
        claims.clear()
        wakes.clear()

    for what, stream, passed in happened:
        now += passed
        if what == "message" and stream not in waiting:
            generations[stream] = generations.get(stream, 0) + 1
            waiting[stream] = wake(now, generations[stream], stream)
            wakes.append(waiting[stream])
        elif what == "claim" and stream in waiting:
            answered = waiting.pop(stream)
            claims.append(claim(now, generations[stream], stream))
            waits.append(now - (answered.at or now))
        elif what == "restart":
            generations.clear()
            waiting.clear()
        elif what == "poll":
            poll()
    poll()
    assert watched.seen() == (len(waits), round(sum(waits), 6))
