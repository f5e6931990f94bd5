"""Alerts that the exporter sends itself, in real Alertmanagers: what a receiver is told of them."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import trustme
import yaml

from alertmanagers import Webhook, alertmanager, ask
from electric_agents_exporter.alerting.alert import Alert
from electric_agents_exporter.alerting.alertmanager import AlertmanagerOptions
from electric_agents_exporter.alerting.delivery import Delivery, DeliveryOptions
from electric_agents_exporter.alerting.sender import LIVES, Terms
from electric_agents_exporter.fleet.clock import SystemClock
from electric_agents_exporter.fleet.reasons import Reason
from electric_agents_exporter.metrics.process_families import AlertCounts
from electric_agents_exporter.sources.credentials import BasicAuth, Credentials
from electric_agents_exporter.sources.http_transport import Tls
from fake_alertmanager import alert, ended
from loopback import free_port
from programs import Release, program
from waiting import until

pytestmark = pytest.mark.alone

RESEND = 2.0
HASHED = "$2b$04$abcdefghijklmnopqrstuuFcV8WPKEefLKdOWfX8pW1yTVya21P7a"
PASSWORD = "pass word"  # noqa: S105  (of this test)


class Running:
    """A delivery that runs, and the alerts that there are."""

    def __init__(self, *addresses: str, **options: Any) -> None:  # noqa: ANN401
        self.alerts: list[Alert] = []
        self.counts = AlertCounts()
        self.delivery = Delivery(lambda: self.alerts, SystemClock(), self.counts)
        urls = [each if "://" in each else f"http://{each}" for each in addresses]
        made = tuple(AlertmanagerOptions(url, **options) for url in urls)
        terms = Terms(resend_interval=RESEND, generator_url="http://exporter:10437/")
        self.delivery.configure(DeliveryOptions(made, terms))

    def become(self, *alerts: Alert) -> None:
        """Let there be these alerts."""
        self.alerts = list(alerts)
        self.delivery.changed()


@asynccontextmanager
async def sending(*addresses: str, **options: Any) -> AsyncIterator[Running]:  # noqa: ANN401
    """Send alerts to Alertmanagers while the block runs."""
    running = Running(*addresses, **options)
    running.delivery.start()
    try:
        yield running
    finally:
        await running.delivery.aclose()


async def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait beside the loop until something holds."""
    await asyncio.to_thread(until, condition, what)


def config(webhook: Webhook, folder: Path, group_interval: str = "500ms") -> Path:
    """Write a configuration that tells what is new at once, and nothing twice."""
    route = {
        "receiver": "all",
        "group_by": ["..."],
        "group_wait": "100ms",
        "group_interval": group_interval,
        "repeat_interval": "1h",
    }
    receiver = {"name": "all", "webhook_configs": [{"url": f"{webhook.url}/all"}]}
    path = folder / "alertmanager.yml"
    path.write_text(yaml.safe_dump({"route": route, "receivers": [receiver]}))
    return path


def firing(address: str) -> dict[str, dict[str, Any]]:
    """Give what fires at an Alertmanager, by alert's name."""
    status, body = ask(address, "/api/v2/alerts")
    assert status == 200
    return {each["labels"]["alertname"]: each for each in json.loads(body)}


def told(webhook: Webhook) -> list[tuple[str, str]]:
    """Give what the receiver was told: of which alert, and whether it fires."""
    return [
        (one["labels"]["alertname"].removeprefix("ElectricAgents"), one["status"])
        for body in webhook.of("all")
        for one in body["alerts"]
    ]


def dead(fired_at: float | None = None) -> Alert:
    began = time.time() if fired_at is None else fired_at
    return alert("WorkAbandoned", fired_at=began, server="production")


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


