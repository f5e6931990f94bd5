"""The command line.

Exit codes: 0 well, 1 something did not work, 2 the command line or the settings are wrong. `status`
has 3, 4 and 5 besides, by what it says.
"""

import argparse
import asyncio
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from electric_agents_exporter import client, demo, logs, probe
from electric_agents_exporter.app import DISTRIBUTION
from electric_agents_exporter.metrics.reference import render_json, render_markdown
from electric_agents_exporter.service import Service
from electric_agents_exporter.settings.environment import CONFIG_VARIABLE
from electric_agents_exporter.settings.faults import Fault, SettingsFault, nearest
from electric_agents_exporter.settings.file_watch import FileWatch
from electric_agents_exporter.settings.loading import load
from electric_agents_exporter.settings.model import Settings
from electric_agents_exporter.settings.own_exporter import own_exporter
from electric_agents_exporter.settings.values import split_address, unix_path
from electric_agents_exporter.sockets import listen
from electric_agents_exporter.systemd import Notifier

_DEFAULT_COMMAND: Final = "run"
_HEALTH_TIMEOUT: Final = 3.0
_LAST_MOMENT: Final = 0.4
_INTERRUPTED: Final = 130
_OPTION: Final = re.compile(r"--[a-z][a-z.-]*")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give its exit code."""
    _open_what_is_closed()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0].startswith("-") and given[0] not in {"-h", "--help", "--version"}):
        given.insert(0, _DEFAULT_COMMAND)
    options, unknown = build_parser().parse_known_args(given)
    if options.command is not _run:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    try:
        _refuse(unknown, options.usage)
        code: int = options.command(options)
        sys.stdout.flush()
    except SettingsFault as fault:
        for line in fault.faults:
            print(f"{DISTRIBUTION}: {line}", file=sys.stderr)
        return 2
    except OSError as error:  # of our output; what else fails is told where it does
        # Who read it has seen enough where the pipe is broken.
        if not isinstance(error, BrokenPipeError):
            print(f"{DISTRIBUTION}: cannot write: {_why(error)}", file=sys.stderr)
        # What is left must not be tried again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    finally:
        _let_go_of_stderr()
    return code


def _let_go_of_stderr() -> None:
    """Give up what nobody reads of the log: tried again at the end, it would be the exit code."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _open_what_is_closed() -> None:
    """Give a process that was started without them streams of its own, or a socket would be one."""
    if sys.stdout is None:
        # Writing to it fails, as it should.
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  (it stays open to the end)


