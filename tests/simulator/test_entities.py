"""What an entity is doing, what signals make of it, and who may change its type."""

import pytest

from electric_agents_simulator.server.signals import Handling, handle
from electric_agents_simulator.storage.records import EntityStatus
from electric_agents_simulator.testing import Caller
from electric_agents_simulator.values import Json

ENTITY = "/_electric/entities/task/one"
TYPES = "/_electric/entity-types"


@pytest.fixture
async def spawned(caller: Caller) -> Caller:
    await caller.register("worker")
    await caller.spawn("worker", "/task/one")
    return caller


async def status(caller: Caller) -> str:
    return str((await caller.get(ENTITY)).json()["status"])


async def signal(caller: Caller, name: str) -> Json:
    answer: Json = (await caller.post(f"{ENTITY}/signal", {"signal": name})).json()
    return answer


async def test_an_entity_is_idle_until_its_wake_is_claimed_and_again_when_it_is_done(
    spawned: Caller,
) -> None:
    assert await status(spawned) == "idle"
    await spawned.send("/task/one")
    claim = await spawned.claim_newest("worker")
    assert await status(spawned) == "running"
    await spawned.finish(claim)
    assert await status(spawned) == "idle"


async def test_an_entity_shows_the_arguments_that_it_was_spawned_with(caller: Caller) -> None:
    await caller.register("worker")
    await caller.spawn("worker", "/task/one")
    path = "/_electric/entities/task/two"
    with_arguments = await caller.ask("PUT", path, {"args": {"seconds": 3}})
    without = await caller.ask("PUT", path + "more", {})
    assert with_arguments.json()["spawn_args"] == {"seconds": 3}
    assert "spawn_args" not in without.json()
    assert (await caller.get(path)).json()["spawn_args"] == {"seconds": 3}
    assert (await caller.get(path + "more")).json()["spawn_args"] == {}


async def test_a_continue_signal_leaves_a_running_entity_running(spawned: Caller) -> None:
    await spawned.send("/task/one")
    await spawned.claim_newest("worker")
    assert (await signal(spawned, "SIGCONT"))["new_state"] == "running"
    assert await status(spawned) == "running"


async def test_an_entity_that_is_told_to_stop_at_work_stops_when_the_work_is_done(
    spawned: Caller,
) -> None:
    await spawned.send("/task/one")
    claim = await spawned.claim_newest("worker")
    assert (await signal(spawned, "SIGTERM"))["new_state"] == "stopping"
    await spawned.finish(claim)
    assert await status(spawned) == "stopped"


@pytest.mark.parametrize("name,ended", [("SIGTERM", "stopped"), ("SIGKILL", "killed")])
async def test_an_entity_that_has_ended_takes_neither_messages_nor_signals(
    name: str, ended: str, spawned: Caller
) -> None:
    await signal(spawned, name)
    assert await status(spawned) == ended
    refused = await spawned.post(f"{ENTITY}/send", {"payload": 1})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "NOT_RUNNING")
    refused = await spawned.post(f"{ENTITY}/signal", {"signal": "SIGCONT"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "INVALID_SIGNAL")


async def test_the_wake_of_a_killed_entity_stays_unheard_and_cannot_be_claimed(
    spawned: Caller,
) -> None:
    await spawned.send("/task/one")
    await spawned.ask("DELETE", ENTITY)
    (event,) = await spawned.wakes("worker")
    refused = await spawned.claim("worker", event)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "NO_PENDING_WORK")
    assert await status(spawned) == "killed"


async def test_a_message_lets_a_paused_entity_go_on(spawned: Caller) -> None:
    await signal(spawned, "SIGSTOP")
    assert await status(spawned) == "paused"
    await spawned.send("/task/one")
    assert await status(spawned) == "idle"


async def test_a_signal_is_an_event_that_tells_who_handles_it(spawned: Caller) -> None:
    await signal(spawned, "SIGSTOP")
    event = (await spawned.get("/task/one/main?offset=-1")).json()[-1]
    assert event["type"] == "signal"
    assert set(event["headers"]) == {"operation", "timestamp", "txid", "offset"}
    assert {name: event["value"][name] for name in ("signal", "status", "new_state")} == {
        "signal": "SIGSTOP",
        "status": "handled",
        "new_state": "paused",
    }


async def test_an_event_tells_the_offset_behind_it(spawned: Caller) -> None:
    await spawned.send("/task/one")
    response = await spawned.get("/task/one/main?offset=-1")
    offsets = [event["headers"]["offset"] for event in response.json()]
    assert offsets == sorted(offsets)
    assert offsets[-1] == response.headers["stream-next-offset"]


