"""The simulation of Alertmanager is held to a real one: the same timelines, the same deliveries."""

import json
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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

PACES: Final = (20, 5)
"""How many times as fast as the clock: at the second, what a busy machine delays counts less."""

LASTS: Final = 400.0
NEAR: Final = 14.0
"""How far apart a delivery may be in the two: two thirds of a real second at the first pace."""

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


@contextmanager
def alertmanager(binary: str, webhook: Webhook, pace: int, folder: Path) -> Iterator[str]:
    folder.mkdir()
    config = folder / "alertmanager.yml"
    written = settings(webhook.url)
    config.write_text(yaml.safe_dump({**written, "route": timed(ROUTES, pace)}))
    url = f"http://127.0.0.1:{free_port()}"
    with started(binary, config, url, folder) as process:
        try:
            until(lambda: answers(f"{url}/-/ready"), "Alertmanager")
            yield url
        finally:
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


def post(url: str, alerts: Sequence[Sent], began: float, pace: int) -> None:
    def moment(at: float) -> str:
        return datetime.fromtimestamp(began + min(at, 1e6) / pace, UTC).isoformat()

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
Delivered = tuple[float, str, Sequence[tuple[dict[str, str], bool]]]
ByCase = dict[tuple[str, str, str], list[tuple[float, Told]]]


def told(receiver: str, alerts: Sequence[tuple[dict[str, str], bool]]) -> Told:
    """Reduce a delivery to who got it, and what of each alert."""
    return receiver, tuple(
        sorted((json.dumps(labels, sort_keys=True), "", firing) for labels, firing in alerts)
    )


def by_case(found: Sequence[Delivered]) -> ByCase:
    """Sort deliveries by case, receiver and group, each in order of time.

    Groups are flushed at one moment in any order. The pager's groups are of a whole case, and those
    of `single` of one alert.
    """
    sorted_: ByCase = defaultdict(list)
    for at, receiver, alerts in sorted(found, key=lambda one: one[0]):
        labels = alerts[0][0]
        runner = labels["runner"] if receiver == "single" else ""
        group = "" if receiver == "pager" else labels["alertname"] + runner
        key = (labels["case"], receiver, group)
        sorted_[key].append((at, told(receiver, alerts)))
    return sorted_


def really_delivered(binary: str, pace: int, folder: Path) -> ByCase:
    with Webhook() as webhook, alertmanager(binary, webhook, pace, folder) as url:
        began = time.time() + 0.2
        due = sent()
        while due:
            time.sleep(max(0.0, began + due[0].at / pace - time.time()))
            now = [alert for alert in due if alert.at == due[0].at]
            post(url, now, began, pace)
            due = due[len(now) :]
        time.sleep(max(0.0, began + LASTS / pace - time.time()))
        found: list[Delivered] = []
        for each in list(webhook.deliveries):
            alerts = [(one["labels"], one["status"] == "firing") for one in each.payload["alerts"]]
            found.append(((each.at - began) * pace, each.receiver, alerts))
    return by_case(found)


def simulated_deliveries(pace: int) -> ByCase:
    config = settings("") | {"route": timed(ROUTES, 1)}
    deliveries = sent_deliveries(config, sent(), LASTS, cleanup=30 * pace)
    return by_case(
        [
            (each.at, each.receiver, [(dict(one.labels), one.firing) for one in each.alerts])
            for each in deliveries
        ]
    )


def differences(real: ByCase, simulated: ByCase) -> list[str]:
    """Tell of each case in which the two are not the same, or not near in time."""
    found = []
    for case in sorted(real.keys() | simulated.keys()):
        # One that is about to come at the end may have come in the other already.
        came = [one for one in real.get(case, ()) if one[0] < LASTS - NEAR]
        should = [one for one in simulated.get(case, ()) if one[0] < LASTS - NEAR]
        same = [what for _, what in came] == [what for _, what in should]
        apart = (abs(one[0] - other[0]) for one, other in zip(came, should, strict=False))
        if not same or max(apart, default=0.0) > NEAR:
            found.append(f"{case}: {came} came, and not {should}")
    return found


@pytest.mark.parametrize("release", Release, ids=lambda release: release.value)
def test_it_delivers_what_a_real_one_delivers(release: Release, tmp_path: Path) -> None:
    binary = program("prometheus-alertmanager", release)
    found: list[str] = []
    for pace in PACES:
        real = really_delivered(binary, pace, tmp_path / f"{pace}")
        found = differences(real, simulated_deliveries(pace))
        if not found:
            break
    assert found == []


def test_what_differs_is_told() -> None:
    simulated = simulated_deliveries(PACES[0])
    case = ("group", "all", "A")
    first, *others = simulated[case]

    def later(by: float) -> tuple[float, Told]:
        return first[0] + by, first[1]

    assert differences({**simulated, case: [later(NEAR / 2), *others]}, simulated) == []
    for changed in (others, [later(2 * NEAR), *others], [first, later(1.0), *others], []):
        assert len(differences({**simulated, case: changed}, simulated)) == 1
    assert len(differences(simulated, {**simulated, ("new", "all", "A"): [first]})) == 1
