import gc
import weakref
from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from electric_agents_exporter.alerting.alert import Alert, AlertState
from electric_agents_exporter.alerting.definition import Definition
from electric_agents_exporter.alerting.states import RESOLVED_FOR, AlertStates, Found, Moment

T0 = 1_795_346_133.0
EVERY = 15.0


def definition(wait: float = 30.0, hold: float = 0.0) -> Definition:
    return Definition("ElectricAgentsX", None, wait, hold, {}, {}, {}, ())


def found(name: str = "a", wait: float = 30.0, hold: float = 0.0, says: str = "") -> Found:
    labels = {"alertname": "ElectricAgentsX", "runner_id": name}
    return Found(definition(wait, hold), labels, lambda: {"summary": says})


def at(seconds: float) -> Moment:
    return Moment(T0 + seconds, seconds)


class Played:
    """One subject, evaluated every quarter of a minute."""

    def __init__(self, now: float = 0.0) -> None:
        self.states = AlertStates()
        self.now = now
        self.changed = False

    def then(self, *each: Found, times: int = 1) -> "Played":
        for _ in range(times):
            self.now += EVERY
            self.changed = self.states.follow("s", each, at(self.now))
        return self

    @property
    def alerts(self) -> dict[str, Alert]:
        return {alert.labels["runner_id"]: alert for alert in self.states.alerts()}

    def state(self, name: str = "a") -> AlertState | None:
        alert = self.alerts.get(name)
        return alert.state if alert else None


def test_an_alert_is_pending_until_it_has_held_for_its_for() -> None:
    played = Played().then(found(), times=2)
    assert played.state() is AlertState.PENDING
    assert not played.changed
    assert played.then(found()).changed
    assert played.state() is AlertState.FIRING
    assert played.alerts["a"].active_at == T0 + EVERY
    assert played.alerts["a"].fired_at == T0 + 3 * EVERY


def test_one_without_for_fires_when_it_is_first_found() -> None:
    assert Played().then(found(wait=0.0)).state() is AlertState.FIRING


def test_what_does_not_hold_for_long_enough_is_never_told() -> None:
    played = Played().then(found(), times=2).then().then(found(), times=2)
    assert played.state() is AlertState.PENDING


def test_one_that_is_over_is_resolved_and_told_for_a_quarter_of_an_hour() -> None:
    played = Played().then(found(), times=3).then()
    assert played.state() is AlertState.RESOLVED
    assert played.changed
    assert played.alerts["a"].resolved_at == T0 + 4 * EVERY
    played.then(times=int(RESOLVED_FOR / EVERY) - 1)
    assert played.state() is AlertState.RESOLVED
    assert played.then().state() is None


def test_one_that_is_held_fires_on_for_a_while_once_it_is_not_found() -> None:
    played = Played().then(found(hold=60.0), times=3).then(times=4)
    assert played.state() is AlertState.FIRING
    assert played.then().state() is AlertState.RESOLVED


def test_one_that_comes_back_while_it_is_held_goes_on_as_if_nothing_had_been() -> None:
    played = Played().then(found(hold=60.0), times=3).then(times=4).then(found(hold=60.0))
    assert played.state() is AlertState.FIRING
    assert played.alerts["a"].fired_at == T0 + 3 * EVERY
    assert played.then(times=4).state() is AlertState.FIRING


def test_one_that_comes_back_once_it_is_resolved_waits_for_its_for_anew() -> None:
    played = Played().then(found(), times=3).then().then(found())
    assert played.state() is AlertState.PENDING
    assert played.alerts["a"].active_at == T0 + 5 * EVERY


def test_what_an_alert_says_is_what_was_found_last() -> None:
    played = Played().then(found(says="old", hold=60.0), times=3).then(found(says="new", hold=60.0))
    assert played.alerts["a"].annotations == {"summary": "new"}
    assert played.then().alerts["a"].annotations == {"summary": "new"}


def test_one_that_is_not_found_any_more_keeps_nothing_alive_but_its_texts() -> None:
    class Snapshot:
        """What texts are made of."""

        def say(self) -> dict[str, str]:
            return {"summary": "so"}

    snapshot = Snapshot()
    alive = weakref.ref(snapshot)
    labels = {"runner_id": "a"}
    played = Played().then(Found(definition(0.0, 60.0), labels, snapshot.say))
    del snapshot
    assert alive() is not None
    played.then()
    gc.collect()
    assert alive() is None
    assert played.alerts["a"].annotations == {"summary": "so"}


def test_what_alertmanager_knows_goes_on_under_its_first_moment() -> None:
    played = Played()
    known = frozenset(found().labels.items())
    played.states.adopt({known: T0 - 500.0})
    played.then(found(), found("b"))
    assert played.alerts["a"].state is AlertState.FIRING
    assert played.alerts["a"].fired_at == T0 - 500.0
    assert played.state("b") is AlertState.PENDING
    played.then(found("b")).then(found())
    assert played.state() is AlertState.PENDING  # once over, it is a new one


