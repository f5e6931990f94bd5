"""The HTTP source, against real sockets that misbehave."""

import asyncio
import gzip
import itertools
import logging
import os
import ssl
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.unit.sources.conftest import ScriptedServer

from electric_agents_exporter.contract.vocabulary import HealthStatus
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import PollResult
from electric_agents_exporter.fleet.reasons import Operation, Suppression
from electric_agents_exporter.fleet.selection import Selection, Shard
from electric_agents_exporter.sources.credentials import Credentials
from electric_agents_exporter.sources.http_bodies import Body, read_body
from electric_agents_exporter.sources.http_transport import Tls

Server = Any
Connect = Callable[..., Any]
ODD_IDS = [
    "a/b",
    "with space",
    "%2F",
    "100%",
    "q?x#y",
    'quo"te',
    "new\nline",
    "tab\t",
    "🚀",
    "é",
    "~._-",
    "back\\slash",
    "a&b=c;d",
    "%2e%2e",
    "...",
    "x" * 300,
]


async def test_a_fleet_is_read_whole(server: Server, connect: Connect) -> None:
    server.add("one")
    server.add("two", "health-heartbeat-failed")
    exchange = connect()

    assert await exchange.poll()

    seen = exchange.seen
    assert seen.up
    assert seen.listed == {"service:monitor": 2}
    verdicts = {view.listed.id: view.report.health for view in seen.runners}
    assert verdicts == {"one": HealthStatus.HEALTHY, "two": HealthStatus.DEGRADED}
    assert exchange.errors() == {}


async def test_every_odd_id_is_encoded_whole_and_found_again(
    server: Server, connect: Connect
) -> None:
    for runner_id in ODD_IDS:
        server.add(runner_id)
    exchange = connect()

    assert await exchange.poll()

    assert {view.listed.id for view in exchange.seen.runners if view.report} == set(ODD_IDS)
    paths = [request.target for request in server.about_runners[1:]]
    assert {path.count("/") for path in paths} == {4}
    assert not any(char in path for path in paths for char in '?# "\\')


async def test_ids_that_no_url_can_name_fail_alone_and_are_not_sent(
    server: Server, connect: Connect
) -> None:
    for runner_id in ("..", ".", "", "good"):
        server.add(runner_id)
    exchange = connect()

    await exchange.poll()

    assert exchange.errors() == {"health wrong_runner": 3}
    success = {view.listed.id: view.poll_success for view in exchange.seen.runners}
    assert success == {"..": False, ".": False, "": False, "good": True}
    assert [r.runner_id for r in server.about_runners] == [None, "good"]


async def test_a_report_of_another_runner_is_a_failed_poll_of_this_one(
    server: Server, connect: Connect
) -> None:
    server.add("one")
    server.runners["one"]["runner"]["id"] = "two"
    exchange = connect()

    await exchange.poll()

    assert exchange.errors() == {"health wrong_runner": 1}
    assert [view.report for view in exchange.seen.runners] == [None]


async def test_a_base_url_may_have_any_path(server: Server, connect: Connect) -> None:
    server.add("one")
    exchange = connect(url=f"{server.url}/prefix/t/acme/v1/")
    assert await exchange.poll()
    assert server.about_runners[0].target == (
        "/prefix/t/acme/v1/_electric/runners?owner_principal=/principal/service%253Amonitor"
    )
    assert "/prefix/t/acme/v1/_electric/health" in [request.target for request in server.requests]


async def test_headers_and_tokens_are_sent_and_reread_from_their_files(
    server: Server, connect: Connect, tmp_path: Path
) -> None:
    token, key = tmp_path / "token", tmp_path / "key"
    token.write_text("first\n")
    key.write_text("k1")
    exchange = connect(
        credentials=Credentials(
            headers={"x-team": "ops"}, header_files={"x-key": key}, bearer_token_file=token
        )
    )
    await exchange.poll()
    token.write_text("second\n")
    await exchange.poll()

    assert [request.headers["authorization"] for request in server.requests] == [
        *["Bearer first"] * 2,
        *["Bearer second"] * 2,
    ]
    assert {request.headers["x-team"] for request in server.requests} == {"ops"}
    assert {request.headers["x-key"] for request in server.requests} == {"k1"}
    assert exchange.source.credential_changed_at() == pytest.approx(time.time(), abs=60)


