"""What stands before every path: passwords, a rate, and headers."""

import asyncio
import base64
import threading
import time
from collections.abc import MutableMapping
from typing import Any

import bcrypt
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from electric_agents_exporter.web.access import Access, Rate
from electric_agents_exporter.web.guard import Guard
from electric_agents_exporter.web.passwords import Passwords, Verdict

COST = 4
"""The least: what is slow about bcrypt is not what is tested."""

ALICE = bcrypt.hashpw(b"wonderland", b"$2b$04$LzISYMzrbTGC.qt21UCNV.")
LONG = "x" * 100
USERS = {
    "alice": ALICE,
    "grüße": bcrypt.hashpw("straße".encode(), bcrypt.gensalt(COST)),
    "long": bcrypt.hashpw(LONG.encode()[:72], bcrypt.gensalt(COST)),
    "htpasswd": ALICE.replace(b"$2b$", b"$2y$"),
}


def basic(name: str, password: str | bytes) -> str:
    told = password if isinstance(password, bytes) else password.encode()
    return f"Basic {base64.b64encode(name.encode() + b':' + told).decode()}"


async def _receive() -> dict[str, Any]:
    return {"type": "lifespan.startup"}


async def _send(_: MutableMapping[str, Any]) -> None:
    pass


class Port:
    """A guarded application with one path, and clients of it by their address."""

    def __init__(self, **access: Any) -> None:  # noqa: ANN401
        self.access = Access(**access)

        async def home(_: Request) -> PlainTextResponse:
            return PlainTextResponse("home\n", headers={"content-security-policy": "own"})

        self.now = 1000.0
        routes = Starlette(routes=[Route("/", home)])
        self.app = Guard(routes, lambda: self.access, lambda: self.now)

    def client(self, address: str = "192.0.2.1") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, client=(address, 1))
        return httpx.AsyncClient(transport=transport, base_url="http://exporter")

    async def status(self, authorization: str | None = None, **client: str) -> int:
        headers = {} if authorization is None else {"authorization": authorization}
        async with self.client(**client) as asking:
            return (await asking.get("/", headers=headers)).status_code


@pytest.fixture
def port() -> Port:
    return Port(users=USERS)


@pytest.mark.parametrize(
    "name, password",
    [
        ("alice", "wonderland"),
        ("grüße", "straße"),
        ("htpasswd", "wonderland"),
        # bcrypt takes notice of 72 bytes, in Go too.
        ("long", LONG),
    ],
)
async def test_who_has_the_right_password_is_let_in(port: Port, name: str, password: str) -> None:
    assert await port.status(basic(name, password)) == 200
    assert await port.status(basic(name, password)) == 200


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Bearer wonderland",
        f"Basic {base64.b64encode(b'alice').decode()}",
        f"Basic {base64.b64encode(bytes([0xFF]) + b':wonderland').decode()}",
        basic("alice", "wonderlan"),
        basic("alice", ""),
        basic("alice", "wonder\0land"),
        basic("bob", "wonderland"),
        basic("", "wonderland"),
        basic("alice", ALICE),
    ],
)
async def test_everybody_else_is_not(port: Port, authorization: str | None) -> None:
    assert await port.status(basic("alice", "wonderland")) == 200
    assert await port.status(authorization) == 401


async def test_every_path_needs_a_password_one_that_is_not_there_too(port: Port) -> None:
    async with port.client() as client:
        answer = await client.get("/nowhere")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic realm=")
    assert answer.text == "unauthorized\n"


async def test_a_user_who_is_taken_out_is_out_and_so_is_an_old_password(port: Port) -> None:
    assert await port.status(basic("alice", "wonderland")) == 200
    port.access = Access(users={"alice": bcrypt.hashpw(b"new", bcrypt.gensalt(COST))})
    assert await port.status(basic("alice", "wonderland")) == 401
    assert await port.status(basic("alice", "new")) == 200
    port.access = Access(users={"bob": ALICE})
    assert await port.status(basic("alice", "new")) == 401


