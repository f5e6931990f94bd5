from dataclasses import dataclass

import pytest
from hypothesis import Phase, settings

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