def test_what_alertmanager_tells_late_fires_what_is_pending() -> None:
    played = Played().then(found())
    played.states.adopt({frozenset(found().labels.items()): T0 - 500.0})
    assert played.then(found()).state() is AlertState.FIRING


@pytest.mark.parametrize("up_for", [0.0, 1e6])
def test_what_this_process_told_itself_is_not_taken_over_though_it_is_told_back(
    up_for: float,
) -> None:
    played = Played(up_for).then(found(), times=3).then()
    played.states.adopt({frozenset(found().labels.items()): T0 + up_for + 3 * EVERY})
    assert played.then(found()).state() is AlertState.PENDING


def test_an_evaluation_of_one_subject_says_nothing_of_anothers_alerts() -> None:
    states = AlertStates()
    states.follow("one", [found(wait=0.0)], at(0))
    states.follow("two", [], at(15))
    assert [alert.state for alert in states.alerts()] == [AlertState.FIRING]


def test_a_subject_that_is_watched_no_more_has_its_alerts_resolved_at_once() -> None:
    states = AlertStates()
    states.follow("one", [found(wait=0.0, hold=600.0), found("b")], at(0))
    assert states.forget(["one"], at(15))
    assert [alert.state for alert in states.alerts()] == [AlertState.RESOLVED]
    assert not states.forget(["one"], at(30))
    states.forget(["one"], at(15 + RESOLVED_FOR))
    assert not list(states.alerts())
    assert not states.subjects()


def test_one_alert_is_told_once_though_it_is_found_twice() -> None:
    assert list(Played().then(found(), found(), found("b"), times=3).alerts) == ["a", "b"]


def test_one_that_begins_to_fire_is_a_change_though_others_wait() -> None:
    assert Played().then(found("a", wait=0.0), found("b")).changed


def test_each_that_is_lost_goes_its_own_way_whatever_the_others_do() -> None:
    names = [str(number) for number in range(20)]
    ended = [found(f"ended {name}", wait=0.0) for name in names]
    fires = [found(f"fires {name}", wait=0.0) for name in names]
    waits = [found(f"waits {name}", wait=60.0) for name in names]
    played = Played().then(*ended, *fires, *waits).then(*fires, *waits).then()
    assert {name: alert.state for name, alert in played.alerts.items()} == {
        one.labels["runner_id"]: AlertState.RESOLVED for one in (*ended, *fires)
    }


def test_a_subject_of_which_nothing_is_known_may_be_forgotten() -> None:
    assert not AlertStates().forget(["nobody"], at(0))


# Any sequence of evaluations, an alert at each or not; some come late, as after a missed poll.
steps = st.lists(
    st.tuples(st.booleans(), st.sampled_from([15.0, 16.5, 60.0])), min_size=1, max_size=60
)
numbers = st.sampled_from([0.0, 30.0, 120.0])


def histories(
    waits: float, holds: float, steps: Iterable[tuple[bool, float]]
) -> Iterator[tuple[float, bool, Alert | None]]:
    states, now = AlertStates(), 0.0
    for there, seconds in steps:
        now += seconds
        states.follow("s", [found(wait=waits, hold=holds)] if there else [], at(now))
        yield now, there, next(iter(states.alerts()), None)


@given(numbers, numbers, steps)
def test_nothing_fires_that_did_not_hold_for_its_for_without_a_break(
    waits: float, holds: float, steps: list[tuple[bool, float]]
) -> None:
    since: float | None = None
    fires = False
    for now, there, alert in histories(waits, holds, steps):
        since = (now if since is None else since) if there else None
        firing = alert is not None and alert.state is AlertState.FIRING
        if firing and not fires:
            assert since is not None
            assert now - since >= waits
        fires = firing


@given(numbers, numbers, steps)
def test_what_fires_is_resolved_before_it_is_forgotten_or_begins_anew(
    waits: float, holds: float, steps: list[tuple[bool, float]]
) -> None:
    told = [(now, alert) for now, _, alert in histories(waits, holds, steps)]
    for (before, was), (now, is_now) in pairwise(told):
        if was is None:
            continue
        if was.state is AlertState.FIRING:
            assert is_now is not None
            assert is_now.state in {AlertState.FIRING, AlertState.RESOLVED}
            assert is_now.fired_at == was.fired_at
        if was.state is AlertState.RESOLVED and is_now is None:
            assert was.resolved_at is not None
            assert T0 + now - was.resolved_at >= RESOLVED_FOR
            assert before < now


@given(numbers, st.sampled_from([30.0, 120.0]), steps)
def test_no_gap_that_is_shorter_than_its_hold_ends_an_alert(
    waits: float, holds: float, steps: list[tuple[bool, float]]
) -> None:
    last: float | None = None
    lost: float | None = None
    for now, there, alert in histories(waits, holds, steps):
        if there:
            lost = None
        elif lost is None:
            lost = now
        state = alert.state if alert else None
        if last is not None and lost is not None and now - lost < holds:
            assert state is AlertState.FIRING
        last = now if state is AlertState.FIRING else None
