"""What protects the port follows the files it is in, and never anything that is wrong."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from electric_agents_exporter.web.access import Access, AccessError, AccessKeeper

QUICK = 0.01
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


class Users:
    """Access whose one user, or what is wrong, stands in a file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "users"
        self.changes = 0
        self.write("alice")

    def write(self, name: str) -> None:
        """Put another file in the place of the old one, as who renews secrets does."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(name)
        fresh.rename(self.file)

    def read(self) -> Access:
        try:
            text = self.file.read_text()
        except OSError as error:
            raise AccessError(str(error.strerror)) from None
        if text.startswith("wrong"):
            raise AccessError(text)
        users = {text: b"hash"} if text else {}
        return Access(users=users, files=frozenset([self.file]))

    def keeper(self) -> AccessKeeper:
        def changed() -> None:
            self.changes += 1

        return AccessKeeper(self.read, changed, QUICK)


@pytest.fixture
def users(tmp_path: Path) -> Users:
    return Users(tmp_path)


@pytest.fixture(autouse=True)
def all_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(QUICK)


async def test_a_file_that_changes_is_read_again(
    users: Users, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = users.keeper()
    watching = asyncio.create_task(keeper.watch())
    assert set(keeper.current.users) == {"alice"}
    users.write("bob")
    await until(lambda: set(keeper.current.users) == {"bob"})
    watching.cancel()
    assert told(caplog) == ["certificates and users read again"]
    assert (keeper.good, users.changes) == (True, 0)


async def test_of_a_file_that_is_wrong_nothing_is_taken_and_it_is_told_once_and_so_is_its_end(
    users: Users, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = users.keeper()
    watching = asyncio.create_task(keeper.watch())
    users.write("wrong: no hash")
    await until(lambda: not keeper.good)
    users.write("wrong: no hash")
    await asyncio.sleep(20 * QUICK)
    assert set(keeper.current.users) == {"alice"}
    assert users.changes == 1
    users.write("bob")
    await until(lambda: keeper.good)
    await asyncio.sleep(20 * QUICK)
    watching.cancel()
    assert set(keeper.current.users) == {"bob"}
    assert users.changes == 2
    once, read = told(caplog)[:2], told(caplog)[2:]
    assert once == [
        "certificates and users not read again, the old ones stay",
        "certificates and users are good again",
    ]
    # What changed while it was read is read once more.
    assert read in (["certificates and users read again"] * times for times in (1, 2))


async def test_a_file_that_is_gone_and_comes_back_as_it_was_is_good_again(users: Users) -> None:
    keeper = users.keeper()
    watching = asyncio.create_task(keeper.watch())
    aside = users.file.rename(users.file.with_suffix(".aside"))
    await until(lambda: not keeper.good)
    aside.rename(users.file)
    await until(lambda: keeper.good)
    watching.cancel()
    assert set(keeper.current.users) == {"alice"}


async def test_what_changes_while_it_is_read_is_read_once_more(users: Users) -> None:
    writes = ["carol"]

    def read() -> Access:
        access = users.read()
        if "bob" in access.users and writes:
            users.write(writes.pop())
        return access

    keeper = AccessKeeper(read, every=QUICK)
    watching = asyncio.create_task(keeper.watch())
    users.write("bob")
    await until(lambda: set(keeper.current.users) == {"carol"})
    watching.cancel()


async def test_what_is_half_written_at_one_look_and_whole_at_the_next_was_never_wrong(
    users: Users, caplog: pytest.LogCaptureFixture
) -> None:
    def read() -> Access:
        try:
            return users.read()
        except AccessError:
            users.write("bob")
            raise

    def changed() -> None:
        users.changes += 1

    keeper = AccessKeeper(read, changed, QUICK)
    watching = asyncio.create_task(keeper.watch())
    users.write("wrong: half")
    await until(lambda: set(keeper.current.users) == {"bob"})
    watching.cancel()
    assert users.changes == 0
    assert told(caplog) == ["certificates and users read again"]


async def test_passwords_are_not_given_up_by_a_file_that_is_empty_for_a_moment(
    users: Users, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = users.keeper()
    watching = asyncio.create_task(keeper.watch())
    users.write("")
    await until(lambda: not keeper.good)
    watching.cancel()
    assert set(keeper.current.users) == {"alice"}
    (record,) = caplog.records
    assert vars(record)["why"] == "basic_auth_users can be given up by a restart only"


async def test_tls_is_not_given_up_while_it_runs() -> None:
    keeper = AccessKeeper(lambda: Access(tls=CONTEXT))
    with pytest.raises(AccessError, match="TLS can be given up by a restart only"):
        await keeper.follow(Access)
    assert keeper.current.tls is CONTEXT


async def test_another_way_of_reading_is_followed_at_once_and_from_then_on(users: Users) -> None:
    keeper = AccessKeeper(Access, every=QUICK)
    watching = asyncio.create_task(keeper.watch())
    await keeper.follow(users.read)
    assert set(keeper.current.users) == {"alice"}
    users.write("bob")
    await until(lambda: set(keeper.current.users) == {"bob"})
    watching.cancel()


async def test_a_way_of_reading_that_is_wrong_is_not_followed(users: Users) -> None:
    keeper = users.keeper()
    users.write("wrong")
    with pytest.raises(AccessError, match="wrong"):
        await keeper.follow(users.read)
    assert set(keeper.current.users) == {"alice"}
