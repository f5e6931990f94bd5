"""How log lines are written: one event a line, fields and not prose, to stderr."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, TextIO

from typing_extensions import override

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_OURS: Final = "electric_agents_exporter"
_COUNTED: Final = "apscheduler"  # warns of every poll that was not over in time: a counter does


class _Formatter(logging.Formatter):
    """Gathers the fields of a record; whatever was passed as `extra` is one."""

    def fields(self, record: logging.LogRecord) -> dict[str, str]:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = {
            "ts": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name.removeprefix("electric_agents_"),
            "msg": record.getMessage(),
        }
        fields.update(
            {name: str(value) for name, value in vars(record).items() if name not in _STANDARD}
        )
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return fields


class LogfmtFormatter(_Formatter):
    """Writes `name=value`; a value with spaces, quotes or control characters is quoted."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{name}={_quote(value)}" for name, value in self.fields(record).items())


class JsonFormatter(_Formatter):
    """Writes one JSON object a line."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.fields(record))


def _quote(value: str) -> str:
    plain = value and value.isprintable() and not any(char in value for char in ' "=')
    return value if plain else json.dumps(value)


def configure(level: str, style: str, stream: TextIO | None = None) -> None:
    """Write all logs of this process to a stream, by default stderr.

    Libraries write from warnings on only: what they tell of a request may hold its headers.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else LogfmtFormatter())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    ours = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(max(ours, logging.WARNING))
    logging.getLogger(_OURS).setLevel(ours)
    logging.getLogger(_COUNTED).setLevel(logging.ERROR)