class Place:
    """Where an Alertmanager may run, again and again, with what it keeps on disk."""

    def __init__(self, binary: str, made: Path, storage: Path) -> None:
        storage.mkdir()
        self.address = f"127.0.0.1:{free_port()}"
        self._started = (binary, made, storage)

    @asynccontextmanager
    async def up(self, *options: str, cluster: str = "") -> AsyncIterator[None]:
        """Run it while the block runs; the loop goes on while it starts and ends."""
        manager = alertmanager(*self._started, *options, address=self.address, cluster=cluster)
        await asyncio.to_thread(manager.__enter__)
        try:
            yield
        finally:
            await asyncio.to_thread(manager.__exit__, None, None, None)


@pytest.fixture
def places(release: Release, webhook: Webhook, tmp_path: Path) -> Callable[[], Place]:
    """Gives places, all with the same configuration."""
    binary = program("prometheus-alertmanager", release)
    numbers = count()

    def place() -> Place:
        return Place(binary, config(webhook, tmp_path), tmp_path / f"storage-{next(numbers)}")

    return place


@pytest.fixture
async def place(places: Callable[[], Place]) -> AsyncIterator[Place]:
    """One Alertmanager, which runs."""
    one = places()
    async with one.up():
        yield one


PAGE = [("WorkAbandoned", "firing")]
END = [("WorkAbandoned", "resolved")]
NAME = "ElectricAgentsWorkAbandoned"


async def test_it_pages_once_while_it_fires_and_says_when_it_is_over(
    place: Place, webhook: Webhook
) -> None:
    one = dead()
    async with sending(place.address) as sent:
        sent.become(one)
        await wait_until(lambda: told(webhook) == PAGE, "a page")
        first = firing(place.address)[NAME]
        far = moment(first["endsAt"]) + LIVES * RESEND
        await wait_until(
            lambda: moment(firing(place.address)[NAME]["endsAt"]) > far,
            "it fires on, long after it would have ended by itself",
        )
        assert told(webhook) == PAGE
        sent.become(ended(one, time.time()))
        await wait_until(lambda: told(webhook) == PAGE + END, "it is over")
    page, end = (body["alerts"][0] for body in webhook.of("all"))
    assert page["startsAt"] == end["startsAt"]
    assert page["generatorURL"] == "http://exporter:10437/"
    assert page["annotations"] == one.annotations
    assert sent.counts.sent[f"http://{place.address}"] > LIVES
    assert sum(sent.counts.errors.values()) == 0


async def test_what_fires_ends_by_itself_where_nobody_goes_on_with_it(
    place: Place, webhook: Webhook
) -> None:
    async with sending(place.address) as sent:
        sent.become(dead())
        await wait_until(lambda: told(webhook) == PAGE, "a page")
    await wait_until(lambda: told(webhook) == PAGE + END, "its end")
    assert firing(place.address) == {}


async def test_what_holds_arrives_after_an_absence_and_what_ended_meanwhile_never_fires(
    places: Callable[[], Place], webhook: Webhook
) -> None:
    """Alertmanager forgets all alerts as it ends; the receiver is told of each once."""
    place, lasting = places(), dead()
    born = alert("FleetUnavailable", fired_at=time.time())
    fleeting = alert("RunnerDeaf", fired_at=time.time())
    async with sending(place.address) as sent:

        def failures() -> int:
            return sum(sent.counts.errors.values())

        async with place.up():
            sent.become(lasting)
            await wait_until(lambda: told(webhook) == PAGE, "a page")
        sent.become(lasting, born, fleeting)
        before = failures()
        await wait_until(lambda: failures() > before, "nobody takes them")
        sent.become(lasting, born, ended(fleeting, time.time()))
        async with place.up():
            await wait_until(lambda: len(told(webhook)) == 2, "what fired meanwhile")
            taken = sent.counts.sent[f"http://{place.address}"]
            await wait_until(
                lambda: sent.counts.sent[f"http://{place.address}"] > taken + 3 * LIVES,
                "all that there is was sent over and over",
            )
            assert set(firing(place.address)) == {NAME, born.labels["alertname"]}
    assert told(webhook) == [*PAGE, ("FleetUnavailable", "firing")]


