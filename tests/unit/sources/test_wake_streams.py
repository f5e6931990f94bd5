"""Wakes that wait, seen from outside: what is asked of a server, and what its answers come to."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.conftest import FakeClock
from tests.unit.sources.conftest import WakeStream, offset_at

from electric_agents_exporter.conditions import Condition, Thresholds
from electric_agents_exporter.contract.wakes import Wake, WakeReading
from electric_agents_exporter.fleet.heard import WakeQuestion
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation, Reason
from electric_agents_exporter.fleet.snapshot import RunnerState
from electric_agents_exporter.sources.http import HttpOptions, HttpServer
from electric_agents_exporter.sources.wake_streams import EntityStatuses

Server = Any
Connect = Callable[..., Any]
SERVER_TIME = 1_795_346_971.847  # what the captured report says that it is
LONG_AGO = SERVER_TIME - 61
JUST_NOW = SERVER_TIME - 59
PATH = "/runners/one/wake"


@pytest.fixture
def stream(server: Server) -> WakeStream:
    """The wake stream of the one runner there is, which has heard nothing of it yet."""
    server.add("one")
    server.streams[PATH] = WakeStream()
    server.hear("one", "-1")
    return server.streams[PATH]  # type: ignore[no-any-return]  # the server is any


def asked(server: Server) -> list[str]:
    """What was asked beside the server's health, its lists and its reports, since last time."""
    others = [
        request.target.removeprefix(PATH)
        for request in server.requests
        if request not in server.about_runners and not request.path.endswith("/_electric/health")
    ]
    server.requests.clear()
    return others


def state_of(exchange: Any, runner_id: str = "one") -> RunnerState:  # noqa: ANN401
    (state,) = (each for each in exchange.seen.runners if each.listed.id == runner_id)
    return state  # type: ignore[no-any-return]  # the exchange is any


def unheard(exchange: Any) -> int | None:  # noqa: ANN401
    lag = state_of(exchange).lag
    return None if lag is None else lag.unheard


# --- one runner over several polls ----------------------------------------------------------------


async def polls_at(exchange: Any, clock: FakeClock, server: Server, polls: int) -> list[list[str]]:  # noqa: ANN401
    """Poll every 15 s; gives what was asked of streams and entities each time."""
    each = []
    for _ in range(polls):
        assert await exchange.poll()
        each.append(asked(server))
        clock.advance(15)
    return each


async def test_a_runner_that_has_heard_all_costs_one_request_at_every_second_poll(
    server: Server, connect: Connect, stream: WakeStream, clock: FakeClock
) -> None:
    stream.wake("task/1/main", at=LONG_AGO)
    server.hear("one", offset_at(100))
    exchange = connect(wakes=True, clock=clock)
    assert await polls_at(exchange, clock, server, 5) == [
        [f"?offset={offset_at(100)}"],
        [],
        ["?offset=now"],
        [],
        ["?offset=now"],
    ]
    assert unheard(exchange) == 0
    assert state_of(exchange).wake_read_success


async def test_minus_one_on_an_empty_stream_is_all_there_is(
    server: Server, connect: Connect, stream: WakeStream, clock: FakeClock
) -> None:
    exchange = connect(wakes=True, clock=clock)
    assert await polls_at(exchange, clock, server, 3) == [["?offset=-1"], [], ["?offset=now"]]
    assert unheard(exchange) == 0
    assert stream.tail == 0


