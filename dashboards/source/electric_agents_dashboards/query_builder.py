"""How queries are written: for what the variables choose, and replicas counted once."""

from dataclasses import dataclass
from typing import Final

from alert_values import Duration, Values

FLEET: Final = 'job=~"$job", server=~"$server", tenant=~"$tenant"'
RUNNER: Final = f"{FLEET}, runner_id=${{runner:doublequote}}"
"""`doublequote`, as a runner's id is free text: its quotes are escaped, and it is no pattern."""
EXPORTER: Final = 'job=~"$job", instance=~"$instance"'
TARGET: Final = f'{EXPORTER}, server=~"$server", tenant=~"$tenant"'

BY_SERVER: Final = "by (server, tenant)"
"""Once for each server, or for each tenant where a database has several."""
BY_RUNNER: Final = "by (server, tenant, runner_id)"
ON_RUNNER: Final = "on (job, server, tenant, runner_id)"


@dataclass(frozen=True)
class QueryBuilder:
    """Writes selectors and what is commonly made of them.

    Attributes:
        values: the alerts' numbers.
        scope: the matchers that every selector has.
        modifier: follows every selector, as ` @ end()`.
    """

    values: Values
    scope: str
    modifier: str = ""

    @property
    def replicas(self) -> str:
        """The labels that tell replicas of one exporter apart."""
        return ", ".join(self.values.replica_labels)

    def select(self, metric: str, *matchers: str) -> str:
        """Select series."""
        return f"{metric}{{{', '.join((self.scope, *matchers))}}}{self.modifier}"

    def deduplicate(self, metric: str, *matchers: str) -> str:
        """Select series; of those that differ in the replica alone, take the greatest.

        Shards of an exporter stay apart, so that a sum over them is of the whole fleet.
        """
        return f"max without ({self.replicas}) ({self.select(metric, *matchers)})"

    def rate(self, metric: str, *matchers: str, before: str = "") -> str:
        """Give a counter's rate a second by the replica that saw most, now or so long before."""
        selector = self.select(metric, *matchers)
        offset = f" offset {before}" if before else ""
        return f"max without ({self.replicas}) (rate({selector}[$__rate_interval]{offset}))"

    def increase(self, metric: str, window: Duration, *matchers: str) -> str:
        """Give a counter's increase within an alert's window."""
        return (
            f"max without ({self.replicas}) (increase({self.select(metric, *matchers)}[{window}]))"
        )

    @property
    def lasting(self) -> str:
        """The matcher of kinds that are meant to stay."""
        return f'kind=~"{"|".join(self.values.lasting_kinds)}"'

    @property
    def transient(self) -> str:
        """The matcher of kinds that come and go."""
        return f'kind!~"{"|".join(self.values.lasting_kinds)}"'

    @property
    def lasting_words(self) -> str:
        """The same for readers."""
        return " and ".join(self.values.lasting_kinds)

    def window(self, alert: str, key: str = "window") -> Duration:
        """Give a window that an alert looks back over."""
        return Duration(self.values.number(alert, key))
