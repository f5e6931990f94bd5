"""What alerts remember: what held, by how much counters grew, and what had leaked."""

from typing import Final

from msgspec.structs import replace

from electric_agents_exporter.alerting.history import History, Seldom, Spans, Window
from electric_agents_exporter.conditions import Condition, Conditions
from electric_agents_exporter.fleet.aggregate import aggregate
from electric_agents_exporter.fleet.changes import EventCounts
from electric_agents_exporter.fleet.snapshot import RunnerState
from judged_targets import MONOTONIC, STALE_AFTER, judged_runner, judged_target, unreported

MEMORY: Final = 300.0
DEAF: Final = frozenset({Condition.DEAF})
LAPSED: Final = frozenset({Condition.LAPSED})
UNKNOWN: Final = frozenset({Condition.UNKNOWN})
NOTHING: Final[frozenset[Condition]] = frozenset()


def history() -> History:
    return History(
        Spans(interval=15, memory=MEMORY, window=3600, often=300, median=600, leaks=90_000)
    )


# --- a window ---


def test_a_window_gives_what_it_holds_from_a_moment_on_and_before_one() -> None:
    window: Window[str] = Window(100)
    for at, value in ((10, "a"), (20, "b"), (30, "c")):
        window.add(at, value)
    assert list(window.since(20)) == ["b", "c"]
    assert window.oldest(20) == (20, "b")
    assert window.oldest(31) is None
    assert [window.before(at, 10) for at in (9, 10, 25, 30, 40, 41)] == [
        None,
        "a",
        "b",
        "c",
        "c",
        None,
    ]


def test_a_window_drops_what_is_too_old_and_what_comes_too_soon() -> None:
    window: Window[int] = Window(100, spacing=10)
    for at in (0, 9, 10, 19, 20, 100, 101):
        window.add(at, at)
    assert list(window.since(0)) == [10, 20, 100]


# --- what holds, or held ---


class Watching:
    """One runner, of which the judge says this and that as time goes by."""

    def __init__(self) -> None:
        self.history = history()

    def holds(
        self,
        at: float,
        holds: frozenset[Condition] = NOTHING,
        unknown: frozenset[Condition] = NOTHING,
        age: float = 10.0,
    ) -> frozenset[Condition]:
        """Tell what holds by a report of some age, in which some conditions are not known."""
        known = frozenset(Condition) - unknown - UNKNOWN
        runner = replace(judged_runner(age=age - at), conditions=Conditions(holds, known))
        return self.history.holds(runner, STALE_AFTER, MONOTONIC + at)


def test_what_held_and_is_not_known_any_more_holds_on_for_as_long_as_is_remembered() -> None:
    watching = Watching()
    assert watching.holds(0, DEAF) == DEAF
    assert watching.holds(100, LAPSED, unknown=DEAF) == DEAF | LAPSED
    assert watching.holds(300, unknown=DEAF) == DEAF
    assert watching.holds(301, unknown=DEAF) == NOTHING


def test_what_is_known_not_to_hold_does_not_come_back() -> None:
    watching = Watching()
    assert watching.holds(0, DEAF) == DEAF
    assert watching.holds(15) == NOTHING
    assert watching.holds(30, unknown=DEAF) == NOTHING


def test_what_an_old_report_said_is_remembered_from_its_own_time_on() -> None:
    watching = Watching()
    assert watching.holds(0, DEAF, age=100) == DEAF | UNKNOWN
    assert watching.holds(200, unknown=DEAF) == DEAF
    assert watching.holds(201, unknown=DEAF) == NOTHING
    assert watching.holds(300, age=100) == UNKNOWN


def test_of_whom_there_is_no_report_or_none_but_an_old_one_nothing_is_remembered() -> None:
    watching = Watching()
    assert watching.holds(0, DEAF) == DEAF
    assert watching.holds(350, DEAF, age=STALE_AFTER + MEMORY) == DEAF | UNKNOWN
    assert watching.holds(360, DEAF, age=STALE_AFTER + MEMORY + 1) == UNKNOWN
    assert watching.holds(400, DEAF) == DEAF
    gone = unreported(judged_runner())
    assert watching.history.holds(gone, STALE_AFTER, MONOTONIC + 415) == UNKNOWN
    assert watching.holds(430, unknown=DEAF) == NOTHING


