"""What a person waits for the status page of a large fleet, and what that costs everything else.

The exporter is the one that `run` runs, polling a fleet whose every report changes all the time.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator

from electric_agents_exporter.service import Service
from electric_agents_exporter.settings import loading
from electric_agents_exporter.sockets import listen
from fleets import PRINCIPAL
from http_poll import canned_server
from measure import Comparison, limit
from serving import Lag, polled

_FIRST_BYTE_GOAL = 0.5
_PATHS = {
    "status page": "/",
    "status page, filtered": "/?q=runner-00&sort=heartbeat",
    "runner's page": "/runner?target=canned&id=runner-00007",
    "fleet as JSON, 1,000 rows": "/api/v1/fleet?per_page=1000",
}
_READER = """
import http.client, json, statistics, sys, time
port, times, paths = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
found = {}
for name, path in paths.items():
    firsts, wholes = [], []
    for _ in range(times):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        began = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200, answer.status
        answer.read(1)
        firsts.append(time.perf_counter() - began)
        size = 1 + len(answer.read())
        wholes.append(time.perf_counter() - began)
        connection.close()
        time.sleep(0.2)
    found[name] = [statistics.median(firsts), statistics.median(wholes), size]
print(json.dumps(found))
"""


async def _serve(url: str, count: int, times: int) -> list[Comparison]:
    target = {"name": "canned", "url": url, "principals": [PRINCIPAL], "max_runners": count}
    settings = loading.load(None, {"targets": [target]}, {})
    service = Service(settings, lambda: settings)
    listening = listen("127.0.0.1:0")
    port = listening.sockets[0].getsockname()[1]
    serving = asyncio.create_task(service.run(listening))
    await polled(port)
    lag = Lag()
    watching = asyncio.create_task(lag.watch())
    arguments = (str(port), str(times), json.dumps(_PATHS))
    reading = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _READER, *arguments, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await reading.communicate()
    assert reading.returncode == 0, "a page failed: nothing is measured"  # noqa: S101
    watching.cancel()
    rows = []
    for name, (first, whole, size) in json.loads(output).items():
        what = f"{name}, {count:,} runners"
        rows += [
            limit(f"first byte of {what}", first, goal=_FIRST_BYTE_GOAL, unit="s"),
            limit(f"all of {what} ({size / 1024:,.0f} KiB)", whole, goal=None, unit="s"),
        ]
    late = lag.percentile(0.99)
    rows.append(limit(f"loop lag at p99, pages of {count:,} runners", late, goal=10, unit="ms"))
    os.kill(os.getpid(), signal.SIGTERM)
    await serving
    return rows


def measure(count: int, times: int) -> Iterator[Comparison]:
    """Measure the pages of a fleet of so many runners over sockets, each so many times."""
    with canned_server(count, "churn") as url:
        yield from asyncio.run(_serve(url, count, times))
