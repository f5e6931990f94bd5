"""Passwords that a command tells, as the command lines of clouds do: they live for minutes."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from typing import Final

from electric_agents_exporter.sources.credentials import (
    MOST_BYTES,
    CredentialError,
    password_of,
)

COMMAND_SECONDS: Final = 10.0
"""How long a command may take by default: those of clouds ask a server."""

_NAME: Final = "password_command"


async def command_password(words: Sequence[str], seconds: float = COMMAND_SECONDS) -> str:
    """Run a command, without a shell, and give what it writes, but for one line end.

    What it writes is never told, and no more is read than a password may be long. When its time is
    over, it is killed with all that it started.

    Raises:
        CredentialError: it cannot be run, fails, takes too long, or writes no password.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise CredentialError(f"{_NAME} cannot be run: {why or 'a word is no text'}") from None
    try:
        async with asyncio.timeout(seconds):
            written = await _first_part(process)
            code = await process.wait()
    except TimeoutError:
        raise CredentialError(f"{_NAME} did not end within {seconds:g} s") from None
    finally:
        # Whatever it started may outlive it, and hold its pipe open.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if code:
        raise CredentialError(f"{_NAME} ended {_how(code)}; run it by hand to see why")
    return password_of(written, _NAME)


async def _first_part(process: asyncio.subprocess.Process) -> bytes:
    """Read all that a command writes.

    Raises:
        CredentialError: that is more than a password may be long.
    """
    assert process.stdout is not None  # noqa: S101  (it was given a pipe)
    written = b""
    while part := await process.stdout.read(MOST_BYTES):
        written += part
        if len(written) > MOST_BYTES:
            raise CredentialError(f"{_NAME} writes more than {MOST_BYTES} bytes")
    return written


def _how(code: int) -> str:
    if code > 0:
        return f"with exit code {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"