async def test_a_runner_that_falls_behind_is_asked_after_a_second_time_from_its_own_offset(
    server: Server, connect: Connect, stream: WakeStream, clock: FakeClock
) -> None:
    stream.wake("task/1/main", at=LONG_AGO)
    server.hear("one", offset_at(100))
    exchange = connect(wakes=True, clock=clock)
    await polls_at(exchange, clock, server, 2)
    for number, seconds in ((2, 59), (2, 58), (3, 57)):
        stream.wake(f"task/{number}/main", at=SERVER_TIME - seconds)

    assert await exchange.poll()

    assert asked(server) == ["?offset=now", f"?offset={offset_at(100)}"]
    state = state_of(exchange)
    assert state.lag is not None
    assert state.lag.unheard == 2
    assert state.lag.oldest_age == pytest.approx(59, abs=0.01)

    # It is known to be behind: there is no tail to ask for first, and no poll to leave out.
    clock.advance(15)
    assert await polls_at(exchange, clock, server, 3) == [[f"?offset={offset_at(100)}"]] * 3
    server.hear("one", offset_at(stream.tail))
    assert await polls_at(exchange, clock, server, 3) == [["?offset=now"], [], ["?offset=now"]]
    assert unheard(exchange) == 0


async def test_without_wakes_nothing_is_asked_and_nothing_said(
    server: Server, connect: Connect, stream: WakeStream
) -> None:
    stream.wake("task/1/main", at=LONG_AGO)
    exchange = connect(wakes=False)
    assert await exchange.poll()
    assert asked(server) == []
    state = state_of(exchange)
    assert (state.lag, state.wake_read_success) == (None, None)
    assert Condition.WORK_UNHEARD not in state.conditions.known
    assert Operation.WAKES not in exchange.seen.poll_success


@pytest.mark.parametrize("offset", [None, "", "soon", "-2", 7, "1_2_3", "x" * 5000])
async def test_a_runner_whose_offset_is_none_is_not_asked_about(
    offset: object, server: Server, connect: Connect, stream: WakeStream
) -> None:
    stream.wake("task/1/main", at=LONG_AGO)
    server.hear("one", offset)
    exchange = connect(wakes=True)
    assert await exchange.poll()
    assert asked(server) == []
    state = state_of(exchange)
    assert (state.poll_success, state.wake_read_success, state.lag) == (True, False, None)
    assert Condition.WORK_UNHEARD not in state.conditions.known


UNREADABLE = {
    # What comes in place of a stream: how it is counted.
    "404 Not Found": "not_found",
    "400 Bad Request": "client_error",
    "401 Unauthorized": "unauthorized",
    "500 Internal Server Error": "server_error",
    "204 No Content": "schema",
    "200 OK": "schema",
    "Stream-Next-Offset: soon": "schema",
    "Stream-Next-Offset: ": "schema",
    # A stream that ends before what its runner heard is another one by now; no request failed.
    f"Stream-Next-Offset: {offset_at(50)}": None,
    "Stream-Next-Offset: -1": None,
}


@pytest.mark.parametrize("answer", UNREADABLE)
async def test_a_stream_that_cannot_be_read_is_not_known_and_never_its_runners_failure(
    answer: str, server: Server, connect: Connect, stream: WakeStream
) -> None:
    server.hear("one", offset_at(100))
    server.add("two")
    server.streams["/runners/two/wake"] = stream

    async def misbehave(request: Any) -> None:  # noqa: ANN401
        if request.path != PATH:
            await server.well(request)
        elif answer.startswith("Stream"):
            request.send(b"[]", "200 OK", answer)
        elif answer.startswith("204"):
            request.writer.write(f"HTTP/1.1 {answer}\r\n\r\n".encode())
        else:
            request.send(b"[]", answer)

    server.answer = misbehave
    exchange = connect(wakes=True)
    result = await exchange.result()

    assert result.succeeded
    assert [fault.kind for fault in result.faults] == ["wake streams were not read"]
    state, other = state_of(exchange), state_of(exchange, "two")
    assert (state.poll_success, state.wake_read_success, state.lag) == (True, False, None)
    assert Condition.WORK_UNHEARD not in state.conditions.known
    assert (other.wake_read_success, other.lag is not None) == (True, True)
    counted = UNREADABLE[answer]
    assert exchange.errors() == ({f"wakes {counted}": 1} if counted else {})


