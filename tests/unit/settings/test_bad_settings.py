"""Every way of being wrong stands in `bad_settings.yaml`, and beside it what people are told."""

import re
import textwrap
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from electric_agents_exporter.settings import setting_names
from electric_agents_exporter.settings.environment import variable_of
from electric_agents_exporter.settings.faults import SettingsFault
from electric_agents_exporter.settings.loading import load
from electric_agents_exporter.settings.model import Settings

Faults = Callable[..., list[str]]
Load = Callable[..., Settings]
TABLE = Path(__file__).with_name("bad_settings.yaml")
GOOD = "targets:\n  - url: http://agents.example.com\n    principals: [service:monitor]\n"
SECRET = "hunter2"  # noqa: S105  (stands in the table wherever something might repeat it)


@dataclass(frozen=True)
class Case:
    """One entry of the table, which tells what each of these means."""

    name: str
    told: str
    target: str = ""
    beside: str = ""
    text: str | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def file(self) -> str | None:
        """What stands in `config.yaml`; None where there is none."""
        if self.target or self.beside:
            return GOOD + textwrap.indent(self.target, "    ") + self.beside
        return self.text


CASES = [Case(**entry) for entry in yaml.safe_load(TABLE.read_text())]


def test_cases_stand_in_the_order_of_their_names_and_no_name_stands_twice() -> None:
    names = [case.name for case in CASES]
    assert names == sorted(set(names))


def test_every_setting_has_a_case() -> None:
    told = "\n".join(case.told for case in CASES)
    without = []
    for names, _ in setting_names.fields():
        head, *rest = names
        place = f"{head}\\[0\\]\\.{'.'.join(rest)}" if head == "targets" else ".".join(names)
        is_section = setting_names.names_in(names)
        if not is_section and not re.search(rf"({place}|{variable_of(names)})[.:\[]", told):
            without.append(".".join(names))
    assert without == [], f"add a bad value, and what people are told, to {TABLE}"


def test_every_fault_is_told_in_the_words_of_the_table(
    faults_of: Faults, subtests: pytest.Subtests
) -> None:
    for case in CASES:
        with subtests.test(case.name):
            assert faults_of(case.file, **case.environment) == case.told.splitlines()


def test_no_secret_is_repeated_not_even_in_a_traceback(
    load_text: Load, subtests: pytest.Subtests
) -> None:
    for case in CASES:
        with subtests.test(case.name):
            with pytest.raises(SettingsFault) as caught:
                load_text(case.file, **case.environment)
            shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
            assert SECRET not in shown


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
