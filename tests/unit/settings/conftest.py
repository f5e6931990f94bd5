"""Files of settings, and an environment that holds none of ours."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from electric_agents_exporter.settings.faults import SettingsFault
from electric_agents_exporter.settings.loading import load
from electric_agents_exporter.settings.model import ENV_PREFIX, Settings

Write = Callable[[str | bytes], Path]
Load = Callable[..., Settings]
Faults = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in os.environ:
        if variable.startswith(ENV_PREFIX):
            monkeypatch.delenv(variable)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file that faults call `config.yaml`."""
    monkeypatch.chdir(tmp_path)

    def write_file(text: str | bytes) -> Path:
        path = Path("config.yaml")
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write_file


@pytest.fixture
def load_text(write: Write) -> Load:
    """Load settings of a text, and of variables without their prefix."""

    def load_settings(
        text: str | bytes | None = None, *, flags: dict[str, object] | None = None, **variables: str
    ) -> Settings:
        environ = {ENV_PREFIX + name: value for name, value in variables.items()}
        return load(None if text is None else write(text), flags or {}, environ)

    return load_settings


@pytest.fixture
def faults_of(load_text: Load) -> Faults:
    """Give the lines of what is wrong."""

    def lines(
        text: str | bytes | None = None, *, flags: dict[str, object] | None = None, **variables: str
    ) -> list[str]:
        with pytest.raises(SettingsFault) as caught:
            load_text(text, flags=flags, **variables)
        assert str(caught.value) == "\n".join(map(str, caught.value.faults))
        return [str(fault) for fault in caught.value.faults]

    return lines