async def test_a_credential_file_that_vanished_is_a_counted_reason_and_recovers(
    server: Server, connect: Connect, tmp_path: Path
) -> None:
    server.add("one")
    token = tmp_path / "token"
    token.write_text("secret")
    exchange = connect(credentials=Credentials(bearer_token_file=token))
    assert await exchange.poll()
    token.unlink()
    assert not await exchange.poll()
    assert exchange.errors() == {"list other": 1}
    token.write_text("secret")
    assert await exchange.poll()


async def test_the_principal_is_sent_as_written_or_as_its_url_where_a_header_cannot_carry_it(
    server: Server, connect: Connect
) -> None:
    await connect(principals=("service:monitor", "/principal/user%3Aalice", "user:zoë")).poll()
    sent = {request.headers["electric-principal"] for request in server.requests}
    assert sent == {"service:monitor", "/principal/user%3Aalice", "/principal/user%3Azo%C3%AB"}


async def test_a_list_of_another_principals_runners_is_a_fault_of_its_own(
    server: Server, connect: Connect
) -> None:
    server.add("one")
    server.owner = "/principal/system%3Adev-local"
    exchange = connect()

    assert not await exchange.poll()

    assert exchange.errors() == {"list wrong_principal": 1}
    assert not exchange.seen.up
    assert exchange.seen.runners == ()


async def test_a_runner_listed_under_two_principals_is_one_runner(
    server: Server, connect: Connect
) -> None:
    server.add("shared")

    async def answer(request: Any) -> None:  # noqa: ANN401
        owner = request.headers["electric-principal"].replace(":", "%3A")
        server.owner = f"/principal/{owner}"
        await server.well(request)

    server.answer = answer
    exchange = connect(principals=("service:monitor", "user:alice"))

    assert await exchange.poll()

    assert len(exchange.seen.runners) == 1
    assert exchange.seen.listed == {"service:monitor": 1, "user:alice": 1}


async def test_one_principals_rejection_leaves_the_others_alone(
    server: Server, connect: Connect
) -> None:
    server.add("one")

    async def answer(request: Any) -> None:  # noqa: ANN401
        if request.headers["electric-principal"] == "user:alice":
            request.send_json({"error": {}}, "403 Forbidden")
        else:
            await server.well(request)

    server.answer = answer
    exchange = connect(principals=("service:monitor", "user:alice"))

    assert not await exchange.poll()

    assert exchange.errors() == {"list forbidden": 1}
    assert exchange.seen.up
    assert [view.poll_success for view in exchange.seen.runners] == [True]


STATUSES = {
    "301 Moved Permanently": "redirect",
    "302 Found": "redirect",
    "400 Bad Request": "client_error",
    "401 Unauthorized": "unauthorized",
    "403 Forbidden": "forbidden",
    "404 Not Found": "not_found",
    "407 Proxy Authentication Required": "proxy",
    "429 Too Many Requests": "rate_limited",
    "500 Internal Server Error": "server_error",
    "503 Service Unavailable": "server_error",
    "204 No Content": "schema",
}


@pytest.mark.parametrize("status, reason", STATUSES.items())
async def test_a_bad_status_is_a_reason(
    status: str, reason: str, server: Server, connect: Connect
) -> None:
    async def answer(request: Any) -> None:  # noqa: ANN401
        request.writer.write(
            f"HTTP/1.1 {status}\r\nLocation: http://127.0.0.1:1/elsewhere\r\n".encode()
            + (b"\r\n" if status[:3] == "204" else b"Content-Length: 0\r\n\r\n")
        )

    server.answer = answer
    exchange = connect()
    assert not await exchange.poll()
    assert exchange.errors() == {f"list {reason}": 1, f"server {reason}": 1}
    assert len(server.about_runners) == 1


BODIES = {
    b"<html><body>Sign in</body></html>": "not_json",
    b"": "not_json",
    b'[{"id": "one"': "not_json",
    b"\xff\xfe\x00": "not_json",
    b"[" * 100_000: "not_json",
    b'{"runners": []}': "schema",
    b"null": "schema",
    b"5": "schema",
}


@pytest.mark.parametrize("body", BODIES)
async def test_a_bad_list_is_a_reason(body: bytes, server: Server, connect: Connect) -> None:
    async def answer(request: Any) -> None:  # noqa: ANN401
        if request in server.about_runners:
            request.send(body)
        else:
            await server.well(request)

    server.answer = answer
    exchange = connect()
    assert not await exchange.poll()
    assert exchange.errors() == {f"list {BODIES[body]}": 1}


