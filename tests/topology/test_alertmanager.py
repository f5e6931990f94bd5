"""The simulation of Alertmanager is held to a real one: the same timelines, the same deliveries."""

import json
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
import yaml

from incidents.webhook import Webhook
from loopback import free_port
from programs import Release, program
from topology.alertmanager import Sent, sending, sent_deliveries
from topology.player import Firing
from waiting import until

pytestmark = pytest.mark.alone

FASTER: Final = 20
LASTS: Final = 400.0
NEAR: Final = 14.0
"""How far apart a delivery may be in the two: two thirds of a real second."""

ROUTES: Final[dict[str, Any]] = {
    "receiver": "all",
    "group_by": ["case", "alertname"],
    "group_wait": 10,
    "group_interval": 30,
    "repeat_interval": 80,
    "routes": [
        {"matchers": ['copied="yes"'], "receiver": "copies", "continue": True},
        {"matchers": ["severity=critical"], "receiver": "pager", "group_by": ["case"]},
        {"matchers": ['case=~"once.*"'], "receiver": "deaf"},
        {"matchers": ['case="single"'], "receiver": "single", "group_by": ["..."]},
    ],
}
INHIBITION: Final = [
    {
        "source_matchers": ['role=~"cause|both"'],
        "target_matchers": ['role=~"effect|both"'],
        "equal": ["case", "server"],
    }
]

Timeline = dict[str, str | float | None]


def one(case: str, name: str, begin: float, end: float | None, **labels: str) -> Firing:
    return Firing({"case": case, "alertname": name, **labels}, begin, end)


FIRING: Final = (
    one("group", "A", 0, 100, runner="1"),
    one("group", "A", 4, 130, runner="2"),
    one("group", "A", 25, None, runner="3"),
    one("muted-before", "Cause", 0, 100, role="cause", server="s"),
    one("muted-before", "Effect", 20, None, role="effect", server="s"),
    one("muted-after", "Effect", 0, 70, role="effect", server="s"),
    one("muted-after", "Cause", 30, 120, role="cause", server="s"),
    one("muted-at-once", "Effect", 0, None, role="effect", server="s"),
    one("muted-at-once", "Cause", 5, None, role="cause", server="s"),
    one("muted-elsewhere", "Cause", 0, None, role="cause", server="s"),
    one("muted-elsewhere", "Effect", 0, None, role="effect", server="t"),
    one("without-server", "Cause", 0, None, role="cause"),
    one("without-server", "Effect", 0, None, role="effect"),
    one("without-server", "Effect", 0, None, role="effect", server="s"),
    one("both-sides", "A", 0, None, role="both", server="s", runner="1"),
    one("both-sides", "A", 0, None, role="both", server="s", runner="2"),
    one("both-sides", "B", 0, None, role="effect", server="s"),
    one("partly-muted", "Effect", 0, 150, role="effect", server="s", runner="1"),
    one("partly-muted", "Effect", 0, 90, role="effect", server="t", runner="2"),
    one("partly-muted", "Cause", 50, 110, role="cause", server="s"),
    one("flaps", "A", 0, 15),
    one("flaps", "A", 47, 58),
    one("flaps", "A", 95, None),
    one("brief", "A", 0, 5),
    one("repeats", "A", 0, None),
    one("pager", "A", 0, 60, severity="critical", copied="yes"),
    one("pager", "B", 15, None, severity="critical"),
    one("once", "A", 0, 60),
    one("once-more", "A", 0, 20),
    one("once-more", "A", 100, None),
    one("single", "A", 0, 50, runner="1"),
    one("single", "A", 0, None, runner="2"),
)
OTHERS: Final = (
    Sent(50, (("alertname", "A"), ("case", "old")), 0, 500),
    Sent(0, (("alertname", "A"), ("case", "expires")), 0, 34),
)


def settings(webhook: str) -> dict[str, Any]:
    names = ("all", "copies", "pager", "deaf", "single")
    receivers = [
        {
            "name": name,
            "webhook_configs": [{"url": f"{webhook}/{name}", "send_resolved": name != "deaf"}],
        }
        for name in names
    ]
    return {"route": ROUTES, "receivers": receivers, "inhibit_rules": INHIBITION}


def timed(route: dict[str, Any], faster: int) -> dict[str, Any]:
    """Write a route's times, so many times as fast."""
    times = ("group_wait", "group_interval", "repeat_interval")
    return {
        **route,
        **{key: f"{round(1000 * route[key] / faster)}ms" for key in times if key in route},
        **(
            {"routes": [timed(one, faster) for one in route["routes"]]} if "routes" in route else {}
        ),
    }


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as running:
        yield running


