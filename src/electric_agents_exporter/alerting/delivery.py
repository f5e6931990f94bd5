"""Sends alerts to every Alertmanager, each on its own, and gathers what they knew at the start."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from electric_agents_exporter.alerting.alert import Alert, Identity
from electric_agents_exporter.alerting.alertmanager import Alertmanager, AlertmanagerOptions
from electric_agents_exporter.alerting.sender import LIVES, Sender, Terms
from electric_agents_exporter.fleet.clock import Clock
from electric_agents_exporter.metrics.process_families import AlertCounts


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """To whom alerts are sent, and how; to nobody by default."""

    alertmanagers: tuple[AlertmanagerOptions, ...] = ()
    terms: Terms = field(default_factory=Terms)


class Delivery:
    """Keeps every Alertmanager told of the alerts that fire, and of those that have ended lately.

    `alerts` gives all that there are, at any time and quickly; it is asked on the loop. Whoever
    changes them calls `changed`. `counts` is told what was sent.
    """

    def __init__(
        self,
        alerts: Callable[[], Sequence[Alert]],
        clock: Clock,
        counts: AlertCounts,
        make: Callable[[AlertmanagerOptions], Alertmanager] = Alertmanager,
    ) -> None:
        self._alerts = alerts
        self._clock = clock
        self._counts = counts
        self._make = make
        self._options = DeliveryOptions()
        self._senders: dict[str, Sender] = {}
        self._started = False
        self._ask_until: float | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def configure(self, options: DeliveryOptions) -> None:
        """Follow new settings. An Alertmanager that stays as it is goes on with what it was told.

        One that is left out is told nothing more: what fires there ends by itself.
        """
        self._options = options
        self._counts.expect(each.url for each in options.alertmanagers)
        if self._started:
            self._follow()

    def start(self) -> None:
        """Begin to send, on the running loop."""
        self._started = True
        self._follow()

    def changed(self) -> None:
        """Send at once what is new: an alert fires, or has ended."""
        for sender in self._senders.values():
            sender.nudge()

    def known(self) -> Mapping[Identity, float]:
        """Give since when which alerts fire at an Alertmanager, as was told at the start.

        Seconds since the epoch, the earliest where several tell. It grows while they answer, and
        shrinks as alerts end there that nobody sent again: then they fire no more.
        """
        known: dict[Identity, float] = {}
        for sender in self._senders.values():
            for identity, (starts_at, _) in sender.known().items():
                known[identity] = min(starts_at, known.get(identity, starts_at))
        return known

    async def aclose(self) -> None:
        """End at once. What fires ends by itself where nobody goes on with it."""
        self._started = False
        for sender in self._senders.values():
            self._close(sender)
        self._senders = {}
        await asyncio.gather(*self._closing)

    def _follow(self) -> None:
        terms, before = self._options.terms, self._senders
        if self._ask_until is None and self._options.alertmanagers:
            # By then all that fired before this process began has ended, if nobody went on with it.
            self._ask_until = self._clock.monotonic() + LIVES * terms.resend_interval
        self._senders = {
            each.url: self._kept(each) or self._begin(each) for each in self._options.alertmanagers
        }
        for url, sender in before.items():
            if self._senders.get(url) is not sender:
                self._close(sender)
        for sender in self._senders.values():
            sender.terms = terms
            sender.nudge()

    def _kept(self, options: AlertmanagerOptions) -> Sender | None:
        sender = self._senders.get(options.url)
        return sender if sender is not None and sender.options == options else None

    def _begin(self, options: AlertmanagerOptions) -> Sender:
        alertmanager = self._make(options)
        sender = Sender(alertmanager, self._alerts, self._options.terms, self._clock, self._counts)
        sender.start(self._ask_until or 0.0)
        return sender

    def _close(self, sender: Sender) -> None:
        task = asyncio.get_running_loop().create_task(sender.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