async def test_streams_that_hang_do_not_hold_up_the_calls_for_their_runners(
    server: Server, connect: Connect
) -> None:
    for number in range(60):
        server.add(f"runner-{number}")

    async def answer(request: Any) -> None:  # noqa: ANN401
        if request.path.endswith("/wake"):
            await asyncio.Event().wait()
        await server.well(request)

    server.answer = answer
    exchange = connect(wakes=True, timeout=1, concurrency=5)
    loop = asyncio.get_running_loop()
    began = loop.time()
    result = await exchange.result()
    # Sixty streams in turn, five at a time, would take 12 s.
    assert loop.time() - began < 10
    assert result.succeeded
    assert [fault.text for fault in result.faults] == [
        "60 of 60 wake streams were not read (timeout 60)"
    ]
    assert exchange.errors()["wakes timeout"] < 15
    assert all(state.poll_success for state in exchange.seen.runners)
    assert exchange.seen.poll_success[Operation.WAKES] is False


async def test_streams_that_fail_now_and_then_are_all_asked_for(
    server: Server, connect: Connect
) -> None:
    for number in range(40):
        server.add(f"runner-{number}")
        server.streams[f"/runners/runner-{number}/wake"] = WakeStream()

    async def answer(request: Any) -> None:  # noqa: ANN401
        number = request.path.removeprefix("/runners/runner-").removesuffix("/wake")
        if number.isdigit() and int(number) % 2:
            request.send_json({}, "500 Internal Server Error")
        else:
            await server.well(request)

    server.answer = answer
    exchange = connect(wakes=True, concurrency=1)
    await exchange.poll()
    assert exchange.errors() == {"wakes server_error": 20}


# --- entities that nobody waits for ---------------------------------------------------------------


@pytest.mark.parametrize(
    "status, waiting",
    [
        *((status, False) for status in ("stopping", "stopped", "killed", "paused")),
        *((status, True) for status in ("spawning", "running", "idle", "unheard of")),
    ],
)
async def test_an_entity_at_rest_does_not_wait_and_any_other_does(
    status: str, server: Server, connect: Connect, stream: WakeStream, *, waiting: bool
) -> None:
    stream.wake("task/1/main", at=LONG_AGO)
    server.entities["/_electric/entities/task/1"] = status
    exchange = connect(wakes=True)
    assert await exchange.poll()
    assert asked(server) == ["?offset=-1", "/_electric/entities/task/1"]
    assert unheard(exchange) == 1
    conditions = state_of(exchange).conditions
    assert (Condition.WORK_UNHEARD in conditions.holds) is waiting
    assert Condition.WORK_UNHEARD in conditions.known


async def test_an_entity_that_is_not_there_does_not_wait_and_is_no_error(
    connect: Connect, stream: WakeStream
) -> None:
    # Anybody may write of one.
    stream.wake("nobody/main", at=LONG_AGO)
    exchange = connect(wakes=True)
    assert await exchange.poll()
    assert Condition.WORK_UNHEARD not in state_of(exchange).conditions.holds
    assert exchange.errors() == {}


@pytest.mark.parametrize(
    "status, counted",
    [
        ("401 Unauthorized", {}),
        ("403 Forbidden", {}),
        ("500 Internal Server Error", {"wakes server_error": 1}),
    ],
)
async def test_an_entity_that_may_not_be_asked_for_can_work(
    status: str, counted: dict[str, int], server: Server, connect: Connect, stream: WakeStream
) -> None:
    stream.wake("task/1/main", at=LONG_AGO)

    async def answer(request: Any) -> None:  # noqa: ANN401
        if "/entities/" in request.path:
            request.send_json({"error": {}}, status)
        else:
            await server.well(request)

    server.answer = answer
    exchange = connect(wakes=True)
    assert await exchange.poll()
    state = state_of(exchange)
    assert Condition.WORK_UNHEARD in state.conditions.holds
    assert state.wake_read_success
    assert exchange.errors() == counted


