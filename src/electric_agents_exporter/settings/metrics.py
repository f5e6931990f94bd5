"""Which families are shown."""

import re
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from electric_agents_exporter.fleet.selection import Pattern
from electric_agents_exporter.metrics.choice import Choice
from electric_agents_exporter.metrics.reference import all_names
from electric_agents_exporter.settings.faults import UNKNOWN_FAMILY
from electric_agents_exporter.settings.section import Section
from electric_agents_exporter.settings.values import PatternText, Split

_NAME: Final = re.compile(r"\w+")

GroupName = Literal["core", "client", "claims", "derived", "wakes", "claims_history"]
FamilyPatterns = Annotated[list[PatternText], Split]


class MetricsSettings(Section):
    """Which families are shown."""

    groups: Annotated[list[GroupName], Split] = Field(
        ["core", "client", "claims", "derived", "wakes", "claims_history"],
        description="Groups of families to show: five of a runner's own, and what only a "
        "database tells.",
    )
    per_runner: bool = Field(
        default=True, description="Show series per runner; without them some 190 a target are left."
    )
    owner_label: bool = Field(
        default=False,
        description="Add `owner_principal`, which can be an e-mail address, to `runner_info`.",
    )
    created_series: bool = Field(
        default=True,
        description="Tell in OpenMetrics when counters began (`_created`). "
        "`PROMETHEUS_DISABLE_CREATED_SERIES=true` switches it off too.",
    )
    allow: FamilyPatterns | None = Field(
        None,
        min_length=1,
        description="The only families to show, by name or pattern, of those that the settings "
        "above leave.",
    )
    deny: FamilyPatterns = Field(
        default_factory=list, description="Families not to show, by name or pattern."
    )

    @field_validator("allow", "deny")
    @classmethod
    def _known(cls, patterns: list[Pattern] | None) -> list[Pattern] | None:
        """Find names of no family, and patterns that match none: they would do nothing, unseen."""
        known = all_names()
        faults = [
            InitErrorDetails(
                type=PydanticCustomError(UNKNOWN_FAMILY, "", {"known": known}),
                loc=(position,),
                input=pattern.text if _NAME.fullmatch(pattern.text) else "",
            )
            for position, pattern in enumerate(patterns or ())
            if not any(map(pattern.matches, known))
        ]
        if faults:
            raise ValidationError.from_exception_data("families", faults)
        return patterns

    def choice(self) -> Choice:
        """Give what `allow` and `deny` come to."""
        return Choice(None if self.allow is None else tuple(self.allow), tuple(self.deny))