@pytest.mark.parametrize(
    "report, reason",
    [(b"[]", "schema"), (b'{"status":"ok"}', "schema"), (b"<html>", "not_json")],
)
async def test_a_bad_report_costs_its_runner_alone(
    report: bytes, reason: str, server: Server, connect: Connect
) -> None:
    server.add("bad")
    server.add("good")

    async def answer(request: Any) -> None:  # noqa: ANN401
        if request.runner_id == "bad":
            request.send(report)
        else:
            await server.well(request)

    server.answer = answer
    exchange = connect()
    assert await exchange.poll()
    assert exchange.errors() == {f"health {reason}": 1}
    success = {view.listed.id: view.poll_success for view in exchange.seen.runners}
    assert success == {"bad": False, "good": True}


async def test_a_body_beyond_the_cap_is_not_read_on(server: Server, connect: Connect) -> None:
    server.add("huge")
    sent = 0

    async def answer(request: Any) -> None:  # noqa: ANN401
        nonlocal sent
        if request.runner_id is None:
            await server.well(request)
            return
        request.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(1024):
            request.writer.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
            sent += 65_536
            await request.writer.drain()

    server.answer = answer
    exchange = connect(timeout=10.0)
    await exchange.poll()
    assert exchange.errors() == {"health too_large": 1}
    assert sent < 32 << 20


def long_list(runners: int) -> bytes:
    item = b'{"id":"runner-%08d","owner_principal":"/principal/service%%3Amonitor"}'
    return b"[" + b",".join(item % number for number in range(runners)) + b"]"


def lists(body: bytes) -> Callable[[Any], Awaitable[None]]:
    """Answer with a list whose runners are not known when they are asked after."""

    async def answer(request: Any) -> None:  # noqa: ANN401
        if request.path.endswith("/_electric/runners"):
            request.send(body)
        else:
            request.send_json({}, "404 Not Found" if request.runner_id else "200 OK")

    return answer


async def test_a_list_is_read_as_far_as_all_shards_may_watch(
    server: Server, connect: Connect
) -> None:
    runners = 120_000
    server.answer = lists(long_list(runners))
    shard = Selection(shard=Shard(1, 1024))  # the reports of few are asked for
    policy = Policy("production", selection=shard, max_listed=runners)
    exchange = connect(policy=policy, timeout=60.0)

    await exchange.poll()

    assert exchange.errors().keys() == {"health not_found"}
    assert exchange.seen.listed == {"service:monitor": runners}
    assert exchange.seen.suppressed[Suppression.SHARD] > 0.99 * runners


async def test_a_list_beyond_all_that_shards_may_watch_is_a_counted_reason(
    server: Server, connect: Connect
) -> None:
    server.answer = lists(long_list(120_001))
    exchange = connect(policy=Policy("production", max_listed=120_000), timeout=60.0)
    await exchange.poll()
    assert exchange.errors() == {"list too_large": 1}
    assert not exchange.seen.up


async def test_the_bytes_of_a_list_follow_how_many_runners_it_may_hold(
    server: Server, connect: Connect
) -> None:
    server.answer = lists(b'[{"id":"a","label":"%s"}]' % (b"x" * 100_000))
    for listed, errors in ((100, {"list too_large": 1}), (200, {"health not_found": 1})):
        exchange = connect(policy=Policy("production", max_listed=listed))
        await exchange.poll()
        assert exchange.errors() == errors


async def test_a_gzipped_bomb_is_capped_too(server: Server, connect: Connect) -> None:
    server.add("bomb")
    bomb = gzip.compress(b" " * (32 << 20))

    async def answer(request: Any) -> None:  # noqa: ANN401
        if request.runner_id is None:
            await server.well(request)
        else:
            request.send(bomb, "200 OK", "Content-Encoding: gzip")

    server.answer = answer
    exchange = connect()
    await exchange.poll()
    assert exchange.errors() == {"health too_large": 1}


async def test_an_error_text_of_two_megabytes_does_not_hide_its_runner(
    server: Server, connect: Connect
) -> None:
    server.add("verbose")
    server.runners["verbose"]["client"]["last_error"] = "x" * 2_000_000
    exchange = connect()
    assert await exchange.poll()
    assert exchange.errors() == {}


