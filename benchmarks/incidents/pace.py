"""Whether the machine keeps pace with an incident that is played fast.

A poll, a scrape, an evaluation are many small steps that follow one another within an interval. So
every part of the stack is asked for something small once an interval, and must answer in a tenth
of it on average.
"""

import http.client
import time
import urllib.request
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Final
from urllib.error import HTTPError

LONGEST_SHARE: Final = 0.1
"""How much of an interval an answer may take, on the average of as many as are remembered."""
REMEMBERED: Final = 16


class PaceLostError(Exception):
    """The machine was too busy, so that what was delivered says nothing about the rules."""


def seconds_to_answer(url: str) -> float:
    """Ask, and give the time until there is an answer, whatever it says; who is down is quick."""
    began = time.monotonic()
    try:
        urllib.request.urlopen(url, timeout=60).close()  # noqa: S310  (loopback)
    except HTTPError as refusal:
        refusal.close()
    except (OSError, http.client.HTTPException):
        pass
    return time.monotonic() - began


class Pace:
    """Remembers how long the answers took. `interval` is in real seconds."""

    def __init__(self, interval: float, answer: Callable[[str], float] = seconds_to_answer) -> None:
        self._interval = interval
        self._answer = answer
        self._shares: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED))

    def check(self, urls: Iterable[str]) -> None:
        """Ask all of them; to be called once an interval.

        Raises:
            PaceLostError: one of them takes long to answer.
        """
        for url in urls:
            shares = self._shares[url]
            shares.append(self._answer(url) / self._interval)
            if sum(shares) > LONGEST_SHARE * REMEMBERED:
                slow = ", ".join(f"{share:.0%}" for share in shares)
                raise PaceLostError(f"answers of {url} took {slow} of an interval")