@pytest.mark.parametrize("answer", [[], "stopped", None, {}, {"status": ["stopped"]}])
async def test_an_entity_whose_answer_cannot_be_read_can_work(
    answer: object, server: Server, connect: Connect, stream: WakeStream
) -> None:
    stream.wake("task/1/main", at=LONG_AGO)

    async def answer_oddly(request: Any) -> None:  # noqa: ANN401
        if "/entities/" in request.path:
            request.send_json(answer)
        else:
            await server.well(request)

    server.answer = answer_oddly
    exchange = connect(wakes=True)
    assert await exchange.poll()
    assert Condition.WORK_UNHEARD in state_of(exchange).conditions.holds
    assert exchange.errors() == {"wakes schema": 1}


async def test_entities_are_asked_for_only_once_their_wakes_wait_too_long(
    server: Server, connect: Connect, stream: WakeStream
) -> None:
    stream.wake("task/1/main", at=JUST_NOW)
    exchange = connect(wakes=True)
    await exchange.poll()
    assert asked(server) == ["?offset=-1"]
    assert Condition.WORK_UNHEARD not in state_of(exchange).conditions.holds
    stream.wake("task/2/main", at=LONG_AGO)
    await exchange.poll()
    assert asked(server) == ["?offset=-1", "/_electric/entities/task/2"]


@pytest.mark.parametrize("status", ["paused", "idle", None])
async def test_what_an_entity_said_is_remembered_for_two_minutes(
    status: str | None, server: Server, connect: Connect, stream: WakeStream
) -> None:
    stream.wake("task/1/main", at=LONG_AGO)

    async def answer(request: Any) -> None:  # noqa: ANN401
        if "/entities/" in request.path and status is None:
            request.send_json({"error": {}}, "403 Forbidden")
        else:
            await server.well(request)

    server.answer = answer
    server.entities["/_electric/entities/task/1"] = status or ""
    clock = FakeClock()
    exchange = connect(wakes=True, clock=clock)
    times = []
    for seconds in range(0, 300, 15):
        await exchange.poll()
        times += [seconds for path in asked(server) if "/entities/" in path]
        clock.advance(15)
    assert times == [0, 135, 270]


async def test_of_many_entities_few_are_asked_for_at_a_time_and_the_others_later(
    server: Server, connect: Connect, stream: WakeStream
) -> None:
    for number in range(10):
        stream.wake(f"task/{number}/main", at=LONG_AGO)
        server.entities[f"/_electric/entities/task/{number}"] = "stopped"
    exchange = connect(wakes=True)
    times = []
    for _ in range(4):
        await exchange.poll()
        times.append(sum("/entities/" in path for path in asked(server)))
    assert times == [4, 4, 2, 0]
    state = state_of(exchange)
    assert Condition.WORK_UNHEARD not in state.conditions.holds
    assert unheard(exchange) == 10


async def test_entities_that_hang_are_not_asked_for_again_and_again(
    server: Server, connect: Connect
) -> None:
    for number in range(12):
        server.add(f"runner-{number}")
        server.hear(f"runner-{number}", "-1")
        stream = server.streams[f"/runners/runner-{number}/wake"] = WakeStream()
        for entity in range(4):
            stream.wake(f"task/{number}-{entity}/main", at=LONG_AGO)

    async def answer(request: Any) -> None:  # noqa: ANN401
        if "/entities/" in request.path:
            await asyncio.Event().wait()
        await server.well(request)

    server.answer = answer
    exchange = connect(wakes=True, timeout=1, concurrency=2)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await exchange.poll()
    # Four of each in turn would take 24 s.
    assert loop.time() - began < 15
    for state in exchange.seen.runners:
        assert state.lag is not None
        assert Condition.WORK_UNHEARD in state.conditions.holds