async def test_a_server_that_hangs_is_timed_out_in_all_however_it_drips(
    server: Server, connect: Connect
) -> None:
    server.add("slow")

    async def answer(request: Any) -> None:  # noqa: ANN401
        if request.runner_id is None:
            await server.well(request)
            return
        request.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in itertools.count():
            request.writer.write(b"1\r\n \r\n")
            await request.writer.drain()
            await asyncio.sleep(0.02)

    server.answer = answer
    exchange = connect(timeout=1)
    async with asyncio.timeout(10):
        await exchange.poll()
    assert exchange.errors() == {"health timeout": 1}


async def test_a_reset_and_a_cut_body_are_resets(server: Server, connect: Connect) -> None:
    server.add("one")
    server.add("two")

    async def answer(request: Any) -> None:  # noqa: ANN401
        if request.runner_id is None:
            await server.well(request)
        elif request.runner_id == "one":
            request.reset()
        else:
            request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
            await request.writer.drain()
            request.writer.close()

    server.answer = answer
    exchange = connect()
    await exchange.poll()
    assert exchange.errors() == {"health reset": 2}


async def test_rubbish_instead_of_http_is_a_counted_reason(
    server: Server, connect: Connect
) -> None:
    async def answer(request: Any) -> None:  # noqa: ANN401
        request.writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

    server.answer = answer
    exchange = connect()
    assert not await exchange.poll()
    counted = exchange.errors()
    assert sorted(key.partition(" ")[0] for key in counted) == ["list", "server"]
    assert set(counted.values()) == {1}


async def test_a_header_beyond_all_bounds_is_a_counted_reason(
    server: Server, connect: Connect
) -> None:
    async def answer(request: Any) -> None:  # noqa: ANN401
        request.send(b"[]", "200 OK", "X-Huge: " + "x" * 100_000)

    server.answer = answer
    exchange = connect()
    assert not await exchange.poll()
    counted = exchange.errors()
    assert sorted(key.partition(" ")[0] for key in counted) == ["list", "server"]
    assert set(counted.values()) == {1}


async def test_a_server_that_is_not_there_is_a_failed_connect(connect: Connect) -> None:
    exchange = connect(url="http://127.0.0.1:1")
    assert not await exchange.poll()
    assert exchange.errors() == {"list connect": 1, "server connect": 1}


async def test_a_name_that_does_not_resolve_is_dns(connect: Connect) -> None:
    exchange = connect(url="http://nowhere.invalid")
    assert not await exchange.poll()
    assert exchange.errors() == {"list dns": 1, "server dns": 1}


