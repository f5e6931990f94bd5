"""What the active claims of a runner amount to."""

from itertools import permutations

from electric_agents_exporter.contract.claims import ClaimTally


def test_of_two_claims_of_one_moment_the_one_whose_epoch_is_known_is_the_newer() -> None:
    for claims in permutations([(None, 11.0), (1.0, 20.0)]):
        tally = ClaimTally()
        for epoch, heartbeat_at in claims:
            tally.add("agents/one/main", 10.0, epoch, heartbeat_at)
        amount = tally.total(2, 1)
        assert amount.oldest_heartbeat_at == 20.0
        assert amount.superseded == 1
