"""A fleet with a runner in every state that is shown, and a server in every state too."""

import json
from typing import Any, Final

from electric_agents_exporter.contract.reading import read_health, read_list
from electric_agents_exporter.contract.wakes import Wake, WakeReading
from electric_agents_exporter.fleet.clock import Clock
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation, Reason
from electric_agents_exporter.fleet.target import Target

NOON: Final = 1_795_348_800.0  # 2026-11-22T12:00:00Z
ALICE: Final = "user:alice"
MONITOR: Final = "service:monitor"
OFFSET: Final = "0000000000000000_0000000000000005"
HOSTILE: Final = (
    '<script>alert("x")</script>',
    "quotes ' \" ` & ampersand",
    "line\nbreak\ttab\x00nul",
    "right\u202eto\u202cleft \u05d0\u05d1 \u200e\u200f",
    "a/b?c=d#e%2F/../..",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "x" * 300,
    "",
    ".",
)
DEAD: Final = 194
"""How many runners the server has that is down."""

_ONLINE: Final = {"admin_status": "enabled", "liveness_status": "online"}
_EXPIRED: Final = {"admin_status": "enabled", "liveness_status": "expired"}
_SEEN: Final = {"last_seen_at": "2026-11-22T11:59:50.000Z", "wake_stream_offset": OFFSET}
_LONG_AGO: Final = {"last_seen_at": "2026-11-22T11:50:00.000Z", "wake_stream_offset": OFFSET}
_IDLE: Final[dict[str, Any]] = {
    "claims": {"active_count": 0, "active": []},
    "dispatch": {
        "entities_with_active_claim": 0,
        "entities_with_outstanding_wake": 0,
        "entities_with_pending_work": 0,
    },
}
_CLIENT: Final = {
    "status": "streaming",
    "stream_connected": True,
    "last_heartbeat_ok": True,
    "started_at": "2026-11-22T08:00:00.000Z",
    "claims_succeeded": 5,
    "claims_skipped": 1,
    "claims_failed": 0,
    "reconnect_count": 0,
}
_DEAF: Final = _CLIENT | {"stream_connected": False}


def _claims(heartbeat: str) -> dict[str, Any]:
    claim = {
        "consumer_id": "c",
        "epoch": 1,
        "entity_url": "/task/1",
        "stream_path": "/task/1/main",
        "claimed_at": "2026-11-22T11:45:00.000Z",
        "last_heartbeat_at": heartbeat,
        "lease_expires_at": None,
    }
    working = {**_IDLE["dispatch"], "entities_with_active_claim": 1}
    return {"claims": {"active_count": 1, "active": [claim]}, "dispatch": working}


def _healthy(status: str) -> dict[str, Any]:
    return {"health": {"status": status, "issues": []}}


def _said(runner: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"runner": runner, "client": _CLIENT, **_IDLE, **_healthy("healthy"), **more}


STATES: Final[dict[str, tuple[str, dict[str, Any] | None]]] = {
    # By id: what it is for, and what its report says; None gives none.
    "abandoned": (
        "server",
        _said(_EXPIRED | _LONG_AGO, **_claims("2026-11-22T11:50:00.000Z"), **_healthy("unhealthy")),
    ),
    "unheard": ("server", _said(_ONLINE | _SEEN)),
    "refused": ("server", _said(_ONLINE | _SEEN)),
    "stuck": ("server", _said(_ONLINE | _SEEN, **_claims("2026-11-22T11:50:00.000Z"))),
    "deaf": (
        "sandbox",
        _said(
            _ONLINE | _SEEN, client=_CLIENT | {"stream_connected": False}, **_healthy("degraded")
        ),
    ),
    "silent": ("server", None),
    "lapsed": ("server", _said(_EXPIRED | _LONG_AGO, **_healthy("unhealthy"))),
    "mute": ("ci", _said(_ONLINE | _SEEN, client=None)),
    "draining": (
        "server",
        _said(_EXPIRED | _LONG_AGO, **_claims("2026-11-22T11:59:55.000Z"), **_healthy("unhealthy")),
    ),
    "newcomer": (
        "ci",
        _said(
            {"admin_status": "enabled", "liveness_status": "offline", "last_seen_at": None},
            client=None,
            **_healthy("degraded"),
        ),
    ),
    "laptop": ("local", _said(_EXPIRED | _LONG_AGO, **_healthy("unhealthy"))),
    "fine": ("server", _said(_ONLINE | _SEEN)),
    "off": (
        "server",
        _said(
            {"admin_status": "disabled", "liveness_status": "offline"} | _SEEN,
            **_healthy("unhealthy"),
        ),
    ),
}
SHOWN: Final = {
    "abandoned": "work abandoned",
    "unheard": "work waits",
    "refused": "work refused",
    "stuck": "claim stuck",
    "deaf": "deaf",
    "silent": "unknown",
    "lapsed": "lapsed",
    "mute": "partly known",
    "draining": "draining",
    "newcomer": "never seen",
    "laptop": "gone",
    "fine": "fine",
    "off": "disabled",
}
"""How each is shown, the worst first."""


