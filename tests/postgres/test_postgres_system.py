"""One system as one target: reports from its database, liveness and wakes over HTTP."""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.conftest import FakeClock
from tests.postgres.conftest import Database
from tests.unit.sources.conftest import Request, ScriptedServer, WakeStream, offset_at

from electric_agents_exporter.app import Exporter
from electric_agents_exporter.fleet.poll import PollResult
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.settings.loading import load

NOW = Database.NOW
PATH = "/runners/1/wake"
GOOD = {"list": 1, "health": 1, "wakes": 1, "server": 1}

Key = tuple[str, frozenset[str]]


class System:
    """A target of the settings, polled when a test says so, and what is exposed of it."""

    def __init__(self, exporter: Exporter, clock: FakeClock) -> None:
        self.exporter = exporter
        self._clock = clock

    async def poll(self) -> PollResult:
        """Poll so long after the last time that even a quiet stream is asked for again."""
        self._clock.advance(30)
        return await self.exporter.pollers["system"].poll(paced=False)

    async def series(self) -> dict[Key, float]:
        """Everything that is exposed of the target: by name and the values of its labels."""
        text = b"".join(await self.exporter.scraper.scrape(Format.TEXT)).decode()
        return {
            (
                sample.name.removeprefix("electric_agents_"),
                frozenset(sample.labels.values()) - {"system"},
            ): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.labels.get("server") == "system"
        }

    async def value(self, name: str, *labels: str) -> float | None:
        return (await self.series()).get((name, frozenset(labels)))

    async def outcome(self) -> dict[str, float]:
        """What of the last poll succeeded."""
        return {
            operation: value
            for (name, labels), value in (await self.series()).items()
            for operation in labels
            if name == "server_poll_success"
        }

    async def errors(self) -> dict[frozenset[str], float]:
        """The errors that were counted, by operation and reason."""
        return {
            labels: value
            for (name, labels), value in (await self.series()).items()
            if name == "server_request_errors_total" and value
        }


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    scripted = ScriptedServer()
    await scripted.start()
    yield scripted
    await scripted.stop()


MakeSystem = Callable[..., System]