async def test_who_is_known_waits_for_nobody() -> None:
    """A flood keeps the one thread that looks at passwords busy, and never who was let in."""
    slow = {"alice": ALICE, "slow": bcrypt.hashpw(b"x", bcrypt.gensalt(12))}
    passwords = Passwords()
    known = basic("alice", "wonderland")
    assert await passwords.judge(slow, known, "192.0.2.1") is Verdict.ADMITTED
    flood = [
        asyncio.create_task(passwords.judge(slow, basic("slow", f"{n}"), f"198.51.100.{n}"))
        for n in range(40)
    ]
    await asyncio.sleep(0)
    # No thread is asked: what needs none is over before the loop has turned.
    judging = asyncio.create_task(passwords.judge(slow, known, "192.0.2.1"))
    await asyncio.sleep(0)
    assert judging.done()
    assert judging.result() is Verdict.ADMITTED
    for each in flood:
        each.cancel()
    verdicts = await asyncio.gather(*flood, return_exceptions=True)
    assert verdicts.count(Verdict.BUSY) == 8


async def test_of_one_address_two_passwords_are_looked_at_at_once() -> None:
    passwords = Passwords()
    flood = [
        asyncio.create_task(passwords.judge(USERS, basic("alice", f"{n}"), "198.51.100.1"))
        for n in range(5)
    ]
    newcomer = passwords.judge(USERS, basic("alice", "wonderland"), "192.0.2.1")
    assert await newcomer is Verdict.ADMITTED
    verdicts = await asyncio.gather(*flood)
    assert verdicts.count(Verdict.BUSY) == 3
    assert verdicts.count(Verdict.REFUSED) == 2
    assert await passwords.judge(USERS, basic("alice", "no"), "198.51.100.1") is Verdict.REFUSED


async def test_the_loop_goes_on_while_a_password_is_looked_at() -> None:
    passwords = Passwords()
    slow = {"slow": bcrypt.hashpw(b"x", bcrypt.gensalt(10))}
    judging = asyncio.create_task(passwords.judge(slow, basic("slow", "y"), "192.0.2.1"))
    turns = 0
    while not judging.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10
    assert [each.name for each in threading.enumerate() if each.name.startswith("passwords")]


async def test_a_hash_that_is_none_lets_nobody_in() -> None:
    users = {"alice": b"$2b$04$short"}
    verdict = await Passwords().judge(users, basic("alice", "wonderland"), "192.0.2.1")
    assert verdict is Verdict.REFUSED


async def test_an_unknown_name_takes_as_long_as_a_known_one() -> None:
    passwords = Passwords()
    slow = {"slow": bcrypt.hashpw(b"x", bcrypt.gensalt(9))}

    async def seconds(name: str) -> float:
        times = []
        for _ in range(3):
            # Of this process alone: what others do on the machine does not count.
            began = time.process_time()
            await passwords.judge(slow, basic(name, "y"), "192.0.2.1")
            times.append(time.process_time() - began)
        return min(times)

    known, unknown = await seconds("slow"), await seconds("nobody")
    assert 0.5 < unknown / known < 2


@given(given=st.text())
def test_whatever_is_given_is_judged(given: str) -> None:
    verdict = asyncio.run(Passwords().judge(USERS, given, "192.0.2.1"))
    assert verdict is Verdict.REFUSED


@given(raw=st.binary())
def test_whatever_is_given_as_basic_is_judged(raw: bytes) -> None:
    given = f"Basic {base64.b64encode(raw).decode()}"
    assert asyncio.run(Passwords().judge(USERS, given, "192.0.2.1")) is Verdict.REFUSED


