"""The series of one target: how it is polled. And those of the process that polls."""

from collections.abc import Callable, Sequence
from math import floor, inf, isinf
from typing import Final

from electric_agents_exporter.sources.source import EVERYONE
from topology.counting import Counters
from topology.model import Exporter, Target
from topology.observing import TargetView
from topology.series import EXPORTER, SERVER, Families, Made, Reading
from topology.steps import Span, Steps, both, cursor, mapped, tidied, total

_ZERO: Final = ((-inf, 0.0),)
_REASONS: Final = ("filter", "limit", "shard", "retired")


def target_series(view: TargetView, counters: Counters, families: Families) -> Made:
    """Give what tells of a target's polls."""
    target, configured = view.target, tidied(view.configured)
    for name, value in _constants(target).items():
        steps: Steps[float | None] = target.gauges.get(name) or ((-inf, value),)
        if name in families and (value is not None or name in target.gauges):
            yield name, {}, both(configured, steps)
    yield from _success(view, configured, families)
    yield from _lists(view, families)
    name = f"{SERVER}request_errors_total"
    if name in families:
        for (operation, reason), errors in counters.errors().items():
            yield name, {"operation": operation, "reason": reason}, errors
    name = f"{SERVER}last_poll_success_timestamp_seconds"
    if name in families:
        given = target.gauges.get(name)
        yield name, {}, _last_success(view) if given is None else given
    for (family, pairs), rates in target.counters.items():
        if family in families:
            yield family, dict(pairs), grown(rates)


def _success(view: TargetView, configured: Steps[bool], families: Families) -> Made:
    if f"{SERVER}up" in families:
        yield f"{SERVER}up", {}, both(configured, list(view.up))
    if f"{SERVER}poll_success" in families:
        for operation, success in view.success.items():
            labels = {"operation": operation}
            yield f"{SERVER}poll_success", labels, both(configured, list(tidied(success)))


def _constants(target: Target) -> dict[str, float | None]:
    return {
        f"{SERVER}poll_interval_seconds": target.interval,
        f"{SERVER}stale_after_seconds": target.staleness,
        f"{SERVER}expected_runners": target.expected_min,
        f"{SERVER}clock_offset_seconds": 0.0,
    }


def _lists(view: TargetView, families: Families) -> Made:
    if f"{SERVER}runners_listed" in families:
        for principal, fresh in view.fresh.items():
            count = total(
                mapped(one.listed, float)
                for one in view.runners
                if one.runner.principal == principal
            )
            # A database lists everybody's.
            labels = {"principal": EVERYONE if view.target.postgres else principal}
            yield f"{SERVER}runners_listed", labels, both(tidied(fresh), count)
    name = f"{SERVER}runners_suppressed"
    if name in families:
        limit = view.target.gauges.get(name, _ZERO)
        for reason in _REASONS:
            steps: Steps[float | None] = limit if reason == "limit" else _ZERO
            yield name, {"reason": reason}, both(tidied(view.known), steps)


def _last_success(view: TargetView) -> Reading:
    now = cursor(view.last_success)

    def read(moment: float) -> float | None:
        found = now(moment)
        if found is None:
            return None
        begin, every = found
        return begin if isinf(every) else begin + (moment - begin) // every * every

    return read


def process_series(exporter: Exporter, lives: Sequence[Span], families: Families) -> Made:
    """Give what tells of the process itself."""
    starts: Steps[float | None] = [(begin, begin) for begin, _ in lives]
    one: Steps[float | None] = ((-inf, 1.0),)
    tick: Callable[[float], float | None] = floor
    made: dict[str, Steps[float | None] | Reading] = {
        f"{EXPORTER}build_info": one,
        f"{EXPORTER}config_last_reload_successful": one,
        f"{EXPORTER}config_last_reload_success_timestamp_seconds": starts,
        f"{EXPORTER}scheduler_last_tick_timestamp_seconds": tick,
        "process_start_time_seconds": starts,
    }
    for name, values in made.items():
        if name in families:
            info = {"version": "0.1.0", "python_version": "3.11"} if "info" in name else {}
            yield name, info, exporter.gauges.get(name) or values
    if f"{EXPORTER}unrecognized_values_total" in families and exporter.drift:
        labels = {"field": "client.status"}
        yield f"{EXPORTER}unrecognized_values_total", labels, grown(exporter.drift)


def grown(rates: Sequence[tuple[Span, float]]) -> Reading:
    """Give how much something grew that grows so much a minute, in spans of time."""

    def read(moment: float) -> float:
        parts = (
            max(0.0, min(moment, end) - begin) / 60 * rate
            for (begin, end), rate in rates
            if moment > begin
        )
        return float(floor(sum(parts) + 1e-9))

    return read
