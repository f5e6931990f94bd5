"""A file that stands for more than settings need is refused before it is taken apart."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from electric_agents_exporter.settings.faults import SettingsFault
from electric_agents_exporter.settings.loading import load

Faults = Callable[..., list[str]]
Load = Callable[..., Any]
TOO_MUCH = "config.yaml: holds more than settings need, or is nested too deep"
TARGET = "  - url: http://a\n    principals: [service:monitor]\n"


def merged(levels: int, width: int) -> str:
    """Give maps of which each takes over the one before it so many times."""
    lines = ["a0: &a0 {k: 1}"]
    for level in range(1, levels):
        sources = ", ".join([f"*a{level - 1}"] * width)
        lines.append(f"a{level}: &a{level} {{<<: [{sources}]}}")
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        merged(levels=10, width=9),
        f"x-{merged(levels=10, width=9)}",
        "x: &x {" + ", ".join(f"k{n}: 1" for n in range(400)) + "}\n" + "- {<<: *x}\n" * 200,
        "[" * 500_000,
        "{a: " * 100_000,
        "\n".join(" " * depth + "a:" for depth in range(1_000)),
        "- " * 100_000,
        "".join(f"key{number}: 1\n" for number in range(60_000)),
    ],
    ids=["merged", "anchors", "aliases", "lists", "maps", "lines", "dashes", "names"],
)
def test_more_than_settings_need_is_refused(text: str, faults_of: Faults) -> None:
    assert len(faults_of(text)) == 1


def test_what_is_merged_counts_as_often_as_it_is_taken_over(faults_of: Faults) -> None:
    assert faults_of(merged(levels=10, width=9)) == [TOO_MUCH]


def test_of_many_faults_the_first_are_told_and_the_others_counted(faults_of: Faults) -> None:
    faults = faults_of("targets:\n" + TARGET + "".join(f"    key{n}: 1\n" for n in range(1_000)))
    assert len(faults) == 201
    assert faults[0] == "config.yaml:4: targets[0].key0: unknown setting"
    assert faults[-1] == "settings: have 800 more faults, which are not told here"


def test_of_many_names_that_stand_twice_the_first_are_told(faults_of: Faults) -> None:
    faults = faults_of("log: {}\n" * 1_000)
    assert "settings: have 799 more faults, which are not told here" in faults


def test_an_error_late_in_a_large_file_is_told_with_its_line(faults_of: Faults) -> None:
    (fault,) = faults_of("# a remark\n" * 10_000 + "a: [1\nb: 2\n")
    assert fault.startswith("config.yaml:10001: not YAML: a bracket is not closed")


def test_many_faults_beside_many_placeholders_are_told_in_time(faults_of: Faults) -> None:
    wrong = "".join(f"    key{number}: 1\n" for number in range(300))
    left = "".join(f"  key{number}: ${{LEFT}}\n" for number in range(20_000))
    faults = faults_of(f"targets:\n{TARGET}{wrong}unknown:\n{left}")
    assert len(faults) == 402
    assert "config.yaml:305: unknown.key0: holds a placeholder that nothing fills in here" in faults


def test_text_of_nothing_but_the_beginnings_of_placeholders_is_read_in_time(
    load_text: Load,
) -> None:
    token = "{{" * 450_000
    (target,) = load_text(f"targets:\n{TARGET}    bearer_token: '{token}'\n").targets
    assert target.bearer_token.get_secret_value() == token


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "settings"
    os.mkfifo(path)
    with pytest.raises(SettingsFault, match="is no regular file"):
        load(path, {}, {})
