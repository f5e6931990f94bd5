"""Probes of single targets by an exporter: what is asked, what is shown, and of whom."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from typing_extensions import override

from electric_agents_exporter.app import Exporter
from electric_agents_exporter.fleet.clock import SystemClock
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.reference import all_families
from electric_agents_exporter.settings.loading import load
from electric_agents_exporter.settings.model import Settings

RUNNER = {"id": "one", "kind": "server", "admin_status": "enabled", "liveness_status": "online"}


class Fleet(BaseHTTPRequestHandler):
    """Answers as a server does that has one runner."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.endswith("/runners/one/health"):
            answer: object = {"runner": RUNNER, "claims": {"active_count": 2}}
        elif path.endswith("/runners"):
            answer = [RUNNER]
        else:
            answer = {"status": "ok"}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a server that answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Fleet) as made:
        made.daemon_threads = True
        thread = Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()
        thread.join()


class Hasty(SystemClock):
    """Lets so much time pass between two probes that none waits for its turn."""

    @override
    def awake(self) -> float:
        return super().awake() * 10_000


Make = Callable[..., Exporter]
MakeSettings = Callable[..., Settings]


@pytest.fixture
def settings_of(server: str) -> MakeSettings:
    """Make settings of targets, `one` and `two` by default, each with some of its own."""

    def settings(
        targets: dict[str, dict[str, Any]] | None = None,
        **general: Any,  # noqa: ANN401
    ) -> Settings:
        given = targets or {"one": {}, "two": {}}
        entries = [
            {"name": name, "url": server, "principals": ["service:monitor"], **of_target}
            for name, of_target in given.items()
        ]
        return load(None, {"targets": entries, **general}, {})

    return settings


@pytest.fixture
def make(settings_of: MakeSettings) -> Make:
    """Make an exporter with such settings."""
    return lambda *targets, **general: Exporter(settings_of(*targets, **general), Hasty())


async def scraped(exporter: Exporter, target: str, fmt: Format = Format.TEXT) -> dict[str, float]:
    """Probe a target, and give each sample with the labels that tell what it is about."""
    body = b"".join(await exporter.prober.scrape(target, 10.0, fmt)).decode()
    parse = parse_openmetrics if fmt is Format.OPENMETRICS else text_string_to_metric_families
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in parse(body)
        for sample in family.samples
    }


async def test_a_probe_polls_its_target_and_shows_that_target_alone(make: Make) -> None:
    exporter = make()
    samples = await scraped(exporter, "one")
    assert samples["electric_agents_probe_success[]"] == 1
    assert 0 < samples["electric_agents_probe_duration_seconds[]"] < 10
    assert samples["electric_agents_server_up[('server', 'one')]"] == 1
    assert samples["electric_agents_runner_active_claims[('runner_id', 'one'), ('server', 'one')]"]
    assert not any("'two'" in name for name in samples)
    assert not any(name.startswith(("process_", "python_")) for name in samples)
    assert not any("electric_agents_exporter_" in name for name in samples)
    assert exporter.fleet.targets["one"].polled
    assert not exporter.fleet.targets["two"].polled
    await exporter.aclose()


@pytest.mark.parametrize("fmt", Format)
async def test_a_probe_shows_what_a_scrape_shows_of_its_target(fmt: Format, make: Make) -> None:
    exporter = make()
    for _ in range(2):
        await asyncio.gather(scraped(exporter, "one", fmt), scraped(exporter, "two", fmt))
        of_probe = set(await scraped(exporter, "one", fmt))
        text = b"".join(await exporter.scraper.scrape(fmt)).decode()
        parse = parse_openmetrics if fmt is Format.OPENMETRICS else text_string_to_metric_families
        of_scrape = {
            f"{sample.name}{sorted(sample.labels.items())}"
            for family in parse(text)
            for sample in family.samples
            if sample.labels.get("server") == "one"
        }
        assert {name for name in of_probe if "probe_" not in name} == of_scrape
    await exporter.aclose()


async def test_all_who_share_a_probe_are_given_one_body_and_who_comes_later_another(
    make: Make,
) -> None:
    exporter = make()
    first = await asyncio.gather(
        *(exporter.prober.scrape("one", 10.0, Format.TEXT) for _ in range(3)),
        exporter.prober.scrape("two", 10.0, Format.TEXT),
        exporter.prober.scrape("one", 10.0, Format.OPENMETRICS),
    )
    later = await exporter.prober.scrape("one", 10.0, Format.TEXT)
    assert first[0] is first[1] is first[2]
    assert len({id(body) for body in (*first, later)}) == 4
    await exporter.aclose()


