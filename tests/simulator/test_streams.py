"""Wake streams as a monitor reads them, and what anybody may do to them."""

from pathlib import Path

import httpx
import pytest

from electric_agents_simulator.clock import ManualClock
from electric_agents_simulator.server.system import System, make_system
from electric_agents_simulator.storage.registry import Registry, open_engine
from electric_agents_simulator.testing import Caller, in_memory

WAKE = "/runners/one/wake"
EMPTY_TAIL = "0000000000000000_0000000000000000"
BEYOND = "0000000000000000_0000000000999999"


@pytest.fixture
async def registered(caller: Caller) -> Caller:
    await caller.register("one")
    return caller


async def woken(caller: Caller, *names: str) -> None:
    for name in names or ("first",):
        await caller.spawn("one", f"/task/{name}")
        await caller.send(f"/task/{name}")


def tail_of(response: httpx.Response) -> str:
    return str(response.headers["stream-next-offset"])


async def test_an_empty_stream_ends_at_the_zero_offset(registered: Caller) -> None:
    for offset in ("-1", "now", EMPTY_TAIL):
        response = await registered.get(f"{WAKE}?offset={offset}")
        assert (response.status_code, response.json()) == (200, [])
        assert tail_of(response) == EMPTY_TAIL
        assert response.headers["stream-up-to-date"] == "true"


async def test_now_gives_the_tail_and_no_event(registered: Caller) -> None:
    await woken(registered)
    now = await registered.get(f"{WAKE}?offset=now")
    everything = await registered.get(f"{WAKE}?offset=-1")
    assert now.json() == []
    assert now.headers["cache-control"] == "no-store"
    assert "etag" not in now.headers
    assert tail_of(now) == tail_of(everything) != EMPTY_TAIL
    assert len(everything.json()) == 1


async def test_an_offset_gives_the_events_behind_it(registered: Caller) -> None:
    await woken(registered)
    told = tail_of(await registered.get(f"{WAKE}?offset=now"))
    await woken(registered, "second", "third")
    response = await registered.get(f"{WAKE}?offset={told}")
    assert [event["stream"] for event in response.json()] == ["task/second/main", "task/third/main"]


async def test_an_offset_beyond_the_end_gives_nothing_and_the_real_tail(
    registered: Caller,
) -> None:
    await woken(registered)
    response = await registered.get(f"{WAKE}?offset={BEYOND}")
    assert (response.status_code, response.json()) == (200, [])
    assert tail_of(response) == tail_of(await registered.get(f"{WAKE}?offset=now"))


@pytest.mark.parametrize(
    "query,words",
    [
        ("offset=", "Empty offset parameter"),
        ("offset=rubbish", "Invalid offset format"),
        ("offset=-2", "Invalid offset format"),
        ("offset=1_", "Invalid offset format"),
        ("offset=-1&offset=now", "Multiple offset parameters not allowed"),
        ("live=sse", "SSE requires offset parameter"),
        ("live=long-poll", "Long-poll requires offset parameter"),
    ],
)
async def test_an_offset_that_is_none_is_refused(
    query: str, words: str, registered: Caller
) -> None:
    response = await registered.get(f"{WAKE}?{query}")
    assert (response.status_code, response.text) == (400, words)


async def test_head_gives_the_tail(registered: Caller) -> None:
    await woken(registered)
    response = await registered.ask("HEAD", WAKE)
    assert response.status_code == 200
    assert tail_of(response) == tail_of(await registered.get(f"{WAKE}?offset=now"))


async def test_what_a_reader_has_already_is_not_sent_again(registered: Caller) -> None:
    await woken(registered)
    first = await registered.get(f"{WAKE}?offset=-1")
    known = {"if-none-match": first.headers["etag"]}
    again = await registered.ask("GET", f"{WAKE}?offset=-1", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert "stream-next-offset" not in again.headers
    await woken(registered, "second")
    assert (await registered.ask("GET", f"{WAKE}?offset=-1", headers=known)).status_code == 200


async def test_nobody_is_asked_who_may_read_write_or_delete_a_stream(registered: Caller) -> None:
    stranger = registered.as_principal("user:stranger")
    assert (await stranger.get(f"{WAKE}?offset=now")).status_code == 200
    assert (await stranger.post(WAKE, {"type": "noise"})).status_code == 204
    assert await registered.wakes("one") == [{"type": "noise"}]
    assert (await stranger.ask("DELETE", WAKE)).status_code == 204


async def test_a_deleted_stream_is_not_found_until_its_runner_registers_again(
    registered: Caller,
) -> None:
    await woken(registered)
    await registered.ask("DELETE", WAKE)
    for method, path in (("GET", f"{WAKE}?offset=now"), ("HEAD", WAKE), ("DELETE", WAKE)):
        assert (await registered.ask(method, path)).status_code == 404
    await registered.register("one")
    assert tail_of(await registered.get(f"{WAKE}?offset=now")) == EMPTY_TAIL


async def test_at_most_one_wake_of_an_entity_waits(registered: Caller) -> None:
    await registered.spawn("one", "/task/busy")
    for _ in range(5):
        await registered.send("/task/busy")
    assert len(await registered.wakes("one")) == 1


async def test_a_wake_tells_the_servers_time_of_its_first_message(
    registered: Caller, clock: ManualClock
) -> None:
    await registered.spawn("one", "/task/busy")
    first = clock.now()
    await registered.send("/task/busy")
    clock.advance(60.0)
    await registered.send("/task/busy")
    assert [event["ts"] for event in await registered.wakes("one")] == [int(first * 1000)]


async def test_streams_survive_a_restart_with_a_database(
    clock: ManualClock, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path}/agents.db"

    def start() -> System:
        return make_system(clock, Registry(open_engine(database)))

    before = start()
    async with in_memory(before, "service:monitor") as caller:
        await caller.register("one")
        await caller.register("deleted")
        await woken(caller)
        await caller.ask("DELETE", "/runners/deleted/wake")
        await caller.post("/_electric/entities/task/first/signal", {"signal": "SIGKILL"})
        told = await caller.get(f"{WAKE}?offset=-1")
        main = await caller.get("/task/first/main?offset=-1")
    before.registry.close()
    after = start()
    async with in_memory(after, "service:monitor") as caller:
        again = await caller.get(f"{WAKE}?offset=-1")
        assert (again.json(), tail_of(again)) == (told.json(), tail_of(told))
        assert (await caller.get("/task/first/main?offset=-1")).headers == main.headers
        assert (await caller.get("/runners/deleted/wake?offset=-1")).status_code == 404
        await caller.spawn("one", "/task/new")
        await caller.send("/task/new")
        assert len(await caller.wakes("one")) == 2
    after.registry.close()


async def test_a_restarted_server_has_forgotten_which_wakes_were_pending(
    registered: Caller, system: System
) -> None:
    await woken(registered)
    system.subscriptions.forget()
    (event,) = await registered.wakes("one")
    assert (await registered.claim("one", event)).status_code == 204
    await registered.send("/task/first")
    assert [event["generation"] for event in await registered.wakes("one")] == [1, 1]
