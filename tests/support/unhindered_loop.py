"""An event loop that does not notice how busy the machine is."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from typing_extensions import override

from waiting import unhindered

Result = TypeVar("Result")


class UnhinderedLoop(asyncio.SelectorEventLoop):
    """Its clock, and all that waits on it, stands while its thread wants to run and others do."""

    @override
    def time(self) -> float:
        return unhindered(threading.get_native_id())


def run_unhindered(work: Coroutine[Any, Any, Result]) -> Result:
    """Run something to its end on a loop of its own."""
    with asyncio.Runner(loop_factory=UnhinderedLoop) as runner:
        result = runner.run(work)
        runner.run(_what_was_closed())
        return result


async def _what_was_closed() -> None:
    """Let go of what was closed last: a transport takes a few turns of the loop for that."""
    for _ in range(10):
        await asyncio.sleep(0)
