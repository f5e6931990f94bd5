"""One Alertmanager's API, at the seam of HTTP."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from electric_agents_exporter.alerting.alertmanager import (
    Alertmanager,
    AlertmanagerOptions,
    Failure,
    Known,
    Message,
    moment,
)
from electric_agents_exporter.fleet.reasons import Reason
from electric_agents_exporter.sources.credentials import BasicAuth, Credentials

URL = "http://am.test:9093/alertmanager"
MESSAGE = Message(
    labels={"alertname": "ElectricAgentsRunnerDeaf", "server": "production"},
    annotations={"summary": "It is deaf."},
    starts_at=moment(1_795_346_133.1239),
    ends_at=moment(1_795_346_373.0),
    generator_url="http://exporter:10437/",
)
Answer = Callable[[httpx.Request], Awaitable[httpx.Response]]


def answering(answer: httpx.Response | Exception, **options: Any) -> tuple[Alertmanager, list[Any]]:  # noqa: ANN401
    """Make an Alertmanager that answers so, and the list of what it is asked."""
    asked: list[httpx.Request] = []

    async def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    made = AlertmanagerOptions(url=URL, **options)
    return Alertmanager(made, lambda _: httpx.MockTransport(handle)), asked


async def test_alerts_are_posted_as_prometheus_posts_them() -> None:
    alertmanager, asked = answering(httpx.Response(200))
    assert await alertmanager.send([MESSAGE]) is None
    (request,) = asked
    assert (request.method, str(request.url)) == ("POST", f"{URL}/api/v2/alerts")
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.content) == [
        {
            "labels": MESSAGE.labels,
            "annotations": MESSAGE.annotations,
            "startsAt": "2026-11-22T11:15:33.123000Z",
            "endsAt": "2026-11-22T11:19:33Z",
            "generatorURL": "http://exporter:10437/",
        }
    ]


async def test_a_url_may_end_in_a_slash_and_a_header_be_ones_own() -> None:
    asked: list[httpx.Request] = []
    reached: list[AlertmanagerOptions] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200)

    def reach(options: AlertmanagerOptions) -> httpx.MockTransport:
        reached.append(options)
        return httpx.MockTransport(handle)

    own = Credentials(headers={"Accept-Encoding": "identity"})
    options = AlertmanagerOptions(url=f"{URL}/", credentials=own)
    assert await Alertmanager(options, reach).send([MESSAGE]) is None
    (request,) = asked
    assert str(request.url) == f"{URL}/api/v2/alerts"
    assert request.headers.get_list("accept-encoding") == ["identity"]
    assert reached == [options]


async def test_it_is_asked_for_all_of_our_alerts_however_it_holds_them_back() -> None:
    body = """[
      {"labels": {"alertname": "A", "server": "s"}, "annotations": {"x": "y"}, "fingerprint": "00",
       "startsAt": "2026-11-22T12:15:33.123+01:00", "endsAt": "2026-11-22T11:19:33.000Z",
       "status": {"state": "suppressed", "silencedBy": ["1"], "inhibitedBy": []}}]"""
    alertmanager, asked = answering(httpx.Response(200, text=body))
    known = await alertmanager.known()
    assert known == {
        frozenset({("alertname", "A"), ("server", "s")}): Known(1_795_346_133.123, 1_795_346_373.0)
    }
    (request,) = asked
    assert (request.method, request.url.path) == ("GET", "/alertmanager/api/v2/alerts")
    assert dict(request.url.params) == {
        "filter": 'service="electric-agents"',
        "active": "true",
        "silenced": "true",
        "inhibited": "true",
        "unprocessed": "true",
    }


@pytest.mark.parametrize(
    "answer, failure",
    [
        (httpx.Response(400, text="hunter2"), Failure(Reason.CLIENT_ERROR, "HTTP 400")),
        (httpx.Response(401), Failure(Reason.UNAUTHORIZED, "HTTP 401")),
        (httpx.Response(503), Failure(Reason.SERVER_ERROR, "HTTP 503")),
        (
            httpx.Response(302, headers={"location": "http://evil.test"}),
            Failure(Reason.REDIRECT, "HTTP 302"),
        ),
        (httpx.ReadTimeout("hunter2"), Failure(Reason.TIMEOUT, "")),
        (ConnectionResetError(104, "hunter2"), Failure(Reason.OTHER, "Connection reset by peer")),
    ],
)
async def test_a_failure_is_a_reason_and_never_what_the_other_side_says(
    answer: httpx.Response | Exception, failure: Failure
) -> None:
    alertmanager, _ = answering(answer)
    assert await alertmanager.send([MESSAGE]) == failure
    assert await alertmanager.known() == failure


async def test_an_answer_that_is_longer_than_any_is_not_read_to_its_end() -> None:
    taken = 0

    async def endless() -> Any:  # noqa: ANN401
        nonlocal taken
        while True:
            taken += 1 << 20
            yield b" " * (1 << 20)

    alertmanager, _ = answering(httpx.Response(200, content=endless()))
    assert await alertmanager.known() == Failure(Reason.TOO_LARGE, "HTTP 200")
    assert taken < 32 << 20

    taken = 0
    alertmanager, _ = answering(httpx.Response(200, content=endless()))
    assert await alertmanager.send([MESSAGE]) is None
    assert taken < 2 << 20


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["labels", "startsAt", "endsAt", "a"]), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(body=st.one_of(st.binary(max_size=64), JSON.map(lambda value: json.dumps(value).encode())))
async def test_whatever_it_answers_is_known_alerts_or_a_reason(body: bytes) -> None:
    alertmanager, _ = answering(httpx.Response(200, content=body))
    answer = await alertmanager.known()
    if isinstance(answer, Failure):
        assert answer.reason is Reason.SCHEMA
    else:
        assert all(isinstance(known, Known) for known in answer.values())


async def test_a_large_answer_is_read_beside_the_loop() -> None:
    one = {
        "labels": {"alertname": "A"},
        "annotations": {"description": "x" * 1000},
        "startsAt": "2026-11-22T11:15:33.123Z",
        "endsAt": "2026-11-22T11:19:33.000Z",
    }
    many = [one | {"labels": {"alertname": "A", "n": str(number)}} for number in range(1000)]
    alertmanager, _ = answering(httpx.Response(200, json=many))
    known = await alertmanager.known()
    assert not isinstance(known, Failure)
    assert len(known) == 1000


async def test_credentials_are_those_that_their_files_hold_now(tmp_path: Path) -> None:
    token = tmp_path / "token"
    alertmanager, asked = answering(
        httpx.Response(200), credentials=Credentials(bearer_token_file=token)
    )
    failure = await alertmanager.send([MESSAGE])
    assert failure == Failure(Reason.OTHER, f"{token}: No such file or directory")
    for text in ("one", "two"):
        token.write_text(text)
        assert await alertmanager.send([MESSAGE]) is None
    told = [request.headers["authorization"] for request in asked]
    assert told == ["Bearer one", "Bearer two"]


async def test_a_name_and_a_password_are_sent_with_every_request() -> None:
    alertmanager, asked = answering(
        httpx.Response(200, json=[]), credentials=Credentials(basic_auth=BasicAuth("ops", "x:y"))
    )
    assert await alertmanager.send([MESSAGE]) is None
    assert await alertmanager.known() == {}
    assert {request.headers["authorization"] for request in asked} == {"Basic b3BzOng6eQ=="}


@given(st.floats(min_value=0, max_value=1e10))
def test_a_moment_is_in_whole_milliseconds_and_never_later(seconds: float) -> None:
    written = moment(seconds)
    assert written.tzinfo is UTC
    assert written.microsecond % 1000 == 0
    assert seconds - 0.002 < written.timestamp() <= seconds + 1e-6
