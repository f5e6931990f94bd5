"""Numbers and words as Go and Prometheus write them; what is expected was written by promtool."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from electric_agents_exporter.alerting import go_text

INF = math.inf
WRITTEN = {
    # number: {{ . }}, printf "%.0f", humanizeDuration, humanizePercentage
    0.0: ("0", "0", "0s", "0%"),
    1.0: ("1", "1", "1s", "100%"),
    -1.0: ("-1", "-1", "-1s", "-100%"),
    0.5: ("0.5", "0", "500ms", "50%"),
    2.5: ("2.5", "2", "2.5s", "250%"),
    3.5: ("3.5", "4", "3.5s", "350%"),
    123_456.0: ("123456", "123456", "1d 10h 17m 36s", "1.235e+07%"),
    999_999.0: ("999999", "999999", "11d 13h 46m 39s", "1e+08%"),
    1e6: ("1e+06", "1000000", "11d 13h 46m 40s", "1e+08%"),
    1_234_567.0: ("1.234567e+06", "1234567", "14d 6h 56m 7s", "1.235e+08%"),
    123_456_789.125: ("1.23456789125e+08", "123456789", "1428d 21h 33m 9s", "1.235e+10%"),
    0.0001: ("0.0001", "0", "100us", "0.01%"),
    0.00001: ("1e-05", "0", "10us", "0.001%"),
    0.001234: ("0.001234", "0", "1.234ms", "0.1234%"),
    59.99: ("59.99", "60", "59.99s", "5999%"),
    59.9999: ("59.9999", "60", "60s", "6000%"),
    60.0: ("60", "60", "1m 0s", "6000%"),
    -75.5: ("-75.5", "-76", "-1m 15s", "-7550%"),
    86_399.9: ("86399.9", "86400", "23h 59m 59s", "8.64e+06%"),
    0.33333333: ("0.33333333", "0", "333.3ms", "33.33%"),
    0.99999: ("0.99999", "1", "1000ms", "100%"),
    1e-300: ("1e-300", "0", "1e-276ys", "1e-298%"),
    INF: ("+Inf", "+Inf", "+Inf", "+Inf%"),
    -INF: ("-Inf", "-Inf", "-Inf", "-Inf%"),
}


@pytest.mark.parametrize("number, expected", WRITTEN.items())
def test_a_number_is_written_as_prometheus_writes_it(
    number: float, expected: tuple[str, str, str, str]
) -> None:
    assert expected == (
        go_text.plain(number),
        go_text.fixed(number, 0),
        go_text.humanize_duration(number),
        go_text.humanize_percentage(number),
    )


def test_what_is_no_number_is_written_so() -> None:
    assert go_text.plain(math.nan) == "NaN"
    assert go_text.fixed(math.nan, 0) == "NaN"
    assert go_text.humanize_duration(math.nan) == "NaN"
    assert go_text.humanize_percentage(math.nan) == "NaN%"


def test_nothing_below_zero_keeps_its_sign() -> None:
    assert go_text.plain(-0.0) == "-0"
    assert go_text.humanize_duration(-0.0) == "-0s"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_written_with_all_that_it_is(number: float) -> None:
    assert float(go_text.plain(number)) == number


@given(st.floats())
def test_every_number_can_be_written(number: float) -> None:
    for written in (
        go_text.plain(number),
        go_text.fixed(number, 3),
        go_text.humanize_duration(number),
        go_text.humanize_percentage(number),
    ):
        assert written.strip()


@pytest.mark.parametrize(
    "text, query",
    [
        ("a b", "a+b"),
        ("ü&/", "%C3%BC%26%2F"),
        ("~*'\"", "~%2A%27%22"),
        ("a-b_c.d", "a-b_c.d"),
        ("", ""),
    ],
)
def test_text_is_quoted_for_a_query_as_go_quotes_it(text: str, query: str) -> None:
    assert go_text.urlquery(text) == query


@given(st.text(st.characters()))
def test_every_text_can_be_quoted(text: str) -> None:
    assert set(go_text.urlquery(text)) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~%+"
    )
