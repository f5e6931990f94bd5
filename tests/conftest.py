from dataclasses import dataclass
from typing import Final

import pytest
from hypothesis import Phase, settings
from typing_extensions import override
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

APART: Final = {f"tests/alerts/test_{name}.py" for name in ("left_open", "mutants", "promtool")}
"""Files with tests that take long, and share nothing: they need not wait for each other."""

# `make test` is thorough; what is run all the time is quick.
settings.register_profile("thorough", deadline=None, print_blob=True, max_examples=150)
settings.register_profile("quick", settings.get_profile("thorough"), max_examples=30)
# `make mutation` asks whether there is a counterexample, and not for the smallest.
settings.register_profile(
    "mutation", settings.get_profile("quick"), phases=(Phase.explicit, Phase.generate)
)
settings.load_profile("quick")


@dataclass
class FakeClock:
    """Both clocks of an exporter, moved by hand and each on its own."""

    wall: float = 1_795_346_133.0
    uptime: float = 1_000.0

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.uptime

    def awake(self) -> float:
        return self.uptime

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.uptime += seconds


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class FileScheduling(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """Keeps a file with one worker, but for those whose tests share nothing: each is by itself."""

    @override
    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return nodeid if file in APART else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileScheduling | None:
    """Schedule in this way where it is to be by file."""
    return FileScheduling(config, log) if config.getvalue("dist") == "loadfile" else None
