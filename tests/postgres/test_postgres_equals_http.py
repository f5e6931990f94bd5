"""Both sources watch one fleet at one instant: the same series with the same values.

The server is the simulator, on the database that the other source reads. The clocks of server,
database and exporter stand still at the same moment.
"""

import math
from collections.abc import AsyncIterator, Iterator
from random import Random
from urllib.parse import quote

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.conftest import FakeClock
from tests.postgres.conftest import Database

from electric_agents_exporter.app import process_registry
from electric_agents_exporter.contract.principals import parse
from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation
from electric_agents_exporter.metrics.exposition import Exposer
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.process_families import ProcessState
from electric_agents_exporter.metrics.table import build_table
from electric_agents_exporter.sources.http import HttpOptions, HttpServer, HttpSource
from electric_agents_exporter.sources.postgres import PostgresOptions, PostgresSource
from electric_agents_exporter.sources.source import EVERYONE, Source
from electric_agents_exporter.sources.system import SystemSource
from electric_agents_simulator.clock import ManualClock
from electric_agents_simulator.server.app import create_app
from electric_agents_simulator.server.system import System, make_system
from electric_agents_simulator.storage.records import Claim
from electric_agents_simulator.storage.registry import Registry, open_engine
from electric_agents_simulator.testing import Caller, in_memory, runner_path
from electric_agents_simulator.values import from_seconds

# The Date header says whole seconds; at the half it is right.
START = 1_795_346_133.5
OWNERS = ("service:monitor", "user:alice", "agent:a b%2F", "system:é", "user:x!~*'()")
KINDS = ("local", "cloud-worker", "sandbox", "ci", "server")
ODD_IDS = ("a/b", "%2F", "q?x#y", "two\nlines", '"quoted"', "é😀", "x" * 300)
ONLY_A_DATABASE_TELLS = (
    "electric_agents_runners_claims_finished",
    "electric_agents_runners_claim_duration",
    "electric_agents_runners_by_owner_kind",
)
pytestmark = pytest.mark.timeout(400)  # four fleets, each in two ways: long on a busy machine

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]
STATUSES = ("stopped", "starting", "connecting", "streaming", "reconnecting", "stopping", "odd")


def moment(random: Random, now: float) -> object:
    at = f"{from_seconds(now - random.randrange(5000)):%Y-%m-%dT%H:%M:%S}.123Z"
    return random.choice([at, at, at, None, "tomorrow", ""])


def diagnostics(random: Random, now: float) -> dict[str, object]:
    """What a runner may send: each field there or not, well or odd."""
    every: dict[str, object] = {
        "status": random.choice(STATUSES),
        "stream_connected": random.choice([True, True, False, None]),
        "last_heartbeat_ok": random.choice([True, True, False, "yes"]),
        "last_claim_result": random.choice([None, "claimed", "no_work", "error", 5]),
        "last_error": random.choice([None, "oops"]),
        "reconnect_count": random.choice([0, 3, 5, 6, 6.5, -1, None]),
        "events_received": random.choice([0, 7, 1e21, 2.5]),
        "claims_succeeded": random.randrange(100),
        "claims_skipped": random.randrange(100),
        "claims_failed": random.randrange(100),
        "unheard_of": 1,
    }
    for name in ("started_at", "stream_connected_since", "last_error_at", "last_heartbeat_at"):
        every[name] = moment(random, now)
    every["last_claim_at"] = every["last_dispatch_at"] = moment(random, now)
    return {name: value for name, value in every.items() if random.random() < 0.85}