async def test_streams_that_are_not_asked_for_any_more_failed_as_the_others_did(
    server: Server, connect: Connect
) -> None:
    for number in range(12):
        server.add(f"runner-{number}")
        server.hear(f"runner-{number}", "-1")
        server.streams[f"/runners/runner-{number}/wake"] = WakeStream()

    async def answer(request: Any) -> None:  # noqa: ANN401
        if request.path.endswith("/wake"):
            request.send_json({}, "503 Service Unavailable")
        else:
            await server.well(request)

    server.answer = answer
    exchange = connect(wakes=True, concurrency=1)
    faults = (await exchange.result()).faults
    assert sum(request.path.endswith("/wake") for request in server.requests) == 5
    assert [fault.text for fault in faults] == [
        "12 of 12 wake streams were not read (server_error 12: HTTP 503)"
    ]


# --- single questions -----------------------------------------------------------------------------

Read = Callable[..., Any]


@pytest.fixture
async def read(server: Server, connect: Connect) -> Read:
    """Asks one question of the server, as the principals `service:monitor` and `user:alice`."""
    target = connect(wakes=True, principals=("service:monitor", "user:alice")).target
    options = HttpOptions(server.url, ("service:monitor", "user:alice"), timeout=2.0)
    http_server = HttpServer(options, FakeClock())

    async def ask(**changes: Any) -> WakeReading | Reason:  # noqa: ANN401
        question = {
            "runner_id": "one",
            "owner": "/principal/service%3Amonitor",
            "path": PATH,
            "offset": "-1",
            "tail": None,
            "server_ahead": None,
            "waiting_before": LONG_AGO + 0.5,
            **changes,
        }
        requests = await http_server.requests(Poll(target))
        assert not isinstance(requests, Reason)
        try:
            return await http_server.wake_streams(requests).read(WakeQuestion(**question))
        finally:
            await http_server.aclose()

    return ask


@pytest.mark.parametrize(
    "path",
    [
        "",
        "runners/one/wake",
        "http://127.0.0.1:1/wake",
        "/..",
        "/../_electric/entities",
        "/runners/../wake",
        "/runners/./wake",
        "/runners/.",
        "/runners/%2e%2e/wake",
        "/runners/%2E./wake",
        "/.%2e/wake",
    ],
)
async def test_a_path_that_would_lead_elsewhere_is_not_asked_for(
    path: str, server: Server, read: Read
) -> None:
    assert await read(path=path) is Reason.NOT_FOUND
    assert asked(server) == []


@pytest.mark.parametrize(
    "path, sent",
    [
        ("/runners/a%2Fb/wake", "/runners/a%2Fb/wake"),
        ("/runners/100%/wake", "/runners/100%25/wake"),
        ("/runners/q?x/wake", "/runners/q%3Fx/wake"),
        ("/runners/q?offset=now&x=/wake", "/runners/q%3Foffset=now&x=/wake"),
        ("/runners/a#b/wake", "/runners/a%23b/wake"),
        ("/runners/with space/wake", "/runners/with%20space/wake"),
        ("/runners/two\r\nlines/wake", "/runners/two%0D%0Alines/wake"),
        ("/runners/é/wake", "/runners/%C3%A9/wake"),
        ("/runners/.../wake", "/runners/.../wake"),
        ("/runners/a..b/wake", "/runners/a..b/wake"),
        ("//elsewhere.test/wake", "//elsewhere.test/wake"),
    ],
)
async def test_a_path_with_odd_characters_is_asked_for_as_one_path(
    path: str, sent: str, server: Server, read: Read
) -> None:
    assert await read(path=path) is Reason.NOT_FOUND
    assert asked(server) == [f"{sent}?offset=-1"]


async def test_a_body_beyond_the_bound_is_read_as_far_as_it_may_be(
    server: Server, stream: WakeStream, read: Read
) -> None:
    for number in range(20):
        wake = {"type": "wake", "stream": f"/task/{number}/main", "ts": 1000 * JUST_NOW}
        stream.append({**wake, "padding": "x" * 10_000})
    reading = await read()
    # Six whole events of 10 kB stand in the first 64 KiB.
    assert [wake.stream for wake in reading.wakes] == [f"task/{n}/main" for n in range(6)]
    assert not reading.whole
    assert reading.tail == offset_at(2000)
    assert asked(server) == ["?offset=-1"]


