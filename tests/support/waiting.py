"""Waiting for what other processes do, so that it does not matter how busy the machine is."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

PATIENCE: Final = 100.0
"""Seconds. What does not hold by then will not, on a machine that is very busy either."""

_NANOSECOND: Final = 1e-9


def until(
    condition: Callable[[], object],
    what: str,
    seconds: float = PATIENCE,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: it does not after so many seconds of the clock.
    """
    deadline = clock() + seconds
    while not condition():
        if clock() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def waited_for_processor(thread: Path) -> float:
    """Give for how many seconds a thread wanted to run and could not; 0 once it is gone.

    Args:
        thread: its folder in /proc; that of a process is its main thread's.
    """
    try:
        return int((thread / "schedstat").read_text().split()[1]) * _NANOSECOND
    except OSError:
        return 0.0


def unhindered(thread: int) -> float:
    """Read a clock, in seconds, that stands while a thread wants to run and others do.

    What a program promises to do in so many seconds is measured on it.

    Args:
        thread: its id in the system; that of a process is its main thread's.
    """
    folder = Path(f"/proc/{thread}")
    waited = waited_for_processor(folder)
    while True:
        now = time.monotonic()
        before, waited = waited, waited_for_processor(folder)
        # Else it waited between the two.
        if waited == before:
            return now - waited


def end(
    process: "subprocess.Popen[bytes] | subprocess.Popen[str]", number: int = signal.SIGTERM
) -> float:
    """Send a signal, wait until the process has ended, and give the unhindered seconds it took."""
    began = unhindered(process.pid)
    process.send_signal(number)
    # Only who is not yet reaped still tells how long it waited.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    took = unhindered(process.pid) - began
    process.wait()
    return took
