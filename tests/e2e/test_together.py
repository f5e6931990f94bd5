"""The exporter with Prometheus, with others of its kind, and with settings that change."""

import http.server
import json
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.test_exporter import EXPORTER, RunningExporter, fetch, query

from loopback import free_port
from programs import program
from waiting import PATIENCE, until

pytestmark = pytest.mark.timeout(600)

RUNNERS = 60
LEASE_ENDS = "2099-01-01T00:00:00.000Z"


class FleetServer(http.server.ThreadingHTTPServer):
    """Has sixty runners, each of which has reconnected as often as `reconnects` says."""

    daemon_threads = True

    def __init__(self) -> None:
        self.reconnects = 0
        self.reports: Counter[str] = Counter()
        self.wellness = 200
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


def runner(number: int) -> dict[str, object]:
    return {
        "id": f"runner-{number}",
        "owner_principal": "/principal/service%3Amonitor",
        "label": f"Runner {number}",
        "kind": "server",
        "admin_status": "enabled",
        "liveness_status": "online",
        "lease_expires_at": LEASE_ENDS,
        "created_at": "2026-01-01T00:00:00.000Z",
        "updated_at": "2026-01-01T00:00:00.000Z",
    }


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FleetServer

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        answer: object = {"status": "ok"}
        if path.endswith("/runners"):
            answer = [runner(number) for number in range(RUNNERS)]
        elif "/runners/" in path:
            name = path.split("/")[-2]
            self.server.reports[name] += 1
            client = {
                "status": "streaming",
                "started_at": "2026-01-01T00:00:00.000Z",
                "reconnect_count": self.server.reconnects,
            }
            answer = {"runner": runner(int(name.split("-")[1])), "client": client}
        body = json.dumps(answer).encode()
        self.send_response(self.server.wellness)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[FleetServer]:
    with FleetServer() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def target(server: FleetServer, name: str = "production", **settings: object) -> dict[str, object]:
    return {
        "name": name,
        "url": server.url,
        "principals": ["service:monitor"],
        "interval": "2s",
        "timeout": "2s",
        "wakes": False,
        **settings,
    }


class Configured:
    """An exporter on a file of its own, which can be written anew."""

    def __init__(self, folder: Path, *flags: str, environ: dict[str, str] | None = None) -> None:
        folder.mkdir()
        self.file = folder / "config.yaml"
        self.port = free_port()
        self._flags = flags
        self._environ = environ
        self.exporter: RunningExporter

    def write(self, **settings: object) -> None:
        """Put other settings in the place of the old, all at once."""
        fresh = self.file.with_suffix(".new")
        # JSON is YAML.
        fresh.write_text(json.dumps({"listen": f"127.0.0.1:{self.port}", **settings}))
        fresh.replace(self.file)

    def start(self) -> RunningExporter:
        arguments = ["run", "--config", str(self.file), *self._flags]
        self.exporter = RunningExporter(arguments, self.port, self._environ)
        return self.exporter

    def reload(self, **settings: object) -> None:
        self.write(**settings)
        self.exporter.process.send_signal(signal.SIGHUP)


Configure = Callable[..., Configured]


