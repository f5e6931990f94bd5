"""What a server is reached with, while files change and several ask at once."""

import asyncio
import os
from pathlib import Path

import httpx
import trustme

from electric_agents_exporter.fleet.reasons import Reason
from electric_agents_exporter.sources.credentials import Credentials
from electric_agents_exporter.sources.http_connection import Connection, Ready, Unready
from electric_agents_exporter.sources.http_transport import Tls


class Transport(httpx.AsyncBaseTransport):
    """One that takes a while to close."""

    def __init__(self) -> None:
        self.closed = False

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        self.closed = True


async def test_of_two_who_ask_while_a_file_changed_both_have_the_one_new_transport(
    tmp_path: Path,
) -> None:
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(file)
    made: list[Transport] = []

    def make() -> Transport:
        made.append(Transport())
        return made[-1]

    connection = Connection(Credentials(), Tls(ca_file=file))
    await connection.ready(make)
    os.utime(file, (1, 1))
    both = tuple(await asyncio.gather(connection.ready(make), connection.ready(make)))

    old, new = made
    assert both == (Ready(new, {}), Ready(new, {}))
    assert (old.closed, new.closed) == (True, False)
    await connection.aclose()
    assert new.closed


async def test_a_file_that_is_gone_is_a_reason_with_its_name(tmp_path: Path) -> None:
    gone = tmp_path / "gone.pem"
    connection = Connection(Credentials(), Tls(ca_file=gone))
    unready = await connection.ready(Transport)
    assert isinstance(unready, Unready)
    assert unready.reason is Reason.TLS
    assert str(gone) in unready.words