@pytest.fixture
async def make_system(
    server: ScriptedServer, database: Database, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[MakeSystem]:
    made = []

    def make(url: str = "", more: str = "", *, of: System | None = None) -> System:
        config = tmp_path / "config.yaml"
        config.write_text(
            "targets:\n  - name: system\n"
            f"    url: {url or server.url}\n    principals: [service:monitor, user:alice]\n"
            f"    postgres: {database.url}\n    timeout: 1s\n{more}"
        )
        settings = load(config, {}, {})
        if of is not None:
            of.exporter.configure(settings)
            return of
        made.append(System(Exporter(settings, clock), clock))
        return made[-1]

    yield make
    for system in made:
        await system.exporter.aclose()


@pytest.fixture
def stream(server: ScriptedServer, database: Database) -> WakeStream:
    """The wake stream of `r`, a runner of Alice's that is online and has heard nothing yet."""
    database.freeze()
    database.add_runner("r", kind="server")
    database.heartbeat("r", {"stream_connected": True, "claims_failed": 0}, offset="-1")
    server.streams[PATH] = WakeStream()
    return server.streams[PATH]


def asked(server: ScriptedServer) -> list[str]:
    targets = sorted(request.target for request in server.requests)
    server.requests.clear()
    return targets


async def test_reports_come_from_the_database_and_all_else_over_http(
    server: ScriptedServer, make_system: MakeSystem, stream: WakeStream
) -> None:
    stream.wake("task/1/main", at=NOW - 30)
    system = make_system()

    assert (await system.poll()).succeeded

    assert asked(server) == ["/_electric/health", f"{PATH}?offset=-1"]
    assert await system.outcome() == GOOD
    assert await system.errors() == {}
    assert await system.value("server_up") == 1
    assert await system.value("server_runners_listed", "all") == 1
    assert await system.value("runner_health_status", "r", "healthy") == 1
    assert await system.value("runner_active_claims", "r") == 0
    assert await system.value("runner_wakes_unheard", "r") == 1
    assert await system.value("runner_wake_oldest_unheard_age_seconds", "r") == pytest.approx(30)
    assert await system.value("runners_by_owner_kind", "user") == 1
    assert await system.value("runners_dispatch_seconds_count", "server") == 0


async def test_work_that_waits_is_seen_and_the_entity_is_asked_for_as_its_runners_owner(
    server: ScriptedServer, make_system: MakeSystem, stream: WakeStream
) -> None:
    stream.wake("task/1/main", at=NOW - 90)
    server.entities["/_electric/entities/task/1"] = "idle"
    system = make_system()
    await system.poll()
    assert await system.value("runner_condition", "r", "server", "work_unheard") == 1
    of_wakes = [r for r in server.requests if not r.path.endswith("health")]
    assert [r.headers["electric-principal"] for r in of_wakes] == ["user:alice"] * 2


async def test_a_server_that_is_gone_is_told_apart_from_its_database(
    server: ScriptedServer, make_system: MakeSystem, stream: WakeStream
) -> None:
    stream.wake("task/1/main", at=NOW - 30)
    system = make_system()
    await system.poll()
    await server.stop()

    result = await system.poll()

    assert result.succeeded
    assert [fault.text for fault in result.faults] == [
        "the server does not answer (connect: Connection refused)",
        "1 of 1 wake streams were not read (connect 1: Connection refused)",
    ]
    assert await system.outcome() == GOOD | {"wakes": 0, "server": 0}
    assert await system.errors() == {
        frozenset({"server", "connect"}): 1,
        frozenset({"wakes", "connect"}): 1,
    }
    assert await system.value("server_up") == 0
    # What the database tells is known all the same.
    assert await system.value("runner_poll_success", "r") == 1
    assert await system.value("runner_health_status", "r", "healthy") == 1
    assert await system.value("runner_wake_read_success", "r") == 0


async def test_a_database_that_fails_is_told_apart_from_its_server(
    server: ScriptedServer, database: Database, make_system: MakeSystem, stream: WakeStream
) -> None:
    system = make_system()
    await system.poll()
    asked(server)
    database.execute("ALTER TABLE runners RENAME TO walkers")

    result = await system.poll()

    assert not result.succeeded
    assert [fault.text for fault in result.faults] == ["no list for all (schema)"]
    outcome = await system.outcome()
    assert (outcome["list"], outcome["health"], outcome["server"]) == (0, 0, 1)
    assert await system.errors() == {frozenset({"list", "schema"}): 1}
    assert await system.value("server_up") == 0
    assert asked(server) == ["/_electric/health"]
    assert stream.tail == 0


async def test_without_what_it_takes_to_ask_over_http_the_database_is_read_all_the_same(
    make_system: MakeSystem, stream: WakeStream, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    os.utime(token, (1, 1))
    system = make_system(more=f"    bearer_token_file: {token}\n")
    await system.poll()
    assert await system.value("server_credential_last_change_timestamp_seconds") == 1
    token.unlink()

    result = await system.poll()

    assert result.succeeded
    assert await system.outcome() == GOOD | {"wakes": 0, "server": 0}
    assert await system.errors() == {frozenset({"server", "other"}): 1}
    assert await system.value("runner_poll_success", "r") == 1
    assert stream.tail == 0


async def test_the_newest_file_of_either_is_the_one_that_changed_last(
    make_system: MakeSystem, stream: WakeStream, tmp_path: Path
) -> None:
    token, password = tmp_path / "token", tmp_path / "password"
    token.write_text("secret")
    password.write_text("secret")
    system = make_system(more=f"    bearer_token_file: {token}\n    password_file: {password}\n")
    for of_token, of_password in ((100, 200), (400, 300)):
        os.utime(token, (of_token, of_token))
        os.utime(password, (of_password, of_password))
        await system.poll()
        changed = await system.value("server_credential_last_change_timestamp_seconds")
        assert changed == max(of_token, of_password)
    assert stream.tail == 0


async def test_with_wakes_off_only_the_servers_liveness_is_asked_for(
    server: ScriptedServer, make_system: MakeSystem, stream: WakeStream
) -> None:
    stream.wake("task/1/main", at=NOW - 90)
    system = make_system(more="    wakes: false\n")
    await system.poll()
    assert asked(server) == ["/_electric/health"]
    assert await system.outcome() == {"list": 1, "health": 1, "server": 1}
    assert await system.value("runner_wakes_unheard", "r") is None
    assert await system.value("runners_dispatch_seconds_count", "server") is None


async def test_streams_that_hang_hold_up_no_report(
    server: ScriptedServer, database: Database, make_system: MakeSystem
) -> None:
    database.freeze()
    for number in range(40):
        database.add_runner(f"r{number}")
        database.heartbeat(f"r{number}", offset="-1")

    async def answer(request: Request) -> None:
        if request.path.endswith("/wake"):
            request.reset()
        else:
            await server.well(request)

    server.answer = answer
    system = make_system()
    assert (await system.poll()).succeeded
    assert sum(path.partition("?")[0].endswith("/wake") for path in asked(server)) < 40
    polled = [
        v for (name, _), v in (await system.series()).items() if name == "runner_poll_success"
    ]
    assert polled == [1.0] * 40


async def test_the_time_from_a_wake_to_its_claim_is_observed_once(
    database: Database, make_system: MakeSystem, stream: WakeStream
) -> None:
    system = make_system()
    await system.poll()
    stream.wake("task/1/main", at=NOW - 20, generation=1)
    await system.poll()
    database.claim("c", "r", stream="/task/1/main", at=NOW - 18, epoch=1)
    for _ in range(3):
        database.heartbeat("r", {"stream_connected": True}, offset=offset_at(100))
        await system.poll()
    assert await system.value("runners_dispatch_seconds_count", "server") == 1
    assert await system.value("runners_dispatch_seconds_sum", "server") == pytest.approx(2)


async def test_a_wake_that_was_heard_and_never_claimed_is_refused_work(
    server: ScriptedServer, database: Database, make_system: MakeSystem, stream: WakeStream
) -> None:
    system = make_system()
    await system.poll()
    stream.wake("task/1/main", at=NOW - 5)
    server.entities["/_electric/entities/task/1"] = "idle"
    await system.poll()
    database.heartbeat("r", {"stream_connected": True}, offset=offset_at(100))
    for _ in range(4):
        await system.poll()
    assert await system.value("runner_condition", "r", "server", "work_refused") == 1
    database.claim("c", "r", stream="/task/1/main", at=NOW, epoch=2)
    await system.poll()
    assert await system.value("runner_condition", "r", "server", "work_refused") == 0


async def test_claims_that_end_while_a_url_is_added_are_counted(
    database: Database,
    clock: FakeClock,
    make_system: MakeSystem,
    stream: WakeStream,
    tmp_path: Path,
) -> None:
    database.claim("c", "r")
    config = tmp_path / "alone.yaml"
    config.write_text(
        f"targets:\n  - name: system\n    postgres: {database.url}\n    timeout: 1s\n"
    )
    system = System(Exporter(load(config, {}, {}), clock), clock)
    await system.poll()
    database.finish("c")
    make_system(of=system)
    await system.poll()
    assert await system.value("runners_claims_finished_total", "released") == 1
    assert await system.outcome() == GOOD
    assert stream.tail == 0
    await system.exporter.aclose()