def _refuse(unknown: Sequence[str], usage: str) -> None:
    """Refuse words that a command does not know, without those that are, or may be, values.

    Raises:
        SettingsFault: there are some.
    """
    names = [name for word in unknown if _OPTION.fullmatch(name := word.partition("=")[0])]
    known = _OPTION.findall(usage)
    faults = [Fault(name, "unknown option", nearest(name, known)) for name in names]
    if unknown:
        too_many = Fault("command line", "holds a word too many; the command comes first")
        raise SettingsFault(faults or [too_many])


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of every command."""
    parser = argparse.ArgumentParser(
        prog=DISTRIBUTION,
        description="Prometheus exporter for Electric Agents' pull-wake runners.",
        epilog="Without a command: run. Settings: docs/configuration.md.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version(DISTRIBUTION)}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add(commands, "run", _run, "serve until SIGTERM or SIGINT; SIGHUP reloads", _run_options)
    _add(commands, "demo", _demo, "a simulated fleet and the exporter polling it", _demo_options)
    _add(commands, "probe", _probe, "poll once and print the metrics", _probe_options)
    _add(commands, "check-config", _check, "find every fault in a file", _check_options)
    _add(commands, "metrics", _metrics, "the metric reference", _metrics_options)
    _add(commands, "status", _status, "what a running exporter says is wrong", _status_options)
    _add(commands, "healthcheck", _health, "ask a running exporter how it is", _health_options)
    return parser


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    command: Callable[[argparse.Namespace], int],
    text: str,
    options: Callable[[argparse.ArgumentParser], None],
) -> None:
    parser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    options(parser)
    parser.set_defaults(command=command, usage=parser.format_usage())


def _config_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML file of settings")


def _target_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="base URL of one agents-server, instead of a file")
    parser.add_argument(
        "--principal",
        action="append",
        metavar="P",
        help="who to ask as, such as service:monitor; may be repeated",
    )


def _run_options(parser: argparse.ArgumentParser) -> None:
    _config_option(parser)
    _target_options(parser)
    parser.add_argument("--listen", metavar="H:P", help="where to serve (:10437), or unix:/path")
    parser.add_argument(
        "--watch-config", action="store_true", help="read the file again when it changes"
    )
    _web_option(parser)


def _demo_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runners", type=int, default=12, metavar="N", help="how many (12)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of its chances (1)")
    parser.add_argument("--listen", default="127.0.0.1:10437", metavar="H:P", help="where to serve")
    parser.add_argument("--scenario", default="demo", metavar="NAME", help="the story (demo)")
    parser.add_argument(
        "--alerts",
        nargs="?",
        const=demo.ALERTMANAGER,
        metavar="URL",
        help=f"send alerts to an Alertmanager ({demo.ALERTMANAGER})",
    )


def _probe_options(parser: argparse.ArgumentParser) -> None:
    _config_option(parser)
    _target_options(parser)
    parser.add_argument("--debug", action="store_true", help="tell on stderr what happened")


def _check_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", required=True, help="YAML file")


def _metrics_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("markdown", "json"), default="markdown")


def _health_options(parser: argparse.ArgumentParser) -> None:
    _config_option(parser)
    parser.add_argument("--listen", metavar="H:P", help="where it serves")
    _client_options(parser)


def _status_options(parser: argparse.ArgumentParser) -> None:
    _config_option(parser)
    parser.add_argument("--url", help="where it serves, such as http://127.0.0.1:10437")
    parser.add_argument("--runners", type=int, default=20, metavar="N", help="at most (20)")
    _client_options(parser)


def _web_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--web.config.file",
        dest="web_config",
        type=Path,
        metavar="FILE",
        help="exporter-toolkit's file of TLS and users",
    )


def _client_options(parser: argparse.ArgumentParser) -> None:
    _web_option(parser)
    parser.add_argument("--username", metavar="NAME", help="who asks, where it asks for users")
    for name, what in {
        "password-file": "that user's password",
        "ca-file": "authorities to trust, PEM",
        "cert-file": "a certificate to show, PEM",
        "key-file": "the key of that certificate, PEM",
    }.items():
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=what)


def _load(options: argparse.Namespace) -> Settings:
    given = {
        "url": getattr(options, "url", None),
        "principals": getattr(options, "principal", None),
    }
    target = {name: value for name, value in given.items() if value is not None}
    flags: dict[str, Any] = {"targets": [target]} if target else {}
    if getattr(options, "listen", None) is not None:
        flags["listen"] = options.listen
    if getattr(options, "watch_config", False):
        flags["watch_config"] = True
    if getattr(options, "web_config", None) is not None:
        flags["web"] = {"config_file": str(options.web_config)}
    return load(_config(options), flags)


def _config(options: argparse.Namespace) -> Path | None:
    config = options.config or os.environ.get(CONFIG_VARIABLE)
    return Path(config) if config else None


def _run(options: argparse.Namespace) -> int:
    config = _config(options)
    # What changes from now on is no part of what is read next.
    watch = FileWatch([config] if config else [])
    settings = _load(options)
    if settings.watch_config and config is None:
        raise SettingsFault([Fault("--watch-config", "needs a file to watch: --config FILE")])
    logs.configure(settings.log.level, settings.log.format, beside=True)
    try:
        listening = listen(settings.listen, settings.web.socket_mode, os.environ)
    except OSError as error:
        print(
            f"{DISTRIBUTION}: cannot listen on {settings.listen}: {_why(error)}",
            file=sys.stderr,
        )
        return 1
    # A thread that hangs, in a name lookup say, cannot be cancelled; it must not keep us here.
    last_moment = threading.Timer(_LAST_MOMENT, os._exit, (0,))
    last_moment.daemon = True

    async def run() -> None:
        notifier = Notifier(os.environ)
        service = Service(settings, lambda: _load(options), notifier=notifier)
        await service.run(listening, watch=watch)
        last_moment.start()

    try:
        asyncio.run(run())
    finally:
        listening.close()
    last_moment.cancel()
    return 0


def _why(error: OSError) -> str:
    """Say what the system said, without Python's remark on where it said so."""
    return (error.strerror or "unknown error").partition(" (")[0]


