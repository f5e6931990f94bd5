"""The families of this process."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from electric_agents_exporter.fleet.reasons import Reason
from electric_agents_exporter.metrics.family import PREFIX, Family, Kind, value

_NEVER_SENDING: Final = {Reason.WRONG_RUNNER, Reason.WRONG_PRINCIPAL, Reason.DATABASE}


OF_EVERY_PROGRAM: Final = (
    "process_virtual_memory_bytes",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_max_fds",
    "python_info",
)
"""The families that prometheus_client has of this process."""


@dataclass(slots=True)
class AlertCounts:
    """What was sent to each Alertmanager, by its URL, and why sending failed.

    Each mapping is replaced as a whole, since an exposition reads it in another thread.
    """

    sent: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[tuple[str, Reason], int] = field(default_factory=dict)

    def expect(self, alertmanagers: Iterable[str]) -> None:
        """Begin at 0 with those that are new, and leave out those that are no more."""
        names = tuple(alertmanagers)
        reasons = [reason for reason in Reason if reason not in _NEVER_SENDING]
        pairs = [(name, reason) for name in names for reason in reasons]
        self.sent = {name: self.sent.get(name, 0) for name in names}
        self.errors = {pair: self.errors.get(pair, 0) for pair in pairs}

    def count_sent(self, alertmanager: str, alerts: int) -> None:
        """Count alerts that an Alertmanager took, while it is one that is expected."""
        if alertmanager in self.sent:
            self.sent = {**self.sent, alertmanager: self.sent[alertmanager] + alerts}

    def count_error(self, alertmanager: str, reason: Reason) -> None:
        """Count a request with alerts that failed, while its Alertmanager is expected."""
        if alertmanager in self.sent:
            pair = (alertmanager, reason)
            self.errors = {**self.errors, pair: self.errors.get(pair, 0) + 1}


@dataclass(slots=True)
class ProcessState:
    """What this process knows of itself. Times are seconds since the epoch."""

    version: str
    python: str
    reload_succeeded: bool = True
    reloaded_at: float | None = None
    ticked_at: float | None = None
    exposition_bytes: int | None = None
    exposition_series: int | None = None
    exposition_seconds: float | None = None
    alerts: AlertCounts = field(default_factory=AlertCounts)


@dataclass(frozen=True, slots=True)
class ProcessSubject:
    """What the rows of this process read."""

    own: ProcessState
    drift: Mapping[str, int]


ProcessFamily = Family[ProcessSubject]


def process_families() -> tuple[ProcessFamily, ...]:
    """Give the rows of this process."""
    return (
        Family(
            name=f"{PREFIX}exporter_build_info",
            kind=Kind.INFO,
            help="What runs here: always 1.",
            samples=lambda s: (((s.own.version, s.own.python), 1.0),),
            labels=("version", "python_version"),
            source=("process.version", "process.python"),
        ),
        Family(
            name=f"{PREFIX}exporter_config_last_reload_successful",
            kind=Kind.GAUGE,
            help="1 if the settings, and the certificates and users that they name, were last read "
            "without fault, 0 if the old ones were kept.",
            samples=value(lambda s: s.own.reload_succeeded),
            source=("process.reload_succeeded",),
        ),
        Family(
            name=f"{PREFIX}exporter_config_last_reload_success_timestamp_seconds",
            kind=Kind.GAUGE,
            help="When the settings were last read without fault.",
            samples=value(lambda s: s.own.reloaded_at),
            source=("process.reloaded_at",),
        ),
        Family(
            name=f"{PREFIX}exporter_scheduler_last_tick_timestamp_seconds",
            kind=Kind.GAUGE,
            help="When the scheduler last ticked, which it does every second.",
            samples=value(lambda s: s.own.ticked_at),
            source=("process.ticked_at",),
        ),
        Family(
            name=f"{PREFIX}exporter_unrecognized_values_total",
            kind=Kind.COUNTER,
            help="Values in servers' answers that were not as the contract says, by field. The "
            "field was left out, or shown as unknown or other.",
            samples=lambda s: (((field,), count) for field, count in s.drift.items()),
            labels=("field",),
            source=("process.drift",),
        ),
        Family(
            name=f"{PREFIX}exporter_exposition_bytes",
            kind=Kind.GAUGE,
            help="Size of the previous full exposition, before compression.",
            samples=value(lambda s: s.own.exposition_bytes),
            source=("process.exposition_bytes",),
        ),
        Family(
            name=f"{PREFIX}exporter_exposition_series",
            kind=Kind.GAUGE,
            help="Samples in the previous full exposition.",
            samples=value(lambda s: s.own.exposition_series),
            source=("process.exposition_series",),
        ),
        Family(
            name=f"{PREFIX}exporter_exposition_duration_seconds",
            kind=Kind.GAUGE,
            help="How long the previous full exposition took to build.",
            samples=value(lambda s: s.own.exposition_seconds),
            source=("process.exposition_seconds",),
        ),
        Family(
            name=f"{PREFIX}exporter_alerts_sent_total",
            kind=Kind.COUNTER,
            help="Alerts that this Alertmanager took, each as often as it was sent.",
            samples=lambda s: (((name,), count) for name, count in s.own.alerts.sent.items()),
            labels=("alertmanager",),
            source=("process.alerts.sent",),
        ),
        Family(
            name=f"{PREFIX}exporter_alerts_send_errors_total",
            kind=Kind.COUNTER,
            help="Requests with alerts to this Alertmanager that failed, by why.",
            samples=lambda s: (
                ((name, reason.value), count)
                for (name, reason), count in s.own.alerts.errors.items()
            ),
            labels=("alertmanager", "reason"),
            source=("process.alerts.errors",),
        ),
    )
