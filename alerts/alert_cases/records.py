"""Cases of the recording rules, for what the alerts' cases do not show."""

from typing import Final

STATES: Final = {
    "gone with work": 8,
    "gone": 7,
    "unhealthy": 6,
    "degraded": 5,
    "no report": 4,
    "unknown": 3,
    "away": 2,
    "disabled": 1,
    "healthy": 0,
}
"""What a runner's state is recorded as."""