class AilingFleet:
    """The servers `production` (every state), `dead`, `new`, `partly` and `hostile`."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.fleet = Fleet(clock)
        operations = tuple(Operation)
        self.fleet.configure(
            [
                Policy("production", (ALICE, MONITOR), operations=operations),
                Policy("dead", (ALICE,), operations=operations),
                Policy("new", (ALICE,)),
                Policy("partly", (ALICE, MONITOR), operations=operations),
                Policy("hostile", (ALICE,), operations=operations),
            ]
        )
        self.fleet.tick()
        for failed in (0, 1):
            self.poll_states(failed)
        self._poll_dead()
        self._poll_partly()
        self.poll_hostile()

    def _target(self, name: str) -> Target:
        target = self.fleet.targets[name]
        target.server_clock.observe_date(self.clock.time(), self.clock.monotonic())
        return target

    def poll_states(self, failed: int) -> None:
        """Poll the server whose runners are in every state; so many claims of one failed by now."""
        target = self._target("production")
        begun = self._begin(target)
        listed = [
            {"id": name, "label": f"{name} host", "kind": kind, "wake_stream": f"/{name}"}
            for name, (kind, _) in STATES.items()
        ]
        begun.listed(ALICE, read_list(json.dumps(listed).encode()))
        begun.listed(MONITOR, read_list(b"[]"))
        begun.due()
        for name, (_, said) in STATES.items():
            if said is None:
                begun.failed(name, Reason.TIMEOUT)
            elif name == "refused":
                client = _CLIENT | {"claims_failed": failed}
                self._report(begun, name, said | {"client": client})
            else:
                self._report(begun, name, said)
        self._read_wakes(begun, {"unheard": Wake("task/7/main", self.clock.time() - 240, 1)})
        begun.end()

    def _poll_dead(self) -> None:
        target = self._target("dead")
        begun = self._begin(target)
        names = [f"dead-{number:03}" for number in range(DEAD)]
        begun.listed(ALICE, read_list(json.dumps([{"id": name} for name in names]).encode()))
        begun.due()
        begun.end()
        self.fail_dead()

    def fail_dead(self) -> None:
        """Poll the dead server, which refuses to connect."""
        begun = Poll(self.fleet.targets["dead"])
        begun.requested(Operation.SERVER, 0.01, Reason.TLS, "certificate has expired")
        begun.requested(Operation.LIST, 0.01, Reason.TLS, "certificate has expired")
        begun.listed(ALICE, Reason.TLS)
        begun.due()
        begun.end()

    def _poll_partly(self) -> None:
        begun = self._begin(self._target("partly"))
        begun.requested(Operation.LIST, 0.01, Reason.FORBIDDEN)
        begun.listed(ALICE, read_list(b'[{"id": "one", "kind": "server"}]'))
        begun.listed(MONITOR, Reason.FORBIDDEN)
        begun.due()
        self._report(begun, "one", STATES["fine"][1] or {})
        begun.end()

    def poll_hostile(self) -> None:
        """Poll the server whose runners are called odd names."""
        begun = self._begin(self._target("hostile"))
        listed = [
            {"id": name, "label": name, "kind": "server", "wake_stream": "/w"} for name in HOSTILE
        ]
        begun.listed(ALICE, read_list(json.dumps(listed).encode()))
        begun.due()
        for name in HOSTILE:
            self._report(begun, name, STATES["fine"][1] or {})
        self._read_wakes(begun, {})
        begun.end()

    @staticmethod
    def _begin(target: Target) -> Poll:
        begun = Poll(target)
        begun.requested(Operation.SERVER, 0.01, None)
        return begun

    def _report(self, begun: Poll, name: str, said: dict[str, Any]) -> None:
        report = said | {"runner": {"id": name} | said["runner"]}
        begun.reported(read_health(json.dumps(report).encode()), self.clock.monotonic())

    @staticmethod
    def _read_wakes(begun: Poll, waiting: dict[str, Wake]) -> None:
        for question in begun.wake_questions():
            wake = waiting.get(question.runner_id)
            wakes = () if wake is None else (wake,)
            tail = OFFSET if wake is None else f"{OFFSET[:-1]}9"
            begun.wakes_read(question, WakeReading(question.offset, tail, wakes))