async def test_a_body_cut_behind_an_inner_list_is_not_whole(stream: WakeStream, read: Read) -> None:
    """The first 64 KiB, which are what is read, end with a `]`, and more follow."""
    wake = {"type": "wake", "stream": "/task/1/main", "ts": 1000 * JUST_NOW}
    before = len(json.dumps([{**wake, "padding": "", "list": [1]}])) - len("]}]") + len("]")
    stream.append({**wake, "padding": "x" * ((64 << 10) - before), "list": [1]})
    stream.append({**wake, "stream": "/task/2/main"})
    sent = json.dumps([event for _, event in stream.events]).encode()
    assert sent[: 64 << 10].endswith(b"[1]")
    reading = await read()
    assert not reading.whole


async def test_of_a_stream_without_end_no_more_is_taken_than_needed(
    server: Server, stream: WakeStream, read: Read
) -> None:
    sent = 0

    async def answer(request: Any) -> None:  # noqa: ANN401
        nonlocal sent
        request.writer.write(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
            b"Stream-Next-Offset: 0_99\r\n\r\n1\r\n[\r\n"
        )
        event = b'{"type": "wake", "stream": "/task/1/main"},'
        for _ in range(1024):
            request.writer.write(b"%x\r\n%s\r\n" % (1000 * len(event), 1000 * event))
            sent += 1000 * len(event)
            await request.writer.drain()

    server.answer = answer
    reading = await read()
    assert len(reading.wakes) == 256
    assert not reading.whole
    assert sent < 16 << 20
    assert stream.tail == 0


async def test_what_is_no_wake_is_passed_over(
    server: Server, stream: WakeStream, read: Read
) -> None:
    for rubbish in (None, 7, {"type": "signal", "stream": "/task/9/main"}, {"type": "wake"}):
        stream.append(rubbish)
    stream.wake("task/1/main", at=JUST_NOW, generation=4)
    reading = await read()
    assert reading == WakeReading("-1", offset_at(500), (Wake("task/1/main", JUST_NOW, 4),))
    assert len(asked(server)) == 1


@pytest.mark.parametrize(
    "owner, who",
    [
        ("/principal/service%3Amonitor", "service:monitor"),
        ("/principal/user%3Aalice", "user:alice"),
        ("/principal/user%3Abob", "service:monitor"),
        ("nobody", "service:monitor"),
        (None, "service:monitor"),
    ],
)
async def test_everything_is_asked_for_as_the_runners_owner_or_as_the_first_principal(
    owner: str | None, who: str, server: Server, stream: WakeStream, read: Read
) -> None:
    stream.wake("task/1/main", at=LONG_AGO)
    await read(owner=owner)
    assert [request.headers["electric-principal"] for request in server.requests] == [who] * 2


@pytest.mark.parametrize(
    "stream_name, sent",
    [
        ("task/1/main", ["/_electric/entities/task/1"]),
        ("a b/é/main", ["/_electric/entities/a%20b/%C3%A9"]),
        ("a?b#c/main", ["/_electric/entities/a%3Fb%23c"]),
        ("task/../../health/main", []),
        ("%2e%2e/health/main", []),
        # To ask for a principal makes it; of what is the server's own it fails.
        ("principal/user%3Aalice/main", []),
        ("_electric/main", []),
    ],
)
async def test_entities_are_asked_for_by_a_path_that_leads_nowhere_else(
    stream_name: str, sent: list[str], server: Server, stream: WakeStream, read: Read
) -> None:
    stream.wake(stream_name, at=LONG_AGO)
    assert len((await read()).wakes) == 1
    assert asked(server)[1:] == sent


