"""How queries are written: for what the variables choose, and replicas counted once."""

from dataclasses import dataclass
from typing import Final

from alert_values import Duration, Values

_SERVERS: Final = 'cluster=~"$cluster", server=~"$server", tenant=~"$tenant"'
FLEET: Final = f'job=~"$job", {_SERVERS}'
ONE_SERVER: Final = "cluster=`${cluster:raw}`, server=`${server:raw}`, tenant=`${tenant:raw}`"
ONE_RUNNER: Final = "runner_id=`${runner:raw}`"
"""Between backticks PromQL takes everything as it stands, a backslash and a line break too.
Grafana's own quoting escapes some of what an id may hold, each of its versions something else."""
RUNNER: Final = f'job=~"$job", {ONE_SERVER}, {ONE_RUNNER}'
EXPORTER: Final = 'job=~"$job", cluster=~"$cluster", instance=~"$instance"'
TARGET: Final = f'job=~"$job", {_SERVERS}, instance=~"$instance"'

SERVER: Final = "cluster, server, tenant"
"""The labels of a server, or of a tenant of a database that several share."""
BY_SERVER: Final = f"by ({SERVER})"
BY_RUNNER: Final = f"by ({SERVER}, runner_id)"
ON_SERVER: Final = f"on ({SERVER})"
ON_RUNNER: Final = f"on ({SERVER}, runner_id)"


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

    def agreed(self, metric: str, *matchers: str) -> str:
        """Select counts of what is not known: what one replica knows is, so take the least."""
        return f"min without ({self.replicas}) ({self.select(metric, *matchers)})"

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

    def exporters(self, metric: str) -> str:
        """Select series of exporters, which are of no server."""
        return f'{metric}{{job=~"$job", cluster=~"$cluster"}}{self.modifier}'

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
