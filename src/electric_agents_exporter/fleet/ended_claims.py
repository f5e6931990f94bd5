"""What a database tells beyond reports: claims that ended, and whose runners there are."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from electric_agents_exporter.contract.principals import KINDS, kind_of_owner
from electric_agents_exporter.contract.vocabulary import ClaimStatus, RunnerKind
from electric_agents_exporter.fleet.claim_tracker import EndedClaim
from electric_agents_exporter.fleet.histogram import Observations
from electric_agents_exporter.fleet.snapshot import EndedClaimCounts, RunnerView

_BOUNDS: Final = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)
_UNKNOWN_OWNER: Final = "unknown"


class History:
    """Counters of one target's claims since this exporter watches; they never fall."""

    def __init__(self) -> None:
        self._ended: dict[ClaimStatus, int] = dict.fromkeys(ClaimStatus, 0)
        del self._ended[ClaimStatus.ACTIVE]
        self._durations = {kind: Observations(_BOUNDS) for kind in RunnerKind}
        self._owners: dict[str, int] = {}

    def count(self, claim: EndedClaim, kind: RunnerKind) -> None:
        """Count a claim that ended, of a runner of this kind."""
        self._ended[claim.status] += 1
        if claim.seconds is not None:
            self._durations[kind].observe(claim.seconds)

    def see(self, runners: Iterable[RunnerView]) -> None:
        """Count the owners of the runners that there are now."""
        kinds = Counter(kind_of_owner(view.runner.owner_principal or "") for view in runners)
        self._owners = {kind: kinds[kind] for kind in KINDS}
        self._owners[_UNKNOWN_OWNER] = kinds.total() - sum(self._owners.values())

    def snapshot(self) -> EndedClaimCounts:
        """Give the counts."""
        return EndedClaimCounts(
            ended=dict(self._ended),
            durations={kind: seen.snapshot() for kind, seen in self._durations.items()},
            owners=self._owners,
        )
