"""Answers of a server that runs faster than real time, written in real time.

At 20 times real speed the server's clock runs ahead of everybody else's, and a minute of it lasts
three seconds. A caller that sends the header `simulator-time: real` gets every moment as the real
moment at which it happened, and every span as short as it really was. So it sees leases, heartbeats
and claims of runners that are 20 times as quick, and no difference between the clocks.
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


def in_real_time(send: Send, clock: Clock) -> Send:
    """Wrap the sending of an answer, so that its moments and spans are real."""

    async def send_in_real_time(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            date = parsedate_to_datetime(headers["date"]).timestamp()
            headers["date"] = formatdate(clock.real(date), usegmt=True)
        elif message.get("body"):
            message["body"] = _body_in_real_time(message["body"], clock)
        await send(message)

    return send_in_real_time


def _body_in_real_time(body: bytes, clock: Clock) -> bytes:
    try:
        payload = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body  # cut short, or a proxy's page: there is no time in it
    return msgspec.json.encode(_in_real_time(payload, clock))


def _in_real_time(value: Any, clock: Clock) -> Any:  # noqa: ANN401  (any JSON)
    match value:
        case dict():
            shown = {key: _in_real_time(item, clock) for key, item in value.items()}
            if shown.get("type") == "wake" and isinstance(shown.get("ts"), int):
                shown["ts"] = round(clock.real(shown["ts"] / 1000) * 1000)
            if isinstance(shown.get(_REMAINING), int):
                shown[_REMAINING] = round(shown[_REMAINING] * clock.real_second)
            return shown
        case list():
            return [_in_real_time(item, clock) for item in value]
        case str() if _MOMENT.fullmatch(value):
            moment = values.from_text(value).timestamp()
            return values.to_text(values.from_seconds(clock.real(moment)))
        case _:
            return value