async def test_the_entities_of_wakes_that_stand_without_an_answer_are_asked_for_too(
    server: Server, stream: WakeStream, read: Read
) -> None:
    server.entities["/_electric/entities/task/1"] = "paused"
    for tail in (None, "-1"):
        reading = await read(tail=tail, unanswered=("task/1/main",))
        assert reading.at_rest == frozenset({"task/1/main"})
    assert stream.tail == 0
    # What was found is remembered from reading to reading.
    assert asked(server) == ["?offset=-1", "/_electric/entities/task/1", "?offset=now"]


# --- every wake once, where claims that answer them are read --------------------------------------


async def test_at_first_sight_the_wakes_that_were_not_heard_are_the_news(
    server: Server, stream: WakeStream, read: Read
) -> None:
    stream.wake("task/1/main", at=JUST_NOW)
    stream.wake("task/2/main", at=JUST_NOW)
    reading = await read(offset=offset_at(100), follow=True)
    assert [wake.stream for wake in reading.news] == ["task/2/main"]
    assert asked(server) == [f"?offset={offset_at(100)}"]


async def test_of_a_runner_that_had_heard_all_whatever_comes_is_news(
    server: Server, stream: WakeStream, read: Read
) -> None:
    stream.wake("task/1/main", at=JUST_NOW)
    at = offset_at(100)
    assert (await read(offset=at, tail=at, follow=True)).news == ()
    stream.wake("task/2/main", at=JUST_NOW)
    reading = await read(offset=at, tail=at, follow=True)
    assert [wake.stream for wake in reading.news] == ["task/2/main"]
    assert asked(server) == ["?offset=now", "?offset=now", f"?offset={at}"]


async def test_of_a_runner_that_is_behind_what_came_since_the_known_tail_is_news(
    server: Server, stream: WakeStream, read: Read
) -> None:
    for number in range(3):
        stream.wake(f"task/{number}/main", at=JUST_NOW)
    still = await read(offset="-1", tail=offset_at(300), follow=True)
    assert (len(still.wakes), still.news) == (3, ())
    more = await read(offset="-1", tail=offset_at(200), follow=True)
    assert [wake.stream for wake in more.news] == ["task/2/main"]
    # It heard all at once: what it heard stands between the known tail and the new one.
    caught_up = await read(offset=offset_at(300), tail=offset_at(200), follow=True)
    assert (caught_up.wakes, [wake.stream for wake in caught_up.news]) == ((), ["task/2/main"])
    assert asked(server) == [
        "?offset=-1",
        "?offset=-1",
        f"?offset={offset_at(200)}",
        f"?offset={offset_at(300)}",
        f"?offset={offset_at(200)}",
    ]


async def test_nothing_is_news_where_no_claims_are_read(
    server: Server, stream: WakeStream, read: Read
) -> None:
    stream.wake("task/1/main", at=JUST_NOW)
    reading = await read(offset=offset_at(100), tail="-1")
    assert reading.news == ()
    assert asked(server) == [f"?offset={offset_at(100)}"]


async def test_a_threshold_of_the_settings_is_the_one_that_counts(
    server: Server, connect: Connect, stream: WakeStream
) -> None:
    stream.wake("task/1/main", at=LONG_AGO)
    server.entities["/_electric/entities/task/1"] = "idle"
    patient = Policy("production", thresholds=Thresholds(unheard_after=600.0))
    exchange = connect(wakes=True, policy=patient)
    await exchange.poll()
    assert asked(server) == ["?offset=-1"]
    assert Condition.WORK_UNHEARD not in state_of(exchange).conditions.holds


def test_of_more_entities_than_are_remembered_the_one_asked_for_longest_ago_is_forgotten(
    clock: FakeClock,
) -> None:
    entities = EntityStatuses(clock)
    for number in range(4097):
        entities.note(f"task/{number}/main", at_rest=True)
    assert entities.known("task/0/main") is None
    assert entities.known("task/1/main") is True
    assert entities.known("task/4096/main") is True
