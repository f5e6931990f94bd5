"""Definitions: those that are shipped, and what is said of a file that holds none."""

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from electric_agents_exporter.alerting.definition import (
    MAX_BYTES,
    BadDefinitionsError,
    load,
)


def test_those_that_are_shipped_are_every_alert_that_one_exporter_can_know() -> None:
    names = {one.alert.removeprefix("ElectricAgents") for one in load().alerts}
    assert {"WorkAbandoned", "WorkUnheard", "ServerUnreachable", "Watchdog"} <= names
    assert names.isdisjoint(
        {"WorkBudgetBurn", "ExporterDown", "ExporterAbsent", "ExporterRestarting"}
    )


def test_durations_are_seconds_and_what_differs_by_lifecycle_stands_twice() -> None:
    lasting, transient = (
        one for one in load().alerts if one.alert == "ElectricAgentsWorkAbandoned"
    )
    assert (lasting.lifecycle, lasting.wait, lasting.hold) == ("lasting", 30.0, 420.0)
    assert (transient.lifecycle, transient.wait, transient.hold) == ("transient", 600.0, 420.0)
    assert lasting.labels["severity"] == lasting.numbers["severity"] == "critical"
    assert transient.labels["severity"] == transient.numbers["severity"] == "warning"


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., Path]:
    """Writes the definitions with one of their first alert's parts changed."""

    def write(**parts: Any) -> Path:  # noqa: ANN401
        raw = json.loads(
            files("electric_agents_exporter.alerting").joinpath("definitions.json").read_text()
        )
        raw["alerts"][0] |= parts
        path = tmp_path / "definitions.json"
        path.write_text(json.dumps(raw))
        return path

    return write


def test_a_file_of_ones_own_takes_their_place(changed: Callable[..., Path]) -> None:
    assert load(changed(**{"for": 7})).alerts[0].wait == 7.0


@pytest.mark.parametrize(
    "parts, fault",
    [
        ({"for": "10m"}, "Expected `float`, got `str` - at `$.alerts[0].for`"),
        ({"for": -1}, "Expected `float` >= 0.0 - at `$.alerts[0].for`"),
        ({"wait": 1}, "Object contains unknown field `wait` - at `$.alerts[0]`"),
        (
            {"annotations": {"summary": "{% if labels %}"}},
            "Unexpected end of template",
        ),
        (
            {"annotations": {"summary": "{{ labels | shout }}"}},
            "No filter named 'shout'. - at `$.alerts[0].annotations.summary`",
        ),
        (
            {"labels": {"severity": "{{ secret }}"}},
            "there is no 'secret' - at `$.alerts[0].labels.severity`",
        ),
        (
            {"limits": [{"label": "server", "pattern": "(", "matches": True}]},
            "missing ) - at `$.alerts[0].limits[0].pattern`",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    parts: dict[str, Any], fault: str, changed: Callable[..., Path]
) -> None:
    path = changed(**parts)

    with pytest.raises(BadDefinitionsError) as refused:
        load(path)

    assert str(refused.value).startswith(f"{path}: {fault}")


def test_a_file_that_is_not_there_or_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDefinitionsError, match="No such file or directory"):
        load(tmp_path / "none.json")
    long = tmp_path / "long.json"
    long.write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(BadDefinitionsError, match=f"more than {MAX_BYTES} bytes"):
        load(long)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_a_file_holds_it_is_read_or_refused(tmp_path_factory: Any, raw: bytes) -> None:  # noqa: ANN401
    path = tmp_path_factory.getbasetemp() / "definitions.json"
    path.write_bytes(raw)

    with pytest.raises(BadDefinitionsError):
        load(path)