def test_every_signal_has_its_effect_in_every_status() -> None:
    status = EntityStatus
    expected = {
        ("SIGKILL", status.RUNNING): Handling(status.KILLED, handled=True),
        ("SIGTERM", status.IDLE): Handling(status.STOPPED, handled=True),
        ("SIGTERM", status.PAUSED): Handling(status.STOPPED, handled=True),
        ("SIGTERM", status.RUNNING): Handling(status.STOPPING),
        ("SIGTERM", status.STOPPING): Handling(status.STOPPING, outcome="ignored"),
        ("SIGSTOP", status.IDLE): Handling(status.PAUSED, handled=True),
        ("SIGSTOP", status.RUNNING): Handling(status.PAUSED),
        ("SIGSTOP", status.PAUSED): Handling(status.PAUSED, handled=True, outcome="ignored"),
        ("SIGCONT", status.PAUSED): Handling(status.IDLE),
        ("SIGCONT", status.IDLE): Handling(status.IDLE, outcome="ignored"),
        ("SIGUSR", status.PAUSED): Handling(status.PAUSED, handled=True, outcome="ignored"),
        ("SIGINT", status.RUNNING): Handling(status.RUNNING, outcome="ignored"),
    }
    assert {given: handle(*given) for given in expected} == expected


async def test_anybody_may_add_a_type_and_its_managers_alone_may_change_it(caller: Caller) -> None:
    manager = {
        "subject_kind": "principal",
        "subject_value": "/principal/user%3Aalice",
        "permission": "manage",
    }
    described = {"name": "job", "description": "A job"}
    added = await caller.post(TYPES, described | {"permission_grants": [manager]})
    assert (added.status_code, added.json()["revision"]) == (201, 1)
    assert (await caller.post(TYPES, described)).status_code == 401
    changed = await caller.as_principal("user:alice").post(TYPES, described)
    assert (changed.status_code, changed.json()["revision"]) == (201, 2)


async def test_an_entity_without_a_policy_has_that_of_its_type(caller: Caller) -> None:
    await caller.register("worker")
    policy = {"targets": [{"type": "runner", "runnerId": "worker"}]}
    grant = {"subject_kind": "principal_kind", "subject_value": "service", "permission": "spawn"}
    described = {"name": "job", "description": "A job", "permission_grants": [grant]}
    await caller.post(TYPES, described | {"default_dispatch_policy": policy})
    spawned = await caller.ask("PUT", "/_electric/entities/job/one", {})
    assert spawned.json()["dispatch_policy"] == policy
    await caller.send("/job/one")
    assert len(await caller.wakes("worker")) == 1


async def test_a_callback_that_confirms_and_ends_gives_a_write_token_too(spawned: Caller) -> None:
    await spawned.send("/task/one")
    claim = await spawned.claim_newest("worker")
    answer = await spawned.call_back(
        claim, wakeId=claim["wakeId"], acks=claim["streams"], done=True
    )
    assert set(answer.json()) == {"ok", "next_wake", "writeToken"}


async def test_a_lease_that_no_double_holds_is_refused_before_the_owner_is_looked_at(
    caller: Caller,
) -> None:
    await caller.register("one")
    stranger = caller.as_principal("user:stranger")
    for lease in (b"1e400", b"-" + b"9" * 5000):
        response = await stranger.ask(
            "POST", "/_electric/runners/one/heartbeat", b'{"lease_ms":' + lease + b"}"
        )
        assert response.status_code == 400
        assert response.json()["error"]["details"] == [
            {"path": "/lease_ms", "message": "must be number"}
        ]


async def test_an_entitys_stream_is_for_who_may_read_it_and_the_holder_of_its_claim(
    spawned: Caller,
) -> None:
    stream = "/task/one/main"
    stranger = spawned.as_principal("user:stranger")
    assert (await stranger.get(stream)).status_code == 401
    assert (await spawned.get(stream)).status_code == 200
    assert (await spawned.post(stream, {"type": "note"})).status_code == 401
    await spawned.send("/task/one")
    claim = await spawned.claim_newest("worker")
    confirmed = (await spawned.call_back(claim, wakeId=claim["wakeId"])).json()
    token = {"electric-claim-token": confirmed["writeToken"]}
    assert (await spawned.ask("POST", stream, {"type": "note"}, token)).status_code == 204


async def test_a_message_that_is_to_wait_leaves_a_paused_entity_paused(spawned: Caller) -> None:
    await signal(spawned, "SIGSTOP")
    await spawned.post(f"{ENTITY}/send", {"payload": 1, "mode": "paused"})
    assert await status(spawned) == "paused"
    event = (await spawned.get("/task/one/main?offset=-1")).json()[-1]
    assert event["value"]["status"] == "pending"


async def test_nobody_sends_in_anothers_name(spawned: Caller) -> None:
    refused = await spawned.post(f"{ENTITY}/send", {"payload": 1, "from": "/principal/user%3Aeve"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "INVALID_REQUEST")
