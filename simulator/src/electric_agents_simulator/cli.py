"""The command line: a server alone, a server with runners in a scenario, the scenarios."""

import argparse
import asyncio
import json
import signal
from collections.abc import Sequence

from electric_agents_simulator import scenarios
from electric_agents_simulator.clock import RunningClock
from electric_agents_simulator.scenarios.model import Scenario
from electric_agents_simulator.scenarios.player import ScenarioPlayer
from electric_agents_simulator.server.serving import SimulatedServer
from electric_agents_simulator.storage.registry import IN_MEMORY

_MOST_RUNNERS = 10_000


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
    _add_serve(commands.add_parser("serve", help="the server alone, empty"))
    _add_demo(commands.add_parser("demo", help="a server and runners that play a scenario"))
    _add_scenarios(commands.add_parser("scenarios", help="the scenarios that demo can play"))
    return parser


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_serve)
    _add_listen(parser)
    parser.add_argument(
        "--database", default=IN_MEMORY, metavar="URL", help="sqlite:///FILE or postgresql://..."
    )
    parser.add_argument(
        "--production", action="store_true", help="refuse callers without a principal"
    )


def _add_demo(parser: argparse.ArgumentParser) -> None:
    names = [scenario.name for scenario in scenarios.all_scenarios()]
    parser.set_defaults(run=_demo)
    _add_listen(parser)
    parser.add_argument(
        "--runners", type=_runner_count, default=20, metavar="N", help="how many (default 20)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all that is random (default 0)")
    parser.add_argument("--scenario", choices=names, default=names[0], metavar="NAME")
    parser.add_argument(
        "--speed", type=float, default=1.0, help="how much faster than real time (default 1)"
    )
    parser.add_argument(
        "--database", default=IN_MEMORY, metavar="URL", help="sqlite:///FILE or postgresql://..."
    )


def _add_scenarios(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_list_scenarios)
    parser.add_argument("--format", choices=["text", "json", "markdown"], default="text")


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


def _runner_count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_RUNNERS:
        raise argparse.ArgumentTypeError(f"expected 1 to {_MOST_RUNNERS}, got {text!r}")
    return int(text)


def _serve(options: argparse.Namespace) -> int:
    return asyncio.run(_serve_until_signal(options))


async def _serve_until_signal(options: argparse.Namespace) -> int:
    stop = _on_signal()
    host, port = options.listen
    async with SimulatedServer(
        host=host, port=port, database=options.database, production=options.production
    ) as server:
        _announce(server)
        await stop.wait()
    return 0


def _demo(options: argparse.Namespace) -> int:
    return asyncio.run(_play_until_signal(options))


async def _play_until_signal(options: argparse.Namespace) -> int:
    stop = _on_signal()
    host, port = options.listen
    clock = RunningClock(options.speed)
    scenario = scenarios.find(options.scenario)
    async with SimulatedServer(clock, host=host, port=port, database=options.database) as server:
        player = ScenarioPlayer(server, scenario, options.runners, options.seed, clock)
        async with player.play():
            _announce(server)
            await stop.wait()
    return 0


def _list_scenarios(options: argparse.Namespace) -> int:
    write = {"text": _as_text, "json": _as_json, "markdown": _as_markdown}[options.format]
    print(write(scenarios.all_scenarios()))
    return 0


def _as_text(listed: Sequence[Scenario]) -> str:
    return "\n".join(
        f"{scenario.name:18} {scenario.title} [{' '.join(scenario.principals)}]"
        for scenario in listed
    )


def _as_json(listed: Sequence[Scenario]) -> str:
    described = [
        {
            "name": scenario.name,
            "title": scenario.title,
            "description": scenario.description,
            "watch": scenario.watch,
            "seconds": scenario.seconds,
            "principals": scenario.principals,
        }
        for scenario in listed
    ]
    return json.dumps(described, indent=2)


def _as_markdown(listed: Sequence[Scenario]) -> str:
    return "\n\n".join(
        f"### {scenario.name}: {scenario.title}\n\n{scenario.description}\n\n"
        f"**Watch:** {scenario.watch}"
        for scenario in listed
    )


def _announce(server: SimulatedServer) -> None:
    print(f"simulator ready on {server.url}", flush=True)


def _on_signal() -> asyncio.Event:
    """Give an event that SIGINT and SIGTERM set."""
    event = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    return event
