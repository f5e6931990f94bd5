"""The same requests, the same answers: a conversation held with the real server, and with ours.

`real_server.txt` is what agents-server 0.6.4 (commit dc07a1e6c, embedded streams server) said.
To record it anew: python tests/simulator/test_transcript.py http://127.0.0.1:4437
"""

import asyncio
import json
import re
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx

from electric_agents_simulator.clock import RunningClock
from electric_agents_simulator.server.system import make_system
from electric_agents_simulator.storage.registry import IN_MEMORY, Registry, open_engine
from electric_agents_simulator.testing import Caller, in_memory
from skipping_loop import run_skipping

RECORDED = Path(__file__).with_name("real_server.txt")
RUNNERS = "/_electric/runners"
HEADERS = (
    "content-type",
    "stream-next-offset",
    "stream-up-to-date",
    "cache-control",
    "location",
    "etag",
)

MASKS = (
    (r"20(?!99)\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "<moment>"),
    (r'"lease_remaining_ms":[1-9]\d*', '"lease_remaining_ms":<ms>'),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uuid>"),
    (r"w_[0-9a-f]{24}", "<wake>"),
    (r'"(claimToken|writeToken)":"[^"]*"', r'"\1":"<token>"'),
    (r'"(ts|created_at|updated_at)": ?\d+', r'"\1":<ms>'),
    (r',?"txid":\d+', ""),
    (r'"txid":"\d+"', '"txid":"<transaction>"'),
    (r'"streamCursor":"\d+"', '"streamCursor":"<cursor>"'),
    (r"http://[^/\"]*", "<server>"),
    (r":[0-9a-f]{16}\b", ":<digest>"),
    (r"expired \d{7,}s", "expired <very many>s"),
    (r"(\d)e\+(\d)", r"\1e\2"),
    (r'\\"[A-Za-z0-9+/]+=*:(-1|\d+_\d+):', r"\"<path>:\1:"),
    (r"(msg-in|sig)-\d+-\w+", r"\1-<random>"),
)

DATES = (
    "2099-02-30",
    "2099-02-31T10:00",
    "2099-00-01",
    "2099-01-32",
    "2099-1-1",
    "2099-01-01T24:00:00Z",
    "2099-01-01T24:01:00Z",
    "2099-01-01T10",
    "2099-01-01T10:00:00.1234567Z",
    "2099-01-01T10:00:00+0230",
    "2099-01-01T10:00:00+02",
    "2099-01-01 10:00",
    "2099-01-01 10:00:00.5 GMT",
    "2099-01-01t10:00:00z",
    "+002099-01-01",
    "-000001-01-01",
    "+275760-09-14",
    "0001-01-01",
    "0099-12-31T23:59:59.999Z",
    "99",
    "49",
    "5",
    "13",
    "0",
    "-1",
    "2099",
    "20990101",
    "12/31/2099",
    "31/12/2099",
    "2099/12/31 23:59",
    "12.31.2099",
    "1/2",
    "1 2 3",
    "Jan 1 2099",
    "1 Jan 2099 10:00 PM",
    "1 Jan 99 12:00 AM",
    "January 32 2099",
    "Janvier 1 2099",
    "jan2099",
    "Mon Jan 01 2099 00:00:00 GMT+0100 (Central European Time)",
    "Thu, 01 Jan 2099 00:00:00 EST",
    "Thu, 01 Jan 2099 00:00:00 +0130",
    "Thu, 01 Jan 2099 00:00:00 GMT-8",
    "Thu, 01 Jan 2099 00:00:00 XYZ",
    "Thu, 01 Jan 2099 25:00:00 GMT",
    "2099-01-01T00:00:00Z and more",
    "tomorrow",
    " 2099-01-01 ",
    "2099-06",
    "1 2099 Feb",
    "2099 Feb 3",
    "10:00",
    "Feb 3 2099 10:20:30.456",
    "Feb 3 2099 10::30",
    "Feb 3 2099 1:2:3",
    "(comment) Feb 3 2099",
    "Feb 3 2099)",
)

DIAGNOSTICS = ("status", "stream_connected", "reconnect_count", "last_error", "last_claim_result")
VALUES = ("null", "true", "false", "-0", "-1", "2.5", "1e21", "1e400", "6", "6.5", "1e20")
WORDS = ('""', '"x"', '"streaming"', '"claimed"', "[]", "{}", "123456789012345678901234567890")

HEARTBEATS = (
    "{}",
    "",
    '{"lease_ms":0}',
    '{"lease_ms":-1}',
    '{"lease_ms":1.5}',
    '{"lease_ms":1e21}',
    '{"lease_ms":"5"}',
    '{"lease_ms":null}',
    '{"liveness_lease_expires_at":"2099-01-01T00:00:00Z"}',
    '{"liveness_lease_expires_at":"2099-01-01"}',
    '{"liveness_lease_expires_at":"2099"}',
    '{"liveness_lease_expires_at":"Thu, 01 Jan 2099 00:00:00 GMT"}',
    '{"liveness_lease_expires_at":"2099-01-01T02:00:00+02:00"}',
    '{"liveness_lease_expires_at":"20990101"}',
    '{"liveness_lease_expires_at":"1970-01-01T00:00:00.001Z"}',
    '{"liveness_lease_expires_at":""}',
    '{"liveness_lease_expires_at":"x"}',
    '{"wake_stream_offset":""}',
    '{"wakeStreamOffset":"b"}',
    '{"wakeStreamOffset":"b","wake_stream_offset":"a"}',
    '{"diagnostics":null}',
    '{"diagnostics":[]}',
    '{"diagnostics":{}}',
    '{"diagnostics":{"status":"x"}}',
    '{"diagnostics":{"status":"stopped","claims_failed":3}}',
    "{}",
    '{"diagnostics":{"status":"connecting"}}',
    "[]",
    "nul",
    '{"a":NaN}',
    "5",
)

REGISTRATIONS = (
    "{}",
    "[]",
    "null",
    "{",
    '{"id":5}',
    json.dumps(
        {"id": "x", "label": "y", "kind": "pod", "admin_status": 7, "wake_stream": None}
        | {"sandbox_profiles": [{"name": 1}, 3]}
    ),
    '{"id":"x","label":"y","owner_principal":"/principal/user:bob"}',
    '{"id":"x","label":"y","owner_principal":"user:bob"}',
    '{"id":"x","label":"y","owner_principal":""}',
    '{"id":"x\\u0000","label":"y"}',
)

ODD_IDS = (
    "a/b",
    "100%",
    "%2F",
    "q?x#y",
    "a b",
    "😀",
    "a\\b",
    "n\nn",
    "ä",
    "~!*'()",
    "[x]",
    '|^`{}<>"',
)


@dataclass
class Conversation:
    """Asks, and writes down what was asked and answered, without what differs every time."""

    caller: Caller
    patience: float = 0.0
    """Seconds between a cause and its wake: the real server answers before it is written."""
    pause: float = 0.0
    """Seconds between an answer and the next question."""
    run: str = field(default_factory=lambda: uuid4().hex[:6])
    lines: list[str] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of the last answer."""

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        who: str = "",
        headers: dict[str, str] | None = None,
    ) -> Any:  # noqa: ANN401  (JSON)
        caller = self.caller.as_principal(f"user:{self.run}{who}")
        content = body if body is None or isinstance(body, str) else json.dumps(body)
        sent = {"content-type": "application/json"} if content is not None else {}
        response = await caller.ask(
            method,
            path,
            content.encode() if content is not None else b"",
            sent | (headers or {}),
        )
        await asyncio.sleep(self.pause)
        self.headers = response.headers
        said = {name: value for name, value in response.headers.items() if name in HEADERS}
        said.pop("content-length", None)
        question = self._masked(f"{method} {path} {content or ''}")
        answer = self._masked(f"{response.status_code} {json.dumps(said, sort_keys=True)}")
        self.lines += [f"> {question}", f"< {answer} {self._masked(response.text)}"]
        try:
            return response.json()
        except ValueError:
            return None

    def _masked(self, text: str) -> str:
        text = text.replace(self.run, "<run>").replace("\n", "\\n")
        for pattern, mask in MASKS:
            text = re.sub(pattern, mask, text)
        return text


async def converse(talk: Conversation) -> None:
    await _register(talk)
    await _diagnose(talk)
    await _heartbeat(talk)
    await _change_hands(talk)
    await _wake_odd_ids(talk)
    await _work(talk)
    await _date(talk)
    await _read_and_write_streams(talk)
    await _register_types(talk)
    await _spawn(talk)
    await _signal(talk)
    await _refuse(talk)


async def _register(talk: Conversation) -> None:
    for body in REGISTRATIONS:
        await talk.ask("POST", RUNNERS, body)
    one = {"id": f"one{talk.run}", "label": "one"}
    await talk.ask("POST", RUNNERS, one | {"kind": "ci", "admin_status": "disabled"})
    await talk.ask("POST", RUNNERS, one)
    await talk.ask(
        "POST", RUNNERS, {"id": "x", "label": "x", "wake_stream": f"/runners/one{talk.run}/wake"}
    )
    for query in ("", "?owner_principal=", "?owner_principal=x&owner_principal=y", "?limit=0", "/"):
        await talk.ask("GET", RUNNERS + query)
    for method, path in (
        ("GET", f"/one{talk.run}"),
        ("GET", "/none"),
        ("GET", "/none/health"),
        ("POST", "/none/claim"),
        ("GET", "/../health"),
        ("GET", "/%2e%2e/health"),
        ("GET", "/%zz/health"),
        ("GET", "/%ff"),
        ("GET", "//health"),
        ("DELETE", f"/one{talk.run}"),
        ("OPTIONS", ""),
    ):
        await talk.ask(method, RUNNERS + path)
    for path in ("/_electric/health", "/_electric/nope", "/nope", "/"):
        await talk.ask("GET", path)


async def _diagnose(talk: Conversation) -> None:
    for number, name in enumerate(DIAGNOSTICS):
        for position, value in enumerate(VALUES + WORDS):
            runner_id = f"d{number}-{position}-{talk.run}"
            await talk.ask("POST", RUNNERS, {"id": runner_id, "label": "L"})
            said = f'{{"lease_ms":90000,"diagnostics":{{"{name}":{value}}}}}'
            await talk.ask("POST", f"{RUNNERS}/{runner_id}/heartbeat", said)
            await talk.ask("GET", f"{RUNNERS}/{runner_id}/health")


async def _heartbeat(talk: Conversation) -> None:
    runner = f"{RUNNERS}/h{talk.run}"
    await talk.ask("POST", RUNNERS, {"id": f"h{talk.run}", "label": "L"})
    for body in HEARTBEATS:
        await talk.ask("POST", f"{runner}/heartbeat", body)
        await talk.ask("GET", f"{runner}/health")
    await talk.ask("POST", f"{runner}/disable", "junk")
    await talk.ask("POST", f"{runner}/heartbeat", '{"lease_ms":90000}')
    await talk.ask("POST", f"{runner}/claim", {})
    await talk.ask("GET", f"{runner}/health")


async def _change_hands(talk: Conversation) -> None:
    runner = f"{RUNNERS}/h{talk.run}"
    await talk.ask("POST", RUNNERS, {"id": f"h{talk.run}", "label": "moved"}, who="bob")
    for method, action in (("GET", ""), ("GET", "/health"), ("POST", "/heartbeat")):
        await talk.ask(method, runner + action)
    await talk.ask("POST", f"{runner}/claim", {})
    await talk.ask("GET", f"{runner}/health", who="bob")


async def _wake_odd_ids(talk: Conversation) -> None:
    for odd in ODD_IDS:
        await talk.ask("POST", RUNNERS, {"id": odd + talk.run, "label": "odd"})
        path = f"/runners/{quote(odd + talk.run, safe='')}/wake?offset=-1"
        await talk.ask("GET", path)


async def _work(talk: Conversation) -> None:
    runner, kind = f"w{talk.run}", f"t{talk.run}"
    wake, entity = f"/runners/{runner}/wake", f"/_electric/entities/{kind}/e1"
    policy = {"dispatch_policy": {"targets": [{"type": "runner", "runnerId": runner}]}}
    grant = {"subject_kind": "principal_kind", "subject_value": "user", "permission": "spawn"}
    await talk.ask("POST", RUNNERS, {"id": runner, "label": "worker"})
    described = {"name": kind, "description": "x", "permission_grants": [grant]}
    await talk.ask("POST", "/_electric/entity-types", described)
    await talk.ask("PUT", entity, policy)
    await talk.ask("PUT", entity, policy)
    await talk.ask("PUT", f"/_electric/entities/{kind}/e3", policy, who="bob")
    await talk.ask("PUT", "/_electric/entities/none/e3", policy)
    await talk.ask("GET", entity, who="bob")
    await talk.ask("POST", f"{entity}/send", {"payload": 1}, who="bob")
    await talk.ask("POST", f"{entity}/send", {"payload": {"t": 1}})
    await asyncio.sleep(talk.patience)
    for query in ("?offset=-1", "", "?offset=now", "?offset=", "?offset=x", "?live=sse"):
        await talk.ask("GET", wake + query)
    await talk.ask("GET", f"{wake}?offset=-1&live=long-poll")
    claim = await _claim(talk, runner)
    await _call_back(talk, runner, claim)
    await talk.ask("POST", f"{entity}/send", {"payload": 2})
    await asyncio.sleep(talk.patience)
    await _finish(talk, claim)
    await asyncio.sleep(talk.patience)
    await talk.ask("GET", f"{RUNNERS}/{runner}/health")
    again = await _claim(talk, runner)
    await talk.ask("POST", f"{RUNNERS}/{runner}/disable")
    await talk.ask("GET", f"{RUNNERS}/{runner}/health")
    await talk.ask("POST", f"{RUNNERS}/{runner}/enable")
    await _finish(talk, again)
    await talk.ask("POST", f"{RUNNERS}/{runner}/claim", await _newest(talk, runner))
    await talk.ask("GET", f"{RUNNERS}/{runner}/health")
    await talk.ask("GET", entity)


async def _newest(talk: Conversation, runner: str) -> Any:  # noqa: ANN401  (JSON)
    return (await talk.ask("GET", f"/runners/{runner}/wake"))[-1]


async def _claim(talk: Conversation, runner: str) -> dict[str, Any]:
    event = await _newest(talk, runner)
    await talk.ask("POST", f"{RUNNERS}/{runner}/claim", {"subscription_id": "runner:other"})
    await talk.ask("POST", f"{RUNNERS}/{runner}/claim", {})
    await talk.ask("POST", f"{RUNNERS}/{runner}/claim", event, who="bob")
    claim = await talk.ask("POST", f"{RUNNERS}/{runner}/claim", event)
    await talk.ask("POST", f"{RUNNERS}/{runner}/claim", event)
    await talk.ask("GET", f"{RUNNERS}/{runner}/health")
    return dict(claim)


async def _call_back(talk: Conversation, runner: str, claim: dict[str, Any]) -> None:
    url, epoch = f"/_electric/wake-callbacks/{claim['consumerId']}", claim["epoch"]
    path, offset = claim["streams"][0]["path"], claim["streams"][0]["offset"]
    token = {"electric-claim-token": claim["claimToken"]}
    await talk.ask("POST", url, {"epoch": epoch, "wakeId": claim["wakeId"]})
    await talk.ask("GET", f"{RUNNERS}/{runner}/health")
    await talk.ask("POST", url, {"epoch": epoch})
    await talk.ask("POST", url, {"epoch": epoch}, headers={"electric-claim-token": "bad"})
    bearer = {"authorization": f"Bearer {claim['claimToken']}"}
    await talk.ask("POST", url, {"epoch": epoch}, who="bob", headers=bearer)
    await talk.ask("GET", f"{RUNNERS}/{runner}/health")
    for ack in (
        {"path": path, "offset": "-1"},
        {"path": "/nope", "offset": offset},
        {"path": path, "offset": "9999999999999999_9999999999999999"},
        {"path": path, "offset": "0000000000000000_0000000000000000"},
    ):
        await talk.ask("POST", url, {"epoch": epoch, "acks": [ack]}, headers=token)
    for body in ({"epoch": 99}, "", "{", {"epoch": "x"}):
        await talk.ask("POST", url, body, headers=token)
    await talk.ask("POST", "/_electric/wake-callbacks/none", {"epoch": 1}, headers=token)


async def _date(talk: Conversation) -> None:
    """Dates as JavaScript reads them; a lease that no double holds is refused before the owner."""
    runner = f"{RUNNERS}/dates{talk.run}"
    await talk.ask("POST", RUNNERS, {"id": f"dates{talk.run}", "label": "L"})
    for text in DATES:
        await talk.ask("POST", f"{runner}/heartbeat", {"liveness_lease_expires_at": text})
    for who in ("", "bob"):
        await talk.ask("POST", f"{runner}/heartbeat", '{"lease_ms":1e400}', who=who)
        await talk.ask("POST", f"{runner}/heartbeat", f'{{"lease_ms":-{"9" * 400}}}', who=who)
    await talk.ask("POST", f"{RUNNERS}/none/heartbeat", '{"lease_ms":1e400}')
    await talk.ask("POST", f"{runner}/claim", '{"generation":1e400}', who="bob")


async def _read_and_write_streams(talk: Conversation) -> None:
    """What a monitor may ask a wake stream, and what anybody may do to it."""
    runner = f"s{talk.run}"
    wake = f"/runners/{runner}/wake"
    await talk.ask("POST", RUNNERS, {"id": runner, "label": "L"})
    await _read_stream(talk, wake)
    for body in ("", "{", "[]", "[[]]", '{"n":1}', '[{"n":2},{"n":3}]', '"text"', "null"):
        await talk.ask("POST", wake, body)
    await talk.ask("POST", wake, "x", headers={"content-type": "text/plain"})
    await talk.ask("POST", wake, "{}", headers={"content-type": "application/json; charset=utf-8"})
    await _read_stream(talk, wake)
    for path in ("/", f"/nowhere{talk.run}"):
        await talk.ask("POST", path)
        await talk.ask("POST", path, "{}")
        await talk.ask("DELETE", path)
    await talk.ask("DELETE", wake)
    await talk.ask("DELETE", wake)
    for query in ("?offset=-1", "?offset=now", ""):
        await talk.ask("GET", wake + query)
    await talk.ask("HEAD", wake)
    await talk.ask("POST", wake, "{}")
    await talk.ask("POST", RUNNERS, {"id": runner, "label": "L"})
    await talk.ask("GET", f"{wake}?offset=-1")


async def _read_stream(talk: Conversation, path: str) -> None:
    await talk.ask("HEAD", path)
    await talk.ask("HEAD", f"{path}?offset=now")
    first = "0000000000000000_0000000000000000"
    beyond = "0000000000000000_0000000000999999"
    for offset in ("-1", "now", first, beyond, "1_1", "", "-2", "0", "abc", "1_", "%2D1", "NOW"):
        await talk.ask("GET", f"{path}?offset={offset}")
    await talk.ask("GET", f"{path}?offset=-1&offset=now")
    await talk.ask("GET", f"{path}?offset=&offset=now")
    await talk.ask("GET", f"{path}?offset=-1&live=nonsense")
    etag = talk.headers.get("etag", "")
    await talk.ask("GET", f"{path}?offset=-1", headers={"if-none-match": etag})
    await talk.ask("GET", f"{path}?offset={first}", headers={"if-none-match": etag})
    await talk.ask("GET", f"{path}?offset=now", headers={"if-none-match": etag})
    await talk.ask("GET", f"{path}?offset=-1", headers={"if-none-match": "*"})


async def _register_types(talk: Conversation) -> None:
    """Anybody may add a type; who may change it is in its grants."""
    kind, types = f"k{talk.run}", "/_electric/entity-types"
    owner, other = f"/principal/user%3A{talk.run}", f"/principal/user%3A{talk.run}bob"
    described = {"name": kind, "description": "first"}
    manage = {"subject_kind": "principal", "subject_value": owner, "permission": "manage"}
    spawn = {"subject_kind": "principal", "subject_value": other, "permission": "spawn"}
    await talk.ask("POST", types, described | {"permission_grants": [manage]})
    await talk.ask("POST", types, described | {"description": "second"})
    await talk.ask("POST", types, described, who="bob")
    await talk.ask("POST", types, described | {"permission_grants": [spawn]})
    await talk.ask("POST", types, described, who="bob")
    await talk.ask("PUT", f"/_electric/entities/{kind}/a", {}, who="bob")
    await talk.ask("PUT", f"/_electric/entities/{kind}/b", {})
    await talk.ask("POST", types, {"name": f"u{talk.run}", "description": "x"})
    await talk.ask("POST", types, {"name": f"u{talk.run}", "description": "x"})
    await talk.ask("PUT", f"/_electric/entities/u{talk.run}/a", {})
    for body in ({}, {"name": "x"}, {"name": "", "description": "x"}, {"name": "_x"}, {"x": 1}):
        await talk.ask("POST", types, body)
    for name in ("principal", "_reserved"):
        await talk.ask("POST", types, {"name": name, "description": "x"})


async def _open_entities(talk: Conversation, runner: str) -> tuple[str, dict[str, Any]]:
    """Register a runner and a type; give the type and a policy that names the runner."""
    kind = f"e{runner}"
    policy = {"dispatch_policy": {"targets": [{"type": "runner", "runnerId": runner}]}}
    grant = {"subject_kind": "principal_kind", "subject_value": "user", "permission": "spawn"}
    await talk.ask("POST", RUNNERS, {"id": runner, "label": "L"})
    described = {"name": kind, "description": "x", "permission_grants": [grant]}
    await talk.ask("POST", "/_electric/entity-types", described)
    return kind, policy


async def _spawn(talk: Conversation) -> None:
    kind, policy = await _open_entities(talk, f"p{talk.run}")
    entities = f"/_electric/entities/{kind}"
    more = {"args": {"seconds": 3}, "tags": {"team": "ops"}, "initialMessage": {"go": True}}
    await talk.ask("PUT", f"{entities}/args", policy | more)
    await talk.ask("PUT", f"{entities}/empty", policy | {"args": {}})
    await talk.ask("PUT", f"{entities}/none", policy)
    await talk.ask("PUT", f"{entities}/nobody", {})
    await talk.ask("PUT", f"{entities}/lost", {"dispatch_policy": {"targets": []}})
    for name in ("args", "empty", "none", "nobody", "absent"):
        await talk.ask("GET", f"{entities}/{name}")
        await talk.ask("HEAD", f"{entities}/{name}")
    await asyncio.sleep(talk.patience)
    await talk.ask("GET", f"/{kind}/args/main?offset=-1")
    await talk.ask("GET", f"/{kind}/none/main?offset=-1")
    await talk.ask("POST", f"{entities}/nobody/send", {"payload": 1})
    await talk.ask("POST", f"{entities}/absent/send", {"payload": 1})
    await talk.ask("GET", "/_electric/entities/unknown/x")
    claim = await _claim_quietly(talk, f"p{talk.run}")
    url = f"/_electric/wake-callbacks/{claim['consumerId']}"
    token = {"electric-claim-token": claim["claimToken"]}
    epoch, wake_id = claim["epoch"], claim["wakeId"]
    await talk.ask("POST", url, {"epoch": epoch, "wakeId": "other", "done": True}, headers=token)
    await talk.ask("POST", url, {"epoch": epoch, "wakeId": wake_id}, headers=token)
    body = {"epoch": epoch, "wakeId": wake_id, "acks": claim["streams"], "done": True}
    await talk.ask("POST", url, body, headers=token)
    await talk.ask("GET", f"{entities}/args")


async def _claim_quietly(talk: Conversation, runner: str) -> dict[str, Any]:
    event = await _newest(talk, runner)
    return dict(await talk.ask("POST", f"{RUNNERS}/{runner}/claim", event))


async def _signal(talk: Conversation) -> None:
    """Signals of an entity that is idle, running, paused, stopping, stopped and killed."""
    runner = f"g{talk.run}"
    kind, policy = await _open_entities(talk, runner)
    entities = f"/_electric/entities/{kind}"
    for name in ("one", "two", "three"):
        await talk.ask("PUT", f"{entities}/{name}", policy)
    for signal in ("SIGCONT", "SIGSTOP", "SIGUSR", "SIGSTOP", "SIGCONT", "SIGINT", "SIGHUP"):
        await talk.ask("POST", f"{entities}/one/signal", {"signal": signal, "reason": "test"})
    await asyncio.sleep(talk.patience)
    claim = await _claim_quietly(talk, runner)
    for signal in ("SIGCONT", "SIGSTOP"):
        await talk.ask("POST", f"{entities}/one/signal", {"signal": signal, "payload": {"n": 1}})
        await talk.ask("GET", f"{entities}/one")
    await asyncio.sleep(talk.patience)
    await _finish(talk, claim)
    await talk.ask("GET", f"{entities}/one")
    await asyncio.sleep(talk.patience)
    again = await _claim_quietly(talk, runner)
    await talk.ask("POST", f"{entities}/one/signal", {"signal": "SIGTERM"})
    await talk.ask("GET", f"{entities}/one")
    await talk.ask("POST", f"{entities}/one/send", {"payload": 1})
    await _finish(talk, again)
    await talk.ask("GET", f"{entities}/one")
    await talk.ask("POST", f"{entities}/one/signal", {"signal": "SIGCONT"})
    await talk.ask("POST", f"{entities}/one/send", {"payload": 1})
    await talk.ask("GET", f"/{kind}/one/main?offset=-1")
    await talk.ask("POST", f"{entities}/two/signal", {"signal": "SIGTERM"})
    await talk.ask("POST", f"{entities}/two/send", {"payload": 1})
    await talk.ask("GET", f"/{kind}/two/main?offset=-1")
    await talk.ask("DELETE", f"{entities}/three", who="bob")
    await talk.ask("DELETE", f"{entities}/three")
    await talk.ask("DELETE", f"{entities}/three")
    await talk.ask("GET", f"{entities}/three")
    for body in ({}, {"signal": "SIGNAL"}):
        await talk.ask("POST", f"{entities}/three/signal", body)


async def _refuse(talk: Conversation) -> None:
    """A wake that came while its runner was disabled, and one of a paused entity."""
    runner = f"f{talk.run}"
    kind, policy = await _open_entities(talk, runner)
    entity, wake = f"/_electric/entities/{kind}/e", f"/runners/{runner}/wake?offset=-1"
    await talk.ask("PUT", entity, policy)
    await talk.ask("POST", f"{RUNNERS}/{runner}/disable")
    await talk.ask("POST", f"{entity}/send", {"payload": 1})
    await asyncio.sleep(talk.patience)
    await _claim_quietly(talk, runner)
    await talk.ask("POST", f"{RUNNERS}/{runner}/enable")
    await talk.ask("POST", f"{entity}/send", {"payload": 2})
    await asyncio.sleep(talk.patience)
    await talk.ask("GET", wake)
    await talk.ask("POST", f"{entity}/signal", {"signal": "SIGSTOP"})
    await _claim_quietly(talk, runner)
    await asyncio.sleep(talk.patience)
    await talk.ask("GET", wake)
    await _claim_quietly(talk, runner)
    await talk.ask("POST", f"{entity}/signal", {"signal": "SIGCONT"})
    await asyncio.sleep(talk.patience)
    await talk.ask("GET", wake)
    await _finish(talk, await _claim_quietly(talk, runner))
    await talk.ask("GET", entity)


async def _finish(talk: Conversation, claim: dict[str, Any]) -> None:
    url = f"/_electric/wake-callbacks/{claim['consumerId']}"
    token = {"electric-claim-token": claim["claimToken"]}
    body = {"epoch": claim["epoch"], "acks": claim["streams"], "done": True}
    await talk.ask("POST", url, body, headers=token)
    await talk.ask("POST", url, body, headers=token)


def conversation_with_ours(database: str) -> list[str]:
    """Hold it where only waiting takes time, so that what lapses between two questions is the same.

    A lease of a few milliseconds is over by the next question, by less than a second, however busy
    the machine is.
    """

    async def hold() -> list[str]:
        clock = RunningClock(monotonic=asyncio.get_running_loop().time)
        with closing(Registry(open_engine(database))) as registry:
            async with in_memory(make_system(clock, registry), None) as caller:
                talk = Conversation(caller, pause=0.005)
                await converse(talk)
        return talk.lines

    return run_skipping(hold())


def test_the_simulator_answers_what_the_real_server_answered() -> None:
    said = RECORDED.read_text().splitlines()
    assert len(said) > 900
    assert conversation_with_ours(IN_MEMORY) == said


def test_so_it_does_with_its_data_in_a_file(tmp_path: Path) -> None:
    lines = conversation_with_ours(f"sqlite:///{tmp_path / 'agents.db'}")
    assert lines == RECORDED.read_text().splitlines()


def test_so_it_does_with_its_data_in_postgresql(postgres_url: str) -> None:
    assert conversation_with_ours(postgres_url) == RECORDED.read_text().splitlines()


async def record(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=60.0) as client:
        talk = Conversation(Caller(client, None, url), patience=0.5)
        await converse(talk)
    RECORDED.write_text("\n".join(talk.lines) + "\n")


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1]))
