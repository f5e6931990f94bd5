"""Colours, thresholds and words: how a value looks, the same on every dashboard.

Colours differ in lightness as well as in hue, and a state is always a word too, so that nothing
hangs on telling red from green.
"""

from dataclasses import dataclass
from typing import Final, Self

from grafana_foundation_sdk.models import dashboard

GOOD: Final = "#2F9E77"
WARNING: Final = "#F2A900"
BAD: Final = "#C4162A"
DISABLED: Final = "#7D8FA9"
AWAY: Final = "#A9C4EB"
UNKNOWN: Final = "#A352CC"
NEUTRAL: Final = "#5794F2"
TEXT: Final = "text"
"""Grafana's name for the colour of plain text, whatever the theme."""

PER_MINUTE: Final = "suffix:/min"
"""Units in Grafana's words: it has `c/m` for this, and none for the others."""
PER_SECOND: Final = "suffix:/s"
SECONDS: Final = "suffix: s"
"""Not minutes, where what is looked at is whether there are few."""
INTERVALS: Final = "suffix:intervals"
TIMES: Final = "suffix:x"


@dataclass(frozen=True)
class Thresholds:
    """Colours of a value: the first of everything, each further one from its value on."""

    base: str
    steps: tuple[tuple[float, str], ...] = ()

    def quiet(self) -> Self:
        """Give the same with nothing coloured that is good: in a table the bad must stand out."""
        steps = tuple((value, TEXT if color == GOOD else color) for value, color in self.steps)
        return type(self)(TEXT if self.base == GOOD else self.base, steps)

    def model(self) -> dashboard.ThresholdsConfig:
        """Give them in Grafana's form."""
        steps = [dashboard.Threshold(value=None, color=self.base)]
        steps += [dashboard.Threshold(value=value, color=color) for value, color in self.steps]
        return dashboard.ThresholdsConfig(mode=dashboard.ThresholdsMode.ABSOLUTE, steps=steps)


PLAIN: Final = Thresholds(TEXT)
"""A number that is neither good nor bad."""


def above(*steps: tuple[float, str]) -> Thresholds:
    """Colour a value of which more is worse: each colour from its value on, good before."""
    return Thresholds(GOOD, steps)


def calm_until(*steps: tuple[float, str]) -> Thresholds:
    """Colour a value of which more is worse, and which says nothing good where it is low."""
    return Thresholds(NEUTRAL, steps)


def below(value: float, color: str = BAD) -> Thresholds:
    """Colour a value of which less is worse: good from `value` on."""
    return Thresholds(color, ((value, GOOD),))


@dataclass(frozen=True)
class MappedValue:
    """The text that stands for a number of a query, and its colour."""

    code: int
    text: str
    color: str


def value_mappings(*values: MappedValue) -> list[dashboard.ValueMapping]:
    """Make a mapping of numbers to words."""
    options = {
        str(value.code): dashboard.ValueMappingResult(
            text=value.text, color=value.color, index=place
        )
        for place, value in enumerate(values)
    }
    return [dashboard.ValueMap(options=options)]


def null_mapping(text: str, color: str) -> dashboard.SpecialValueMap:
    """Give what has no value its words in a colour of its own, and not in that of 0."""
    return dashboard.SpecialValueMap(
        options=dashboard.DashboardSpecialValueMapOptions(
            match=dashboard.SpecialValueMatch.NULL,
            result=dashboard.ValueMappingResult(text=text, color=color, index=99),
        )
    )
