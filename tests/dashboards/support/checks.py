"""Checks of everything at once: a test for all queries, or panels, that tells every fault.

A check gives the faults of one of them, in words that say what to do.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from made_dashboards import NAMES, BoardQuery, load, panels, queries


def every_query(check: Callable[[BoardQuery], Iterator[str]]) -> Callable[[], None]:
    """Make a test of a check of one query: it looks at all of every dashboard."""

    def faults() -> Iterator[str]:
        for name in NAMES:
            for query in queries(name):
                try:
                    yield from (f"{query}: {fault}" for fault in check(query))
                except ValueError as error:
                    yield f"{query}: is no PromQL: {error}: {query.expr}"

    return _test(check, faults)


def every_panel(check: Callable[[dict[str, Any]], Iterator[str]]) -> Callable[[], None]:
    """Make a test of a check of one panel: it looks at all of every dashboard."""

    def faults() -> Iterator[str]:
        for name in NAMES:
            for panel in panels(load(name)):
                yield from (f"{name}: {panel['title']}: {fault}" for fault in check(panel))

    return _test(check, faults)


def _test(check: Callable[..., object], faults: Callable[[], Iterator[str]]) -> Callable[[], None]:
    def test() -> None:
        if found := list(faults()):
            pytest.fail("\n".join(found), pytrace=False)

    # Not functools.wraps: pytest would look for a fixture of the check's parameter.
    test.__name__, test.__doc__ = check.__name__, check.__doc__
    return test
