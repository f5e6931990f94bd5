"""The demo: a simulated agents-server and fleet in a child process, and the exporter polling it."""

import asyncio
import subprocess
import sys
from typing import Final

from electric_agents_exporter import logs
from electric_agents_exporter.service import Service
from electric_agents_exporter.settings.loading import load
from electric_agents_exporter.settings.model import Settings
from electric_agents_exporter.sockets import listen

_READY: Final = "simulator ready on "
_GRACE_SECONDS: Final = 2.0


ALERTMANAGER: Final = "http://127.0.0.1:9093"
"""Where an Alertmanager serves that was started with nothing said of that."""


def run(
    *, runners: int, seed: int, address: str, scenario: str, alertmanager: str | None = None
) -> int:
    """Serve the demo until SIGTERM or SIGINT; alerts go to an Alertmanager if one is given.

    Returns:
        The exit code: 1 where the simulator does not start or the address cannot be had.

    Raises:
        SettingsFault: the address is none, or that of the Alertmanager.
    """
    try:
        from electric_agents_simulator import scenarios  # noqa: PLC0415  (an extra, for demos only)
    except ImportError as error:
        print(
            f"demo: {error.name} is missing; install electric-agents-exporter[demo]",
            file=sys.stderr,
        )
        return 1
    command = [sys.executable, "-m", "electric_agents_simulator", "demo", "--listen", "127.0.0.1:0"]
    command += ["--runners", str(runners), "--seed", str(seed), "--scenario", scenario]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as simulator:  # noqa: S603
        try:
            line = simulator.stdout.readline() if simulator.stdout else ""
            if not line.startswith(_READY):
                return simulator.wait(_GRACE_SECONDS) or 1
            url = line.removeprefix(_READY).strip()
            target = {
                "name": "demo",
                "url": url,
                "principals": list(scenarios.principals(scenario)),
                "interval": "5s",
            }
            given: dict[str, object] = {"listen": address, "targets": [target]}
            if alertmanager is not None:
                given["alertmanager"] = {"urls": [alertmanager]}
            return _serve(load(None, given, environ={}), url)
        finally:
            _end(simulator)


def _serve(settings: Settings, url: str) -> int:
    logs.configure("warning", settings.log.format)
    try:
        listening = listen(settings.listen)
    except OSError as error:
        print(f"demo: cannot listen on {settings.listen}: {error.strerror}", file=sys.stderr)
        return 1
    (address,) = listening.addresses
    place = address if address.startswith("unix:") else f"http://{address}"

    def announce() -> None:
        print(f"agents-server (simulated): {url}", flush=True)
        print(f"exporter: open {place}/ or {place}/metrics - Ctrl-C ends both", flush=True)
        if settings.alertmanager is not None:
            (alertmanager,) = settings.alertmanager.urls
            print(f"alerts: arrive at {alertmanager} within two minutes", flush=True)

    async def serve() -> None:
        await Service(settings, lambda: settings).run(listening, on_serving=announce)

    asyncio.run(serve())
    return 0


def _end(simulator: "subprocess.Popen[str]") -> None:
    simulator.terminate()
    try:
        simulator.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        simulator.kill()