@pytest.fixture
def configure(tmp_path: Path) -> Iterator[Configure]:
    """Starts exporters on settings; flags stand before them."""
    running: list[Configured] = []

    def make(*flags: str, environ: dict[str, str] | None = None, **settings: object) -> Configured:
        made = Configured(tmp_path / f"exporter-{len(running)}", *flags, environ=environ)
        made.write(**settings)
        made.start()
        running.append(made)
        return made

    yield make
    for each in running:
        if each.exporter.process.poll() is None:
            each.exporter.process.kill()
        each.exporter.process.communicate()


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Starts a real Prometheus with such scrape_configs; gives its URL."""
    running: list[subprocess.Popen[bytes]] = []

    def run(scrape_configs: str) -> str:
        port = free_port()
        folder = tmp_path / f"prometheus-{len(running)}"
        folder.mkdir()
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 5s, scrape_timeout: 5s}\n"
            f"scrape_configs:\n{scrape_configs}"
        )
        arguments = [
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        running.append(
            subprocess.Popen(
                [program("prometheus"), *arguments],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        return f"http://127.0.0.1:{port}"

    yield run
    for process in running:
        process.terminate()
        process.wait()


def values(prometheus: str, expression: str, label: str) -> dict[str, float]:
    """Ask Prometheus; gives the values by a label."""
    found = query(prometheus, expression)
    return {each["metric"].get(label, ""): float(each["value"][1]) for each in found}


def test_prometheus_finds_the_targets_and_probes_each(
    server: FleetServer, configure: Configure, prometheus: Callable[[str], str]
) -> None:
    probed = {"scheduled": False}
    exporter = configure(
        targets=[
            target(server, "one", **probed),
            target(server, "two", **probed),
            target(server, "down", url="http://127.0.0.1:1", **probed),
        ]
    ).exporter
    until(exporter.ready, "ready")
    asked = prometheus(
        "- job_name: agents\n"
        "  honor_labels: true\n"
        f"  http_sd_configs: [{{url: '{exporter.url}/sd', refresh_interval: 1s}}]\n"
    )

    def probes() -> dict[str, float]:
        return values(asked, "electric_agents_probe_success", "server")

    until(lambda: probes() == {"one": 1, "two": 1, "down": 0}, "each probe is told")
    assert values(asked, "up", "server") == {"one": 1, "two": 1, "down": 1}
    until(
        lambda: (
            values(asked, "count by (server) (electric_agents_runner_info)", "server")
            == {"one": RUNNERS, "two": RUNNERS}
        ),
        "every runner of each",
    )
    assert not query(asked, '{exported_server!=""}')
    assert not query(asked, "electric_agents_exporter_build_info")
    # It is a counter for as long as the exporter lives, whoever asks.
    rising = 'resets(electric_agents_server_requests_total{operation="list"}[5m])'
    assert set(values(asked, rising, "server").values()) == {0}
    assert "electric_agents_server_up" not in {key.split("{")[0] for key in exporter.series()}


def test_two_shards_of_prometheus_divide_the_targets_by_hashmod(
    server: FleetServer, configure: Configure, prometheus: Callable[[str], str]
) -> None:
    names = [f"target-{number}" for number in range(8)]
    exporter = configure(
        targets=[target(server, name, scheduled=False) for name in names],
        metrics={"per_runner": False},
    ).exporter
    until(exporter.ready, "ready")
    shards = [
        prometheus(
            "- job_name: agents\n"
            "  honor_labels: true\n"
            f"  http_sd_configs: [{{url: '{exporter.url}/sd', refresh_interval: 1s}}]\n"
            "  relabel_configs:\n"
            "  - {source_labels: [__param_target], modulus: 2, target_label: __tmp_shard,"
            " action: hashmod}\n"
            f"  - {{source_labels: [__tmp_shard], regex: '{number}', action: keep}}\n"
        )
        for number in range(2)
    ]

    def probed(shard: str) -> set[str]:
        return {*values(shard, "electric_agents_probe_success == 1", "server")}

    until(lambda: set().union(*map(probed, shards)) == set(names), "each target is probed")
    assert not set.intersection(*map(probed, shards))
    assert all(map(probed, shards))


def test_a_probe_that_cannot_be_over_in_time_says_so_before_prometheus_gives_up(
    configure: Configure,
) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hanging) as hanging:
        threading.Thread(target=hanging.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{hanging.server_address[1]}"
        exporter = configure(
            targets=[
                {
                    "name": "slow",
                    "url": url,
                    "principals": ["service:monitor"],
                    "timeout": "15s",
                    "scheduled": False,
                }
            ]
        ).exporter
        until(exporter.ready, "ready")
        began = time.monotonic()
        status, text = fetch(
            f"{exporter.url}/probe?target=slow",
            **{"X-Prometheus-Scrape-Timeout-Seconds": "2"},
        )
        took = time.monotonic() - began
        _Hanging.released.set()
        hanging.shutdown()
    assert status == 200
    assert "\nelectric_agents_probe_success 0\n" in text
    assert 1.4 < took < PATIENCE


class _Hanging(http.server.BaseHTTPRequestHandler):
    released = threading.Event()

    def do_GET(self) -> None:
        self.released.wait(PATIENCE)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


# --- settings that change -------------------------------------------------------------------------


def servers_of(exporter: RunningExporter) -> set[str]:
    return {
        json.loads(key.partition("{")[1] + key.partition("{")[2])["server"]
        for key in exporter.series()
        if key.startswith("electric_agents_server_up{")
    }


def test_a_configmap_that_is_swapped_is_read_again_and_a_bad_one_is_told_once(
    server: FleetServer, tmp_path: Path
) -> None:
    mount = tmp_path / "mount"
    port = free_port()

    def swap(version: str, **settings: object) -> None:
        folder = mount / f"..{version}"
        folder.mkdir(parents=True)
        content = {"listen": f"127.0.0.1:{port}", **settings}
        (folder / "config.yaml").write_text(json.dumps(content))
        (mount / "..tmp").symlink_to(folder.name)
        (mount / "..tmp").rename(mount / "..data")

    swap("one", targets=[target(server, "one")])
    (mount / "config.yaml").symlink_to("..data/config.yaml")
    exporter = RunningExporter(
        ["run", "--config", str(mount / "config.yaml"), "--watch-config"], port
    )
    try:
        until(exporter.ready, "ready")
        polls = requests(exporter, "one")
        swap("two", targets=[target(server, "one"), target(server, "two")])
        until(lambda: servers_of(exporter) == {"one", "two"}, "the new settings hold")
        assert requests(exporter, "one") >= polls > 0
        token = tmp_path / "token"
        swap("late", targets=[target(server, "late", bearer_token_file=str(token))])
        until(lambda: reload_succeeded(exporter) == 0, "the fault is known")
        token.write_text("sesame")
        until(lambda: servers_of(exporter) == {"late"}, "it is tried again")
        swap("back", targets=[target(server, "one"), target(server, "two")])
        until(lambda: servers_of(exporter) == {"one", "two"}, "the new settings hold")
        swap("three", targets=[target(server, "three", concurrency=0)])
        until(lambda: reload_succeeded(exporter) == 0, "the fault is known")
        assert servers_of(exporter) == {"one", "two"}
        # The file is gone for a while; then a good one comes.
        (mount / "..data").unlink()
        before = requests(exporter, "one")
        until(lambda: requests(exporter, "one") > before + 3, "some seconds have passed")
        assert servers_of(exporter) == {"one", "two"}
        swap("four", targets=[target(server, "four")])
        until(lambda: servers_of(exporter) == {"four"}, "the newest settings hold")
        assert reload_succeeded(exporter) == 1
        _, output = exporter.stop()
    finally:
        exporter.process.kill()
    told = [line for line in output.splitlines() if "settings not reloaded" in line]
    assert len(told) == 2
    assert "targets[0].bearer_token_file: cannot be read: No such file" in told[0]
    assert "targets[0].concurrency: expected at least 1" in told[1]
    assert output.count("settings reloaded") == 4


def requests(exporter: RunningExporter, name: str) -> float:
    return (
        exporter.value("electric_agents_server_requests_total", operation="list", server=name) or 0
    )


def reload_succeeded(exporter: RunningExporter) -> float:
    return exporter.series()["electric_agents_exporter_config_last_reload_successful{}"]


def test_reloads_under_load_lose_no_scrape_and_no_count(
    server: FleetServer, configure: Configure
) -> None:
    configured = configure(targets=[target(server)])
    exporter = configured.exporter
    until(exporter.ready, "ready")
    stop = threading.Event()
    name = 'electric_agents_server_requests_total{server="production",operation="list"} '

    def scrape(paths: Sequence[str]) -> list[tuple[int, float]]:
        seen = []
        while not stop.is_set():
            for path in paths:
                status, text = fetch(exporter.url + path)
                (line,) = [each for each in text.splitlines() if each.startswith(name)] or [name]
                seen.append((status, float(line.removeprefix(name) or -1)))
        return seen

    with ThreadPoolExecutor(2) as pool:
        scrapers = [
            pool.submit(scrape, ["/metrics"]),
            pool.submit(scrape, ["/metrics", "/probe?target=production"]),
        ]
        for number in range(12):
            configured.reload(
                targets=[
                    target(server, interval=f"{2 + number % 2}s", max_runners=100 + number),
                    *([target(server, "other")] * (number % 2)),
                ]
            )
            others = {"production", "other"} if number % 2 else {"production"}
            until(lambda others=others: servers_of(exporter) == others, "it is followed")  # type: ignore[misc]
        stop.set()
        seen = [scraper.result() for scraper in scrapers]
    for each in seen:
        assert {status for status, _ in each} == {200}
        counts = [count for _, count in each]
        assert counts == sorted(counts)
        assert counts[0] > 0
        assert len(each) > 1


# --- shards ---------------------------------------------------------------------------------------


def shown(shard: Configured) -> set[str]:
    return {
        json.loads(key.removeprefix("electric_agents_runner_info"))["runner_id"]
        for key in shard.exporter.series()
        if key.startswith("electric_agents_runner_info{")
    }


def summed(shards: Sequence[Configured], name: str, **labels: str) -> float:
    """Sum a fleet's samples over all shards, as Prometheus would."""
    return sum(
        value
        for shard in shards
        for key, value in shard.exporter.series().items()
        if key.startswith(f"{name}{{") and labels.items() <= json.loads(key[len(name) :]).items()
    )


