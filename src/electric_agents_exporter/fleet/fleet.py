"""All targets together."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from electric_agents_exporter.fleet.clock import Clock
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.snapshot import FleetSnapshot, RunnerDetail
from electric_agents_exporter.fleet.target import Target

TICKS_LATE: Final = 10.0
"""Seconds after a tick of the scheduler from which on it is held to stand still."""


class Fleet:
    """Every target by name, in the order of the settings."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._drift: Counter[str] = Counter()
        self._targets: dict[str, Target] = {}
        self._ticked_at: float | None = None

    @property
    def targets(self) -> Mapping[str, Target]:
        """The targets by name."""
        return self._targets

    @property
    def drift(self) -> Mapping[str, int]:
        """Values in servers' answers that were not as the contract says, by field."""
        return self._drift

    @property
    def version(self) -> tuple[tuple[str, int], ...]:
        """Another value whenever anything was learned, counted or configured."""
        return tuple((name, target.version) for name, target in self._targets.items())

    def configure(self, policies: Iterable[Policy]) -> None:
        """Follow new settings: targets that keep their name keep what is known of them."""
        targets = {}
        for policy in policies:
            target = self._targets.get(policy.name)
            if target is None:
                target = Target(policy, self._clock, self._drift)
            else:
                target.adopt(policy)
            targets[policy.name] = target
        self._targets = targets

    def tick(self) -> None:
        """Note that the scheduler is alive."""
        self._ticked_at = self._clock.monotonic()

    def since_tick(self) -> float:
        """Give for how many seconds the scheduler has not ticked; for ever where it never did."""
        return math.inf if self._ticked_at is None else self._clock.monotonic() - self._ticked_at

    def stillness(self) -> str:
        """Say what stands still that should go on: the scheduler, or polls; nothing if all goes."""
        now = self._clock.monotonic()
        if self.since_tick() > TICKS_LATE:
            return "the scheduler does not tick"
        still = {
            name: now - target.attended_at
            for name, target in self._targets.items()
            if target.policy.scheduled and now - target.attended_at > target.policy.patience
        }
        if not still:
            return ""
        return "polls have stopped: " + ", ".join(
            f"{name} for {seconds:.0f} s" for name, seconds in still.items()
        )

    def detail(self, target: str, tenant: str | None, runner_id: str) -> RunnerDetail | None:
        """Give all that is known of one runner; None where there is none of that name."""
        known = self._targets.get(target)
        if known is not None and tenant is not None:
            known = known.tenants.get(tenant)
        return None if known is None else known.detail(runner_id)

    def snapshot(self, probed: str | None = None) -> FleetSnapshot:
        """Give one consistent state of everything, at the clock's now.

        That is of all targets that are polled by schedule, or of the one that is probed alone.
        """
        monotonic = self._clock.monotonic()
        if probed is None:
            targets = [each for each in self._targets.values() if each.policy.scheduled]
        else:
            targets = [each for name, each in self._targets.items() if name == probed]
        return FleetSnapshot(
            time=self._clock.time(),
            monotonic=monotonic,
            targets=tuple(
                snapshot for target in targets for snapshot in target.snapshots(monotonic)
            ),
            drift=dict(self._drift),
        )
