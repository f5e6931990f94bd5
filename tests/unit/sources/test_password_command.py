"""A password that a command tells: run without a shell, within bounds, and never repeated."""

import os
import sys
import time
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from electric_agents_exporter.sources.credentials import CredentialError
from electric_agents_exporter.sources.password_command import command_password
from waiting import until

PATIENT = 60.0


def script(text: str) -> list[str]:
    return [sys.executable, "-c", text]


@pytest.mark.parametrize(
    "written, password",
    [("sesame\n", "sesame"), ("sesame", "sesame"), (" outer \r\n", " outer "), ("ü\n\n", "ü\n")],
)
async def test_it_is_all_that_is_written_but_for_one_line_end(written: str, password: str) -> None:
    code = f"import sys; sys.stdout.buffer.write({written.encode()!r})"
    assert await command_password(script(code), PATIENT) == password


async def test_no_shell_reads_its_words() -> None:
    assert await command_password(["echo", "-n", "$HOME `id` ; rm *"]) == "$HOME `id` ; rm *"


@pytest.mark.parametrize(
    "words, told",
    [
        (["/no/such/program"], "cannot be run: No such file or directory"),
        (["/"], "cannot be run: Permission denied"),
        (script("print('sesame'); raise SystemExit(3)"), "ended with exit code 3; run it by hand"),
        (script("print('sesame'); raise SystemExit(1)"), "ended with exit code 1; run it by hand"),
        (script("import os; os.kill(os.getpid(), 42)"), "ended by signal 42; run it by hand"),
        (script("import os; print('sesame', flush=True); os.kill(os.getpid(), 9)"), "by SIGKILL"),
        (script("import sys; sys.stdout.buffer.write(b'sesame\\xff')"), "is not UTF-8"),
        (script(""), "is empty"),
        (script("print('sesame\\0')"), "holds a zero byte"),
        (script("while True: print('sesame' * 999)"), "writes more than 65536 bytes"),
    ],
)
async def test_what_is_no_password_is_told_without_a_word_that_it_wrote(
    words: list[str], told: str
) -> None:
    with pytest.raises(CredentialError, match=r"^password_command") as raised:
        await command_password(words, PATIENT)
    assert told in str(raised.value)
    assert "sesame" not in "".join(traceback.format_exception(raised.value))


@pytest.fixture
def typed() -> Iterator[None]:
    """Type something where this process was started."""
    before = os.dup(0)
    read_end, write_end = os.pipe()
    os.write(write_end, b"typed")
    os.close(write_end)
    os.dup2(read_end, 0)
    os.close(read_end)
    yield
    os.dup2(before, 0)
    os.close(before)


@pytest.mark.usefixtures("typed")
async def test_what_it_says_beside_that_is_told_nobody_and_it_hears_nobody(
    capfd: pytest.CaptureFixture[str],
) -> None:
    code = "import sys; sys.stderr.write('sesame'); print(repr(sys.stdin.read()))"
    assert await command_password(script(code), PATIENT) == "''"
    assert capfd.readouterr() == ("", "")


async def test_a_password_may_be_64_kib_long() -> None:
    code = "import sys; sys.stdout.write('x' * 65536)"
    assert await command_password(script(code), PATIENT) == "x" * 65_536


async def test_one_that_takes_too_long_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    words = ["sh", "-c", f"sleep 1000 & echo $$ $! > {pids}; wait"]
    began = time.monotonic()
    with pytest.raises(CredentialError, match="did not end within 5 s"):
        await command_password(words, 5)
    assert time.monotonic() - began < PATIENT
    for pid in map(int, pids.read_text().split()):
        until(partial(gone, pid), f"{pid} is gone")


async def test_what_it_leaves_running_holds_up_nobody() -> None:
    code = "import subprocess; subprocess.Popen(['sleep', '1000']); print('sesame', flush=True)"
    with pytest.raises(CredentialError, match="did not end within 2 s"):
        await command_password(script(code), 2)


def gone(pid: int) -> bool:
    """Tell whether a process ended, whether or not anybody has asked after it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
