"""Which runners somebody asks for: filters, order and page, as they stand in a URL.

What is no filter is left out, never an error: a link may be of another version.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec.structs import replace

from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.status.states import State

PER_PAGE: Final = 50
MOST_PER_PAGE: Final = 1000
_LONGEST_TEXT: Final = 200
_MOST_PAGES: Final = 1_000_000

Word = TypeVar("Word", bound=StrEnum)


class Sort(StrEnum):
    """What runners are ordered by."""

    STATE = "state"
    RUNNER = "runner"
    TARGET = "target"
    KIND = "kind"
    HEARTBEAT = "heartbeat"
    WAITING = "waiting"
    CLAIMS = "claims"
    RECONNECTS = "reconnects"


class Query(msgspec.Struct, frozen=True):
    """Which runners are asked for.

    Attributes:
        condition: only those of which this holds.
        target: only those of the target of this name.
        kind: only those of this kind.
        text: only those in whose id or label this stands.
        sort: what they are ordered by, the most telling first.
        reverse: whether the other way round.
        page: which page of them, from 1.
        per_page: how many a page has.
    """

    condition: State | None = None
    target: str | None = None
    kind: RunnerKind | None = None
    text: str = ""
    sort: Sort = Sort.STATE
    reverse: bool = False
    page: int = 1
    per_page: int = PER_PAGE

    @property
    def filters(self) -> bool:
        """Whether it leaves any runner out."""
        return bool(self.condition or self.target is not None or self.kind or self.text)

    def with_page(self, page: int) -> "Query":
        """Ask for another page of the same."""
        return replace(self, page=page)

    def with_sort(self, sort: Sort) -> "Query":
        """Ask for another order, or for the same one the other way round."""
        return replace(self, sort=sort, reverse=sort is self.sort and not self.reverse, page=1)

    def with_filter(self, *, condition: State | None = None, target: str | None = None) -> "Query":
        """Ask for one condition or target, and for all else."""
        return Query(condition, target, sort=self.sort, reverse=self.reverse)

    def encode(self) -> str:
        """Write it as the query of a URL, without what it leaves as it is."""
        given = {
            "condition": self.condition,
            "target": self.target,
            "kind": self.kind,
            "q": self.text,
            "sort": None if self.sort is Sort.STATE else self.sort,
            "order": "reverse" if self.reverse else None,
            "page": None if self.page == 1 else self.page,
            "per_page": None if self.per_page == PER_PAGE else self.per_page,
        }
        return urlencode({name: value for name, value in given.items() if value not in {None, ""}})


def read_query(parameters: Mapping[str, str]) -> Query:
    """Read the query of a URL."""
    return Query(
        condition=_word(parameters.get("condition"), State),
        target=parameters.get("target") or None,
        kind=_word(parameters.get("kind"), RunnerKind),
        text=parameters.get("q", "")[:_LONGEST_TEXT].strip(),
        sort=_word(parameters.get("sort"), Sort) or Sort.STATE,
        reverse=parameters.get("order") == "reverse",
        page=_number(parameters.get("page"), 1, _MOST_PAGES),
        per_page=_number(parameters.get("per_page"), PER_PAGE, MOST_PER_PAGE),
    )


def _word(text: str | None, words: type[Word]) -> Word | None:
    return words(text) if text in set(words) else None


def _number(text: str | None, default: int, most: int) -> int:
    """Read a number from 1; what is none is the default."""
    short = text is not None and text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    return min(max(1, int(text or "")), most) if short else default
