"""The clock that these tests measure promises on: it forgives a busy machine, and nobody else."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from waiting import end, unhindered, until

Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a program and waits until it has said something."""
    running: list[subprocess.Popen[bytes]] = []

    def run(program: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        running.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


def test_of_two_who_share_a_processor_each_has_the_time_in_which_it_runs(start: Start) -> None:
    processor = min(os.sched_getaffinity(0))
    spins = (
        f"import os\nos.sched_setaffinity(0, [{processor}])\nprint(flush=True)\nwhile True: pass"
    )
    pids = [start(spins).pid for _ in range(2)]
    began, clocks = time.monotonic(), [unhindered(pid) for pid in pids]
    until(lambda: time.monotonic() - began > 2, "two seconds")

    passed = sum(unhindered(pid) - clock for pid, clock in zip(pids, clocks, strict=True))
    assert passed < 1.5 * (time.monotonic() - began)


def test_who_takes_its_time_to_end_is_not_excused(start: Start) -> None:
    dawdles = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), sys.exit()))\n"
        "print(flush=True)\n"
        "signal.pause()\n"
    )
    process = start(dawdles)
    assert end(process) > 0.9
    assert process.returncode == 0
