"""Which runners are asked for, as it stands in a URL."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.status.query import Query, Sort, read_query
from electric_agents_exporter.status.states import State

WHOLE = {
    "condition": "deaf",
    "target": "eu & us",
    "kind": "ci",
    "q": "a b",
    "sort": "waiting",
    "order": "reverse",
    "page": "3",
    "per_page": "10",
}


def test_everything_can_be_asked_for_and_is_written_as_it_was_read() -> None:
    query = read_query(WHOLE)
    assert query == Query(
        State.DEAF, "eu & us", RunnerKind.CI, "a b", Sort.WAITING, reverse=True, page=3, per_page=10
    )
    assert dict(parse_qsl(query.encode())) == WHOLE


def test_what_is_not_asked_for_is_not_written() -> None:
    assert read_query({}) == Query()
    assert Query().encode() == ""


@pytest.mark.parametrize(
    "name, value",
    [
        ("condition", "no such"),
        ("kind", "printer"),
        ("sort", "drop table"),
        ("order", "sideways"),
        *(("page", bad) for bad in ("", "x", "-1", "1.5", "\u0663", "9" * 5000, "1e3")),
        ("per_page", "many"),
        ("target", ""),
        ("q", "   "),
        ("unheard of", "1"),
    ],
)
def test_what_is_no_filter_is_left_out(name: str, value: str) -> None:
    assert read_query({name: value}) == Query()


def test_a_page_holds_no_more_than_people_can_load() -> None:
    assert read_query({"per_page": "9999"}).per_page == 1000
    assert read_query({"page": "0"}).page == 1


def test_the_same_order_once_more_is_the_other_way_round() -> None:
    query = Query(page=4).with_sort(Sort.CLAIMS)
    assert (query.sort, query.reverse, query.page) == (Sort.CLAIMS, False, 1)
    assert query.with_sort(Sort.CLAIMS).reverse
    assert not query.with_sort(Sort.CLAIMS).with_sort(Sort.CLAIMS).reverse


@given(st.dictionaries(st.sampled_from(sorted(WHOLE)), st.text()))
def test_no_url_is_an_error_and_each_is_read_as_it_is_written(given: dict[str, str]) -> None:
    query = read_query(given)
    try:
        written = query.encode()
    except UnicodeEncodeError:
        return
    assert read_query(dict(parse_qsl(written))) == query