async def test_who_starts_anew_goes_on_with_what_fires_under_its_first_beginning(
    place: Place, webhook: Webhook
) -> None:
    one = dead()
    async with sending(place.address) as sent:
        sent.become(one)
        await wait_until(lambda: told(webhook) == PAGE, "a page")
    async with sending(place.address) as anew:
        await wait_until(anew.delivery.known, "it tells what fires")
        ((identity, began),) = anew.delivery.known().items()
        assert identity == one.identity
        assert began == pytest.approx(one.fired_at, abs=0.001)
        anew.become(dead(fired_at=began))
        taken = anew.counts
        await wait_until(
            lambda: sum(taken.sent.values()) > LIVES + 1, "it was sent for longer than it lives"
        )
    assert told(webhook) == PAGE


async def test_a_silenced_alert_is_known_too(place: Place) -> None:
    silence = {
        "matchers": [{"name": "alertname", "value": NAME, "isRegex": False, "isEqual": True}],
        "startsAt": "2020-01-01T00:00:00Z",
        "endsAt": "2099-01-01T00:00:00Z",
        "createdBy": "somebody",
        "comment": "known",
    }
    assert ask(place.address, "/api/v2/silences", silence)[0] == 200
    async with sending(place.address) as sent:
        sent.become(dead())
        await wait_until(lambda: firing(place.address), "it is there")
        state = firing(place.address)[NAME]["status"]
        await wait_until(
            lambda: firing(place.address)[NAME]["status"]["state"] == "suppressed", str(state)
        )
    async with sending(place.address) as anew:
        await wait_until(anew.delivery.known, "it tells what it holds back")


async def test_of_a_pair_both_are_told_and_the_receiver_hears_each_thing_once(
    places: Callable[[], Place], webhook: Webhook, tmp_path: Path
) -> None:
    members = [places(), places()]
    ports = [f"127.0.0.1:{free_port()}" for _ in members]
    # Else the second member would still tell what it saw before the first one told the end.
    config(webhook, tmp_path, group_interval="4s")
    options = (
        "--cluster.peer-timeout=500ms",
        "--cluster.gossip-interval=50ms",
        "--cluster.settle-timeout=3s",
        *(f"--cluster.peer={port}" for port in ports),
    )
    one = dead()
    async with AsyncExitStack() as stack:
        for member, port in zip(members, ports, strict=True):
            await stack.enter_async_context(
                member.up(*options, f"--cluster.advertise-address={port}", cluster=port)
            )
        for member in members:
            await wait_until(lambda at=member: peers(at.address) == 2, "they know each other")  # type: ignore[misc]
        sent = await stack.enter_async_context(sending(*(each.address for each in members)))
        sent.become(one)
        await wait_until(lambda: told(webhook), "a page")
        await both_have_looked(members)
        assert told(webhook) == PAGE
        assert all(NAME in firing(each.address) for each in members)
        sent.become(ended(one, time.time()))
        await wait_until(lambda: len(told(webhook)) > 1, "it is over")
        await both_have_looked(members)
    assert told(webhook) == PAGE + END


async def both_have_looked(members: list[Place]) -> None:
    """Wait until each has asked some times whether the receiver was told already, and by whom."""

    def looks(member: Place) -> float:
        text = ask(member.address, "/metrics")[1].decode()
        (number,) = re.findall(r"^alertmanager_nflog_queries_total (\S+)", text, re.MULTILINE)
        return float(number)

    before = [looks(member) for member in members]
    await wait_until(
        lambda: all(looks(member) > seen + 1 for member, seen in zip(members, before, strict=True)),
        "both have looked",
    )


def peers(address: str) -> int:
    """Give how many members a cluster has, as one of them sees it."""
    return len(json.loads(ask(address, "/api/v2/status")[1])["cluster"].get("peers", ()))


# --- who may send ---------------------------------------------------------------------------------


