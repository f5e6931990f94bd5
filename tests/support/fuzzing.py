"""Tries a property for so many seconds instead of so many times, each example within bounds.

An example may take so much processor time and so much memory: one that takes more is a failure, as
one that raises is, and Hypothesis makes it small.
"""

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

from hypothesis import HealthCheck, settings

SECONDS: Final = "FUZZ_SECONDS"
"""The variable that tells for how long each property is tried."""

_AT_LEAST_SECONDS: Final = 2.0
_BATCH: Final = 100
_PROCESSOR_SECONDS: Final = 5.0
_MOST_BYTES: Final = 64 << 20

Attempt = Callable[..., None]
Record = Callable[[str, object], None]


class TooLongError(Exception):
    """An example takes more processor time than anything may."""


class TooMuchError(Exception):
    """An example takes more memory than anything may."""


def for_seconds(test: Attempt) -> Callable[[Record], None]:
    """Make a property of Hypothesis one that is tried for a time, with other examples each time."""
    attempt = test.hypothesis.inner_test  # type: ignore[attr-defined]  # `given` puts it there
    unhurried = settings(max_examples=_BATCH, suppress_health_check=list(HealthCheck))(test)

    def tried(record_property: Record) -> None:
        ends = time.monotonic() + float(os.environ.get(SECONDS, _AT_LEAST_SECONDS))
        examples = failures = 0

        def once(**example: Any) -> None:  # noqa: ANN401  (whatever Hypothesis draws)
            nonlocal examples, failures
            # What failed is tried again until it is small, however long that takes.
            if time.monotonic() > ends and not failures:
                return
            examples += 1
            try:
                with bounded():
                    attempt(**example)
            except Exception:
                failures += 1
                raise

        unhurried.hypothesis.inner_test = once  # type: ignore[attr-defined]
        try:
            while time.monotonic() < ends:
                unhurried()
        finally:
            record_property("examples", examples)

    tried.__doc__ = test.__doc__
    return tried


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Raise where what is done takes too much processor time or memory; waiting takes none."""

    def too_long(_: int, __: FrameType | None) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGVTALRM, too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, _PROCESSOR_SECONDS, _PROCESSOR_SECONDS)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is what is taken by now
    at_first = _peak()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    if _peak() - at_first > _MOST_BYTES:
        raise TooMuchError(f"more than {_MOST_BYTES} bytes")


def _peak() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) << 10 if found else 0
