"""The command line: a server alone, or a server and a fleet that plays a scenario."""

import argparse
import asyncio
import signal
from collections.abc import Sequence

from electric_agents_simulator.server.serving import SimulatedServer
from electric_agents_simulator.storage.registry import IN_MEMORY


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give its exit status."""
    options = _parser().parse_args(arguments)
    return int(options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="electric_agents_simulator",
        description="A Python agents-server and pull-wake runners.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="the server alone, empty")
    serve.set_defaults(run=_serve)
    _add_listen(serve)
    serve.add_argument(
        "--database", default=IN_MEMORY, metavar="URL", help="sqlite:///FILE or postgresql://..."
    )
    serve.add_argument(
        "--production", action="store_true", help="refuse callers without a principal"
    )
    return parser


def _add_listen(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen",
        type=_address,
        default=("127.0.0.1", 4437),
        metavar="HOST:PORT",
        help="where to listen; port 0 takes a free one (default 127.0.0.1:4437)",
    )


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"expected HOST:PORT, got {text!r}")
    return host or "127.0.0.1", int(port)


def _serve(options: argparse.Namespace) -> int:
    host, port = options.listen
    return asyncio.run(_serve_until_signal(host, port, options.database, options.production))


async def _serve_until_signal(host: str, port: int, database: str, production: bool) -> int:  # noqa: FBT001  (an option, passed on)
    stop = _on_signal()
    async with SimulatedServer(
        host=host, port=port, database=database, production=production
    ) as server:
        _announce(server)
        await stop.wait()
    return 0


def _announce(server: SimulatedServer) -> None:
    print(f"simulator ready on {server.url}", flush=True)  # noqa: T201  (whoever started us waits for it)


def _on_signal() -> asyncio.Event:
    """Give an event that SIGINT and SIGTERM set."""
    event = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    return event
