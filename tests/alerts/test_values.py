"""The values: each is used, each number in a rule is one of them, and how they print."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from alert_rules import SOURCES, render
from alert_values import FILE, Duration, hastened, load

UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_NUMBER: Final = re.compile(r"(?<![\w.:])\d+(?:\.\d+)?(?:ms|[smhd])?(?![\w.:])")


def _leaves(section: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:  # noqa: ANN401
    pairs = section.items() if isinstance(section, dict) else enumerate(section)
    for key, value in pairs:
        if isinstance(value, dict | list):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key)


def test_every_value_changes_a_rule(tmp_path: Path) -> None:
    rules = render(load())
    unused = [
        ".".join(map(str, path))
        for path in _leaves(yaml.safe_load(FILE.read_text()))
        if render(load(_changed(path, tmp_path / "values.yaml"))) == rules
    ]

    assert unused == []


def _changed(path: tuple[str | int, ...], file: Path) -> Path:
    """Write the values with another one at a path."""
    raw = yaml.safe_load(FILE.read_text())
    section = raw
    for key in path[:-1]:
        section = section[key]
    section[path[-1]] = _other(section[path[-1]])
    file.write_text(yaml.safe_dump(raw))
    return file


def _other(value: str | float) -> str | float:
    """Give another value of the same kind."""
    if isinstance(value, str):
        return "7h" if re.fullmatch(r"\d+[smhd]", value) else f"{value}-other"
    return value * 0.75 if value < 1 else value + 3


def test_every_number_in_a_rule_is_a_value() -> None:
    """Except 0 and 1 for no and yes, 0.5 for the median, and the ranks of a state."""
    for path in SOURCES.glob("*.yaml"):
        text = re.sub(r"<<.*?>>", "VALUE", path.read_text())
        text = "\n".join(
            line for line in text.splitlines() if not line.lstrip().startswith(("<%", "#"))
        )
        for group in yaml.safe_load(text)["groups"]:
            for rule in group["rules"]:
                if rule.get("record", "").endswith(":rank"):
                    continue
                assert set(_NUMBER.findall(re.sub(r'"[^"]*"', "", rule["expr"]))) <= {
                    "0",
                    "1",
                    "0.5",
                }
                for key in ("for", "keep_firing_for"):
                    assert rule.get(key, "VALUE") == "VALUE"


@given(st.integers(0, 10_000), st.sampled_from(sorted(UNITS)))
def test_a_duration_is_printed_as_it_is_read(number: int, unit: str) -> None:
    duration = Duration.parse(f"{number}{unit}")

    assert float(duration) == pytest.approx(number * UNITS[unit])
    assert float(Duration.parse(str(duration))) == pytest.approx(float(duration))


@given(st.integers(1, 10_000_000))
def test_a_duration_is_printed_in_the_largest_unit_that_is_exact(milliseconds: int) -> None:
    text = str(Duration(milliseconds / 1000))

    number, unit = re.fullmatch(r"(\d+)(\w+)", text).groups()  # type: ignore[union-attr]
    assert int(number) * round(UNITS[unit] * 1000) == milliseconds
    larger = [size for size in UNITS.values() if size > UNITS[unit]]
    assert all(milliseconds % round(size * 1000) for size in larger)


@given(st.text(max_size=6))
def test_what_is_no_duration_is_refused(text: str) -> None:
    if not re.fullmatch(r"\d+(ms|s|m|h|d)", text):
        with pytest.raises(ValueError, match="is no duration such as"):
            Duration.parse(text)


def test_a_duration_too_short_for_prometheus_is_refused() -> None:
    with pytest.raises(ValueError, match="too short for Prometheus"):
        str(Duration(0.0001))


@given(st.integers(1, 200), st.integers(1, 2_000))
def test_hastened_values_differ_in_times_and_rates_alone(factor: int, slo_factor: int) -> None:
    values = load()
    fast = hastened(values, factor, slo_factor)

    assert fast.alerts.keys() == values.alerts.keys()
    for name, numbers in fast.alerts.items():
        for key, number in fast.alert(name).items():
            real = values.number(name, key)
            if isinstance(values.alert(name)[key], Duration):
                assert number == pytest.approx(real / factor, abs=0.00051)
            elif key.endswith("_per_second"):
                assert number == real * factor
            else:
                assert numbers[key] == real
    for burn, before in zip(fast.slo.burns, values.slo.burns, strict=True):
        assert burn.long / burn.short == pytest.approx(before.long / before.short)
        assert burn.long * slo_factor == pytest.approx(before.long)
        assert (burn.factor, burn.severity) == (before.factor, before.severity)
    assert (fast.slo.availability, fast.slo.claims) == (values.slo.availability, values.slo.claims)


def test_values_that_are_hastened_by_nothing_are_the_same() -> None:
    assert hastened(load(), 1, 1) == load()
