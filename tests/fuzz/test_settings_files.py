"""Whatever stands in a settings file: settings that work, or faults, and nothing else."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.settings.test_bad_settings import CASES, GOOD
from tests.unit.settings.test_large_files import merged

from damage import damaged, lines_moved
from electric_agents_exporter.app import Exporter
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.settings.faults import SettingsFault
from electric_agents_exporter.settings.loading import load
from electric_agents_exporter.settings.model import Settings
from electric_agents_exporter.settings.reference import EXAMPLE
from fuzzing import for_seconds

# The example trusts a file that is not here, and so would never be good.
WHOLE = EXAMPLE.replace("    tls: {ca_file: /etc/ssl/acme.pem, insecure_skip_verify: false}\n", "")
FILES = [
    WHOLE.encode(),
    GOOD.encode(),
    f"x-a: &a {{interval: 20s}}\n{GOOD}    <<: *a\n".encode(),
    merged(levels=4, width=3).encode(),
    *(case.file.encode() for case in CASES if case.file),
]
PARTS = [
    *(b"\n", b"\r", b"\t", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\xe2\x80\xa8", b"\\"),
    *(
        b": ",
        b"- ",
        b"? ",
        b", ",
        b"#",
        b"'",
        b'"',
        b"|",
        b">-",
        b"%YAML 9.9\n",
        b"\n---\n",
        b"...",
    ),
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b"[[[[[[",
        b"{{{{{{",
        b"{a: ",
        b"&a ",
        b"*a",
        b"<<: ",
        b"<<: *a",
        b"!",
    ),
    *(b"!!python/object/apply:os.abort []", b"!!binary YQ==", b"!!set", b"!!float x", b"!!int ''"),
    *(
        b"0x1F",
        b"1e999",
        b".nan",
        b"-.inf",
        b"1_000",
        b"-1",
        b"0",
        b"9" * 400,
        b"9" * 5000,
        b"1.5",
        b"~",
        b"yes",
    ),
    *(b"2026-11-26", b"2026-99-99", b"12:30:45", b"99999999999d", b"1e9s", b"0s", b"15s", b"1y1y"),
    *(
        b"http://[::1",
        b"http://a:99999",
        b"http://a b",
        b"https://u:p@h/?q#f",
        b"postgresql://",
        b"//",
    ),
    *(b"postgres://a@b:c/d?e=f", b"postgresql://h/d?sslmode=x", b"postgresql://[::1],b:1/%00"),
    *(b"(?=a)", b"((((", b"[[:x:]]", b"a{1000}{1000}", b"\\Q", b"(?P<a>.)(?P<a>.)", b"\\u0000"),
    *(b"/dev/null", b"/dev/zero", b"/proc/self/mem", b".", b"~root", b"/" * 300, b"${X}", b"$X"),
    *(
        b"user:",
        b"user:\xc3\xa9",
        b"/principal/user%3A%FF",
        b"admin:x",
        b"\xed\xa0\x80",
        b"\xf0\x9f\x9a\x80",
    ),
    *(b"targets:", b"name:", b"url:", b"interval:", b"tls: {ca_file: ", b"header_files: {x: "),
]


async def _make(settings: Settings) -> None:
    """Make all that would run, but for the polls, and scrape it."""
    exporter = Exporter(settings)
    exporter.intervals()
    for fmt in Format:
        assert await exporter.scraper.scrape(fmt)
    await exporter.aclose()


def attempt(content: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(content)
        try:
            settings = load(Path(file.name), {}, {})
        except SettingsFault:
            return
    asyncio.run(_make(settings))


@for_seconds
@given(content=st.one_of(damaged(FILES, PARTS), lines_moved(FILES, PARTS)))
def test_a_damaged_file_is_settings_or_faults(content: bytes) -> None:
    attempt(content)


@for_seconds
@given(content=st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(PARTS)).map(b"".join)))
def test_any_bytes_are_settings_or_faults(content: bytes) -> None:
    attempt(content)
