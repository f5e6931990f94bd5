"""An exporter's alerts, watched: reports go in as polls take them in."""

from collections.abc import Mapping
from typing import Any, Final

from tests.conftest import FakeClock

from electric_agents_exporter.alerting.alert import Alert, AlertState
from electric_agents_exporter.alerting.definition import PREFIX, Definitions, load
from electric_agents_exporter.alerting.engine import Engine, Options, OwnState
from electric_agents_exporter.contract.reading import HealthAnswer, ListAnswer
from electric_agents_exporter.contract.report import (
    Claims,
    Client,
    Dispatch,
    ListedRunner,
    Report,
)
from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    HealthStatus,
    Issue,
    LivenessStatus,
    RunnerKind,
)
from electric_agents_exporter.contract.wakes import Wake, WakeReading
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation, Reason

OWNER: Final = "service:fleet"
LEASE: Final = 90.0
EVERY: Final = 15.0
OPERATIONS: Final = (Operation.LIST, Operation.HEALTH, Operation.SERVER, Operation.WAKES)
SHIPPED: Final = load()


class Watched:
    """One exporter, its targets polled by hand every quarter of a minute."""

    def __init__(
        self,
        *names: str,
        definitions: Definitions = SHIPPED,
        labels: Mapping[str, str] | None = None,
        per_runner: bool = True,
        **policy: Any,  # noqa: ANN401
    ) -> None:
        self.clock = FakeClock()
        self.fleet = Fleet(self.clock)
        self.policies = [
            Policy(name, (OWNER,), **{"operations": OPERATIONS, **policy})
            for name in names or ("agents",)
        ]
        self.fleet.configure(self.policies)
        self.own = OwnState(reloaded=True, configured_at=0.0, drift={})
        self.known: dict[frozenset[tuple[str, str]], float] = {}
        self.options = Options(definitions, labels or {}, per_runner)
        self.engine = Engine(
            self.fleet, self.clock, self.options, lambda: self.own, lambda: self.known
        )

    @property
    def now(self) -> float:
        return self.clock.time()

    def poll(
        self,
        *runners: "Runner",
        refused: Reason | None = None,
        failing: Mapping[str, Reason] | None = None,
        server: Reason | None = None,
        others: Mapping[str, int | Reason] | None = None,
        name: str = "agents",
    ) -> None:
        """Poll a target; a list that is refused names nobody.

        `others` tells of further principals how many runners they list, that nobody asks for.
        """
        target = self.fleet.targets[name]
        target.attend()
        poll = Poll(target)
        listed = tuple(runner.listed for runner in runners)
        poll.requested(Operation.LIST, 0.01, refused)
        poll.listed(OWNER, refused or ListAnswer(listed, ()))
        for principal, told in (others or {}).items():
            if isinstance(told, Reason):
                poll.requested(Operation.LIST, 0.01, told)
                poll.listed(principal, told)
            else:
                many = tuple(Runner(f"{principal} {at}").listed for at in range(told))
                poll.listed(principal, ListAnswer(many, ()))
        known = {runner.listed.id: runner for runner in runners}
        for due in poll.due():
            reason = (failing or {}).get(due.runner_id)
            if reason is not None or due.runner_id not in known:
                poll.requested(Operation.HEALTH, 0.01, reason or Reason.TIMEOUT)
                poll.failed(due.runner_id, reason or Reason.TIMEOUT)
                continue
            answer = HealthAnswer(known[due.runner_id].report(self.now), self.now, ())
            poll.reported(answer, self.clock.monotonic())
        for question in poll.wake_questions():
            runner = known[question.runner_id]
            poll.wakes_read(question, runner.wakes_fail or runner.wakes())
        if Operation.SERVER in target.policy.operations:
            poll.requested(Operation.SERVER, 0.01, server)
        poll.end()
        self.engine.evaluate_target(name)

    def go_on(self, *runners: "Runner", seconds: float = EVERY, **how: Any) -> "Watched":  # noqa: ANN401
        """Poll for a while."""
        for _ in range(round(seconds / EVERY)):
            self.poll(*runners, **how)
            self.fleet.tick()
            self.engine.evaluate_itself()
            self.clock.advance(EVERY)
        return self

    def alerts(self, *states: AlertState) -> dict[tuple[str, str], Alert]:
        """Give the alerts that are in some state, by name and whom they are on."""
        found = {}
        for alert in self.engine.alerts():
            if alert.state in (states or (AlertState.PENDING, AlertState.FIRING)):
                name = alert.labels["alertname"].removeprefix(PREFIX)
                whom = alert.labels.get("runner_id") or alert.labels.get("server", "")
                found[name, whom] = alert
        found.pop(("Watchdog", ""), None)
        return found

    @property
    def told(self) -> set[tuple[str, str]]:
        """Whatever holds, whether or not it fires yet."""
        return set(self.alerts())

    @property
    def firing(self) -> set[tuple[str, str]]:
        return set(self.alerts(AlertState.FIRING))


class Runner:
    """A runner as a server tells of it; what is not given is as of one that is well."""

    def __init__(self, runner_id: str = "r", kind: RunnerKind = RunnerKind.SERVER) -> None:
        self.listed = ListedRunner(
            runner_id, OWNER, f"label of {runner_id}", kind, AdminStatus.ENABLED, f"/{runner_id}"
        )
        self.client: dict[str, Any] = {"stream_connected": True}
        self.more: dict[str, Any] = {}
        self.entities = 0
        self.active: int | None = None
        self.seen_at: float | None = None
        self.claimed_at: float | None = None
        self.unheard: tuple[float, ...] = ()
        self.wakes_fail: Reason | None = None

    def dies(self, now: float) -> "Runner":
        """Give no sign of life after a moment."""
        self.seen_at = now
        return self

    def report(self, now: float) -> Report:
        seen = now - 5 if self.seen_at is None else self.seen_at
        alive = now < seen + LEASE
        issues = frozenset() if alive else frozenset({Issue.LEASE_EXPIRED})
        active = self.entities if self.active is None else self.active
        claimed = seen if self.claimed_at is None else self.claimed_at
        return Report(
            **{
                "runner_id": self.listed.id,
                "admin_status": AdminStatus.ENABLED,
                "liveness": LivenessStatus.ONLINE if alive else LivenessStatus.EXPIRED,
                "health": HealthStatus.HEALTHY if alive else HealthStatus.UNHEALTHY,
                "issues": issues,
                "created_at": 1_700_000_000.0,
                "last_seen_at": seen,
                "lease_expires_at": seen + LEASE,
                "client_present": True,
                "client": Client(**self.client),
                "claims": Claims(
                    active_count=active,
                    oldest_heartbeat_at=claimed if active else None,
                    newest_heartbeat_at=claimed if active else None,
                ),
                "dispatch": Dispatch(entities_with_active_claim=self.entities),
                "wake_stream_offset": "0_1",
                **self.more,
            }
        )

    def wakes(self) -> WakeReading:
        """Give what is on its stream behind what it has heard."""
        wakes = tuple(Wake(f"entity-{at}", at, 1) for at in self.unheard)
        return WakeReading(offset="0_1", tail="0_9" if wakes else "0_1", wakes=wakes)
