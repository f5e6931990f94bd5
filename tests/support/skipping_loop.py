"""An event loop on which waiting takes no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from typing_extensions import override

Result = TypeVar("Result")


class _Skipper(selectors.SelectSelector):
    """Skips the time that nothing happens in, where it would wait."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped = 0.0

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout else timeout)
        if not ready and timeout:
            self.skipped += timeout
        return ready


class SkippingLoop(asyncio.SelectorEventLoop):
    """Its clock stands, and jumps to whatever is due next once there is nothing else to do."""

    def __init__(self) -> None:
        self._skipper = _Skipper()
        super().__init__(self._skipper)

    @override
    def time(self) -> float:
        return self._skipper.skipped


class LoopClock:
    """The loop's time as both clocks of an exporter."""

    def __init__(self, wall: float) -> None:
        self._wall = wall

    def time(self) -> float:
        """Seconds since the epoch."""
        return self._wall + self.monotonic()

    def monotonic(self) -> float:
        """Seconds since the loop began."""
        return asyncio.get_running_loop().time()

    def awake(self) -> float:
        """Seconds since the loop began."""
        return asyncio.get_running_loop().time()


def run_skipping(work: Coroutine[Any, Any, Result]) -> Result:
    """Run something to its end on a loop of its own, however long it waits."""
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(work)