async def test_a_server_that_speaks_no_tls_is_a_tls_fault(connect: Connect) -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    listener = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    exchange = connect(url=f"https://127.0.0.1:{port}")
    assert not await exchange.poll()
    assert exchange.errors() == {"list tls": 1, "server tls": 1}
    listener.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def secure(server: Server, authority: trustme.CA) -> Server:
    """The scripted server behind TLS, which asks for a client's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    await server.stop()
    await server.start(context)
    server.add("one")
    return server


async def test_a_server_is_trusted_by_the_ca_file_and_by_nothing_less(
    secure: Server, connect: Connect, authority: trustme.CA, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    distrustful = connect(url=secure.url)
    assert not await distrustful.poll()
    assert distrustful.errors() == {"list tls": 1, "server tls": 1}
    assert await connect(url=secure.url, tls=Tls(ca_file=ca_file)).poll()
    assert await connect(url=secure.url, tls=Tls(insecure_skip_verify=True)).poll()


async def test_until_when_a_verified_certificate_is_valid_is_known(
    server: Server, connect: Connect, authority: trustme.CA, tmp_path: Path
) -> None:
    ends = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", not_after=ends).configure_cert(context)
    plain = connect()
    assert await plain.poll()
    assert plain.source.certificate_ends_at() is None
    await server.stop()
    await server.start(context)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    trusting = connect(url=server.url, tls=Tls(ca_file=ca_file))
    assert trusting.source.certificate_ends_at() is None
    assert await trusting.poll()
    assert trusting.source.certificate_ends_at() == ends.timestamp()
    careless = connect(url=server.url, tls=Tls(insecure_skip_verify=True))
    assert await careless.poll()
    assert careless.source.certificate_ends_at() is None


async def test_our_own_certificate_is_shown_and_read_again_when_it_changes(
    secure: Server, connect: Connect, authority: trustme.CA, tmp_path: Path
) -> None:
    shown = []

    async def answer(request: Any) -> None:  # noqa: ANN401
        certificate = request.writer.get_extra_info("ssl_object").getpeercert()
        shown.append(certificate["subjectAltName"])
        await secure.well(request)

    secure.answer = answer
    ca_file, own = tmp_path / "ca.pem", tmp_path / "own.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    exchange = connect(url=secure.url, tls=Tls(ca_file=ca_file, cert_file=own))
    for number, name in enumerate(("first.example", "second.example")):
        authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(str(own))
        os.utime(own, (number, number))
        assert await exchange.poll()
    assert set(shown[:3]) == {(("DNS", "first.example"),)}
    assert set(shown[3:]) == {(("DNS", "second.example"),)}


async def test_a_ca_file_that_vanished_is_a_tls_fault(
    server: Server, connect: Connect, tmp_path: Path
) -> None:
    exchange = connect(url=server.url, tls=Tls(ca_file=tmp_path / "gone.pem"))
    assert not await exchange.poll()
    assert exchange.errors() == {"list tls": 1}


async def test_an_idle_connection_that_the_server_closed_costs_nothing(
    server: Server, connect: Connect
) -> None:
    server.add("one")

    async def answer(request: Any) -> None:  # noqa: ANN401
        await server.well(request)
        await request.writer.drain()
        # Without a word, as a server does whose keep-alive ran out in this moment.
        asyncio.get_running_loop().call_later(0.05, request.writer.transport.abort)

    server.answer = answer
    exchange = connect(concurrency=1)
    for _ in range(5):
        assert await exchange.poll()
        await asyncio.sleep(0.05)
    assert exchange.errors() == {}


async def test_a_request_that_meets_the_servers_closing_is_repeated_once_on_a_fresh_connection(
    server: Server, connect: Connect
) -> None:
    server.add("one")
    served: set[int] = set()
    dropped = []

    async def answer(request: Any) -> None:  # noqa: ANN401
        connection = id(request.writer)
        if connection in served:
            # The keep-alive ran out in the moment that the request was on its way.
            dropped.append(request.target)
            request.writer.transport.abort()
            return
        served.add(connection)
        await server.well(request)

    server.answer = answer
    exchange = connect(concurrency=1)
    for _ in range(3):
        assert await exchange.poll()
    assert exchange.errors() == {}
    assert len(dropped) == 8  # all but the very first


async def test_connections_are_reused_within_a_poll(server: Server, connect: Connect) -> None:
    for number in range(50):
        server.add(f"runner-{number}")
    exchange = connect(concurrency=5)
    assert await exchange.poll()
    assert server.connections <= 6


async def test_no_more_than_the_concurrency_is_in_flight(server: Server, connect: Connect) -> None:
    for number in range(40):
        server.add(f"runner-{number}")

    async def answer(request: Any) -> None:  # noqa: ANN401
        await asyncio.sleep(0.005)
        await server.well(request)

    server.answer = answer
    exchange = connect(concurrency=4)
    assert await exchange.poll()
    assert server.most_in_flight == 4


async def test_reports_take_effect_as_they_arrive(server: Server, connect: Connect) -> None:
    server.add("quick")
    server.add("stuck")
    reached, released = asyncio.Event(), asyncio.Event()

    async def answer(request: Any) -> None:  # noqa: ANN401
        if request.runner_id == "stuck":
            reached.set()
            await released.wait()
        await server.well(request)

    server.answer = answer
    exchange = connect(concurrency=1)
    polling = asyncio.create_task(exchange.poll())
    await asyncio.wait_for(reached.wait(), 5)
    assert {view.listed.id for view in exchange.seen.runners if view.report} == {"quick"}
    released.set()
    await polling


async def test_a_server_that_fails_altogether_is_not_asked_after_every_runner(
    server: Server, connect: Connect
) -> None:
    for number in range(200):
        server.add(f"runner-{number}")

    async def answer(request: Any) -> None:  # noqa: ANN401
        if request.runner_id is None:
            await server.well(request)
        else:
            request.send_json({"error": {}}, "500 Internal Server Error")

    server.answer = answer
    exchange = connect(concurrency=5)
    assert not await exchange.poll()
    asked_first = {r.runner_id for r in server.requests if r.runner_id}
    assert len(asked_first) <= 15
    server.requests.clear()
    server.answer = server.well
    assert await exchange.poll()
    # Who was not asked comes first now.
    assert server.about_runners[1].runner_id not in asked_first


async def test_a_server_that_fails_now_and_then_is_asked_after_every_runner(
    server: Server, connect: Connect
) -> None:
    for number in range(60):
        server.add(f"runner-{number}")

    async def answer(request: Any) -> None:  # noqa: ANN401
        if request.runner_id and int(request.runner_id.removeprefix("runner-")) % 2:
            request.send_json({"error": {}}, "500 Internal Server Error")
        else:
            await server.well(request)

    server.answer = answer
    # With one call at a time there are never two failures in a row, of thirty in all.
    exchange = connect(concurrency=1)
    result = await exchange.result()
    assert exchange.errors() == {"health server_error": 30}
    assert [fault.text for fault in result.faults] == [
        "30 of 60 runners did not answer (server_error 30: HTTP 500)"
    ]
    assert len({r.runner_id for r in server.requests if r.runner_id}) == 60


async def test_a_server_whose_own_health_hangs_is_polled_all_the_same(
    server: Server, connect: Connect
) -> None:
    server.add("one")

    async def answer(request: Any) -> None:  # noqa: ANN401
        if request.path.endswith("/_electric/health"):
            await asyncio.Event().wait()
        await asyncio.sleep(0.05)  # more than what is left to one who waited for the other
        await server.well(request)

    server.answer = answer
    exchange = connect(timeout=1, concurrency=1)
    assert await exchange.poll()
    assert exchange.errors() == {"server timeout": 1}
    assert exchange.seen.poll_success == {
        Operation.LIST: True,
        Operation.HEALTH: True,
        Operation.SERVER: False,
    }
    # A list that came over HTTP is sign enough that it lives.
    assert exchange.seen.up


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "404 Not Found"])
async def test_a_server_that_refuses_to_say_how_it_is_lives(
    status: str, server: Server, connect: Connect
) -> None:
    server.add("one")

    async def answer(request: Any) -> None:  # noqa: ANN401
        if request.path.endswith("/_electric/health"):
            request.send_json({"error": {}}, status)
        else:
            await server.well(request)

    server.answer = answer
    exchange = connect()
    assert await exchange.poll()
    assert exchange.seen.up


async def test_a_server_of_which_only_the_lists_fail_is_told_to_be_alive(
    server: Server, connect: Connect
) -> None:
    async def answer(request: Any) -> None:  # noqa: ANN401
        if request in server.about_runners:
            request.send_json({"error": {}}, "500 Internal Server Error")
        else:
            await server.well(request)

    server.answer = answer
    exchange = connect()
    assert not await exchange.poll()
    assert exchange.errors() == {"list server_error": 1}
    assert exchange.seen.poll_success[Operation.SERVER]
    assert not exchange.seen.up


async def test_a_server_is_polled_again_after_every_kind_of_failure(
    server: Server, connect: Connect
) -> None:
    server.add("one")
    exchange = connect(timeout=1)
    assert await exchange.poll()

    async def hang(_: Any) -> None:  # noqa: ANN401
        await asyncio.Event().wait()

    async def reset(request: Any) -> None:  # noqa: ANN401
        request.reset()

    async def rubbish(request: Any) -> None:  # noqa: ANN401
        request.send(b"<html>")

    async def refuse(request: Any) -> None:  # noqa: ANN401
        request.send(b"", "401 Unauthorized")

    for bad in (hang, reset, rubbish, refuse):
        server.answer = bad
        assert not await exchange.poll()
        assert not exchange.seen.up
        assert exchange.seen.runners[0].report is not None
        server.answer = server.well
        assert await exchange.poll()
        assert exchange.seen.up


async def test_cookies_are_not_kept(server: Server, connect: Connect) -> None:
    async def answer(request: Any) -> None:  # noqa: ANN401
        request.send(b"[]", "200 OK", "Set-Cookie: a=b")

    server.answer = answer
    # Of an address, cookies are never kept: it takes a name.
    exchange = connect(url=server.url.replace("127.0.0.1", "localhost"))
    await exchange.poll()
    await exchange.poll()
    assert len(server.about_runners) == 2
    assert all("cookie" not in request.headers for request in server.requests)


async def test_the_servers_clock_is_told_from_leases_and_else_from_its_date(
    server: Server, connect: Connect
) -> None:
    server.add("expired", "health-lease-expired")
    exchange = connect()
    await exchange.poll()
    seen_at = exchange.seen.runners[0].report.last_seen_at
    # The scripted server's Date is noon of 23 November 2026, half a second more on average.
    noon = 1_795_435_200.5
    age = exchange.seen.runners[0].observation.heartbeat_age
    assert age == pytest.approx(noon - seen_at, abs=0.5)
    assert exchange.seen.clock_offset == pytest.approx(noon - time.time(), abs=5)


async def test_secrets_stay_out_of_what_options_say_of_themselves() -> None:
    credentials = Credentials(headers={"x": "hunter2"}, bearer_token="hunter3")  # noqa: S106
    assert "hunter" not in repr(credentials)


def zipped(content: bytes, times: int) -> bytes:
    for _ in range(times):
        content = gzip.compress(content)
    return content


@pytest.mark.parametrize("coding", ["gzip, gzip", "gzip,gzip", "br", "identity, gzip", "deflate"])
async def test_a_coding_that_was_not_asked_for_is_not_unpacked(
    server: Server, connect: Connect, coding: str
) -> None:
    async def answer(request: Any) -> None:  # noqa: ANN401
        request.send(zipped(b"[]", 2), "200 OK", f"Content-Encoding: {coding}")

    server.answer = answer
    exchange = connect()
    assert not await exchange.poll()
    assert exchange.errors() == {"list not_json": 1, "server not_json": 1}


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP ", "identity", ""])
async def test_a_body_is_unpacked_as_its_coding_says(
    server: Server, connect: Connect, coding: str
) -> None:
    async def answer(request: Any) -> None:  # noqa: ANN401
        packed = zipped(b'{"status": "ok"}' if request.path.endswith("health") else b"[]", 1)
        plain = b'{"status": "ok"}' if request.path.endswith("health") else b"[]"
        body = packed if "gzip" in coding.lower() else plain
        request.send(body, "200 OK", f"Content-Encoding: {coding}")

    server.answer = answer
    exchange = connect()
    assert await exchange.poll()
    assert exchange.errors() == {}


async def test_what_is_no_gzip_though_it_says_so_is_a_failed_request(
    server: Server, connect: Connect
) -> None:
    async def answer(request: Any) -> None:  # noqa: ANN401
        request.send(b"[]", "200 OK", "Content-Encoding: gzip")

    server.answer = answer
    exchange = connect()
    assert not await exchange.poll()
    assert exchange.errors() == {"list not_json": 1, "server not_json": 1}


async def test_bytes_that_hold_far_more_are_unpacked_to_the_bound_and_no_further() -> None:
    bomb = zipped(b" " * (64 << 20), 1)
    response = httpx.Response(200, headers={"content-encoding": "gzip"}, stream=_Stream(bomb))
    tracemalloc.start()
    body = await read_body(response, 1 << 20, part=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert body == Body(b" " * (1 << 20), cut=True)
    assert peak < 8 << 20


class _Stream(httpx.AsyncByteStream):
    """Gives a body in one piece."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content


