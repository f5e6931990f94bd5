"""A story told fast, as a monitor in the real world would see it: on a clock that is right.

At 20 times real speed a server's clock runs away from everybody else's, and a minute of it lasts
three seconds. Who asks with the header `simulator-time: real` gets every moment as the real one at
which it came to be, and every span as short as it was: leases, heartbeats and claims of a fleet
that is 20 times as quick, without any skew.
"""

import re
from email.utils import formatdate, parsedate_to_datetime
from typing import Any, Final

import msgspec
from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

from electric_agents_simulator import values
from electric_agents_simulator.clock import Clock

HEADER: Final = "simulator-time"
"""The header to ask with; its only value is `real`."""

_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_REMAINING: Final = "lease_remaining_ms"


def at_real_pace(send: Send, clock: Clock) -> Send:
    """Wrap the sending of an answer, so that its moments and spans are real ones."""

    async def send_paced(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            date = parsedate_to_datetime(headers["date"]).timestamp()
            headers["date"] = formatdate(clock.real(date), usegmt=True)
        elif message.get("body"):
            message["body"] = _paced_body(message["body"], clock)
        await send(message)

    return send_paced


def _paced_body(body: bytes, clock: Clock) -> bytes:
    try:
        payload = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body  # cut short, or a proxy's page: whatever it is, it tells no time
    return msgspec.json.encode(_paced(payload, clock))


def _paced(value: Any, clock: Clock) -> Any:  # noqa: ANN401  (any JSON)
    match value:
        case dict():
            paced = {key: _paced(item, clock) for key, item in value.items()}
            if isinstance(paced.get(_REMAINING), int):
                paced[_REMAINING] = round(paced[_REMAINING] * clock.real_second)
            return paced
        case list():
            return [_paced(item, clock) for item in value]
        case str() if _MOMENT.fullmatch(value):
            moment = values.from_text(value).timestamp()
            return values.to_text(values.from_seconds(clock.real(moment)))
        case _:
            return value
