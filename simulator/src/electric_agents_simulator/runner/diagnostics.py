"""What a runner knows of itself and sends with each heartbeat, all on its own clock.

Source: `pull-wake-runner.ts` and `pull-wake-machine.ts` in `packages/agents-runtime`. Two things
that surprise: the first heartbeat is written before there is anything to tell, so it says that
the stream is not connected and that the last heartbeat failed; and nothing but a restart ever
lowers a count.
"""

from dataclasses import dataclass
from typing import Final

from electric_agents_exporter.contract.vocabulary import ClaimResult, ClientStatus
from electric_agents_simulator import values
from electric_agents_simulator.clock import Clock
from electric_agents_simulator.values import Json

HEARTBEAT_FAILURES_TOLERATED: Final = 1
"""With one more in a row, the runner resets its stream."""


@dataclass
class Diagnostics:
    """The 16 fields of `client` in a health report; each method is something that happened."""

    clock: Clock
    status: ClientStatus = ClientStatus.STOPPED
    started_at: str | None = None
    stream_connected_since: str | None = None
    reconnect_count: int = 0
    last_error: str | None = None
    last_error_at: str | None = None
    last_heartbeat_at: str | None = None
    last_heartbeat_ok: bool = False
    last_claim_at: str | None = None
    last_claim_result: ClaimResult | None = None
    last_dispatch_at: str | None = None
    events_received: int = 0
    claims_succeeded: int = 0
    claims_skipped: int = 0
    claims_failed: int = 0
    heartbeat_failures: int = 0
    """In a row; not reported."""

    @classmethod
    def of_a_start(cls, clock: Clock) -> "Diagnostics":
        """Begin anew: all counts at nought."""
        diagnostics = cls(clock, ClientStatus.STARTING)
        diagnostics.started_at = diagnostics._now()
        return diagnostics

    def connecting(self) -> None:
        """The wake stream is being opened."""
        self.status = ClientStatus.CONNECTING

    def connected(self) -> None:
        """The wake stream is open."""
        self.status = ClientStatus.STREAMING
        self.stream_connected_since = self._now()

    def disconnected(self, error: str | None) -> None:
        """The wake stream could not be opened, or ended: in an error, or plainly (None)."""
        self.status = ClientStatus.RECONNECTING
        self.stream_connected_since = None
        if error is not None:
            self.reconnect_count += 1
            self.failed(error)

    def stopping(self) -> None:
        """The runner was told to stop."""
        self.status = ClientStatus.STOPPING

    def stopped(self) -> None:
        """Nothing runs any more."""
        self.status = ClientStatus.STOPPED
        self.stream_connected_since = None

    def failed(self, error: str) -> None:
        """Something went wrong."""
        self.last_error = error
        self.last_error_at = self._now()

    def heartbeat_answered(self) -> None:
        """A heartbeat reached the server, well or badly."""
        self.last_heartbeat_at = self._now()

    def heartbeat_succeeded(self) -> None:
        """The server accepted a heartbeat."""
        self.last_heartbeat_ok = True
        self.heartbeat_failures = 0

    def heartbeat_failed(self, error: str) -> bool:
        """A heartbeat was lost or refused; tell whether the stream must be reset for it."""
        self.last_heartbeat_ok = False
        self.heartbeat_failures += 1
        self.failed(error)
        return self.heartbeat_failures > HEARTBEAT_FAILURES_TOLERATED

    def event_received(self) -> None:
        """A wake event was read."""
        self.events_received += 1

    def claim_started(self) -> None:
        """A claim is on its way; until it is answered there is no result."""
        self.last_claim_at = self._now()
        self.last_claim_result = None

    def claim_succeeded(self) -> None:
        """A claim was granted."""
        self.last_claim_result = ClaimResult.CLAIMED
        self.claims_succeeded += 1

    def claim_skipped(self) -> None:
        """There was nothing to do, or this runner is at it already: normal, no failure."""
        self.last_claim_result = ClaimResult.NO_WORK
        self.claims_skipped += 1

    def claim_failed(self) -> None:
        """A claim went wrong."""
        self.last_claim_result = ClaimResult.ERROR
        self.claims_failed += 1

    def dispatched(self) -> None:
        """Work was handed to its handler."""
        self.last_dispatch_at = self._now()

    def report(self) -> Json:
        """Write the diagnostics as a heartbeat carries them."""
        return {
            "status": self.status,
            "started_at": self.started_at,
            "stream_connected": self.status is ClientStatus.STREAMING,
            "stream_connected_since": self.stream_connected_since,
            "reconnect_count": self.reconnect_count,
            "last_error": self.last_error,
            "last_error_at": self.last_error_at,
            "last_heartbeat_at": self.last_heartbeat_at,
            "last_heartbeat_ok": self.last_heartbeat_ok,
            "last_claim_at": self.last_claim_at,
            "last_claim_result": self.last_claim_result,
            "last_dispatch_at": self.last_dispatch_at,
            "events_received": self.events_received,
            "claims_succeeded": self.claims_succeeded,
            "claims_skipped": self.claims_skipped,
            "claims_failed": self.claims_failed,
        }

    def _now(self) -> str:
        return values.to_text(values.from_seconds(self.clock.now()))