async def test_a_probe_of_a_server_that_is_down_says_so_and_what_is_known(make: Make) -> None:
    exporter = make({"down": {"url": "http://127.0.0.1:1"}})
    samples = await scraped(exporter, "down")
    assert samples["electric_agents_probe_success[]"] == 0
    assert samples["electric_agents_server_up[('server', 'down')]"] == 0
    await exporter.aclose()


async def test_counters_go_on_over_probes_and_polls_alike(make: Make) -> None:
    exporter = make()
    name = "electric_agents_server_requests_total[('operation', 'list'), ('server', 'one')]"
    counted = [(await scraped(exporter, "one"))[name]]
    await exporter.pollers["one"].poll(paced=False)
    counted += [(await scraped(exporter, "one"))[name] for _ in range(2)]
    assert counted == [1, 3, 4]
    await exporter.aclose()


async def test_a_target_that_is_only_probed_is_polled_and_shown_at_no_other_time(
    make: Make,
) -> None:
    exporter = make({"one": {}, "two": {"scheduled": False}})
    assert list(exporter.intervals()) == ["one"]
    assert exporter.prober.names() == ["one", "two"]
    assert (await scraped(exporter, "two"))["electric_agents_probe_success[]"] == 1
    text = b"".join(await exporter.scraper.scrape(Format.TEXT)).decode()
    assert 'server="one"' in text
    assert 'server="two"' not in text
    exporter.tick()
    assert exporter.fleet.stillness() == ""
    await exporter.aclose()


async def test_a_choice_of_families_holds_for_probes_too_and_follows_new_settings(
    make: Make, settings_of: MakeSettings
) -> None:
    exporter = make(metrics={"deny": ["electric_agents_(runner_.*|probe_duration.*)"]})
    denied = await scraped(exporter, "one")
    assert not any("runner_id" in name or "duration_seconds[]" in name for name in denied)
    exporter.configure(settings_of(metrics={"allow": ["electric_agents_server_up"]}))
    assert list(await scraped(exporter, "one")) == ["electric_agents_server_up[('server', 'one')]"]
    await exporter.aclose()


async def test_a_target_that_new_settings_take_away_while_it_is_probed_shows_nothing_more(
    make: Make, settings_of: MakeSettings
) -> None:
    exporter = make()
    gone = exporter.pollers["one"]
    probing = asyncio.create_task(scraped(exporter, "one"))
    await asyncio.sleep(0)
    exporter.configure(settings_of({"two": {}}))
    samples = await probing
    assert {name for name in samples if "probe_" not in name} == set()
    await gone.aclose()
    await exporter.aclose()


async def test_a_probe_is_explained_in_three_parts_without_a_secret(
    make: Make, server: str
) -> None:
    secrets = {
        "bearer_token": "sesame",
        "headers": {"x-key": "sesame"},
        "include": {"id": "o.*"},
        "tls": {"server_name": "agents.internal"},
    }
    exporter = make({"one": {"url": f"{server}?key=sesame", **secrets}})
    text = await exporter.prober.explain("one", 10.0)
    logs, metrics, configured = re.split(
        r"\n{3,}(?=Metrics that would have been returned:|Target configuration:)", text
    )
    assert logs.startswith("Logs for the probe:\nts=")
    assert "operation=list" in logs
    assert "path=/_electric/runners/one/health" in logs
    assert "status=200" in logs
    assert re.search(r'level=info .* msg="probe ended" target=one success=true seconds=', logs)
    assert "\nelectric_agents_probe_success 1\n" in metrics
    assert "\nname: one\n" in configured
    assert "?(hidden)" in configured
    assert "x-key: (hidden)" in configured
    assert "sesame" not in text
    await exporter.aclose()


async def test_an_explained_probe_that_fails_says_why(make: Make) -> None:
    exporter = make({"down": {"url": "http://127.0.0.1:1"}})
    text = await exporter.prober.explain("down", 10.0)
    assert "reason=connect" in text
    assert re.search(r'level=error .* success=false .* why=".*connect: Connection refused', text)
    await exporter.aclose()


def test_a_probe_has_rows_of_its_own_in_the_reference() -> None:
    of_probe = [family.name for title, _, family in all_families() if title == "A probe"]
    assert of_probe == [
        "electric_agents_probe_success",
        "electric_agents_probe_duration_seconds",
    ]
