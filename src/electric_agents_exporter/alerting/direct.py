"""The exporter's own alerts as one object: evaluated as polls go, sent to every Alertmanager."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from electric_agents_exporter.alerting.alert import Alert
from electric_agents_exporter.alerting.delivery import Delivery, DeliveryOptions
from electric_agents_exporter.alerting.engine import Engine, Options, OwnState
from electric_agents_exporter.fleet.clock import Clock
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.metrics.process_families import ProcessState

log = logging.getLogger(__name__)


class DirectAlerts:
    """Evaluates and sends, from `start` to `aclose`, as `configure` says."""

    def __init__(
        self,
        fleet: Fleet,
        process: ProcessState,
        clock: Clock,
        options: Options,
        delivery: DeliveryOptions,
    ) -> None:
        self._fleet = fleet
        self._process = process
        self._delivery = Delivery(self.alerts, clock, process.alerts)
        self._delivery.configure(delivery)
        self._interval = options.definitions.interval
        self._engine = Engine(fleet, clock, options, self._own, self._delivery.known)
        self._watching: asyncio.Task[None] | None = None

    def configure(self, options: Options, delivery: DeliveryOptions) -> None:
        """Follow new settings."""
        self._interval = options.definitions.interval
        self._engine.configure(options)
        self._delivery.configure(delivery)

    def start(self) -> None:
        """Begin to send, and to look at the exporter itself, on the running loop."""
        self._delivery.start()
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def aclose(self) -> None:
        """End at once. What fires ends by itself where nobody goes on with it."""
        if self._watching is not None:
            self._watching.cancel()
        await self._delivery.aclose()

    def ticked(self, target: str) -> None:
        """Evaluate the alerts on a target: it was polled, or would have been."""
        self._evaluate(lambda: self._engine.evaluate_target(target))

    def alerts(self) -> Sequence[Alert]:
        """Give every alert that is pending, fires, or was resolved lately."""
        return self._engine.alerts()

    async def _watch(self) -> None:
        # A task of its own: where the scheduler stands still, that must be told.
        while True:
            self._evaluate(self._engine.evaluate_itself)
            await asyncio.sleep(self._interval)

    def _evaluate(self, work: Callable[[], bool]) -> None:
        """Evaluate, and tell if anything changed; a bug in it must not stop the polls."""
        try:
            changed = work()
        except Exception:
            log.exception("alerts not evaluated, by a bug")
            return
        if changed:
            self._delivery.changed()

    def _own(self) -> OwnState:
        process = self._process
        return OwnState(
            reloaded=process.reload_succeeded,
            configured_at=process.reloaded_at or 0.0,
            drift=self._fleet.drift,
        )
