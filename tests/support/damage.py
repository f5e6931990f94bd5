"""Good bytes with some damage: parts that are gone, stand twice, or are something else."""

from collections.abc import Sequence
from typing import Final

from hypothesis import strategies as st

_LONGEST: Final = 16_384
"""Bytes. What far longer texts do has tests of its own."""


@st.composite
def damaged(draw: st.DrawFn, good: Sequence[bytes], parts: Sequence[bytes]) -> bytes:
    """Give one of the good texts after one to six changes; `parts` are what may be put in."""
    text = draw(st.sampled_from(good))
    put_in = st.one_of(st.sampled_from(parts), st.binary(max_size=8))
    for _ in range(draw(st.integers(1, 6))):
        begins = draw(st.integers(0, len(text)))
        ends = min(len(text), begins + draw(st.integers(0, 40)))
        cut = text[begins:ends]
        middle = draw(
            st.one_of(
                st.just(b""),
                put_in,
                st.integers(2, 50).map(cut.__mul__),
                put_in.map(cut.__add__),
                st.tuples(put_in, st.integers(2, 200)).map(lambda pair: pair[0] * pair[1]),
            )
        )
        text = (text[:begins] + middle + text[ends:])[:_LONGEST]
    return text


@st.composite
def lines_moved(draw: st.DrawFn, good: Sequence[bytes], parts: Sequence[bytes]) -> bytes:
    """Give one of the good texts with whole words or lines of it replaced, doubled or moved."""
    between = draw(st.sampled_from([b"\n", b" "]))
    words = draw(st.sampled_from(good)).split(between)
    for _ in range(draw(st.integers(1, 4))):
        at, other = (draw(st.integers(0, len(words) - 1)) for _ in range(2))
        words[at] = draw(
            st.one_of(
                st.sampled_from(parts),
                st.just(words[other]),
                st.just(words[at] + between + words[other]),
                st.sampled_from(parts).map(words[at].__add__),
            )
        )
    return between.join(words)[:_LONGEST]
