"""The plug-in contract of a source."""

from typing import Final, Protocol

from electric_agents_exporter.fleet.poll import Poll

EVERYONE: Final = "all"
"""Whose runners a source lists that asks as nobody, in place of a principal."""


class Source(Protocol):
    """Something that can be asked for the state of one target's runners.

    An expected failure is no exception: it is told to the poll with its reason.
    """

    async def poll(self, poll: Poll, *, paced: bool) -> bool:
        """Ask once and tell `poll` everything as it arrives.

        Args:
            poll: takes in what is learned.
            paced: spread the requests over part of the interval, to be kind to the server; False
                asks as fast as the concurrency allows.

        Returns:
            Whether every runner that was due has been asked after.
        """
        ...

    def take_over(self, before: "Source") -> None:
        """Go on from what the source has learned that this one replaces."""
        ...

    def credential_changed_at(self) -> float | None:
        """When the newest credential file changed, seconds since the epoch; None without one."""
        ...

    def certificate_ends_at(self) -> float | None:
        """Until when the certificate is valid that the server showed last, since the epoch.

        None where there is none, as over plain HTTP, or where it is not verified.
        """
        ...

    async def aclose(self) -> None:
        """Close what is open."""
        ...
