"""Passwords that a command tells, as the command lines of clouds do: they live for minutes."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from typing import IO, Final

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
    # A pipe of our own can be closed, whoever holds its other end and for however long.
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as pipe:
        try:
            process = await _started(words, write_end)
        finally:
            os.close(write_end)
        try:
            async with asyncio.timeout(seconds):
                written = await _first_part(pipe)
                code = await process.wait()
        except TimeoutError:
            raise CredentialError(f"{_NAME} did not end within {seconds:g} s") from None
        finally:
            # What it started may outlive it.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if code:
        raise CredentialError(f"{_NAME} ended {_how(code)}; run it by hand to see why")
    return password_of(written, _NAME)


async def _started(words: Sequence[str], write_end: int) -> asyncio.subprocess.Process:
    """Start a command in a session of its own.

    Raises:
        CredentialError: it cannot be run.
    """
    try:
        return await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=write_end,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise CredentialError(f"{_NAME} cannot be run: {error.strerror}") from None


async def _first_part(pipe: IO[bytes]) -> bytes:
    """Read all that a command writes.

    Raises:
        CredentialError: that is more than a password may be long.
    """
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        written = b""
        while part := await reader.read(MOST_BYTES):
            written += part
            if len(written) > MOST_BYTES:
                raise CredentialError(f"{_NAME} writes more than {MOST_BYTES} bytes")
        return written
    finally:
        transport.close()


def _how(code: int) -> str:
    if code > 0:
        return f"with exit code {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"