def test_who_is_listed_no_more_is_forgotten() -> None:
    watching = Watching()
    assert watching.holds(0, DEAF) == DEAF
    watching.history.take(judged_target(judged_runner()), None, MONOTONIC + 15)
    assert watching.holds(15, unknown=DEAF) == DEAF
    watching.history.take(judged_target(), None, MONOTONIC + 30)
    assert watching.holds(45, unknown=DEAF) == NOTHING


# --- counters ---


def restarted(times: int, runner_id: str = "r") -> RunnerState:
    return replace(judged_runner(runner_id), counts=EventCounts(client_restarts=times))


def restarts(counters: Seldom) -> float | None:
    return counters.client_restarts


def reconnects(counters: Seldom) -> float | None:
    return counters.reconnects


def test_only_those_are_looked_at_of_which_a_counter_moved() -> None:
    past = history()
    past.take(judged_target(restarted(1, "quiet"), restarted(1, "moves")), None, 0)
    assert past.moved == set()
    past.take(judged_target(restarted(1, "quiet"), restarted(2, "moves")), None, 60)
    assert past.moved == {"moves"}
    past.take(judged_target(restarted(1, "quiet"), restarted(2, "moves")), None, 120)
    assert past.moved == {"moves"}
    past.take(judged_target(restarted(1, "quiet"), restarted(2, "moves")), None, 3661)
    assert past.moved == set()


def test_a_counter_grew_by_what_it_is_now_less_the_least_that_it_was() -> None:
    past = history()
    past.take(judged_target(), None, 0)
    for at, times in ((60, 7), (120, 2), (180, 3), (240, 5)):
        past.take(judged_target(restarted(times)), None, at)
    assert past.grown("r", restarts, 0, 0) == 3
    assert past.grown("r", restarts, 180, 0) == 2
    assert past.grown("r", restarts, 0, 5) == 0
    assert past.grown("r", reconnects, 0, 0) == 0
    assert past.grown("nobody", restarts, 0, 0) == 0


def test_a_counter_that_is_zero_did_not_grow() -> None:
    past = history()
    past.take(judged_target(restarted(0)), None, 0)
    assert past.grown("r", restarts, 0, 0) == 0


# --- sums ---


def test_sums_that_cannot_be_made_any_more_are_those_from_before_for_a_while() -> None:
    past, target = history(), judged_target(judged_runner())
    sums = aggregate(target, MONOTONIC)
    assert past.sums(0) is None
    past.take(target, sums, 0)
    past.take(target, None, 15)
    assert past.sums(MEMORY) is sums
    assert past.sums(MEMORY + 1) is None


# --- leaks ---


def claiming(active: int, at_work: int = 0, runner_id: str = "r") -> RunnerState:
    runner = judged_runner(runner_id, at_work=at_work)
    assert runner.report is not None
    claims = replace(runner.report.claims, active_count=active)
    return replace(runner, report=replace(runner.report, claims=claims))


def test_a_claim_that_nobody_works_on_for_a_moment_has_not_leaked() -> None:
    past = history()
    for turn in range(11):
        leaks = claiming(3, 1, "leaks")
        comes = claiming(1 if turn % 3 == 0 else 0, runner_id="comes")
        past.take(judged_target(leaks, comes, claiming(2, 2, "works")), None, 60 * turn)
    assert past.leaked(600) == {"leaks": 2}


def test_what_had_leaked_is_told_from_the_first_time_that_it_was_known() -> None:
    past, began = history(), 50_000.0
    past.take(judged_target(claiming(1)), None, began)
    assert past.leaked_before(began, 3600) is None
    past.take(judged_target(claiming(1)), None, began + 600)
    assert past.leaked_before(began - 85_800, 3600) == {"r": 1}
    for at in (2400, 4200, 6000):
        past.take(judged_target(claiming(4)), None, began + at)
    assert past.leaked_before(began + 2400, 1000) == {"r": 4}
    assert past.leaked_before(began + 1500, 1000) == {"r": 1}
    assert past.leaked_before(began - 1, 1000) == {"r": 1}


# --- how much is kept ---


def test_an_hour_of_polls_keeps_a_value_a_minute_or_two() -> None:
    past = history()
    for at in range(0, 7201, 15):
        past.take(judged_target(restarted(1)), None, at)
    assert len(list(past.listed.since(0))) == 61
    assert len(list(past.often.since(0))) == 11
    assert len({id(each["r"]) for each in past.often.since(0)}) == 1
