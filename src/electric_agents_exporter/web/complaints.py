"""What clients do wrong, in the log: the same again only after a while, with how often it was."""

import logging
import math
from time import monotonic
from typing import Final

_TOLD_AGAIN: Final = 60.0


class Complaints:
    """Counts what is wrong, of few kinds, and tells each kind once a minute at most."""

    def __init__(self, log: logging.Logger, message: str) -> None:
        self._log = log
        self._message = message
        self._times: dict[str, int] = {}
        self._told: dict[str, float] = {}

    def note(self, why: str, address: str) -> None:
        """Count one more, from an address."""
        self._times[why] = self._times.get(why, 0) + 1
        now = monotonic()
        if now - self._told.get(why, -math.inf) < _TOLD_AGAIN:
            return
        self._told[why] = now
        times, self._times[why] = self._times[why], 0
        self._log.warning(self._message, extra={"why": why, "times": times, "address": address})
