"""The families of one probe, which stand before those of its target."""

from dataclasses import dataclass

from electric_agents_exporter.metrics.family import PREFIX, Family, Kind, value


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """What a probe came to, and how long whoever asked for it waited, in seconds."""

    succeeded: bool
    seconds: float


ProbeFamily = Family[ProbeOutcome]


def probe_families() -> tuple[ProbeFamily, ...]:
    """Give the rows of a probe."""
    return (
        Family(
            name=f"{PREFIX}probe_success",
            kind=Kind.GAUGE,
            help="1 if this probe got every list and the reports of all runners but one or a few "
            "in time, else 0: what is known of the target by then stands beside it.",
            samples=value(lambda probe: probe.succeeded),
            source=("probe.succeeded",),
        ),
        Family(
            name=f"{PREFIX}probe_duration_seconds",
            kind=Kind.GAUGE,
            help="How long this probe took, the wait for a poll in progress with it.",
            samples=value(lambda probe: probe.seconds),
            source=("probe.seconds",),
        ),
    )