class Watched:
    """A fleet, and the two exporters that watch it."""

    def __init__(self, database: Database, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311  (a fleet made by chance is no secret)
        self.database = database
        self.clock = ManualClock(START)
        self.registry = Registry(open_engine(database.url))
        self.system: System = make_system(self.clock, self.registry)
        self.now = FakeClock(wall=START)
        self._claims = 0
        self._ids: list[tuple[str, str]] = []
        http = HttpOptions(url="http://agents.test", principals=OWNERS)
        transport = httpx.ASGITransport(create_app(self.system))
        self.sources: dict[str, tuple[Fleet, Source]] = {
            "http": (
                self._fleet(OWNERS),
                HttpSource(HttpServer(http, self.now, lambda _: transport), wakes=False),
            ),
            "postgres": (
                self._fleet((EVERYONE,)),
                PostgresSource(PostgresOptions(database.url), self.now),
            ),
            "http with wakes": (
                self._fleet(OWNERS, Operation.WAKES),
                HttpSource(HttpServer(http, self.now, lambda _: transport)),
            ),
            "both": (
                self._fleet((EVERYONE,), Operation.WAKES),
                SystemSource(
                    HttpServer(http, self.now, lambda _: transport),
                    PostgresSource(PostgresOptions(database.url), self.now),
                ),
            ),
        }
        database.freeze(START)

    def _fleet(self, principals: tuple[str, ...], *more: Operation) -> Fleet:
        fleet = Fleet(self.now)
        # Which of the retired is asked after first goes by the order of the lists, which differs.
        never = dict.fromkeys(RunnerKind, math.inf)
        operations = (Operation.LIST, Operation.HEALTH, Operation.SERVER, *more)
        policy = Policy("production", principals, retire_after=never, operations=operations)
        fleet.configure([policy])
        return fleet

    async def populate(self, caller: Caller, size: int) -> None:
        for number in range(size):
            runner_id = ODD_IDS[number] if number < len(ODD_IDS) else f"runner-{number}"
            owner = self.random.choice(OWNERS)
            self._ids.append((runner_id, owner))
            self.advance(self.random.randrange(200))
            who = caller.as_principal(parse(owner).url)
            await who.register(runner_id, kind=self.random.choice(KINDS))
        await self.live(caller)

    async def live(self, caller: Caller) -> None:
        """Let something happen to every runner."""
        for runner_id, owner in self._ids:
            who = caller.as_principal(parse(owner).url)
            what = self.random.random()
            if what < 0.1:
                await who.post(runner_path(runner_id, "disable"))
            elif what < 0.2:
                await who.register(runner_id)
            if what < 0.85:
                body: dict[str, object] = {
                    "lease_ms": self.random.choice([90_000, 30_000, -5_000, 60_500, 1])
                }
                if self.random.random() < 0.9:
                    body["diagnostics"] = diagnostics(self.random, self.clock.now())
                body["wake_stream_offset"] = await self._offset(who, runner_id)
                await who.heartbeat(runner_id, **body)
            for _ in range(self.random.choice([0, 0, 1, 3])):
                self._claim(runner_id)

    async def write(self, caller: Caller) -> None:
        """Let people write to entities of every other runner whose stream has a plain path."""
        for runner_id, owner in self._ids[len(ODD_IDS) :: 2]:
            who = caller.as_principal(parse(owner).url)
            for number in range(self.random.choice([1, 2])):
                url = f"/task/{runner_id}-{number}"
                await who.spawn(runner_id, url)
                await who.send(url)

    async def _offset(self, who: Caller, runner_id: str) -> str:
        """Give how far a runner says to have heard: all, nothing, something odd."""
        stream = await who.ask("GET", f"/runners/{quote(runner_id)}/wake?offset=now")
        tail = str(stream.headers.get("stream-next-offset", "-1"))
        return self.random.choice([tail, tail, tail, "-1", "rubbish", ""])

    def _claim(self, runner_id: str) -> None:
        self._claims += 1
        at = from_seconds(self.clock.now() - self.random.randrange(1000))
        url = f"/task/{self.random.randrange(40)}"
        claim = Claim(
            consumer_id=f"w_{self._claims}",
            epoch=self.random.randrange(5),
            entity_url=url,
            stream_path=f"{url}/main",
            runner_id=runner_id,
            claimed_at=at,
            lease_expires_at=from_seconds(at.timestamp() + 30),
        )
        self.registry.open_claims([claim])
        key = (claim.consumer_id, claim.epoch)
        if self.random.random() < 0.5:
            self.registry.touch_claims([key], from_seconds(self.clock.now()))
        if self.random.random() < 0.3:
            self.registry.release_claims([key], from_seconds(self.clock.now()))

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.now.advance(seconds)
        self.database.freeze(self.clock.now())

    async def poll(self, *names: str) -> None:
        for name in names:
            fleet, source = self.sources[name]
            poll = Poll(fleet.targets["production"])
            complete = await source.poll(poll, paced=False)
            result = poll.end(complete=complete)
            assert result.succeeded, result.faults

    async def close(self) -> None:
        for _, source in self.sources.values():
            await source.aclose()
        self.registry.close()

    def series(self, name: str) -> Series:
        """Everything that is told of runners and of the fleet."""
        fleet, _ = self.sources[name]
        exposer = Exposer(build_table(owner_label=True), ProcessState("1", "3"), process_registry())
        parts = exposer.expose(fleet.snapshot(), Format.TEXT)
        return dict(_of_runners(b"".join(parts).decode()))


def _of_runners(text: str) -> Iterator[tuple[tuple[str, tuple[tuple[str, str], ...]], float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.startswith("electric_agents_runner") and not sample.name.startswith(
                ONLY_A_DATABASE_TELLS
            ):
                yield (sample.name, tuple(sorted(sample.labels.items()))), sample.value


def _without_what_only_claims_tell(
    series: Series,
) -> Series:
    """Leave out how wakes were claimed, which only who reads claims can tell."""
    return {
        (name, labels): value
        for (name, labels), value in series.items()
        if not name.startswith("electric_agents_runners_dispatch")
        and ("condition", "work_refused") not in labels
    }


@pytest.fixture(params=range(4))
async def watched(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[Watched]:
    watched = Watched(database, request.param)
    yield watched
    await watched.close()


async def test_both_sources_give_the_same_series_with_the_same_values(watched: Watched) -> None:
    async with in_memory(watched.system, None) as caller:
        await watched.populate(caller, 45)
        for seconds in (0, 15, 100, 7200):
            watched.advance(seconds)
            await watched.poll("http", "postgres")
            http, postgres = watched.series("http"), watched.series("postgres")
            assert len(http) > 1000
            differing = {key for key in http | postgres if http.get(key) != postgres.get(key)}
            assert not differing, (
                "derive the field from the database as the server does: contract/database.py, and "
                "its column in NEEDED and in the query of sources/queries.py"
            )
            await watched.live(caller)
    assert (
        watched.sources["postgres"][0].snapshot().drift
        == watched.sources["http"][0].snapshot().drift
    )
    await watched.close()


async def test_both_ways_to_read_wakes_judge_alike(watched: Watched) -> None:
    waiting = 0.0
    async with in_memory(watched.system, None) as caller:
        await watched.populate(caller, 20)
        await watched.write(caller)
        for seconds in (0, 70, 100):
            watched.advance(seconds)
            await watched.poll("http with wakes", "both")
            http, both = (
                _without_what_only_claims_tell(watched.series(name))
                for name in ("http with wakes", "both")
            )
            differing = {key for key in http | both if http.get(key) != both.get(key)}
            assert not differing
            waiting += sum(
                value
                for (_, labels), value in http.items()
                if ("condition", "work_unheard") in labels
            )
            await watched.live(caller)
    assert waiting > 0