@pytest.mark.parametrize("size", [9_000, 100_000])
async def test_headers_that_are_too_large_are_told_as_that(
    server: Server, connect: Connect, size: int
) -> None:
    async def answer(request: Any) -> None:  # noqa: ANN401
        request.send(b"[]", "200 OK", f"X-Trace: {'x' * size}")

    server.answer = answer
    exchange = connect()
    assert not await exchange.poll()
    assert exchange.errors() == {"list headers_too_large": 1, "server headers_too_large": 1}


async def test_what_speaks_no_http_is_told_as_that(server: Server, connect: Connect) -> None:
    async def answer(request: Any) -> None:  # noqa: ANN401
        request.writer.write(b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n")
        request.writer.close()

    server.answer = answer
    exchange = connect()
    assert not await exchange.poll()
    assert exchange.errors() == {"list not_http": 1, "server not_http": 1}


def whys(result: PollResult) -> str:
    return "; ".join(fault.text for fault in result.faults)


@pytest.mark.parametrize("status", ["401 Unauthorized", "503 Service Unavailable"])
async def test_a_status_that_is_none_of_success_is_told_by_its_number(
    server: Server, connect: Connect, status: str
) -> None:
    async def answer(request: Any) -> None:  # noqa: ANN401
        request.send(b"secret", status)

    server.answer = answer
    said = whys(await connect().result())
    assert f"HTTP {status[:3]})" in said
    assert "secret" not in said


async def test_a_refused_connection_is_told_in_the_systems_words(connect: Connect) -> None:
    exchange = connect(url="http://127.0.0.1:1")
    assert "no list for service:monitor (connect: Connection refused)" in whys(
        await exchange.result()
    )


async def test_at_the_most_talkative_level_every_request_tells_its_cause_in_one_line(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "electric_agents_exporter")
    await connect(url="http://127.0.0.1:1").poll()
    told = [vars(record) for record in caplog.records if record.getMessage() == "asked"]
    assert {each["operation"] for each in told} == {"server", "list"}
    assert {(each["reason"], each["error"]) for each in told} == {("connect", "Connection refused")}


async def test_a_certificate_of_another_name_is_told_in_openssls_words(
    connect: Connect, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("agents.internal").configure_cert(context)
    elsewhere = ScriptedServer()
    await elsewhere.start(context)
    exchange = connect(url=elsewhere.url, tls=Tls(ca_file=tmp_path / "ca.pem"))
    said = whys(await exchange.result())
    await elsewhere.stop()
    assert "tls: Hostname mismatch, certificate is not valid for 'localhost'" in said


def a_plain_authority(folder: Path) -> ssl.SSLContext:
    """Make a private authority as plain OpenSSL does, and the TLS of a server `agents.internal`."""
    key, own_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    now = datetime.now(UTC)

    def certificate(of: str, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        subject, issuer = (
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
            for name in (of, "private authority")
        )
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )

    authority = certificate("private authority", key.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=False
    )
    names = x509.SubjectAlternativeName([x509.DNSName("agents.internal")])
    own = certificate("x", own_key.public_key()).add_extension(names, critical=False)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(authority.sign(key, hashes.SHA256()).public_bytes(pem))
    both = own.sign(key, hashes.SHA256()).public_bytes(pem) + own_key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "own.pem").write_bytes(both)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "own.pem")
    return context


