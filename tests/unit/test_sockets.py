"""The sockets that are served on: by address, in the file system, or passed on by systemd."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from electric_agents_exporter.sockets import listen
from electric_agents_exporter.systemd import Notifier, passed_sockets


@pytest.mark.parametrize("family, host", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_without_a_host_it_is_reached_over_ipv4_and_ipv6(family: int, host: str) -> None:
    listening = listen(":0")
    (sock,) = listening.sockets
    with socket.socket(family) as client:
        client.connect((host, sock.getsockname()[1]))
    listening.close()


def test_a_port_that_is_taken_is_not_shared_with_whoever_took_it() -> None:
    listening = listen(":0")
    with pytest.raises(OSError, match="already in use"):
        listen(f":{listening.sockets[0].getsockname()[1]}")
    listening.close()


@pytest.mark.parametrize(
    "address, spelled", [("127.0.0.1:0", "127.0.0.1:"), ("[::1]:0", "[::1]:"), (":0", "[::]:")]
)
def test_where_it_listens_is_told_as_it_is_written(address: str, spelled: str) -> None:
    listening = listen(address)
    assert listening.addresses[0].startswith(spelled)
    listening.close()


def test_the_end_of_an_answer_does_not_wait_until_its_beginning_is_acknowledged() -> None:
    listening = listen("127.0.0.1:0")
    (sock,) = listening.sockets
    with socket.create_connection(sock.getsockname()):
        connection, _ = sock.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    listening.close()


@pytest.mark.parametrize("mode", [0o660, 0o600, 0o666])
def test_a_socket_in_the_file_system_has_its_mode_and_goes_at_the_end(
    tmp_path: Path, mode: int
) -> None:
    path = tmp_path / "exporter.sock"
    listening = listen(f"unix:{path}", mode)
    assert listening.addresses == (f"unix:{path}",)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    listening.close()
    assert not path.exists()


def test_a_socket_that_somebody_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "exporter.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    listening = listen(f"unix:{path}")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    listening.close()


def test_a_socket_where_somebody_listens_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "exporter.sock"
    first = listen(f"unix:{path}")
    with pytest.raises(OSError, match="already in use"):
        listen(f"unix:{path}")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    first.close()


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "exporter.sock"
    path.write_text("precious")
    with pytest.raises(OSError, match="already in use"):
        listen(f"unix:{path}")
    assert path.read_text() == "precious"


def test_a_socket_that_another_put_there_since_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "exporter.sock"
    first = listen(f"unix:{path}")
    path.unlink()
    second = listen(f"unix:{path}")
    first.close()
    assert path.exists()
    second.close()


PASSED_ON = """
import os, sys
from electric_agents_exporter.sockets import listen
os.environ["LISTEN_PID"] = str(os.getpid() + int(sys.argv[1]))
listening = listen("127.0.0.1:0", environ=os.environ)
print(*listening.addresses)
print(*[name for name in os.environ if name.startswith("LISTEN")])
print(*[sock.get_inheritable() for sock in listening.sockets])
"""


def passed_on(*sockets: socket.socket, to_another: int = 0) -> list[str]:
    """Give what a process says to which sockets were passed on as systemd does."""

    def place() -> None:
        # First out of the way of each other, then in order from 3 on.
        high = [os.dup2(sock.fileno(), 100 + number) for number, sock in enumerate(sockets)]
        for number, descriptor in enumerate(high):
            os.dup2(descriptor, 3 + number)

    done = subprocess.run(
        [sys.executable, "-c", PASSED_ON, str(to_another)],
        env={**os.environ, "LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": "http"},
        preexec_fn=place,
        close_fds=False,
        capture_output=True,
        text=True,
        check=False,
    )
    return [*done.stdout.splitlines(), *done.stderr.splitlines()[-1:]]


@pytest.fixture
def bound(tmp_path: Path) -> Iterator[list[socket.socket]]:
    made = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)]
    made[1].bind(str(tmp_path / "passed.sock"))
    made[1].listen()
    yield made
    for sock in made:
        sock.close()


def test_sockets_that_systemd_passes_on_are_served_and_no_child_is_told_of_them(
    bound: list[socket.socket], tmp_path: Path
) -> None:
    port = bound[0].getsockname()[1]
    assert passed_on(*bound) == [
        f"127.0.0.1:{port} unix:{tmp_path}/passed.sock",
        "",
        "False False",
    ]
    # It is systemd's, and stays.
    assert (tmp_path / "passed.sock").exists()


def test_sockets_that_are_meant_for_another_process_are_none_of_ours(
    bound: list[socket.socket],
) -> None:
    (addresses, left, _) = passed_on(*bound, to_another=1)
    assert addresses.startswith("127.0.0.1:")
    assert str(bound[0].getsockname()[1]) not in addresses
    assert left == ""


def test_what_does_not_listen_is_refused() -> None:
    with socket.socket() as idle:
        told = passed_on(idle)[-1]
    assert "no stream socket that listens" in told


def test_nothing_is_passed_on_where_nobody_does() -> None:
    assert passed_sockets({}) == []
    assert passed_sockets({"LISTEN_PID": "x", "LISTEN_FDS": "1"}) == []
    assert passed_sockets({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "-1"}) == []


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Who hears how we are, as systemd does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(0)
        yield sock


def test_systemd_is_told_how_we_are(manager: socket.socket) -> None:
    environ = {"NOTIFY_SOCKET": manager.getsockname()}
    notifier = Notifier(environ)
    assert environ == {}
    notifier.ready()
    notifier.reloading()
    notifier.alive()
    notifier.stopping()
    told = [manager.recv(4096).decode() for _ in range(4)]
    assert told[0] == "READY=1"
    assert told[1].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert told[2:] == ["WATCHDOG=1", "STOPPING=1"]


def test_an_abstract_address_is_told_too() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0exporter-test-{os.getpid()}")
        Notifier({"NOTIFY_SOCKET": f"@exporter-test-{os.getpid()}"}).ready()
        assert sock.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    "environ, within",
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_a_watchdog_is_told_of_where_there_is_one(
    environ: dict[str, str], within: float | None
) -> None:
    assert Notifier({"NOTIFY_SOCKET": "/nowhere", **environ}).watchdog == within
    assert Notifier(environ).watchdog is None


def test_who_does_not_listen_holds_nobody_up(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()
    Notifier({}).stopping()