async def test_what_is_wrong_is_told_without_a_name_or_a_password(
    port: Port, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        await port.status(basic("alice", "hunter2"))
        await port.status()
    (record,) = caplog.records
    assert record.getMessage() == "requests refused"
    assert vars(record)["why"] == "a name or a password is wrong"
    assert vars(record)["address"] == "192.0.2.1"
    assert not {"hunter2", "alice"} & set(map(str, vars(record).values()))


async def test_a_rate_lets_so_many_through_at_once_and_one_more_at_every_interval() -> None:
    port = Port(rate=Rate(interval=2.0, burst=2))
    assert [await port.status() for _ in range(3)] == [200, 200, 429]
    port.now += 1.9
    assert await port.status() == 429
    port.now += 0.2
    assert [await port.status() for _ in range(2)] == [200, 429]
    port.now += 600.0
    assert [await port.status() for _ in range(3)] == [200, 200, 429]


async def test_a_rate_that_is_changed_holds_at_once() -> None:
    port = Port(rate=Rate(interval=1000.0, burst=1))
    assert [await port.status() for _ in range(2)] == [200, 429]
    port.access = Access(rate=Rate(interval=1000.0, burst=3))
    assert [await port.status() for _ in range(4)] == [200, 200, 200, 429]


async def test_who_comes_too_often_is_told_so() -> None:
    async with Port(rate=Rate(interval=1.0, burst=0)).client() as client:
        answer = await client.get("/")
    assert answer.text == "too many requests (rate_limit)\n"


async def test_too_many_of_one_address_are_told_to_come_again_and_others_are_let_in(
    port: Port, caplog: pytest.LogCaptureFixture
) -> None:
    async with port.client("198.51.100.1") as client:
        asked = [client.get("/", headers={"authorization": basic("x", f"{n}")}) for n in range(5)]
        flood = asyncio.gather(*asked)
        assert await port.status(basic("alice", "wonderland"), address="192.0.2.1") == 200
        answers = await flood
    assert sorted(answer.status_code for answer in answers) == [401, 401, 503, 503, 503]
    (busy, *_) = (answer for answer in answers if answer.status_code == 503)
    assert busy.headers["retry-after"] == "1"
    assert busy.text == "too many new names and passwords at once\n"
    told = {vars(record)["why"]: vars(record)["address"] for record in caplog.records}
    assert told == {
        "too many new names and passwords at once": "198.51.100.1",
        "a name or a password is wrong": "198.51.100.1",
    }


async def test_who_is_told_to_come_again_is_told_so_after_a_while() -> None:
    passwords = {"slow": bcrypt.hashpw(b"x", bcrypt.gensalt(COST))}
    port, loop = Port(users=passwords), asyncio.get_running_loop()

    async def seconds(number: int) -> float:
        began = loop.time()
        await port.status(basic("slow", f"{number}"))
        return loop.time() - began

    assert max(await asyncio.gather(*map(seconds, range(3)))) >= 0.5


async def test_what_the_application_is_told_of_itself_passes() -> None:
    seen: list[Any] = []

    async def application(*given: Any) -> None:  # noqa: ANN401
        seen.extend(given)

    scope = {"type": "lifespan"}
    await Guard(application, Access)(scope, _receive, _send)
    assert seen == [scope, _receive, _send]


async def test_every_answer_keeps_browsers_careful(port: Port) -> None:
    async with port.client() as client:
        refused = await client.get("/")
        home = await client.get("/", headers={"authorization": basic("alice", "wonderland")})
        nowhere = await client.get("/x", headers={"authorization": basic("alice", "wonderland")})
    for answer in (refused, home, nowhere):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "deny"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "strict-transport-security" not in answer.headers
    assert home.headers.get_list("content-security-policy") == ["own"]
    assert "frame-ancestors 'none'" in nowhere.headers["content-security-policy"]


async def test_what_the_operator_says_of_headers_counts_before_what_we_say() -> None:
    port = Port(
        headers={
            "content-security-policy": "frame-ancestors 'self'",
            "x-frame-options": "sameorigin",
            "strict-transport-security": "max-age=60",
        }
    )
    async with port.client() as client:
        answer = await client.get("/")
    for name, value in port.access.headers.items():
        assert answer.headers.get_list(name) == [value]
    assert answer.headers["x-content-type-options"] == "nosniff"