async def test_an_authority_is_held_to_no_more_than_other_clients_hold_it_to_unless_asked_to_be(
    connect: Connect, tmp_path: Path
) -> None:
    server = ScriptedServer()
    await server.start(a_plain_authority(tmp_path))
    tls = Tls(ca_file=tmp_path / "ca.pem", server_name="agents.internal")
    assert await connect(url=server.url, tls=tls).poll()
    said = whys(await connect(url=server.url, tls=replace(tls, strict=True)).result())
    await server.stop()
    assert "tls: " in said
    assert "(only tls.strict minds that)" in said


async def test_the_name_that_a_certificate_must_have_can_be_another_than_the_urls(
    connect: Connect, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("agents.internal").configure_cert(context)
    asked: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    elsewhere = ScriptedServer()
    await elsewhere.start(context)
    tls = Tls(ca_file=tmp_path / "ca.pem", server_name="agents.internal")
    exchange = connect(url=elsewhere.url, tls=tls)
    assert await exchange.poll()
    assert exchange.source.certificate_ends_at() is not None
    other = connect(url=elsewhere.url, tls=replace(tls, server_name="other.internal"))
    assert "not valid for 'other.internal'" in whys(await other.result())
    await elsewhere.stop()
    assert set(asked) == {"agents.internal", "other.internal"}


async def test_the_parameters_of_the_url_are_sent_with_every_request_and_told_nowhere(
    server: Server, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.add("one")
    exchange = connect(url=f"{server.url}/base/?key=s%2Fesame&region=eu", wakes=True)
    await exchange.poll()
    assert len(server.requests) > 3
    for request in server.requests:
        assert request.path.startswith("/base/")
        assert (request.query["key"], request.query["region"]) == ("s/esame", "eu")
    assert any("owner_principal" in request.query for request in server.requests)
    assert any("offset" in request.query for request in server.requests)
    assert "esame" not in caplog.text
    assert "esame" not in repr([vars(record) for record in caplog.records])
