"""`electric-agents-exporter`, and `python -m electric_agents_exporter`.

What is imported takes half a second. A signal that comes meanwhile must not be lost, nor end us by
chance, so they are seen to before anything else.
"""

import os
import signal
import sys

_ENDED_BY_SIGTERM = 128 + signal.SIGTERM

# It waits until the service reads its settings again, or another command gives it back.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
# As the first process of a container we would never be ended by it unless we say so.
signal.signal(signal.SIGTERM, lambda *_: os._exit(_ENDED_BY_SIGTERM))

from electric_agents_exporter.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
