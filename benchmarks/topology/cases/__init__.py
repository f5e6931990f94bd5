"""All cases, by what must hold in the field."""

from collections.abc import Sequence

from topology.case import Case
from topology.cases import causes, faults, lives, places, polls, replicas, scrapes, slow


def catalogue() -> Sequence[Case]:
    """Give all cases."""
    return (
        *scrapes.CASES,
        *polls.CASES,
        *replicas.CASES,
        *places.CASES,
        *causes.CASES,
        *slow.CASES,
        *lives.CASES,
        *faults.CASES,
    )
