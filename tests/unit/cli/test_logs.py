"""Log lines: one a line, whatever was logged, and readable by the usual parsers."""

import contextlib
import io
import json
import logging
import os
import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from electric_agents_exporter import logs
from waiting import until

OURS = "electric_agents_exporter.scheduler"
FIELD = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "=]*)(?: |$)')


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    names = (None, "electric_agents_exporter", "apscheduler")
    levels = [(logging.getLogger(name), logging.getLogger(name).level) for name in names]
    handlers = list(logging.getLogger().handlers)
    yield
    logging.getLogger().handlers[:] = handlers
    for logger, level in levels:
        logger.setLevel(level)


def record(message: str, **fields: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": OURS, "levelname": "INFO", "msg": message})
    vars(made).update(fields)
    return made


def read_logfmt(line: str) -> dict[str, str]:
    """Read a line, which must consist of fields and of nothing else."""
    fields = FIELD.findall(line)
    assert "".join(match.group() for match in FIELD.finditer(line)) == line
    return {name: json.loads(value) if value[:1] == '"' else value for name, value in fields}


@given(message=st.text(), value=st.text())
def test_one_line_says_it_all_whatever_it_is(message: str, value: str) -> None:
    for line, read in (
        (logs.LogfmtFormatter().format(record(message, target=value)), read_logfmt),
        (logs.JsonFormatter().format(record(message, target=value)), json.loads),
    ):
        assert len(line.splitlines()) == 1
        assert line.isprintable()
        fields = read(line)
        assert (fields["msg"], fields["target"]) == (message, value)


def test_a_line_as_people_read_it() -> None:
    made = record("target cannot be polled in full", target="a", reason="", seconds=0.5)
    made.created = 1_795_346_133.5
    assert logs.LogfmtFormatter().format(made) == (
        "ts=2026-11-22T11:15:33.500Z level=info logger=exporter.scheduler "
        'msg="target cannot be polled in full" target=a reason="" seconds=0.5'
    )


def test_an_exception_stays_on_its_line() -> None:
    try:
        int("a\nb")
    except ValueError:
        made = record("failed")
        made.exc_info = sys.exc_info()
    line = logs.LogfmtFormatter().format(made)
    assert len(line.splitlines()) == 1
    assert read_logfmt(line)["exception"].splitlines()[0].startswith("Traceback")


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_libraries_say_nothing_below_a_warning(level: str) -> None:
    stream = io.StringIO()
    logs.configure(level, "json", stream)
    for name in (OURS, "httpx", "aiohttp.client", "anything"):
        for severity in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            logging.getLogger(name).log(severity, "said")
    said = [json.loads(line) for line in stream.getvalue().splitlines()]
    order = ["debug", "info", "warning", "error"]
    expected = order[order.index(level) :]
    assert [line["level"] for line in said if line["logger"] == "exporter.scheduler"] == expected
    for name in ("httpx", "aiohttp.client", "anything"):
        heard = [line["level"] for line in said if line["logger"] == name]
        assert heard == [word for word in expected if word in {"warning", "error"}]


def test_configuring_anew_replaces_what_was(capsys: pytest.CaptureFixture[str]) -> None:
    first = io.StringIO()
    logs.configure("info", "json", first)
    logs.configure("info", "logfmt")
    logging.getLogger(OURS).info("said")
    assert first.getvalue() == ""
    assert read_logfmt(capsys.readouterr().err.rstrip("\n"))["msg"] == "said"


def test_a_reader_that_does_not_read_stops_nothing_and_is_told_what_it_missed() -> None:
    reads, writes = os.pipe()
    with os.fdopen(writes, "w") as stream, os.fdopen(reads) as reader:
        logs.configure("info", "json", stream, beside=True)
        for number in range(20_000):
            logging.getLogger(OURS).info("said", extra={"number": number})
        with ThreadPoolExecutor(1) as pool:
            heard = pool.submit(_hear, reader, 20_000)
            while not wait([heard], timeout=0.01).done:
                logging.getLogger(OURS).info("more")  # what was missed is told beside a line
        written, lost = heard.result()
    assert lost > 10_000  # more than a pipe and the lines that may wait hold
    assert written > 100


def _hear(reader: TextIO, lines: int) -> tuple[int, int]:
    """How many lines were written and how many lost, once that is as many as were said."""
    written = lost = 0
    for line in map(json.loads, reader):
        if line["msg"] == "log lines lost":
            lost += int(line["lines"])
        else:
            written += 1
        if written + lost >= lines:
            break
    return written, lost


def test_what_is_logged_beside_is_written_in_its_order_before_the_end() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream, beside=True)
    for number in range(100):
        logging.getLogger(OURS).info("said", extra={"number": number})
    while len(stream.getvalue().splitlines()) < 100:
        logging.getLogger().handlers[0].flush()
    numbers = [json.loads(line)["number"] for line in stream.getvalue().splitlines()]
    assert numbers == [str(number) for number in range(100)]


def test_whoever_sets_the_log_again_leaves_no_thread_behind() -> None:
    before, stream = _writers(), io.StringIO()
    for number in range(10):
        logs.configure("info", "json", stream, beside=True)
        logging.getLogger(OURS).info("said", extra={"number": number})
    logs.configure("info", "json", stream)
    until(lambda: _writers() <= before, "the threads have ended")
    numbers = [json.loads(line)["number"] for line in stream.getvalue().splitlines()]
    assert sorted(numbers) == [str(number) for number in range(10)]


def test_a_thread_whose_reader_did_not_read_ends_once_all_is_written() -> None:
    before = _writers()
    reads, writes = os.pipe()
    with os.fdopen(writes, "w") as stream, os.fdopen(reads) as reader:
        logs.configure("info", "json", stream, beside=True)
        for number in range(20_000):
            logging.getLogger(OURS).info("said", extra={"number": number})
        logs.configure("info", "json", io.StringIO())
        with ThreadPoolExecutor(1) as pool:
            heard = pool.submit(reader.read)
            until(lambda: _writers() <= before, "the thread has ended")
            stream.close()
        assert "log lines lost" in heard.result()


def _writers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "log"}


def test_a_stream_that_takes_nothing_is_no_error(capfd: pytest.CaptureFixture[str]) -> None:
    full = Path("/dev/full").open("w")  # noqa: SIM115  (to close it would raise what is tested)
    logs.configure("info", "json", full, beside=True)
    logging.getLogger(OURS).info("said")
    logging.getLogger().handlers[0].flush()
    with contextlib.suppress(OSError):
        full.close()
    logging.getLogger(OURS).info("said")
    logging.getLogger().handlers[0].flush()
    assert capfd.readouterr() == ("", "")
