"""Whatever happens in whatever order: reports follow the contract, and nobody gets at another's.

The expectation is a second, plainer statement of the contract's table, not the simulator's own.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from electric_agents_simulator.clock import ManualClock
from electric_agents_simulator.server.system import make_system
from electric_agents_simulator.storage.registry import IN_MEMORY, Registry, open_engine
from electric_agents_simulator.testing import Caller, in_memory, runner_path

OWNERS = ("service:monitor", "user:alice")
IDS = ("one", "a/b", "näht 2")
CLAIM_LEASE = 30.0

diagnostics = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["streaming", "connecting", "nonsense"]),
        "stream_connected": st.booleans() | st.none(),
        "last_heartbeat_ok": st.booleans() | st.just("yes"),
        "reconnect_count": st.sampled_from([0, 5, 5.5, 6, 1e21, -1, "7", None]),
        "last_claim_result": st.sampled_from(["claimed", None, "lost"]),
    },
)


@dataclass
class Work:
    """One claim, as its runner remembers it."""

    entity: str
    answer: dict[str, Any]
    touched: float
    fenced: bool = False


@dataclass
class Expected:
    """What is known of one runner."""

    owner: str
    admin: str = "enabled"
    lease: float | None = None
    seen: float | None = None
    client: dict[str, Any] | None = None
    claims: list[str] = field(default_factory=list)

    def liveness(self, now: float) -> str:
        if self.admin == "disabled" or self.lease is None:
            return "offline"
        return "online" if self.lease > now else "expired"

    def verdict(self, now: float) -> tuple[str, list[str]]:
        said = self.client or {}
        count = said.get("reconnect_count", 0)
        ago = int((now - (self.lease or 0.0)) * 1000 + 500) // 1000
        table = [
            (self.admin == "disabled", "unhealthy", "Runner is disabled"),
            (
                self.liveness(now) == "expired",
                "unhealthy",
                f"Heartbeat lease expired {ago}s ago",
            ),
            (
                self.admin == "enabled" and self.lease is None,
                "degraded",
                "Runner has never sent a heartbeat",
            ),
            (
                said.get("stream_connected") is False,
                "degraded",
                "Client reports stream disconnected",
            ),
            (
                said.get("last_heartbeat_ok") is False,
                "degraded",
                "Client reports last heartbeat failed",
            ),
            (count > 5, "degraded", f"Client has reconnected {_as_in_javascript(count)} times"),
            (
                self.client is None and self.seen is not None,
                "degraded",
                "No client diagnostics available",
            ),
        ]
        met = [(floor, text) for holds, floor, text in table if holds]
        floors = [floor for floor, _ in met]
        worst = next((word for word in ("unhealthy", "degraded") if word in floors), "healthy")
        return worst, [text for _, text in met]


def _as_in_javascript(count: float) -> str:
    return {6: "6", 5.5: "5.5", 1e21: "1e+21"}.get(count, "never")


def _kept(said: dict[str, Any]) -> dict[str, Any]:
    def number(value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0

    valid: dict[str, Callable[[Any], bool]] = {
        "status": lambda value: value in {"streaming", "connecting"},
        "stream_connected": lambda value: isinstance(value, bool),
        "last_heartbeat_ok": lambda value: isinstance(value, bool),
        "reconnect_count": number,
        "last_claim_result": lambda value: value in {"claimed", None},
    }
    return {name: value for name, value in said.items() if valid[name](value)}


class FleetMachine(RuleBasedStateMachine):
    """A server, two owners, three ids, one agent each, and the passing of time."""

    works = Bundle("works")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.clock = ManualClock()
        self.system = make_system(self.clock, Registry(open_engine(IN_MEMORY)))
        self.stack = contextlib.AsyncExitStack()
        self.caller: Caller = self.loop.run(
            self.stack.enter_async_context(in_memory(self.system, OWNERS[0]))
        )
        self.expected: dict[str, Expected] = {}
        self.entities: dict[str, str] = {}
        self.current: dict[str, str] = {}
        self.outstanding: list[Work] = []

    def teardown(self) -> None:
        self.loop.run(self.stack.aclose())
        self.system.registry.close()
        self.loop.close()

    def owner_of(self, runner_id: str) -> Caller:
        return self.caller.as_principal(self.expected[runner_id].owner)

    @rule(
        runner_id=st.sampled_from(IDS),
        owner=st.sampled_from(OWNERS),
        admin=st.none() | st.just("disabled"),
    )
    def register(self, runner_id: str, owner: str, admin: str | None) -> None:
        more = {} if admin is None else {"admin_status": admin}
        self.loop.run(self.caller.as_principal(owner).register(runner_id, **more))
        known = self.expected.setdefault(runner_id, Expected(owner))
        known.owner, known.admin = owner, admin or "enabled"

    @rule(
        runner_id=st.sampled_from(IDS),
        lease_ms=st.sampled_from([0, 1_000, 30_000, 90_000, -5_000]),
        said=diagnostics,
    )
    def heartbeat(self, runner_id: str, lease_ms: int, said: dict[str, Any] | None) -> None:
        if runner_id not in self.expected:
            return
        body: dict[str, Any] = {"lease_ms": lease_ms}
        if said is not None:
            body["diagnostics"] = said
        self.loop.run(self.owner_of(runner_id).heartbeat(runner_id, **body))
        known = self.expected[runner_id]
        known.seen = self.clock.now()
        known.lease = known.seen + lease_ms / 1000
        known.client = _kept(said or {}) or known.client

    @rule(runner_id=st.sampled_from(IDS), word=st.sampled_from(["enable", "disable"]))
    def administer(self, runner_id: str, word: str) -> None:
        if runner_id in self.expected:
            path = runner_path(runner_id, word)
            assert self.loop.run(self.owner_of(runner_id).post(path)).status_code == 200
            self.expected[runner_id].admin = f"{word}d"

    @rule(seconds=st.sampled_from([0.25, 0.5, 20.0, 31.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(runner_id=st.sampled_from(IDS))
    def send_work(self, runner_id: str) -> None:
        if runner_id not in self.expected:
            return
        entity = f"/task/{IDS.index(runner_id)}"
        if entity not in self.entities:
            self.loop.run(self.owner_of(runner_id).spawn(runner_id, entity))
            self.entities[entity] = self.expected[runner_id].owner
        self.loop.run(self.caller.as_principal(self.entities[entity]).send(entity))

    @rule(target=works, runner_id=st.sampled_from(IDS))
    def claim(self, runner_id: str) -> Any:  # noqa: ANN401  (Hypothesis's MultipleResults)
        return self._claim(runner_id)

    def _claim(self, runner_id: str) -> Any:  # noqa: ANN401  (Hypothesis's MultipleResults)
        events = self.loop.run(self._events_of(runner_id))
        if not events:
            return multiple()
        response = self.loop.run(self.owner_of(runner_id).claim(runner_id, events[-1]))
        if self.expected[runner_id].admin == "disabled":
            assert response.status_code == 409
            return multiple()
        if response.status_code != 200:
            assert response.status_code in {204, 409}
            return multiple()
        answer = response.json()
        self.expected[runner_id].claims.append(answer["consumerId"])
        self.current[answer["entity"]["url"]] = answer["consumerId"]
        work = Work(answer["entity"]["url"], answer, self.clock.now())
        self.outstanding.append(work)
        return work

    @rule(target=works, runner_id=st.sampled_from([IDS[0], IDS[2]]))
    def take_up_work(self, runner_id: str) -> Any:  # noqa: ANN401  (Hypothesis's MultipleResults)
        """Do all that it takes to have something in hand, or to learn that somebody else has."""
        if runner_id not in self.expected:
            self.register(runner_id, OWNERS[0], None)
        self.administer(runner_id, "enable")
        self.send_work(runner_id)
        return self._claim(runner_id)

    async def _events_of(self, runner_id: str) -> list[dict[str, Any]]:
        if runner_id not in self.expected:
            return []
        # The stream of a/b is not where its runner looks for it.
        return [] if "/" in runner_id else await self.caller.wakes(runner_id)

    @rule(work=works, done=st.booleans())
    def call_back(self, work: Work, done: bool) -> None:  # noqa: FBT001  (drawn)
        in_time = self.clock.now() - work.touched < CLAIM_LEASE and not work.fenced
        more: dict[str, Any] = {"acks": work.answer["streams"], "done": True} if done else {}
        response = self.loop.run(self.caller.call_back(work.answer, **more))
        assert response.status_code == (200 if in_time else 502), response.text
        if not in_time:
            work.fenced = True
            return
        work.touched = self.clock.now()
        if done:
            work.fenced = True
            for known in self.expected.values():
                if work.answer["consumerId"] in known.claims:
                    known.claims.remove(work.answer["consumerId"])
            if self.current.get(work.entity) == work.answer["consumerId"]:
                del self.current[work.entity]

    @rule()
    def restart(self) -> None:
        self.system.subscriptions.forget()
        for work in self.outstanding:
            work.fenced = True

    @rule(
        runner_id=st.sampled_from(IDS),
        stranger=st.sampled_from([*OWNERS, None, "user:nobody"]),
        route=st.sampled_from(
            ["GET ", "GET health", "POST heartbeat", "POST disable", "POST claim"]
        ),
    )
    def intrude(self, runner_id: str, stranger: str | None, route: str) -> None:
        if runner_id in self.expected and self.expected[runner_id].owner != stranger:
            method, action = route.split(" ")
            asked = self.caller.as_principal(stranger).ask(method, runner_path(runner_id, action))
            assert self.loop.run(asked).status_code == 403

    @rule(owner=st.sampled_from([*OWNERS, None]))
    def list_runners(self, owner: str | None) -> None:
        listed = {
            runner["id"] for runner in self.loop.run(self.caller.as_principal(owner).runners())
        }
        assert listed == {key for key, known in self.expected.items() if known.owner == owner}

    @invariant()
    def reports_follow_the_contract(self) -> None:
        now = self.clock.now()
        for runner_id, known in self.expected.items():
            report = self.loop.run(self.owner_of(runner_id).health(runner_id))
            assert report["runner"]["id"] == runner_id
            assert report["runner"]["admin_status"] == known.admin
            assert report["runner"]["liveness_status"] == known.liveness(now)
            assert (report["health"]["status"], report["health"]["issues"]) == known.verdict(now)
            assert report["client"] == known.client
            active = [claim["consumer_id"] for claim in report["claims"]["active"]]
            assert sorted(active) == sorted(known.claims)
            mine = [consumer for consumer in self.current.values() if consumer in known.claims]
            assert report["dispatch"]["entities_with_active_claim"] == len(mine)


TestFleet = pytest.mark.timeout(600)(FleetMachine.TestCase)  # sixty stories of forty steps
TestFleet.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
