"""Every way of being wrong has a file in `bad/`, and beside it what people are told."""

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from electric_agents_exporter.settings.faults import SettingsFault
from electric_agents_exporter.settings.loading import load

BAD = Path(__file__).with_name("bad")
Faults = Callable[..., list[str]]
Write = Callable[[str | bytes], Path]
SECRET = "hunter2"  # noqa: S105  (stands in the files wherever something might repeat it)


def names() -> list[str]:
    return sorted(path.stem for path in BAD.glob("*.yaml"))


def test_files_and_what_is_told_of_them_come_in_pairs() -> None:
    assert names() == sorted(path.stem for path in BAD.glob("*.txt"))


@pytest.mark.parametrize("name", names())
def test_a_fault_is_told_in_these_words(name: str, faults_of: Faults) -> None:
    text = (BAD / f"{name}.yaml").read_text()
    assert "\n".join(faults_of(text)) + "\n" == (BAD / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", names())
def test_no_secret_is_repeated_not_even_in_a_traceback(name: str, write: Write) -> None:
    path = write((BAD / f"{name}.yaml").read_text())
    with pytest.raises(SettingsFault) as caught:
        load(path, {}, {})
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in repr(caught.value)


def test_many_faults_are_told_at_once_in_the_order_of_the_file(faults_of: Faults) -> None:
    text = """\
listn: 0.0.0.0:10437
targets:
  - name: a
    url: agents.example.com
    principals: [service:monitor, me, user:a/b]
    interval: 5
    timeout: 1m
    interval: 2s
    include: {kind: [servr]}
    tls: {key_file: config.yaml}
    bearer_token: !x y
    tenant: acme
  - name: a
    url: http://agents.example.com
    interval: 2s
level: debug
shard: {index: 3, count: 2}
"""
    kinds = "a kind of user, agent, service or system, such as service:monitor"
    assert faults_of(text, METRICS__GROUPS="core,clients", LOGLEVEL="debug") == [
        (
            "ELECTRIC_AGENTS_EXPORTER_LOGLEVEL: unknown setting "
            "(did you mean 'ELECTRIC_AGENTS_EXPORTER_LOG__LEVEL'?)"
        ),
        (
            "ELECTRIC_AGENTS_EXPORTER_METRICS__GROUPS: [1]: "
            "expected 'core', 'client', 'claims', 'derived' or 'claims_history' "
            "(did you mean 'client'?)"
        ),
        "config.yaml:1: listn: unknown setting (did you mean 'listen'?)",
        (
            "config.yaml:4: targets[0].url: "
            "expected http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]"
        ),
        f"config.yaml:5: targets[0].principals[1]: expected KIND:ID with {kinds}",
        "config.yaml:5: targets[0].principals[2]: an id holds no slash",
        (
            "config.yaml:7: targets[0].timeout: 1m is longer than the interval, 2s; "
            "set a shorter timeout"
        ),
        "config.yaml:8: targets[0].interval: stands here a second time",
        (
            "config.yaml:9: targets[0].include.kind[0]: expected 'local', 'cloud-worker', "
            "'sandbox', 'ci' or 'server' (did you mean 'server'?)"
        ),
        "config.yaml:10: targets[0].tls.key_file: needs cert_file",
        (
            "config.yaml:11: targets[0].bearer_token: "
            "a tag (!) means nothing here; put quotes around text"
        ),
        "config.yaml:12: targets[0].tenant: means nothing without postgres",
        "config.yaml:13: targets[1].name: another target has this name; the default is `default`",
        "config.yaml:13: targets[1].principals: is missing",
        (
            "config.yaml:13: targets[1].timeout: 5s is longer than the interval, 2s; "
            "set a shorter timeout"
        ),
        "config.yaml:16: level: unknown setting (did you mean 'log.level'?)",
        "config.yaml:17: shard.index: expected less than count, 2",
    ]


def test_faults_outside_a_file_are_told_beside_one_that_cannot_be_parsed(faults_of: Faults) -> None:
    assert faults_of("targets: [", LOG__LEVEL="loud") == [
        "ELECTRIC_AGENTS_EXPORTER_LOG__LEVEL: expected 'debug', 'info', 'warning' or 'error'",
        "config.yaml:1: not YAML: ends in the middle; a bracket may not be closed",
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsFault, match=r"nowhere\.yaml: cannot be read: No such file"):
        load(tmp_path / "nowhere.yaml", {}, {})


@pytest.mark.parametrize(
    "text, told",
    [
        (b"", "config.yaml: targets: no target"),
        (b"# nothing yet\n", "config.yaml: targets: no target"),
        (b"listen: \xff\n", "config.yaml: not YAML: expected text in UTF-8"),
        (b"listen: \x00\n", "config.yaml: not YAML: expected text in UTF-8"),
        (b"#" * (1 << 20) + b"#", "config.yaml: is larger than 1048576 bytes"),
        (b"[" * 100_000, "config.yaml: holds more than settings need, or is nested too deep"),
        (b"log: " + b"{a: " * 5_000, "config.yaml: holds more than settings need"),
    ],
)
def test_what_is_hardly_yaml(text: bytes, told: str, faults_of: Faults) -> None:
    (fault,) = faults_of(text)
    assert fault.startswith(told)


def test_aliases_that_multiply_do_not_hang_the_exporter(faults_of: Faults) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (fault,) = faults_of("\n".join(lines))
    assert fault == "config.yaml: holds more than settings need, or is nested too deep"
