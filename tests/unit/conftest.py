import gc

# It passes seldom, and not over what stays to the end: else it takes a fifth of the time.
gc.set_threshold(50_000)


def pytest_collection_finish() -> None:
    """Keep all that was collected."""
    gc.collect()
    gc.freeze()
