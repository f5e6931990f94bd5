"""Play the incidents, and report for each what was expected and what was delivered.

`make incidents` plays them all, `ARGS="NAME..."` some. `ARGS=--write` writes the table in
docs/alert-quality.md, which shows how each incident went when it was last played. With `--direct`
exporters send their own alerts, and Prometheus has no rules. Exit 1 if anything was missed, late or
false.
"""

import argparse
import signal
import sys
import tempfile
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from alert_definitions import PROMETHEUS_ONLY
from alert_values import Values, load
from incidents import report
from incidents.catalogue import MINUTE, catalogue
from incidents.model import Expected, Incident
from incidents.pace import PaceLostError
from incidents.results import PREFIX, Notification, Result, compare
from incidents.stack import INTERVAL, Stack

SPEED: Final = 20.0
SLOWEST: Final = 1.25
"""An incident that is lost at this speed is lost: it would take more than half an hour."""
_LONGEST_POLL_GAP: Final = INTERVAL * 1.1
_HOLD: Final = 600.0
"""How long after a repair an alert may still begin to fire without being wrong."""


def play(
    incident: Incident, speed: float, abandoned: threading.Event, *, direct: bool = False
) -> Result:
    """Play one incident as fast as the machine can, at `speed` over its `slower` at most.

    Where the machine does not keep pace, what was delivered is thrown away and the incident is
    played again at half the speed.

    Raises:
        KeyboardInterrupt: it was abandoned.
        PaceLostError: the machine is too busy for the slowest speed too.
    """
    pace = speed / incident.slower
    if direct:
        incident = _knowable(incident)
    while True:
        try:
            return _play_at(pace, incident, abandoned, direct=direct)
        except PaceLostError as lost:
            if pace / 2 < SLOWEST:
                raise
            print(f"{incident.name} at {pace:g} times real speed: {lost}; again", flush=True)
            pace /= 2


def _knowable(incident: Incident) -> Incident:
    """Leave out what is expected of an incident that no exporter can know by itself."""
    known = tuple(each for each in incident.expected if each.alert not in PROMETHEUS_ONLY)
    return replace(incident, expected=known)


def _play_at(
    speed: float, incident: Incident, abandoned: threading.Event, *, direct: bool
) -> Result:
    """Play one incident, from the start of its processes to their end."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Stack(incident, speed, Path(folder), abandoned, direct=direct) as stack,
    ):
        for event in sorted(incident.stack_events, key=lambda event: event.at):
            stack.wait_until(event.at)
            stack.take(event.action)
        stack.wait_until(incident.lasts)
        notifications = [
            notification
            for delivery in list(stack.webhook.deliveries)
            for notification in _notifications(
                stack, delivery.at, delivery.receiver, delivery.payload
            )
        ]
        signs = {
            expected.runner: stack.last_sign_of_life(expected.runner, expected.since + MINUTE)
            for expected in incident.expected
            if expected.within is not None and expected.runner is not None
        }
    delays = [_delay(load(), incident, expected) for expected in incident.expected]
    return compare(incident, notifications, delays, signs, hold=_HOLD, speed=speed)


def _notifications(
    stack: Stack, at: float, receiver: str, payload: dict[str, Any]
) -> Iterable[Notification]:
    for alert in payload["alerts"]:
        labels = alert["labels"]
        yield Notification(
            at=stack.scenario_time(at),
            receiver=receiver,
            alert=labels["alertname"].removeprefix(PREFIX),
            runner=labels.get("runner_id"),
            firing=alert["status"] == "firing",
            started=stack.scenario_time(datetime.fromisoformat(alert["startsAt"]).timestamp()),
        )


def _delay(values: Values, incident: Incident, expected: Expected) -> float:
    """Give how long an alert may take to fire: its `for`, two polls and one evaluation."""
    if expected.alert.endswith("BudgetBurn"):
        burn = next(b for b in values.slo.burns if b.severity == expected.severity)
        waits = float(burn.for_) / incident.slo_speed
    else:
        of_kind = values.transient if expected.transient else values.alert
        waits = float(of_kind(expected.alert)["for"])
    return waits + 2 * _LONGEST_POLL_GAP + INTERVAL


def main(arguments: Sequence[str]) -> int:
    """Play, report, and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--speed", type=float, default=SPEED, help="times as fast, at most")
    parser.add_argument("--at-once", type=int, default=4, metavar="N", help="incidents at a time")
    parser.add_argument("--write", action="store_true", help="write docs/alert-quality.md")
    parser.add_argument("--direct", action="store_true", help="without rules in Prometheus")
    options = parser.parse_args(arguments)
    if options.direct and options.write:
        parser.error("--write is of the rules")
    chosen = [one for one in catalogue() if not options.names or one.name in options.names]
    printing = threading.Lock()
    abandoned = threading.Event()
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    def played(incident: Incident) -> Result:
        result = play(incident, options.speed, abandoned, direct=options.direct)
        with printing:
            print(report.line(result), flush=True)
        return result

    # The longest first, or the last one would be waited for alone.
    longest = sorted(chosen, key=lambda one: (one.lasts + one.lead_in) * one.slower, reverse=True)
    with ThreadPoolExecutor(options.at_once) as pool:
        try:
            results = list(pool.map(played, longest))
        except BaseException:
            # The incidents that run must end first.
            abandoned.set()
            raise
    if options.direct:
        return int(not all(result.good for result in results))
    rows = report.keep(results)
    print(report.summary([row for row in rows if row.incident in {one.name for one in chosen}]))
    if options.write:
        report.write_page(rows)
    return int(not all(result.good for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
