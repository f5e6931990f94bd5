"""Reloading: what a running service follows, and what it refuses."""

import asyncio
import itertools
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import FakeClock

from certificates import Pair
from electric_agents_exporter.service import Service
from electric_agents_exporter.settings.faults import Fault, SettingsFault
from electric_agents_exporter.settings.loading import load
from electric_agents_exporter.settings.model import Settings


def settings(**changes: Any) -> Settings:  # noqa: ANN401
    target = {"name": "one", "url": "http://127.0.0.1:1", "principals": ["service:monitor"]}
    return load(None, {"targets": [target], **changes}, {})


@pytest.fixture(autouse=True)
def restored_logs() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("electric_agents_exporter")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.mark.parametrize(
    "changes, refused",
    [
        ({"listen": "127.0.0.1:9"}, ["listen"]),
        ({"watch_config": True}, ["watch_config"]),
        ({"web": {"max_concurrent_scrapes": 7}}, ["web"]),
        ({"web": {"enable_reload": True}}, ["web"]),
        ({"listen": "127.0.0.1:9", "web": {"enable_reload": True}}, ["listen", "web"]),
    ],
)
async def test_what_only_a_restart_can_change_is_refused_by_name_and_nothing_is_followed(
    changes: dict[str, object], refused: list[str]
) -> None:
    other = {"name": "two", "url": "http://127.0.0.1:2", "principals": ["user:a"]}
    service = Service(settings(), lambda: settings(**changes, targets=[other]))

    told = await service.reload()

    assert told.splitlines() == [
        f"{name}: cannot change while running; restart the exporter" for name in refused
    ]
    served = service.served()
    assert set(served.fleet.targets) == {"one"}
    assert (served.max_concurrent_scrapes, served.reload) == (4, None)
    assert not served.process.reload_succeeded


async def test_settings_that_are_wrong_are_told_and_the_old_ones_stay_until_they_are_right() -> (
    None
):
    fresh: list[Settings] = []

    def reread() -> Settings:
        if not fresh:
            raise SettingsFault([Fault("config.yaml:3", "is wrong")])
        return fresh[0]

    service = Service(settings(), reread)
    process = service.served().process
    before = process.reloaded_at

    assert await service.reload() == "config.yaml:3: is wrong"
    assert not service.served().process.reload_succeeded
    assert process.reloaded_at == before
    assert set(service.served().fleet.targets) == {"one"}

    other = {"name": "two", "url": "http://127.0.0.1:2", "principals": ["user:a"]}
    fresh.append(settings(targets=[other]))
    assert await service.reload() == ""
    assert service.served().process.reload_succeeded
    assert process.reloaded_at != before
    assert set(service.served().fleet.targets) == {"two"}


async def test_names_that_do_not_resolve_keep_no_other_from_being_looked_up() -> None:
    Service(settings(), settings)
    resolved = threading.Event()
    hanging = [asyncio.create_task(asyncio.to_thread(resolved.wait)) for _ in range(100)]
    found = await asyncio.wait_for(asyncio.to_thread(lambda: "an address"), 5.0)
    resolved.set()
    await asyncio.gather(*hanging)
    assert found == "an address"


async def test_of_reloads_that_overlap_the_one_that_was_asked_for_last_holds() -> None:
    number, started = itertools.count(), threading.Event()

    def reread() -> Settings:
        mine = next(number)
        if mine == 0:
            started.wait(60)
        target = {"name": f"t{mine}", "url": "http://127.0.0.1:1", "principals": ["user:a"]}
        return settings(targets=[target])

    service = Service(settings(), reread, patience=60)
    reloads = [asyncio.create_task(service.reload()) for _ in range(4)]
    await asyncio.sleep(0)
    started.set()
    assert await asyncio.gather(*reloads) == [""] * 4
    assert set(service.served().fleet.targets) == {"t3"}


async def test_a_reload_that_hangs_is_given_up_and_the_next_one_works() -> None:
    released = threading.Event()
    other = {"name": "two", "url": "http://127.0.0.1:2", "principals": ["user:a"]}
    hanging = [True] * 8

    def reread() -> Settings:
        if hanging:
            hanging.pop()
            released.wait(60)
        return settings(targets=[other])

    service = Service(settings(), reread, patience=0.01)
    try:
        while hanging:
            assert await service.reload() == "settings: could not be read within 0.01 s"
            assert not service.served().process.reload_succeeded
    finally:
        released.set()
    patient = Service(settings(), reread)
    assert await patient.reload() == ""
    assert set(patient.served().fleet.targets) == {"two"}
    assert set(service.served().fleet.targets) == {"one"}


async def test_it_goes_by_the_clock_that_it_is_given() -> None:
    clock = FakeClock()
    service = Service(settings(), settings, clock=clock)
    assert service.served().clock is clock
    assert service.served().process.reloaded_at == clock.time()


HASH = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"


async def test_who_gets_in_follows_a_reload_and_is_never_everybody_again() -> None:
    users = [{"alice": HASH}, {"bob": HASH}, {}]
    service = Service(settings(), lambda: settings(web={"basic_auth_users": users.pop(0)}))
    access = service.served().access
    assert access().users == {}
    assert await service.reload() == ""
    assert set(access().users) == {"alice"}
    assert await service.reload() == ""
    assert set(access().users) == {"bob"}
    told = await service.reload()
    assert told == "web: basic_auth_users can be given up by a restart only"
    assert set(access().users) == {"bob"}
    assert not service.served().process.reload_succeeded


async def test_tls_follows_a_reload_and_a_certificate_that_is_wrong_does_not(
    tmp_path: Path,
) -> None:
    pair = Pair(tmp_path)
    tls = {"cert_file": str(pair.cert), "key_file": str(pair.key)}
    service = Service(settings(), lambda: settings(web={"tls": tls}))
    assert await service.reload() == ""
    context = service.served().access().tls
    assert context is not None
    pair.key.write_text("no key")
    assert "web.tls.key_file: cert_file and key_file hold" in await service.reload()
    assert service.served().access().tls is context
    pair.renew()
    assert await service.reload() == ""
    assert service.served().access().tls is not context


async def test_where_alerts_link_to_is_where_this_exporter_is_reached(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    alertmanager = {"urls": ["http://alertmanager.test"]}
    tls = {"cert_file": str(pair.cert), "key_file": str(pair.key)}
    web = {"tls": tls, "route_prefix": "exporter"}
    given = settings(listen=":10437", alertmanager=alertmanager, web=web)
    assert given.alertmanager is not None
    delivery = given.alertmanager.delivery(given.own_url())
    assert delivery.terms.generator_url == f"https://{socket.gethostname()}:10437/exporter/"
