"""The garbage collector's pace: at its own it takes a seventh of these tests' processor time."""

import gc

gc.set_threshold(50_000)


def pytest_collection_finish() -> None:
    """Leave what pytest collected out of the garbage collector's passes: it stays to the end."""
    gc.collect()
    gc.freeze()