@pytest.fixture(params=Release, ids=lambda release: release.value)
def alertmanager(request: pytest.FixtureRequest, webhook: Webhook, tmp_path: Path) -> Iterator[str]:
    binary = program("prometheus-alertmanager", request.param)
    config = tmp_path / "alertmanager.yml"
    written = settings(webhook.url)
    config.write_text(yaml.safe_dump({**written, "route": timed(ROUTES, FASTER)}))
    url = f"http://127.0.0.1:{free_port()}"
    with started(binary, config, url, tmp_path) as process:
        until(lambda: answers(f"{url}/-/ready"), "Alertmanager")
        yield url
        process.terminate()


def started(binary: str, config: Path, url: str, folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [
            binary,
            f"--config.file={config}",
            f"--storage.path={folder / 'storage'}",
            f"--web.listen-address={url.removeprefix('http://')}",
            "--cluster.listen-address=",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=1) as answer:  # noqa: S310  (loopback)
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def sent() -> list[Sent]:
    return sorted([*sending(FIRING, LASTS, 15), *OTHERS])


def post(url: str, alerts: Sequence[Sent], began: float) -> None:
    def moment(at: float) -> str:
        return datetime.fromtimestamp(began + min(at, 1e6) / FASTER, UTC).isoformat()

    body = [
        {
            "labels": dict(alert.labels),
            "startsAt": moment(alert.starts),
            "endsAt": moment(alert.ends),
        }
        for alert in alerts
    ]
    request = Request(  # noqa: S310  (loopback)
        f"{url}/api/v2/alerts",
        json.dumps(body).encode(),
        {"content-type": "application/json"},
        method="POST",
    )
    with urlopen(request, timeout=5) as answer:  # noqa: S310
        assert answer.status == 200


Told = tuple[str, tuple[tuple[str, str, bool], ...]]


def told(receiver: str, alerts: Sequence[tuple[dict[str, str], bool]]) -> Told:
    """Reduce a delivery to who got it, and what of each alert."""
    return receiver, tuple(
        sorted((json.dumps(labels, sort_keys=True), "", firing) for labels, firing in alerts)
    )


def by_case(
    found: Sequence[tuple[float, str, Sequence[tuple[dict[str, str], bool]]]],
) -> dict[tuple[str, str, str], list[tuple[float, Told]]]:
    """Sort deliveries by case, receiver and group, each in order of time.

    Groups are flushed at one moment in any order. The pager's groups are of a whole case, and those
    of `single` of one alert.
    """
    sorted_: dict[tuple[str, str, str], list[tuple[float, Told]]] = defaultdict(list)
    for at, receiver, alerts in sorted(found, key=lambda one: one[0]):
        labels = alerts[0][0]
        runner = labels["runner"] if receiver == "single" else ""
        group = "" if receiver == "pager" else labels["alertname"] + runner
        key = (labels["case"], receiver, group)
        sorted_[key].append((at, told(receiver, alerts)))
    return sorted_


def test_it_delivers_what_a_real_one_delivers(alertmanager: str, webhook: Webhook) -> None:
    began = time.time() + 0.2
    due = sent()
    while due:
        time.sleep(max(0.0, began + due[0].at / FASTER - time.time()))
        now = [alert for alert in due if alert.at == due[0].at]
        post(alertmanager, now, began)
        due = due[len(now) :]
    time.sleep(max(0.0, began + LASTS / FASTER - time.time()))
    real = by_case(
        [
            (
                (delivery.at - began) * FASTER,
                delivery.receiver,
                [(one["labels"], one["status"] == "firing") for one in delivery.payload["alerts"]],
            )
            for delivery in list(webhook.deliveries)
        ]
    )
    simulated = by_case(
        [
            (
                delivery.at,
                delivery.receiver,
                [(dict(one.labels), one.firing) for one in delivery.alerts],
            )
            for delivery in sent_deliveries(
                settings("") | {"route": timed(ROUTES, 1)}, sent(), LASTS, cleanup=30 * FASTER
            )
        ]
    )
    assert real.keys() == simulated.keys()
    for case, deliveries in simulated.items():
        # One that is about to come at the end may have come in the other already.
        came = [one for one in real[case] if one[0] < LASTS - NEAR]
        should = [one for one in deliveries if one[0] < LASTS - NEAR]
        common = min(len(came), len(should))
        assert [what for _, what in came] == [what for _, what in should][:common], case
        assert len(came) == len(should), (case, came, should)
        for (at, _), (wanted, _) in zip(came, should, strict=True):
            assert at == pytest.approx(wanted, abs=NEAR), case