async def test_a_name_and_a_password_are_taken_and_a_wrong_one_is_told(
    places: Callable[[], Place], webhook: Webhook, tmp_path: Path
) -> None:
    web, password = tmp_path / "web.yml", tmp_path / "password"
    web.write_text(yaml.safe_dump({"basic_auth_users": {"exporter": HASHED}}))
    password.write_text("other")
    place = places()
    credentials = Credentials(basic_auth=BasicAuth("exporter", password_file=password))
    async with (
        place.up(f"--web.config.file={web}"),
        sending(place.address, credentials=credentials) as sent,
    ):
        sent.become(dead())
        refused = (f"http://{place.address}", Reason.UNAUTHORIZED)
        await wait_until(lambda: sent.counts.errors[refused] > 0, "it is refused")
        password.write_text(f"{PASSWORD}\n")
        await wait_until(lambda: told(webhook) == PAGE, "a page")


async def test_over_tls_both_sides_show_who_they_are(
    places: Callable[[], Place], webhook: Webhook, tmp_path: Path
) -> None:
    authority = trustme.CA()
    ours, theirs = authority.issue_cert("exporter"), authority.issue_cert("127.0.0.1")
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "cert", "key", "own", "own_key")}
    authority.cert_pem.write_to_path(files["ca"])
    theirs.cert_chain_pems[0].write_to_path(files["cert"])
    theirs.private_key_pem.write_to_path(files["key"])
    ours.cert_chain_pems[0].write_to_path(files["own"])
    ours.private_key_pem.write_to_path(files["own_key"])
    web = tmp_path / "web.yml"
    server = {
        "cert_file": str(files["cert"]),
        "key_file": str(files["key"]),
        "client_ca_file": str(files["ca"]),
        "client_auth_type": "RequireAndVerifyClientCert",
    }
    web.write_text(yaml.safe_dump({"tls_server_config": server}))
    place = places()
    trusting = Tls(ca_file=files["ca"])
    known = Tls(ca_file=files["ca"], cert_file=files["own"], key_file=files["own_key"])
    url = f"https://{place.address}"
    async with place.up(f"--web.config.file={web}"):
        async with sending(url, tls=trusting) as unknown:
            unknown.become(dead())
            await wait_until(lambda: sum(unknown.counts.errors.values()), "it is refused")
        assert told(webhook) == []
        async with sending(url, tls=known) as sent:
            sent.become(dead())
            await wait_until(lambda: told(webhook) == PAGE, "a page")
            assert sum(sent.counts.errors.values()) == 0


async def test_a_bearer_token_and_a_path_go_through_a_proxy_that_wants_them(
    place: Place, webhook: Webhook, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("hunter2\n")
    with guarded(place.address, "Bearer hunter2", "/alerting") as front:
        options = {"credentials": Credentials(bearer_token_file=token)}
        async with sending(f"{front}/alerting", **options) as sent:
            sent.become(dead())
            await wait_until(lambda: told(webhook) == PAGE, "a page")
            assert sum(sent.counts.errors.values()) == 0
        async with sending(f"{front}/alerting", **options) as anew:
            await wait_until(anew.delivery.known, "it tells what fires")


@contextmanager
def guarded(address: str, authorization: str, prefix: str) -> Iterator[str]:
    """Run a proxy that lets through who is authorized, below a path; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._pass_on(self.rfile.read(int(self.headers["content-length"])))

        def do_GET(self) -> None:
            self._pass_on(None)

        def _pass_on(self, body: bytes | None) -> None:
            if self.headers["authorization"] != authorization or not self.path.startswith(prefix):
                self.send_error(401)
                return
            behind = HTTPConnection(address, timeout=10)
            headers = {"content-type": self.headers.get("content-type", "application/json")}
            behind.request(self.command, self.path.removeprefix(prefix), body, headers)
            answer = behind.getresponse()
            content = answer.read()
            behind.close()
            self.send_response(answer.status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
