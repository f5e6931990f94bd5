"""Whatever happens, an Alertmanager holds what is so, and nothing that is long over."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_sending import LIVES, Sending, play
from electric_agents_exporter.alerting.alert import Alert, AlertState, Identity
from fake_alertmanager import FakeAlertmanager, alert, ended

NAMES = ("RunnerDeaf", "WorkAbandoned", "ClaimStuck")
STATES = ("gone", "pending", "firing", "ended")
URLS = ("http://a.test", "http://b.test")
LONGEST_WAIT = 30.0
LOOK = 10.0

Answer = Callable[[httpx.Request], Awaitable[httpx.Response | None]]


def slow(_: FakeAlertmanager) -> Answer:
    """Answer in the last second."""

    async def answer(_: httpx.Request) -> None:
        await asyncio.sleep(9)

    return answer


def unheard(am: FakeAlertmanager) -> Answer:
    """Take what is told, and never say so."""

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            am.take_posted(request)
        return await am.hang(request)

    return answer


ANSWERS: dict[str, Callable[[FakeAlertmanager], Answer]] = {
    "well": lambda am: am.well,
    "refuse": lambda am: am.refuse,
    "hang": lambda am: am.hang,
    "broken": lambda am: am.with_status(503),
    "slow": slow,
    "unheard": unheard,
}


class Step(NamedTuple):
    """For so many seconds alerts are so, and each Alertmanager answers in a way."""

    seconds: float
    states: tuple[str, ...]
    answers: tuple[str, ...]


def each_of(words: tuple[str, ...], count: int) -> st.SearchStrategy[tuple[str, ...]]:
    return st.tuples(*[st.sampled_from(words)] * count)


STEPS = st.lists(
    st.builds(
        Step,
        st.floats(0.1, 200),
        each_of(STATES, len(NAMES)),
        each_of(tuple(ANSWERS), len(URLS)),
    ),
    max_size=8,
)


class World:
    """What is so, and when each alert was so last."""

    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        self._fired_at: dict[str, float] = {}
        self._held_at: dict[Identity, float] = {}

    def become(self, states: tuple[str, ...]) -> None:
        """Let each alert be so."""
        found = map(self._alert, NAMES, states)
        self._sending.become(*filter(None, found))

    def _alert(self, name: str, state: str) -> Alert | None:
        now = self._sending.clock.time()
        began = self._fired_at.pop(name, now)
        if state == "firing":
            self._fired_at[name] = began
            return alert(name, fired_at=began)
        if state == "ended":
            return ended(alert(name, fired_at=began), now)
        return alert(name) if state == "pending" else None

    async def wait(self, seconds: float) -> None:
        """Wait, and look now and then whether something fires that is long over."""
        self._look()
        for _ in range(int(seconds // LOOK)):
            await asyncio.sleep(LOOK)
            self._look()
        await asyncio.sleep(seconds % LOOK)
        self._look()

    def _look(self) -> None:
        now = self._sending.clock.time()
        self._held_at |= dict.fromkeys(self.those(AlertState.FIRING), now)
        for am in self._sending.to.values():
            assert all(now - self._held_at[each] <= LIVES for each in am.firing())

    def those(self, state: AlertState) -> dict[Identity, Alert]:
        """Give the alerts that are so."""
        return {each.identity: each for each in self._sending.alerts if each.state is state}


@given(steps=STEPS, last=each_of(STATES, len(NAMES)))
def test_whatever_happens_an_alertmanager_holds_what_is_so_and_nothing_that_is_long_over(
    steps: list[Step], last: tuple[str, ...]
) -> None:
    async def story(sending: Sending) -> None:
        world = World(sending)
        for step in steps:
            for am, how in zip(sending.to.values(), step.answers, strict=True):
                am.answer = ANSWERS[how](am)
            world.become(step.states)
            await world.wait(step.seconds)
        world.become(last)
        for am in sending.to.values():
            am.answer = am.well
        await world.wait(sending.timeout + LONGEST_WAIT + 1)
        firing, over = world.those(AlertState.FIRING), world.those(AlertState.RESOLVED)
        for am in sending.to.values():
            assert firing.keys() <= am.firing()
            assert not over.keys() & am.firing()
            for identity, each in over.items():
                assert am.last[identity].ends_at == pytest.approx(each.resolved_at, abs=0.001)
        await world.wait(LIVES + 1)
        assert all(am.firing() == firing.keys() for am in sending.to.values())

    play(story, Sending(urls=URLS))