def each_shown_once(shards: Sequence[Configured]) -> bool:
    names = [name for shard in shards for name in shown(shard)]
    return sorted(names) == sorted(f"runner-{number}" for number in range(RUNNERS))


def ask_again(server: FleetServer) -> None:
    """Wait until each runner was asked after twice more."""
    before = dict(server.reports)
    until(
        lambda: all(server.reports[name] > asked + 1 for name, asked in before.items()),
        "each runner is asked after again",
    )


def test_three_shards_sum_to_the_fleet_and_a_fourth_loses_and_doubles_nothing(
    server: FleetServer, configure: Configure
) -> None:
    def settings(count: int) -> dict[str, Any]:
        return {"targets": [target(server)], "shard": {"index": "auto", "count": count}}

    shards = [
        configure(environ={"POD_NAME": f"exporter-{number}"}, **settings(3)) for number in range(3)
    ]
    for shard in shards:
        until(shard.exporter.ready, "ready")
    until(lambda: each_shown_once(shards), "each runner is shown once")
    assert all(map(shown, shards))
    assert summed(shards, "electric_agents_runners") == RUNNERS
    assert summed(shards, "electric_agents_server_runners_exported") == RUNNERS
    assert (
        summed(shards, "electric_agents_server_runners_suppressed", reason="shard") == 2 * RUNNERS
    )

    def counted() -> float:
        return summed(shards, "electric_agents_runners_reconnects_total")

    assert counted() == 0
    server.reconnects = 2
    until(lambda: counted() == 2 * RUNNERS, "each shard counts its own")

    for shard in shards:
        shard.reload(**settings(4))
    shards.append(configure(environ={"POD_NAME": "exporter-3"}, **settings(4)))
    until(shards[-1].exporter.ready, "ready")
    until(lambda: each_shown_once(shards), "each runner is shown once")
    assert all(map(shown, shards))
    # What was counted stays; who moved is seen for the first time, and adds nothing by that.
    assert counted() == 2 * RUNNERS
    ask_again(server)
    assert counted() == 2 * RUNNERS
    server.reconnects = 5
    until(lambda: counted() == 5 * RUNNERS, "and from then on counts once")
    ask_again(server)
    assert counted() == 5 * RUNNERS
    assert summed(shards, "electric_agents_runners") == RUNNERS


def test_a_pod_that_is_none_of_the_shards_says_so_and_does_not_start(
    server: FleetServer, tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    content = {"targets": [target(server)], "shard": {"index": "auto", "count": 3}}
    file.write_text(json.dumps(content))
    for pod, told in (
        ("exporter-3", "shard.index: expected less than count, 3"),
        ("exporter", "shard.index: auto needs a name that ends with -NUMBER"),
    ):
        ended = subprocess.run(
            [*EXPORTER, "--config", str(file)],
            env={**os.environ, "POD_NAME": pod},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ended.returncode, told in ended.stderr) == (2, True)
