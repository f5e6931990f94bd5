"""The demo: a simulated agents-server and fleet in a child process, and the exporter polling it."""

import asyncio
import subprocess
import sys
from typing import Final

from electric_agents_exporter import logs
from electric_agents_exporter.service import Service, listen
from electric_agents_exporter.settings.loading import load

_READY: Final = "simulator ready on "
_GRACE_SECONDS: Final = 2.0


def run(*, runners: int, seed: int, address: str, scenario: str) -> int:
    """Serve the demo until SIGTERM or SIGINT.

    Returns:
        The exit code: 1 where the simulator does not start or the address cannot be had.

    Raises:
        SettingsFault: the address is none.
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
            return _poll(url, scenarios.principals(scenario), address)
        finally:
            _end(simulator)


def _poll(url: str, principals: tuple[str, ...], address: str) -> int:
    target = {"name": "demo", "url": url, "principals": list(principals), "interval": "5s"}
    settings = load(None, {"listen": address, "targets": [target]}, environ={})
    logs.configure("warning", settings.log.format)
    try:
        sock = listen(settings.listen)
    except OSError as error:
        print(f"demo: cannot listen on {address}: {error.strerror}", file=sys.stderr)
        return 1
    host, port, *_ = sock.getsockname()
    place = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def announce() -> None:
        print(f"agents-server (simulated): {url}", flush=True)
        print(f"exporter: open {place}/ or {place}/metrics - Ctrl-C ends both", flush=True)

    async def serve() -> None:
        await Service(settings, lambda: settings).run(sock, on_serving=announce)

    asyncio.run(serve())
    return 0


def _end(simulator: "subprocess.Popen[str]") -> None:
    simulator.terminate()
    try:
        simulator.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        simulator.kill()
