"""How log lines are written: one event a line, fields and not prose, to stderr."""

import contextlib
import json
import logging
import queue
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TextIO

from typing_extensions import override

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_OURS: Final = "electric_agents_exporter"
_MOST_WAITING: Final = 1000  # lines
_MOMENT: Final = 0.5  # seconds
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


def line(level: str, message: str, fields: Mapping[str, str], at: float | None = None) -> str:
    """Write a line of the log that is shown elsewhere; `at` is when, now by default."""
    record = logging.makeLogRecord({"name": _OURS, "levelname": level.upper(), "msg": message})
    if at is not None:
        record.created = at
    vars(record).update(fields)
    return LogfmtFormatter().format(record)


def _quote(value: str) -> str:
    plain = value and value.isprintable() and not any(char in value for char in ' "=')
    return value if plain else json.dumps(value)


class _Beside(logging.Handler):
    """Writes in a thread of its own: a reader that does not read, or a full disk, stops nothing.

    What finds no room meanwhile is lost, and how much was is told when there is room again.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(_MOST_WAITING)
        self._lost = 0
        self._closed = False
        self._counting = threading.Lock()
        threading.Thread(target=self._write, name="log", daemon=True).start()

    @override
    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            with self._counting:
                self._lost += 1

    @override
    def flush(self) -> None:
        """Wait until all is written, for a moment."""
        with self._lines.all_tasks_done:
            self._lines.all_tasks_done.wait_for(lambda: not self._lines.unfinished_tasks, _MOMENT)

    @override
    def close(self) -> None:
        """Let the thread end once all is written, however long that takes."""
        super().close()
        self._closed = True
        # Where there is no room, it has lines to write and looks by itself.
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            with self._counting:
                lost, self._lost = self._lost, 0
            if lost:
                record = logging.makeLogRecord(
                    {"name": __name__, "levelname": "WARNING", "msg": "log lines lost"}
                )
                record.lines = lost
                line += f"\n{self.format(record)}"
            # There is nobody whom we could tell that it cannot be written.
            with contextlib.suppress(OSError, ValueError):
                self._stream.write(f"{line}\n")
                self._stream.flush()
            self._lines.task_done()
            if self._closed and self._lines.empty():
                return


def configure(
    level: str, style: str, stream: TextIO | None = None, *, beside: bool = False
) -> None:
    """Write all logs of this process to a stream, by default stderr.

    Libraries write from warnings on only: what they tell of a request may hold its headers. With
    `beside`, nobody waits until a line is written.
    """
    to = stream or sys.stderr
    handler = _Beside(to) if beside else logging.StreamHandler(to)
    handler.setFormatter(JsonFormatter() if style == "json" else LogfmtFormatter())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
        # Whoever closed its stream before has no more use for what it holds.
        with contextlib.suppress(OSError, ValueError):
            old.flush()
        if isinstance(old, _Beside):
            old.close()
    root.addHandler(handler)
    ours = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(max(ours, logging.WARNING))
    logging.getLogger(_OURS).setLevel(ours)
    logging.getLogger(_COUNTED).setLevel(logging.ERROR)
