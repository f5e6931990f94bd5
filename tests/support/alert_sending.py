"""A delivery to Alertmanagers that are not there, on a loop on which waiting takes no time."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from electric_agents_exporter.alerting.alert import Alert
from electric_agents_exporter.alerting.alertmanager import AlertmanagerOptions
from electric_agents_exporter.alerting.delivery import Delivery, DeliveryOptions
from electric_agents_exporter.alerting.sender import Terms
from electric_agents_exporter.metrics.process_families import AlertCounts
from fake_alertmanager import FakeAlertmanager
from skipping_loop import LoopClock, run_skipping

WALL: Final = 1_795_346_133.0
"""When a story begins, in seconds since the epoch."""
RESEND: Final = 60.0
LIVES: Final = 4 * RESEND
"""For how long what is told fires on by itself, in seconds."""


@dataclass
class Sending:
    """A delivery to fakes, and the alerts that there are."""

    clock: LoopClock = field(default_factory=lambda: LoopClock(WALL))
    alerts: list[Alert] = field(default_factory=list)
    counts: AlertCounts = field(default_factory=AlertCounts)
    terms: Terms = field(default_factory=lambda: Terms(resend_interval=RESEND))
    urls: tuple[str, ...] = ("http://am.test",)
    timeout: float = 10.0

    def __post_init__(self) -> None:
        self.to = {url: FakeAlertmanager(self.clock, url) for url in self.urls}
        self.delivery = Delivery(
            lambda: self.alerts,
            self.clock,
            self.counts,
            lambda options: self.to[options.url].reach(options),
        )
        self.delivery.configure(self.options)

    @property
    def options(self) -> DeliveryOptions:
        made = tuple(AlertmanagerOptions(url, timeout=self.timeout) for url in self.urls)
        return DeliveryOptions(made, self.terms)

    @property
    def am(self) -> FakeAlertmanager:
        """The first one."""
        return self.to[self.urls[0]]

    def become(self, *alerts: Alert) -> None:
        """Let there be these alerts, and tell so."""
        self.alerts = list(alerts)
        self.delivery.changed()


def play(story: Callable[[Sending], Awaitable[None]], sending: Sending | None = None) -> Sending:
    """Play a story with a delivery that runs."""
    sent = sending or Sending()

    async def run() -> None:
        sent.delivery.start()
        await story(sent)
        await sent.delivery.aclose()

    run_skipping(run())
    return sent