def _demo(options: argparse.Namespace) -> int:
    return demo.run(
        runners=options.runners,
        seed=options.seed,
        address=options.listen,
        scenario=options.scenario,
        alertmanager=options.alerts,
    )


def _probe(options: argparse.Namespace) -> int:
    settings = _load(options)
    logs.configure("debug" if options.debug else "warning", settings.log.format)
    return probe.run(settings, sys.stdout.buffer)


def _check(options: argparse.Namespace) -> int:
    settings = load(options.config, {})
    print(f"{options.config}: good, {len(settings.targets)} target(s)")
    return 0


def _metrics(options: argparse.Namespace) -> int:
    text = render_json() if options.format == "json" else render_markdown()
    sys.stdout.write(text)
    return 0


def _status(options: argparse.Namespace) -> int:
    """Ask a running exporter what is wrong: that at a URL, or that of these settings."""
    from electric_agents_exporter import terminal  # noqa: PLC0415  (tables, for this command only)

    if options.url is None:
        exporter = _own_exporter(options, None)
    else:
        try:
            exporter = client.at_url(options.url, options.ca_file, _identity(options, {}))
        except ValueError as error:
            raise SettingsFault([Fault("--url", str(error))]) from None
    try:
        status = terminal.ask(exporter, options.runners)
    except client.AskError as error:
        told = terminal.printable(str(error))
        print(f"{DISTRIBUTION}: no status from the exporter: {told}", file=sys.stderr)
        return 1
    return terminal.show(status, sys.stdout)


def _own_exporter(options: argparse.Namespace, listen: str | None) -> client.Exporter:
    """Give the exporter that these settings describe, good or bad by now."""
    own = own_exporter(_config(options), options.web_config)
    address = listen or own.address
    try:
        path = unix_path(address)
        host, port = ("", 0) if path is not None else split_address(address)
    except ValueError as error:
        raise SettingsFault([Fault("--listen" if listen else "listen", str(error))]) from None
    anywhere = {"": "localhost", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (read, not bound)
    return client.Exporter(
        host=host if path else anywhere.get(host, host),
        port=port,
        path=path,
        prefix=own.prefix,
        encrypted=own.certificate is not None,
        certificate=own.certificate,
        trusted=options.ca_file,
        identity=_identity(options, own.client),
    )


def _identity(options: argparse.Namespace, settings: Mapping[str, str]) -> client.Identity:
    """Give who we are: as the options say, and else as the settings do."""

    def file(name: str) -> Path | None:
        given: Path | None = getattr(options, name)
        return given or (Path(settings[name]) if name in settings else None)

    return client.Identity(
        username=options.username or settings.get("username"),
        password_file=file("password_file"),
        cert_file=file("cert_file"),
        key_file=file("key_file"),
    )


def _health(options: argparse.Namespace) -> int:
    """Ask `/-/healthy` of the exporter that these settings describe, good or bad by now."""
    exporter = _own_exporter(options, options.listen)
    try:
        status, _ = client.ask(exporter, "/-/healthy", _HEALTH_TIMEOUT)
    except client.AskError as error:
        print(f"{DISTRIBUTION}: not healthy: {error}", file=sys.stderr)
        return 1
    if status == HTTPStatus.OK:
        return 0
    hint = " (it asks for a name and a password: see web.client)"
    unauthorized = hint if status == HTTPStatus.UNAUTHORIZED else ""
    print(f"{DISTRIBUTION}: not healthy: status {status}{unauthorized}", file=sys.stderr)
    return 1
